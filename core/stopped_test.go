package core

import (
	"slices"
	"testing"
)

// TestStopped: only what a check that may act said on the way out stops a rollout.
func TestStopped(t *testing.T) {
	verdicts := []Verdict{{Check: "a", Verdict: Pass}, {Check: "b", Verdict: Fail}, {Check: "c", Verdict: Fail, Shadow: true}, {Check: "d", Verdict: Error}}
	for _, c := range []struct {
		cause    Cause
		bake     bool
		precheck bool
		want     []string
	}{
		{CauseCheck, true, true, []string{"b", "d"}},
		{CauseInconclusive, true, false, []string{"b", "d"}},
		{CauseUnasked, true, false, []string{"b", "d"}},
		{CausePrecheck, false, true, []string{"b", "d"}},
		{CauseUnasked, false, true, []string{"b", "d"}},
		{CauseDeploy, true, true, nil},
		{CauseOverride, true, true, nil},
		{"", true, true, nil},
	} {
		r := &Rollout{Cause: c.cause, Waves: []Wave{{}}}
		if c.bake {
			r.Waves[0].Verdicts = verdicts
		}
		if c.precheck {
			r.Precheck = verdicts
		}
		var got []string
		for _, v := range r.Stopped() {
			got = append(got, v.Check)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
