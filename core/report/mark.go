package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// markWidth is the longest description of a status, in characters: GitHub refuses a longer one.
const markWidth = 140

// Mark is what the commit that is rolled out shows: pending while it goes out, and then how that ended. next is when the
// bake can end at the earliest; zero: that is not known.
func Mark(r *core.Rollout, next time.Time) core.Status {
	s := core.Status{Name: "breakwater/" + r.Line.String(), State: core.StatusPending}
	said := ""
	wave := &r.Waves[r.Wave]
	switch r.State {
	case core.StateSucceeded:
		s.State, said = core.StatusSuccess, Reason(r)
	case core.StateHalted, core.StateRollingBack, core.StateRolledBack, core.StateRollbackFailed, core.StateAborted:
		s.State, said = core.StatusFailure, fmt.Sprintf("%s: %s", r.State, Reason(r))
	default:
		said = fmt.Sprintf("Wave %s (%d of %d) is %s; %s runs it", wave.Name, r.Wave+1, len(r.Waves), r.State, percent(reached(r)))
		if r.State == core.StateBaking && !next.IsZero() {
			said += ", next at " + next.UTC().Format("15:04 MST")
		}
		if r.Blocked != nil {
			said = r.Blocked.Reason
		}
	}
	s.Description = line(said, markWidth)
	return s
}

// MarkGate is what a change shows that asks to enter a line.
func MarkGate(l core.Line, g core.Gate) core.Status {
	s := core.Status{Name: "breakwater/gate/" + l.String(), State: core.StatusFailure}
	if g.Open {
		s.State = core.StatusSuccess
	}
	said := g.Reason
	if !g.Open && !g.Until.IsZero() {
		said = fmt.Sprintf("Until %s UTC: %s", g.Until.UTC().Format("Jan 2 15:04"), g.Reason)
	}
	s.Description = line(said, markWidth)
	return s
}

// MarkRefusal is what a commit shows that could not be rolled out at all.
func MarkRefusal(l core.Line, why string) core.Status {
	return core.Status{Name: "breakwater/" + l.String(), State: core.StatusFailure, Description: line("Not started: "+why, markWidth)}
}

// reached is the share of all weight that runs the new version, or may.
func reached(r *core.Rollout) float64 {
	ours, all := 0.0, 0.0
	for i := range r.Waves {
		for j := range r.Waves[i].Targets {
			t := &r.Waves[i].Targets[j]
			weight := cmp.Or(t.Weight, 1)
			if all += weight; t.Attempts > 0 && t.State != core.TargetRolledBack {
				ours += weight
			}
		}
	}
	return ours / all
}

// Advice says what to do next about a rollout that rests.
func Advice(r *core.Rollout) string {
	return strings.Join(advice(r, time.Time{}, func(name string) string { return name }), "\n")
}
