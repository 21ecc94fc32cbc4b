package metric

import (
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

func FuzzElasticsearchAnswer(f *testing.F) {
	for _, text := range []string{
		`{"_shards":{"total":1,"successful":1},"hits":{"total":{"value":3,"relation":"eq"}}}`, `{}`, `null`, `{"error":{"root_cause":[{"root_cause":[]}]}}`,
		`{"_shards":{"failed":1,"failures":[null]}}`, `{"_clusters":{"total":1}}`, `{"hits":null}`, `{"error":"x"}`,
	} {
		f.Add(text)
	}
	e := &elasticsearch{service: said("").service()}
	f.Fuzz(func(t *testing.T, text string) {
		if samples, err := e.count([]byte(text)); (err == nil) != (len(samples) == 1) {
			t.Errorf("%q: got %v and %v", text, samples, err)
		}
		elasticError([]byte(text))
	})
}

// FuzzElasticsearchFill reads the strings of a filled query again: they must be those that went in, with nothing but OR
// between them.
func FuzzElasticsearchFill(f *testing.F) {
	for _, text := range []string{"a", `"`, `\`, `a", `, `" OR "`, "/", "*", "\n", `\"`} {
		f.Add(text, "b")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if one == "" || two == "" || one == two {
			return
		}
		filled, err := fillLucene(`host:$targets`, core.Variables{Targets: []core.Target{{Name: one}, {Name: two}}})
		if err != nil {
			return
		}
		first, second := min(one, two), max(one, two)
		rest := strings.TrimPrefix(filled, "host:(")
		for i, want := range []string{first, second} {
			if i == 1 {
				rest = strings.TrimPrefix(rest, " OR ")
			}
			if !strings.HasPrefix(rest, `"`) {
				t.Fatalf("%s: no string at %s", filled, rest)
			}
			var got strings.Builder
			for rest = rest[1:]; rest[0] != '"'; rest = rest[1:] {
				if rest[0] == '\\' {
					rest = rest[1:]
				}
				got.WriteByte(rest[0])
			}
			if rest = rest[1:]; got.String() != want {
				t.Errorf("%s: got %q, want %q", filled, got.String(), want)
			}
		}
		if rest != ")" {
			t.Errorf("%s goes on with %q", filled, rest)
		}
	})
}
