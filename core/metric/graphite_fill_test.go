package metric

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func TestGraphiteFill(t *testing.T) {
	asked := core.Variables{
		Targets: []core.Target{{Name: "shop-2.eu", Labels: map[string]string{"zone": "b"}}, {Name: "shop-1", Labels: map[string]string{"zone": "a", "tier": "x"}}},
		Wave:    "one-box", Version: "1.2", Previous: "v1", Window: 90*time.Second + 1, At: time.Unix(1e9, 0),
	}
	for query, want := range map[string]string{
		`shop.$targets.errors`:                         `shop.{shop-1,shop-2_eu}.errors`,
		`shop.web-$targets.errors`:                     `shop.web-{shop-1,shop-2_eu}.errors`,
		`shop.{$targets,x}.errors`:                     `shop.{shop-1,shop-2_eu,x}.errors`,
		`shop.{a,b}.$targets.errors`:                   `shop.{a,b}.{shop-1,shop-2_eu}.errors`,
		`shop.$labels.tier.$wave.$version`:             `shop.x.one-box.1_2`,
		`seriesByTag('name=e','host=~$targets$')`:      `seriesByTag('name=e','host=~(?:shop-1|shop-2\.eu)$')`,
		`seriesByTag("host!=~^$targets$")`:             `seriesByTag("host!=~^(?:shop-1|shop-2\.eu)$")`,
		`seriesByTag('host=~web\.$targets[.]')`:        `seriesByTag('host=~web\.(?:shop-1|shop-2\.eu)[.]')`,
		`seriesByTag('v=$version','w!=$wave')`:         `seriesByTag('v=1.2','w!=one-box')`,
		`seriesByTag('v=v$version-x')`:                 `seriesByTag('v=v1.2-x')`,
		`seriesByTag('v=~$version$')`:                  `seriesByTag('v=~1\.2$')`,
		`grep(shop.*.errors, "\.$targets\.")`:          `grep(shop.*.errors, "\.(?:shop-1|shop-2_eu)\.")`,
		`exclude(shop.*.errors, '^$version$')`:         `exclude(shop.*.errors, '^1_2$')`,
		`summarize(shop.$targets.x, '$window', "sum")`: `summarize(shop.{shop-1,shop-2_eu}.x, '91s', "sum")`,
	} {
		if got, err := graphiteQL("_").Fill(query, asked); err != nil || got != want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
		}
	}
	for query, want := range map[string]string{
		`shop.$targets.errors`:              `$targets is "shop-2.eu", and a dot ends a part of a path; the option dots says what stands for it`,
		`seriesByTag('host=$targets')`:      "$targets is a regex; match it with =~ or !=~, not with =",
		`seriesByTag('host!=$targets')`:     "not with !=",
		`seriesByTag('host=~$targets')`:     "and Graphite finds it anywhere in a name; write ^$targets$",
		`seriesByTag('host=~$targets.*')`:   "finds it anywhere",
		`seriesByTag('host=~web$targets$')`: "finds it anywhere",
		`grep(x, '$targets$')`:              "finds it anywhere",
		`grep(x, '^$targets')`:              "finds it anywhere",
		`grep(x, '$version')`:               "finds it anywhere",
		`summarize(x, $window)`:             "$window stands in quotes: '$window'",
		`x.$from`:                           "$from has no place in a query to Graphite",
		`x.$nope`:                           "$nope is unknown",
	} {
		if got, err := graphiteQL("").Fill(query, asked); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
		}
	}
	for _, hostile := range []string{"", "a b", "a*", "a?", "[a]", "{a", "a}", "a,b", "a(", "a)", "a'", `a"`, `a\`, "a\n", "a;b=c", "a=b", "ü", "\xff", "a|b", "#", "..", "$version"} {
		asked.Version = hostile
		if got, err := graphiteQL("").Fill(`x.$version.y`, asked); err == nil {
			t.Errorf("%q became %s", hostile, got)
		}
	}
	for _, hostile := range []string{"", "a'", `a"`, `a\`, "a\n", "\xff", "a\x00"} {
		asked.Version = hostile
		for _, query := range []string{`seriesByTag('v=$version')`, `seriesByTag('v=~$version$')`} {
			if got, err := graphiteQL("").Fill(query, asked); err == nil {
				t.Errorf("%q became %s", hostile, got)
			}
		}
	}
}

// FuzzGraphiteFill reads the strings back: each regex must match the names and nothing else.
func FuzzGraphiteFill(f *testing.F) {
	f.Add("a.b", "a", "1.2")
	f.Add("a|b", "(", "x y")
	f.Add("'", `\`, "ü")
	matched := regexp.MustCompile(`^f\('host=~([^']*)','v=([^']*)',"\\\.([^"]*)\\\."\)$`)
	f.Fuzz(func(t *testing.T, one, two, version string) {
		v := core.Variables{Targets: []core.Target{{Name: one}, {Name: two}}, Version: version}
		if one == "" || two == "" {
			return
		}
		filled, err := graphiteQL("").Fill(`f('host=~$targets$','v=$version',"\.$targets\.")`, v)
		if err != nil {
			return
		}
		found := matched.FindStringSubmatch(filled)
		if found == nil || found[2] != version {
			t.Fatalf("%q, %q and %q became %s", one, two, version, filled)
		}
		for _, text := range []string{found[1], found[3] + "$"} {
			whole := regexp.MustCompile("^" + text)
			for name, want := range map[string]bool{one: true, two: true, one + "x": one+"x" == two, "x" + two: "x"+two == one} {
				if whole.MatchString(name) != want {
					t.Errorf("%s matches %q: %t", text, name, !want)
				}
			}
		}
	})
}

func FuzzGraphiteAnswer(f *testing.F) {
	for _, text := range []string{
		`[{"target":"a","tags":{"name":"a"},"datapoints":[[1.5,946684790],[null,946684800]]}]`, `[]`, `{}`, "", `[null]`, `[{"datapoints":[[1,1e300]]}]`,
		`[{"target":"a","datapoints":[[1e9999,946684790]]}]`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g := &graphite{service: said(text).service()}
		samples, err := g.Query(t.Context(), core.Query{Text: "a", At: frozen{}.Now(), Window: time.Hour})
		if err != nil && len(samples) > 0 {
			t.Errorf("samples %v beside error %v", samples, err)
		}
	})
}
