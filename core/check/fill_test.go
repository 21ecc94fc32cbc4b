package check_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/check"
)

func TestFill(t *testing.T) {
	asked := scope()
	asked.Targets[1].Labels["tier"] = "onebox"
	asked.Version = `1.2"3`
	for query, want := range map[string]string{
		"up":                    "up",
		`x{i=~"$targets"}`:      `x{i=~"(?:a|a\\.b-1)"}`,
		`x{i=~'$targets'}`:      `x{i=~'(?:a|a\\.b-1)'}`,
		"x{i=~`$targets`}":      "x{i=~`(?:a|a\\.b-1)`}",
		`x{i !~ "$targets:.*"}`: `x{i !~ "(?:a|a\\.b-1):.*"}`,
		`x{r=~"$labels.region",t=~"$labels.tier"}`:         `x{r=~"(?:eu|us)",t=~"onebox"}`,
		`x{v="$version"}`:                                  `x{v="1.2\"3"}`,
		`x{v='$version'}`:                                  `x{v='1.2"3'}`,
		`x{v=~"v$version.*"}`:                              `x{v=~"v1\\.2\"3.*"}`,
		`x{w!="$wave",p="$previous"}`:                      `x{w!="one-box",p="v1"}`,
		`rate(x[$window]) offset $window`:                  `rate(x[1m30s]) offset 1m30s`,
		`label_replace(x,"a","$1","b","(.*)$")`:            `label_replace(x,"a","$1","b","(.*)$")`,
		`label_replace(x,"a","${g}","b","$targets")`:       `label_replace(x,"a","${g}","b","(?:a|a\\.b-1)")`,
		"x # don't use $targets\n+ y{i=~\"$labels.tier\"}": "x # don't use $targets\n+ y{i=~\"onebox\"}",
		`x{a="\"",i=~"$labels.tier"}`:                      `x{a="\"",i=~"onebox"}`,
		"x{a=`\\`,i=~\"$labels.tier\"}":                    "x{a=`\\`,i=~\"onebox\"}",
		`x{a="it's",i=~"$labels.tier"}`:                    `x{a="it's",i=~"onebox"}`,
	} {
		if got, err := check.Fill(query, asked, 90*time.Second); err != nil || got != want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
		}
	}
	asked.Wave = "a`b"
	for query, want := range map[string]string{
		`x{i=~"$target"}`:      "$target is unknown; known: $labels.NAME, ",
		`x{i=~"$labels"}`:      "$labels is unknown; ",
		`x{i=~"$labels.zone"}`: "$labels.zone is empty: no target of the wave has it",
		`x{i="$targets"}`:      "$targets is a regex; compare it with =~ or !~, not with =",
		`x{i!="$labels.tier"}`: "$labels.tier is a regex; compare it with =~ or !~, not with !=",
		`x{i=~$targets}`:       `$targets must stand in quotes: {label=~"$targets"}`,
		`x > $version`:         `$version must stand in quotes: {label=~"$version"}`,
		"x{w=`$wave`}":         "contains a backtick; put the variable in double quotes instead of backticks",
	} {
		if got, err := check.Fill(query, asked, time.Minute); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
		}
	}
	asked.Targets = nil
	if got, err := check.Fill(`x{i=~"$targets"}`, asked, time.Minute); err == nil {
		t.Errorf("no targets: %s", got)
	}
}

// FuzzFill reads the filled query with Prometheus' own parser: each quote must hold one matcher, which matches the names
// and nothing else, and the texts must come out as they went in.
func FuzzFill(f *testing.F) {
	f.Add("a.b-1", "a", "1.2.3")
	f.Add(`x"} or vector(0) #`, `it's|.*`, "`$targets`")
	f.Add("a\nb\\", "\x00\uFFFD", `\"'`)
	p := parser.NewParser(parser.Options{})
	f.Fuzz(func(t *testing.T, one, two, version string) {
		if one == "" || two == "" {
			return
		}
		one, two, version = strings.ToValidUTF8(one, "?"), strings.ToValidUTF8(two, "?"), strings.ToValidUTF8(version, "?")
		asked := core.Asked{Version: version, Targets: []core.Target{{Name: one}, {Name: two}}}
		for _, quote := range []string{`"`, `'`, "`"} {
			query := strings.ReplaceAll(`x{i=~"$targets",j=~"pre-$targets",v="$version",w=~"$version.*"}`, `"`, quote)
			filled, err := check.Fill(query, asked, time.Minute)
			if quote == "`" && strings.ContainsAny(one+two+version, "`\uFFFD") {
				continue // such a string cannot hold these
			}
			if err != nil {
				t.Fatal(err)
			}
			expr, err := p.ParseExpr(filled)
			if err != nil {
				t.Fatalf("%s: %v", filled, err)
			}
			selector, ok := expr.(*parser.VectorSelector)
			if !ok || len(selector.LabelMatchers) != 5 { // four and the name
				t.Fatalf("%s became %T: %v", filled, expr, expr)
			}
			for _, m := range selector.LabelMatchers {
				matches(t, filled, m, one, two, version)
			}
		}
	})
}

func matches(t *testing.T, filled string, m *labels.Matcher, one, two, version string) {
	t.Helper()
	names := []string{one, two}
	near := []string{"", one + two, one + "x", "x" + one, one + "|" + two, strings.ToUpper(one), regexp.QuoteMeta(one), version}
	switch m.Name {
	case "i":
		for _, text := range slices.Concat(names, near) {
			if m.Matches(text) != slices.Contains(names, text) {
				t.Errorf("%q: %v matches %q: %v", filled, m, text, m.Matches(text))
			}
		}
	case "j":
		for _, text := range slices.Concat(names, near) {
			if m.Matches("pre-"+text) != slices.Contains(names, text) || m.Matches(two) && !strings.HasPrefix(two, "pre-") {
				t.Errorf("%q: %v matches %q: %v", filled, m, text, m.Matches("pre-"+text))
			}
		}
	case "v":
		if m.Value != version {
			t.Errorf("%q: %v, want %q", filled, m, version)
		}
	case "w":
		if !m.Matches(version) || !m.Matches(version+"x") || version != "" && m.Matches("") {
			t.Errorf("%q: %v does not match %q", filled, m, version)
		}
	}
}

func TestSample(t *testing.T) {
	got, err := check.Sample(`sum(rate(x{instance=~"$targets",zone=~"$labels.zone",v="$version"}[$window]))`)
	if want := `sum(rate(x{instance=~"target",zone=~"label",v="version"}[5m]))`; err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	if got, err := check.Sample(`x{instance="$targets"}`); err == nil {
		t.Errorf("%s: a regex is compared with =", got)
	}
}
