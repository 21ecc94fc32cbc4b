package metric

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

func FuzzHTTPAnswer(f *testing.F) {
	for _, answer := range []string{`{"a":[{"b":1.5},{"b":"2"}]}`, `null`, `[1,[2]]`, `1e999`, `{"a":{}}`, `"x"`, `[`, `1 2`, `{"a":{"b":{"*":1}}}`} {
		f.Add("a.*.b", answer)
		f.Add(`a\.b.0`, answer)
		f.Add("", answer)
	}
	f.Fuzz(func(t *testing.T, path, answer string) {
		steps, err := parsePath(path)
		if err != nil {
			return
		}
		h := &httpJSON{service: said("").service(), path: steps, label: "item"}
		if samples, err := h.samples([]byte(answer)); err != nil && samples != nil {
			t.Errorf("%q: got %v and %v", answer, samples, err)
		}
	})
}

// FuzzHTTPFill reads a filled address again: the values must be where they were put, and nowhere else.
func FuzzHTTPFill(f *testing.F) {
	for _, text := range []string{"a", "a/b", "?", "#", "%2e", "..", "./", "&x=y", "a b", "+", ";", "\n", "é"} {
		f.Add(text, "b")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if one == "" || two == "" || one == two {
			return
		}
		filled, err := form{join: ","}.fill("/x/$version/y?h=$targets&v=$version", core.Variables{Version: one, Targets: []core.Target{{Name: one}, {Name: two}}})
		if err != nil {
			return
		}
		path, parameters, err := parseBelow(filled)
		if slices.ContainsFunc(strings.Split(one, "/"), func(part string) bool { return part == "." || part == ".." }) {
			if err == nil { // some servers take %2F for a slash
				t.Errorf("%s leads elsewhere", filled)
			}
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", filled, err)
		}
		parts := strings.Split(path, "/")
		if len(parts) != 4 || parts[1] != "x" || parts[3] != "y" {
			t.Fatalf("%s has the path %s", filled, path)
		}
		if got, err := url.PathUnescape(parts[2]); err != nil || got != one {
			t.Errorf("%s: got %q and %v, want %q", filled, got, err, one)
		}
		if len(parameters) != 2 || parameters.Get("v") != one || parameters.Get("h") != min(one, two)+","+max(one, two) {
			t.Errorf("%s: got %v", filled, parameters)
		}
	})
}
