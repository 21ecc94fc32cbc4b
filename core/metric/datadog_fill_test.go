package metric

import (
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func TestDatadogFill(t *testing.T) {
	asked := core.Variables{
		Targets: []core.Target{
			{Name: "shop-2.eu", Labels: map[string]string{"zone": "b"}}, {Name: "shop-1", Labels: map[string]string{"zone": "a"}},
		},
		Wave: "one-box", Version: "1.2.3", Previous: "v1", Window: 90*time.Second + 1, At: time.Unix(1e9, 0),
	}
	for query, want := range map[string]string{
		`sum:x{host IN ($targets)}.as_count()`:                `sum:x{host IN (shop-1,shop-2.eu)}.as_count()`,
		`sum:x{env:prod AND host in ( $targets )} by {host}`:  `sum:x{env:prod AND host in ( shop-1,shop-2.eu )} by {host}`,
		`sum:x{host NOT IN (a, $targets,b)}`:                  `sum:x{host NOT IN (a, shop-1,shop-2.eu,b)}`,
		`sum:x{z IN ($labels.zone) AND v:$version}`:           `sum:x{z IN (a,b) AND v:1.2.3}`,
		`sum:x{v IN ($version,$previous)}`:                    `sum:x{v IN (1.2.3,v1)}`,
		`avg:x{wave:$wave,!v:$previous}.rollup(max, $window)`: `avg:x{wave:one-box,!v:v1}.rollup(max, 91)`,
		`sum:a{v:$version}/sum:b{v:$version}`:                 `sum:a{v:1.2.3}/sum:b{v:1.2.3}`,
	} {
		if got, err := datadogQL.Fill(query, asked); err != nil || got != want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
		}
	}
	for query, want := range map[string]string{
		`sum:x{host:$targets}`:          "$targets is a list; it stands in {tag IN ($targets)}",
		`sum:x{host IN $targets}`:       "$targets is a list",
		`sum:x{host IN ($targets*)}`:    "$targets is a list",
		`sum:x{host IN (pre-$targets)}`: "$targets is a list",
		`host IN ($targets)`:            "$targets is a list",
		`$targets`:                      "$targets is a list",
		`sum:$version{*}`:               "$version stands in {tag:$version} or {tag IN ($version)}",
		`sum:x{$version}`:               "$version stands in",
		`sum:x{*} by {$wave}`:           "$wave stands in",
		`sum:x{a:b} + $from`:            "$from has no place in a query to Datadog",
		`sum:x{a:$nope}`:                "$nope is unknown",
	} {
		if got, err := datadogQL.Fill(query, asked); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
		}
	}
	for _, hostile := range []string{
		"", "a,b", "a)", "a}", "{a", "a b", "a*", "*", "!a", "-a", "a\n", "a\"", `a\`, "a'", "AND", "or", "Not", "in", "a$version", "a(", "a\u2028", "a\x00", "\xff",
	} {
		asked.Version = hostile
		if got, err := datadogQL.Fill(`sum:x{v:$version}`, asked); err == nil {
			t.Errorf("%q became %s", hostile, got)
		}
	}
	for _, kind := range []string{"é", "日本", "a:b", "a/b", "_", "1", "android", "INSIDE"} {
		asked.Version = kind
		if got, err := datadogQL.Fill(`sum:x{v:$version}`, asked); err != nil || got != "sum:x{v:"+kind+"}" {
			t.Errorf("%q became %s, %v", kind, got, err)
		}
	}
}

func FuzzDatadogFill(f *testing.F) {
	f.Add("a", "b", "1.2")
	f.Add("a) OR (b", "x}", "*")
	f.Fuzz(func(t *testing.T, one, two, version string) {
		v := core.Variables{Targets: []core.Target{{Name: one}, {Name: two}}, Version: version}
		filled, err := datadogQL.Fill(`{host IN ($targets) AND v:$version}`, v)
		if err != nil {
			return
		}
		if strings.ContainsAny(one+two+version, " ,()}{*!\"'\\") || strings.Count(filled, " ") != 4 || strings.Count(filled, ",") > 1 {
			t.Errorf("%q, %q and %q became %s", one, two, version, filled)
		}
	})
}

func FuzzDatadogAnswer(f *testing.F) {
	for _, text := range []string{
		`{"status":"ok","series":[{"pointlist":[[946684700000,1.5],[946684720000,null]],"tag_set":["host:a","b"]}]}`,
		`{"status":"error","error":"x"}`, `{"status":"ok","series":[{"pointlist":[[null,1]]}]}`, `[]`, `{}`, "", `null`,
		`{"id":1,"name":"a","state":{"groups":{"*":{"status":"OK","last_triggered_ts":946684700,"last_resolved_ts":946684750}}}}`,
		`[{"id":1,"name":"a","state":{"groups":{"*":{"status":"Alert","last_triggered_ts":-5}}}}]`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := &datadog{service: said(text).service()}
		samples, err := d.Query(t.Context(), core.Query{Text: "avg:x{*}", At: frozen{}.Now(), Window: time.Hour})
		if err != nil && len(samples) > 0 {
			t.Errorf("samples %v beside error %v", samples, err)
		}
		all, err := d.Alarms(t.Context(), []string{"1"}, time.Unix(0, 0), frozen{}.Now())
		if err == nil && (len(all) != 1 || len(all[0].Episodes) == 1 && all[0].Episodes[0].From.Before(time.Unix(0, 0))) {
			t.Errorf("got %v", all)
		}
	})
}
