package metric

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/breakwater-ci/breakwater/core"
)

func TestFill(t *testing.T) {
	asked := core.Variables{
		Targets: []core.Target{
			{Name: "a.b-1", Labels: map[string]string{"region": "us"}},
			{Name: "a", Labels: map[string]string{"region": "eu", "tier": "onebox"}},
		},
		Wave: "one-box", Version: `1.2"3`, Previous: "v1", Window: 90 * time.Second, At: time.Unix(1e9, 0),
	}
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
		if got, err := promQL.Fill(query, asked); err != nil || got != want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
		}
	}
	asked.Wave = "a`b"
	for query, want := range map[string]string{
		`x{i=~"$target"}`:      "$target is unknown; known: $from, $labels.NAME, ",
		`x{i=~"$labels"}`:      "$labels is unknown; ",
		`x{i=~"$labels.zone"}`: "$labels.zone is empty: no target of the wave has it",
		`x{i="$targets"}`:      "$targets is a regex; compare it with =~ or !~, not with =",
		`x{i!="$labels.tier"}`: "$labels.tier is a regex; compare it with =~ or !~, not with !=",
		`x{i=~$targets}`:       `$targets must stand in quotes: {label=~"$targets"}`,
		`x > $version`:         `$version must stand in quotes: {label=~"$version"}`,
		`x > $from`:            "$from has no place in PromQL",
		"x{w=`$wave`}":         "contains a backtick; put the variable in double quotes instead of backticks",
	} {
		if got, err := promQL.Fill(query, asked); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
		}
	}
	asked.Targets = nil
	if got, err := promQL.Fill(`x{i=~"$targets"}`, asked); err == nil {
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
		asked := core.Variables{Version: version, Targets: []core.Target{{Name: one}, {Name: two}}}
		for _, quote := range []string{`"`, `'`, "`"} {
			query := strings.ReplaceAll(`x{i=~"$targets",j=~"pre-$targets",v="$version",w=~"$version.*"}`, `"`, quote)
			filled, err := promQL.Fill(query, asked)
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
				filledIn(t, filled, m, one, two, version)
			}
		}
	})
}

func filledIn(t *testing.T, filled string, m *labels.Matcher, one, two, version string) {
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

func TestCheckFillsBeforeItChecks(t *testing.T) {
	kind := Kinds["prometheus"]
	if err := kind.CheckQuery(`sum(rate(x{instance=~"$targets",zone=~"$labels.zone",v="$version"}[$window]))`); err != nil {
		t.Error(err)
	}
	if err := kind.CheckQuery(`x{instance="$targets"}`); err == nil {
		t.Error("a regex is compared with =")
	}
}

// TestSpans: what a kind says of its sources is what they say of themselves.
func TestSpans(t *testing.T) {
	for name, source := range map[string]core.Source{
		"command": new(command), "datadog": new(datadog), "dynatrace": new(dynatrace), "elasticsearch": new(elasticsearch),
		"graphite": new(graphite), "http": new(httpJSON), "influxdb": new(influxdb), "newrelic": new(newrelic),
		"prometheus": new(prometheus), "scrape": new(scrape),
	} {
		s, ok := source.(interface{ Spans() bool })
		if spans := ok && s.Spans(); spans != Kinds[name].Spans {
			t.Errorf("%s: its sources say %t", name, spans)
		}
	}
}

// TestForgets: what can only tell about now is not asked about the past.
func TestForgets(t *testing.T) {
	for want, all := range map[bool][]any{
		true:  {new(ScrapeOptions), new(CommandOptions), new(HTTPOptions)},
		false: {new(PrometheusOptions), new(DatadogOptions), &CommandOptions{Past: true}, &HTTPOptions{Past: true}},
	} {
		for _, options := range all {
			if got := Forgets(core.SourceSpec{Options: options}); got != want {
				t.Errorf("%+v: %t", options, got)
			}
		}
	}
}
