package metric

import (
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func TestNewrelicFill(t *testing.T) {
	asked := core.Variables{
		Targets: []core.Target{{Name: `it's`, Labels: map[string]string{"zone": "b"}}, {Name: "a.b-1", Labels: map[string]string{"zone": "a"}}},
		Wave:    `one\box`, Version: "1.2'3", Previous: "日本 ü", Window: 90*time.Second + 1, At: time.Unix(1e9, 0),
	}
	for query, want := range map[string]string{
		`WHERE host IN ($targets)`:                 `WHERE host IN ('a.b-1', 'it\'s')`,
		`WHERE host not in ( 'x', $targets , 'y')`: `WHERE host not in ( 'x', 'a.b-1', 'it\'s' , 'y')`,
		`WHERE z IN ($labels.zone) AND v = $wave`:  `WHERE z IN ('a', 'b') AND v = 'one\\box'`,
		`WHERE v = 'v$version-$wave'`:              `WHERE v = 'v1.2\'3-one\\box'`,
		`WHERE v IN ($version, $previous)`:         `WHERE v IN ('1.2\'3', '日本 ü')`,
		`SELECT rate(count(*), $window)`:           `SELECT rate(count(*), 91 seconds)`,
		"-- don't\nWHERE v = $wave":                "-- don't\nWHERE v = 'one\\\\box'",
		`WHERE a = 'it\'s' AND v = $wave`:          `WHERE a = 'it\'s' AND v = 'one\\box'`,
	} {
		if got, err := nrql.Fill(query, asked); err != nil || got != want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
		}
	}
	for query, want := range map[string]string{
		`WHERE host = $targets`:         "$targets is a list of strings; it stands in IN ($targets), without quotes",
		`WHERE host IN ('$targets')`:    "$targets is a list of strings",
		`WHERE host IN $targets`:        "$targets is a list of strings",
		`WHERE host IN ($targets + 1)`:  "$targets is a list of strings",
		`WHERE host LIKE '$version%'`:   "$version cannot stand in a pattern",
		`WHERE host NOT LIKE $version`:  "$version cannot stand in a pattern",
		`WHERE host RLIKE r'$version.'`: "$version cannot stand in a pattern",
		"WHERE `$version` = 1":          "$version stands in single quotes, or in none",
		`WHERE a = "$version"`:          "$version stands in single quotes, or in none",
		`SINCE $from`:                   "$from has no place in NRQL here",
		`WHERE a = $nope`:               "$nope is unknown",
	} {
		if got, err := nrql.Fill(query, asked); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
		}
	}
	for _, hostile := range []string{"a\nb", "a\x00", "\xff", "a\tb", "\u0085"} {
		asked.Version = hostile
		if got, err := nrql.Fill(`WHERE v = $version`, asked); err == nil {
			t.Errorf("%q became %s", hostile, got)
		}
	}
}

// FuzzNewrelicFill reads the filled query back: every value must be one whole string.
func FuzzNewrelicFill(f *testing.F) {
	f.Add("a", `it's`, `\`)
	f.Add(`\'`, `') OR ('1'='1`, `' SINCE 1 week ago --`)
	f.Fuzz(func(t *testing.T, one, two, version string) {
		v := core.Variables{Targets: []core.Target{{Name: one}, {Name: two}}, Version: version}
		filled, err := nrql.Fill(`SELECT count(*) FROM T WHERE host IN ($targets) AND v = 'v$version' AND w = $version`, v)
		if err != nil {
			return
		}
		var found, words []string
		for _, piece := range nrqlWord.FindAllString(filled, -1) {
			switch {
			case piece[0] == '\'':
				found = append(found, strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(piece[1:len(piece)-1]))
			case piece != " ":
				words = append(words, piece)
			}
		}
		last := len(found) - 1
		if err := checkNRQL(filled); err != nil || last < 2 || found[last] != version || found[last-1] != "v"+version {
			t.Fatalf("%s: strings %q, %v", filled, found, err)
		}
		for _, name := range found[:last-1] {
			if name != one && name != two {
				t.Errorf("%s: %q is none of the names", filled, name)
			}
		}
		if text := strings.ReplaceAll(strings.Join(words, " "), "( , )", "( )"); text != "SELECT count ( * ) FROM T WHERE host IN ( ) AND v = AND w =" {
			t.Errorf("%s: outside of strings %s", filled, text)
		}
	})
}

func FuzzNewrelicAnswer(f *testing.F) {
	for _, text := range []string{
		`{"data":{"actor":{"account":{"nrql":{"metadata":{"facets":["host"]},"results":[{"facet":"a","host":"a","count":3}]}}}}}`,
		`{"data":{"actor":{"account":{"nrql":{"metadata":{"facets":["a","b"]},"results":[{"facet":["x"],"p":{"95":null}}]}}}}}`,
		`{"data":{"actor":{"account":{"nrql":{"results":[null,{}]}}}}}`, `{"errors":[{"message":"NRQL Syntax Error: x"}]}`, `{"errors":[{}]}`, `{}`, `[]`, "",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n := &newrelic{service: said(text).service(), account: 1}
		samples, err := n.Query(t.Context(), core.Query{Text: "SELECT count(*) FROM T", At: frozen{}.Now(), Window: time.Hour})
		if err != nil && len(samples) > 0 {
			t.Errorf("samples %v beside error %v", samples, err)
		}
	})
}
