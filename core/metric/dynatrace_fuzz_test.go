package metric

import (
	"slices"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

func FuzzDynatraceAnswer(f *testing.F) {
	for _, text := range []string{
		`{"result":[{"metricId":"m","data":[{"dimensionMap":{"a":"b"},"values":[1.5]}]}]}`, `{"result":[null]}`, `null`, `{"result":null}`,
		`{"result":[{"data":[null]},{"data":[{"values":[0]}]}]}`, `{"error":{"constraintViolations":[{}]}}`, `{"result":[{"dimensionCountRatio":"x"}]}`,
	} {
		f.Add(text)
	}
	d := &dynatrace{service: said("").service()}
	f.Fuzz(func(t *testing.T, text string) {
		samples, err := d.samples([]byte(text))
		if err != nil && samples != nil {
			t.Errorf("%q: got %v and %v", text, samples, err)
		}
		dynatraceError([]byte(text))
	})
}

// FuzzDynatraceFill reads the strings of a filled selector again: a tilde makes the next character one like any other.
func FuzzDynatraceFill(f *testing.F) {
	for _, text := range []string{"a", `"`, `~`, `~"`, `a",`, `"),eq("`, `\`, "\n"} {
		f.Add(text, "b")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if one == "" || two == "" || one == two {
			return
		}
		filled, err := selector.Fill(`m:or(eq("h",$targets))`, core.Variables{Targets: []core.Target{{Name: one}, {Name: two}}})
		if err != nil {
			return
		}
		var strung []string
		outside := ""
		for rest := filled; rest != ""; rest = rest[1:] {
			if rest[0] != '"' {
				outside += rest[:1]
				continue
			}
			inside := ""
			for rest = rest[1:]; rest[0] != '"'; rest = rest[1:] {
				if rest[0] == '~' {
					rest = rest[1:]
				}
				inside += rest[:1]
			}
			strung = append(strung, inside)
		}
		if want := []string{"h", min(one, two), "h", max(one, two)}; !slices.Equal(strung, want) || outside != "m:or(eq(,),eq(,))" {
			t.Errorf("%s: strings %q, want %q, and outside %s", filled, strung, want, outside)
		}
	})
}
