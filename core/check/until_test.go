package check_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func TestUntil(t *testing.T) {
	sum := func(all ...float64) []core.Sample {
		var s []core.Sample
		for _, v := range all {
			s = append(s, core.Sample{Value: v})
		}
		return s
	}
	for name, c := range map[string]struct {
		source *script
		after  time.Duration
		enough bool
		seen   string
	}{
		"adds up":         {values(sum(8000, 400, nan, 12)), 5 * time.Minute, false, "8,412 of 10,000"},
		"enough":          {values(sum(4000, 6000)), 5 * time.Minute, true, "10,000 of 10,000"},
		"nearly":          {values(sum(9999.99)), 5 * time.Minute, false, "9999.99 of 10000"},
		"nothing yet":     {values(sum(1e9)), 0, false, "nothing yet, the bake has just begun"},
		"no data":         {values(nil), time.Minute, false, "no data: the query returned no series"},
		"no numbers":      {values(sum(nan)), time.Minute, false, "no data: the query returned 1 series, none with a number"},
		"infinite":        {values(sum(inf, 1)), time.Minute, false, "the values add up to +Inf, which is no count"},
		"two infinities":  {values(sum(inf, -inf)), time.Minute, false, "the values add up to NaN, which is no count"},
		"nobody to ask":   {values(dead), time.Minute, false, "source prom could not be asked: connection refused"},
		"after a failure": {values(errors.New("503"), sum(1e4)), time.Minute, true, "10,000 of 10,000"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := scope()
				asked.Bake.Until = &core.Until{Source: "prom", Query: `x{i=~"$targets"}[$window]`, AtLeast: 10000}
				l := open(t, asked, map[string]core.Source{"prom": c.source}, &clock{start})
				seen := l.Look(t.Context(), start.Add(c.after))
				if seen.Enough != c.enough || seen.Seen != c.seen || len(seen.Verdicts) != 0 {
					t.Errorf("got %v, %q; want %v, %q", seen.Enough, seen.Seen, c.enough, c.seen)
				}
			})
		})
	}
}

// TestUntilWindow asks about the whole bake so far.
func TestUntilWindow(t *testing.T) {
	prom := values(1.0)
	asked := scope()
	asked.Bake.Until = &core.Until{Source: "prom", Query: `x[$window]`, AtLeast: 10}
	l := open(t, asked, map[string]core.Source{"prom": prom}, &clock{start})
	for _, d := range []time.Duration{time.Nanosecond, 90 * time.Minute, 26*time.Hour + 1500*time.Millisecond + 1} {
		l.Look(t.Context(), start.Add(d))
	}
	if got := strings.Join(prom.queries, " "); got != "x[1ns] x[1h30m] x[26h0m1.500000001s]" {
		t.Errorf("asked %s", got)
	}
	asked.Bake.Until = &core.Until{Source: "prom", Query: `x{$nope}`, AtLeast: 10}
	seen := open(t, asked, map[string]core.Source{"prom": prom}, &clock{start}).Look(t.Context(), start.Add(time.Second))
	if seen.Enough || !strings.HasPrefix(seen.Seen, "source prom could not be asked: $nope is unknown") {
		t.Errorf("%+v", seen)
	}
}
