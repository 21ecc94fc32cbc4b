package check_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

var (
	nan  = math.NaN()
	inf  = math.Inf(1)
	dead = refusal("connection refused")
)

// TestThreshold looks once a minute and gives for each look the verdict that it must have.
func TestThreshold(t *testing.T) {
	max09 := core.Threshold{Max: new(0.9)}
	min10 := core.Threshold{Min: new(10.0)}
	of := func(m, n int, hold time.Duration) core.Threshold {
		return core.Threshold{Max: new(0.9), Breaches: core.Breaches{M: m, N: n}, For: hold}
	}
	const nobody = "error: source prom could not be asked: connection refused"
	for name, c := range map[string]struct {
		check core.Threshold
		looks []any
		want  []string
	}{
		"max": {max09, []any{0.42, 0.9, 0.93}, []string{
			"pass: 0.42 is within max 0.9", "pass: 0.9 is within max 0.9", "fail: 0.93 is above max 0.9",
		}},
		"min": {min10, []any{12345.0, 10.0, 9.5}, []string{
			"pass: 12,345 is within min 10", "pass: 10 is within min 10", "fail: 9.5 is below min 10",
		}},
		"both": {core.Threshold{Min: new(1.0), Max: new(2.0)}, []any{1.5, 0.5, 2.5}, []string{
			"pass: 1.5 is within 1 and 2", "fail: 0.5 is below min 1", "fail: 2.5 is above max 2",
		}},
		"digits that make the difference": {max09, []any{0.90000001}, []string{"fail: 0.90000001 is above max 0.9"}},
		"infinite values":                 {max09, []any{inf, -inf}, []string{"fail: +Inf is above max 0.9", "pass: -Inf is within max 0.9"}},
		"no data": {max09, []any{nil, nan}, []string{
			"inconclusive: no data: the query returned no series",
			"inconclusive: no data: the query returned 1 series, none with a number",
		}},
		"nobody to ask": {max09, []any{0.5, dead, 0.5}, []string{"pass: 0.5 is within max 0.9", nobody, "pass: 0.5 is within max 0.9"}},
		"worst of many": {max09, []any{[]core.Sample{
			{Value: 0.91, Labels: map[string]string{"instance": "a2"}}, {Value: nan, Labels: map[string]string{"instance": "a4"}},
			{Value: 0.93, Labels: map[string]string{"__name__": "cpu", "instance": "a3"}},
			{Value: 0.93, Labels: map[string]string{"__name__": "cpu", "instance": "a1", "code": "5\n\x1b[31m0"}},
		}}, []string{"fail: 0.93 is above max 0.9 (code 5 0, instance a1)"}},
		"2 of 3": {of(2, 3, 0), []any{0.5, 0.5, 1.0, 0.5, 1.0, 0.5, 0.5}, []string{
			"inconclusive: 0.5 is within max 0.9; 0 of the last 1 looks were breaches; too little data, 1 of the 2 looks it needs",
			"pass: 0.5 is within max 0.9; 0 of the last 2 looks were breaches",
			"pass: 1 is above max 0.9; 1 of the last 3 looks was a breach",
			"pass: 0.5 is within max 0.9; 1 of the last 3 looks was a breach",
			"fail: 1 is above max 0.9; 2 of the last 3 looks were breaches",
			"pass: 0.5 is within max 0.9; 1 of the last 3 looks was a breach",
			"pass: 0.5 is within max 0.9; 1 of the last 3 looks was a breach",
		}},
		"2 of 3 with gaps": {of(2, 3, 0), []any{1.0, nil, 0.5, 0.5, dead, 1.0, nil}, []string{
			"inconclusive: 1 is above max 0.9; 1 of the last 1 looks was a breach; too little data, 1 of the 3 looks it needs",
			"inconclusive: no data: the query returned no series",
			"inconclusive: 0.5 is within max 0.9; 1 of the last 3 looks was a breach; too little data, 2 of the 3 looks it needs",
			"pass: 0.5 is within max 0.9; 0 of the last 3 looks were breaches",
			nobody,
			"inconclusive: 1 is above max 0.9; 1 of the last 3 looks was a breach; too little data, 2 of the 3 looks it needs",
			"inconclusive: no data: the query returned no series",
		}},
		"for": {of(0, 0, 2*time.Minute), []any{1.0, 1.0, 1.0, 1.0, 0.5, 1.0}, []string{
			"inconclusive: 1 is above max 0.9 for 0s of 2m",
			"inconclusive: 1 is above max 0.9 for 1m of 2m",
			"fail: 1 is above max 0.9 for 2m",
			"fail: 1 is above max 0.9 for 3m",
			"pass: 0.5 is within max 0.9",
			"inconclusive: 1 is above max 0.9 for 0s of 2m",
		}},
		"for starts anew after a gap": {of(1, 1, time.Minute), []any{1.0, nil, 1.0, 1.0}, []string{
			"inconclusive: 1 is above max 0.9 for 0s of 1m",
			"inconclusive: no data: the query returned no series",
			"inconclusive: 1 is above max 0.9 for 0s of 1m",
			"fail: 1 is above max 0.9 for 1m",
		}},
		"for with 2 of 3": {of(2, 3, time.Minute), []any{0.5, 0.5, 1.0, 1.0, 1.0, 0.5}, []string{
			"inconclusive: 0.5 is within max 0.9; 0 of the last 1 looks were breaches; too little data, 1 of the 2 looks it needs",
			"pass: 0.5 is within max 0.9; 0 of the last 2 looks were breaches",
			"inconclusive: 1 is above max 0.9 for 0s of 1m; 0 of the last 3 looks were breaches",
			"pass: 1 is above max 0.9 for 1m; 1 of the last 3 looks was a breach",
			"fail: 1 is above max 0.9 for 2m; 2 of the last 3 looks were breaches",
			"fail: 0.5 is within max 0.9; 2 of the last 3 looks were breaches",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, scope(), map[string]core.Source{"prom": values(c.looks...)}, &clock{start}, threshold(c.check))
			for i, want := range c.want {
				at := start.Add(time.Duration(i) * time.Minute)
				seen := l.Look(t.Context(), at)
				v := seen.Verdicts[0]
				if got := fmt.Sprintf("%s: %s", v.Verdict, v.Reason); got != want {
					t.Errorf("look %d:\ngot  %s\nwant %s", i, got, want)
				}
				if v.Check != "cpu" || !v.At.Equal(at) || !seen.At.Equal(at) || v.Query != "up" || v.Window != "" || !seen.Enough {
					t.Errorf("look %d: %+v", i, seen)
				}
				if v.Value != nil && (math.IsInf(*v.Value, 0) || math.IsNaN(*v.Value)) {
					t.Errorf("look %d: the value %v is no finite number", i, *v.Value)
				}
			}
		})
	}
}

// TestBroken has checks that nobody can be asked: each says so at every look, and none stops another.
func TestBroken(t *testing.T) {
	sources := map[string]core.Source{"prom": values(0.5), "scrape": &watcher{err: errors.New("no url")}}
	elsewhere := func(name string) core.Check {
		c := threshold(core.Threshold{Max: new(1.0)})
		c.Threshold.Source = name
		return c
	}
	l := open(t, scope(), sources, &clock{start},
		threshold(core.Threshold{Max: new(1.0), Query: `x{a=~"$nope"}`}),
		threshold(core.Threshold{}),
		threshold(core.Threshold{Max: &nan}),
		elsewhere("loki"),
		elsewhere("scrape"),
		core.Check{Name: "cpu"},
		threshold(core.Threshold{Max: new(1.0)}),
	)
	for range 2 {
		seen := l.Look(t.Context(), start).Verdicts
		is(t, seen[0], core.Error, "source prom could not be asked: $nope is unknown")
		is(t, seen[1], core.Error, "source prom could not be asked: it has no limit; give it max or min")
		is(t, seen[2], core.Error, "source prom could not be asked: its limit is not a number")
		is(t, seen[3], core.Error, "source loki could not be asked: the plan has no source of that name")
		is(t, seen[4], core.Error, "source scrape could not be asked: it could not watch the targets: no url")
		is(t, seen[5], core.Error, "the check asks nothing; give it a threshold or run")
		is(t, seen[6], core.Pass, "0.5 is within max 1")
	}
}

// TestPatience looks at how long and how often a source is asked that fails.
func TestPatience(t *testing.T) {
	flaky := errors.New("503 with s3cr3t-token")
	for name, c := range map[string]struct {
		source  *script
		every   time.Duration
		want    core.VerdictKind
		reason  string
		atLeast int // tries
		atMost  int
		longest time.Duration
	}{
		"recovers":  {values(flaky, flaky, 0.5), time.Minute, core.Pass, "0.5 is within max 1", 3, 3, 10 * time.Second},
		"permanent": {values(dead, 0.5), time.Minute, core.Error, "source prom could not be asked: connection refused", 1, 1, 0},
		"wrapped": {values(fmt.Errorf("query: %w", dead)), time.Minute, core.Error,
			"source prom could not be asked: query: connection refused", 1, 1, 0},
		"dead":                  {values(flaky), time.Hour, core.Error, "tried %d times: 503 with ***", 6, 20, time.Minute},
		"dead, often looked at": {values(flaky), time.Second, core.Error, "tried %d times: 503 with ***", 3, 7, 10 * time.Second},
		"hangs": {&script{replies: []reply{{hangs: true}}}, time.Second, core.Error,
			"source prom could not be asked: no answer within 30s", 1, 1, 30 * time.Second},
		"hangs once": {&script{replies: []reply{{hangs: true}, values(0.5).replies[0]}}, time.Minute, core.Pass,
			"0.5 is within max 1", 2, 2, 32 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := scope()
				asked.Bake.Every = c.every
				l := open(t, asked, map[string]core.Source{"prom": c.source}, &clock{start}, threshold(core.Threshold{Max: new(1.0)}))
				begin := time.Now()
				v := l.Look(t.Context(), start).Verdicts[0]
				tries := len(c.source.queries)
				if strings.Contains(c.reason, "%d") {
					c.reason = "source prom could not be asked, " + fmt.Sprintf(c.reason, tries)
				}
				is(t, v, c.want, c.reason)
				if took := time.Since(begin); took > c.longest || tries < c.atLeast || tries > c.atMost {
					t.Errorf("%d tries in %v, want %d to %d within %v", tries, took, c.atLeast, c.atMost, c.longest)
				}
			})
		})
	}
}

// TestCut ends the context while a source is being asked.
func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &script{replies: []reply{{hangs: true}}}
		l := open(t, scope(), map[string]core.Source{"prom": source}, &clock{start}, threshold(core.Threshold{Max: new(1.0)}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		v := l.Look(ctx, start).Verdicts[0]
		if v.Verdict != core.Error || time.Since(begin) != time.Second || len(source.queries) != 1 {
			t.Errorf("after %v and %d queries: %+v", time.Since(begin), len(source.queries), v)
		}
	})
}

// TestPrecheck has one look, so that checks which need several find them in the past, if the source knows it.
func TestPrecheck(t *testing.T) {
	asked := scope()
	asked.Wave = ""
	several := threshold(core.Threshold{
		Max: new(0.9), Breaches: core.Breaches{M: 2, N: 3}, For: time.Minute, Query: `x{w="$wave"}[$window]`,
	})

	prom := values(0.5, 1.0, 1.0, 1.0)
	l := open(t, asked, map[string]core.Source{"prom": prom}, &clock{start}, several)
	if first := l.(core.Delayed).FirstLook(); !first.Equal(start) {
		t.Errorf("the first look is at %v", first)
	}
	v := l.Look(t.Context(), start).Verdicts[0]
	is(t, v, core.Fail, "1 is above max 0.9 for 2m; 2 of the last 3 looks were breaches")
	if v.Query != `x{w=""}[1m]` || v.Window != "1m" || !v.At.Equal(start) {
		t.Errorf("%+v", v)
	}
	want := []time.Time{start.Add(-3 * time.Minute), start.Add(-2 * time.Minute), start.Add(-time.Minute), start}
	if !slices.Equal(prom.at, want) {
		t.Errorf("asked about %v, want %v", prom.at, want)
	}
	l.Look(t.Context(), start.Add(time.Minute))
	if len(prom.at) != 5 {
		t.Errorf("the second look asked about the past again: %v", prom.at)
	}

	prom = values(dead)
	v = open(t, asked, map[string]core.Source{"prom": prom}, &clock{start}, several).Look(t.Context(), start).Verdicts[0]
	is(t, v, core.Error, "source prom could not be asked: connection refused")
	if len(prom.at) != 1 || !v.At.Equal(start) {
		t.Errorf("asked %d times, verdict at %v", len(prom.at), v.At)
	}

	scrape := &watcher{script: *values(0.5)}
	l = open(t, asked, map[string]core.Source{"prom": scrape}, &clock{start}, several)
	if first := l.(core.Delayed).FirstLook(); !first.Equal(start.Add(90 * time.Second)) {
		t.Errorf("the first look at a watcher is at %v", first)
	}
	if l.Look(t.Context(), start.Add(90*time.Second)); len(scrape.at) != 1 {
		t.Errorf("a watcher was asked about %v", scrape.at)
	}
}

func TestFirstLook(t *testing.T) {
	plain, windowed := core.Threshold{Max: new(1.0)}, core.Threshold{Max: new(1.0), Query: "x[$window]"}
	for name, c := range map[string]struct {
		source core.Source
		check  core.Threshold
		want   time.Duration
	}{
		"no window":             {values(1.0), plain, 0},
		"window":                {values(1.0), windowed, time.Minute},
		"watcher":               {&watcher{}, plain, 90 * time.Second},
		"watcher with a window": {&watcher{}, windowed, 90 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, scope(), map[string]core.Source{"prom": c.source}, &clock{start}, threshold(c.check), threshold(plain))
			if got := l.(core.Delayed).FirstLook().Sub(start); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestWatch follows a watcher that two checks and until share.
func TestWatch(t *testing.T) {
	scrape := &watcher{script: *values(0.5)}
	asked := scope()
	asked.Bake.Until = &core.Until{Source: "prom", Query: "x", AtLeast: 1}
	c := threshold(core.Threshold{Max: new(1.0)})
	l := open(t, asked, map[string]core.Source{"prom": scrape, "unused": &watcher{}}, &clock{start}, c, c)
	if len(scrape.watched) != 1 || len(scrape.watched[0]) != 2 || scrape.watching.Err() != nil {
		t.Errorf("told to watch %v, %v", scrape.watched, scrape.watching.Err())
	}
	if err := l.Close(); err != nil || scrape.watching.Err() == nil {
		t.Errorf("it goes on after Close (%v)", err)
	}
}
