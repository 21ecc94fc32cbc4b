package report_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/report"
)

// stopped is a clock that shows what it is set to.
type stopped struct{ now time.Time }

func (c *stopped) Now() time.Time                                { return c.now }
func (c *stopped) Wait(_ context.Context, until time.Time) error { c.now = until; return nil }

// grouped keeps what commands printed.
type grouped struct{ strings.Builder }

func (g *grouped) Group(title, text string) { fmt.Fprintf(g, "%s\n%s\n", title, text) }
func (*grouped) Annotate(core.Annotation)   {}
func (*grouped) Mask(string)                {}

// TestProgressOfABake looks every ten seconds for five minutes: that is at most a line a minute, and one when the
// checks say something else. A reason that only has another number in it is nothing else.
func TestProgressOfABake(t *testing.T) {
	since := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := &core.Rollout{State: core.StateBaking, Waves: []core.Wave{{Name: "one", State: core.WaveBaking, Since: since}}}
	plan := &core.Plan{Waves: []core.WaveRule{{Bake: core.Bake{Min: 10 * time.Minute, Max: time.Hour, Every: 10 * time.Second}}}}
	clock := &stopped{since}
	var out strings.Builder
	p := report.NewProgress(&out, clock, plan, &grouped{}, false)
	for i := 1; i <= 30; i++ {
		clock.now = since.Add(time.Duration(i) * 10 * time.Second)
		kind := core.Pass
		if i > 14 {
			kind = core.Inconclusive
		}
		p.Looked(r, core.Evidence{At: clock.now, Enough: true, Verdicts: []core.Verdict{{Check: "errors", Verdict: kind, Reason: fmt.Sprint(i)}}})
	}
	var at []string
	for line := range strings.Lines(out.String()) {
		at = append(at, line[:len("12:00:00")])
	}
	if got, want := strings.Join(at, " "), "12:00:10 12:01:10 12:02:10 12:02:30 12:03:30 12:04:30"; got != want {
		t.Errorf("lines at %s, want %s\n%s", got, want, out.String())
	}
}

func TestProgressOfAnAct(t *testing.T) {
	var out strings.Builder
	log := &grouped{}
	p := report.NewProgress(&out, &stopped{}, &core.Plan{}, log, false)
	p.Acted(core.Act{Target: core.Target{Name: "a\n::error::b"}}, core.Result{Outcome: core.OutcomeDone, Took: 90 * time.Second}, "whole output\n")
	p.Acted(core.Act{Target: core.Target{Name: "b"}}, core.Result{Outcome: core.OutcomeDone}, " \n")
	if want := "deploy of a : :error::b: done after 1m 30s\nwhole output\n\n"; log.String() != want {
		t.Errorf("%q, want %q", log.String(), want)
	}
}
