package metric

import (
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

func FuzzCommandAnswer(f *testing.F) {
	for _, text := range []string{"1.5\n", "a 1\n{b=\"c\"} 2", "x{y=\"z\"} NaN\n# no\n\n", "", "1 2 3", "{} 1", "{", "\x00 1", "a{b=\"\xff\"} 1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		samples, err := readPrinted(text)
		if err != nil && samples != nil || len(samples) > strings.Count(text, "\n")+1 {
			t.Errorf("%q: got %v and %v", text, samples, err)
		}
	})
}

// FuzzCommandFill asks for a query and checks that the script is told what went in: it is never part of a script.
func FuzzCommandFill(f *testing.F) {
	for _, text := range []string{"a", `"`, "'; exit 1", "\n", "$(x)", "\x00", "\xff", "<&>", "\u2028"} {
		f.Add(text, "b")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		filled, err := fillCommand("q", core.Variables{Version: one, Targets: []core.Target{{Name: two}}})
		if err != nil {
			return
		}
		about, err := readTold(filled)
		if err != nil || about.Query != "q" || about.Version != one || about.Targets[0] != two {
			t.Errorf("%s: got %v and %v", filled, about, err)
		}
	})
}
