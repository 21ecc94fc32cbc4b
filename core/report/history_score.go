package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// A Score is how often a check was right about the releases of a [History]. A check that was a shadow and then was not
// has two. What it said before the first wave and after a rollback is not about the release and does not count.
//
// A fail in a bake is wrong if the version got out after all, in that rollout or in a later one. Else it is right if
// the check stopped the rollout, or if a human, another check or a failed deploy did. Until then it is open.
type Score struct {
	Check     string `json:"check"`
	Shadow    bool   `json:"shadow"`
	Rollouts  int    `json:"rollouts"`           // in whose bakes it was asked
	Stopped   int    `json:"stopped"`            // rollouts that it halted or rolled back
	WouldHave int    `json:"would_have_stopped"` // rollouts of which it said fail and which it may not stop
	Right     int    `json:"right"`              // of both
	Wrong     int    `json:"wrong"`              // of both
	Open      int    `json:"open"`               // of both
	Missed    int    `json:"missed"`             // rollouts that were stopped by others in a bake of which it said pass
}

// A question is a check as it was asked.
type question struct {
	check  string
	shadow bool
}

// An opinion is what a check said in the bakes of one rollout.
type opinion struct {
	failed  bool // at any look: every change of a verdict is in the ledger
	stopped bool
	passing bool // its newest verdict, when others stopped the bake
}

// stops are what stopped a rollout, at any time.
type stops struct {
	human, deploy bool
	checks        map[string]bool
}

// byOthers reports whether something else than a check stopped the rollout.
func (s stops) byOthers(check string) bool {
	return s.human || s.deploy || len(s.checks) > 1 || len(s.checks) == 1 && !s.checks[check]
}

// A hearing listens to what the checks of one rollout say in its bakes.
type hearing struct {
	opinions map[question]opinion
	stops    stops
	newest   []core.Verdict // of the bake that the rollout is in, or was halted in
}

// hear takes an event that was applied to a rollout that had been in the state before.
func (h *hearing) hear(before core.State, r *core.Rollout, e core.Event) {
	if h.opinions == nil {
		h.opinions, h.stops.checks = make(map[question]opinion), make(map[string]bool)
	}
	if r.State == core.StateBaking && r.Waves[r.Wave].Looked.IsZero() && (e.Type == core.EventBaking || e.Type == core.EventResumed) {
		h.newest = nil // a bake begins, or begins afresh
	}
	if before == core.StateBaking && len(e.Verdicts) > 0 {
		h.newest = e.Verdicts
		for _, v := range e.Verdicts {
			o := h.opinions[question{v.Check, v.Shadow}]
			o.failed = o.failed || v.Verdict == core.Fail
			h.opinions[question{v.Check, v.Shadow}] = o
		}
	}
	switch {
	case e.Type == core.EventPassed, e.Type == core.EventPromoted:
		h.newest = nil
	case e.Override != nil && (e.Type == core.EventRollingBack || e.State == core.StateAborted):
		h.stops.human = true
		h.stopped(nil)
	case e.Type != core.EventHalted && e.Type != core.EventRollingBack:
	case e.Cause == core.CauseDeploy, e.Cause == core.CauseConfirm:
		h.stops.deploy = true
	case e.Cause == core.CauseCheck:
		h.stopped(e.Verdicts)
	}
}

// stopped notes that a bake was stopped: by those of the verdicts that are fails and count, or by a human.
func (h *hearing) stopped(by []core.Verdict) {
	for _, v := range by {
		if v.Verdict != core.Fail || v.Shadow {
			continue
		}
		o := h.opinions[question{v.Check, false}]
		o.stopped = true
		h.opinions[question{v.Check, false}] = o
		h.stops.checks[v.Check] = true
	}
	for _, v := range h.newest {
		if v.Verdict == core.Pass {
			o := h.opinions[question{v.Check, v.Shadow}]
			o.passing = true
			h.opinions[question{v.Check, v.Shadow}] = o
		}
	}
}

// scores adds up what the checks said of rollouts, which are given oldest first.
func scores(rows []PastRollout) []Score {
	all := make(map[question]*Score)
	out := make(map[string]bool) // versions that got out in the rollouts after this one
	for _, r := range slices.Backward(rows) {
		out[r.Version] = out[r.Version] || r.State == core.StateSucceeded
		for q, o := range r.opinions {
			s := all[q]
			if s == nil {
				s = &Score{Check: q.check, Shadow: q.shadow}
				all[q] = s
			}
			s.count(&r, o, out[r.Version])
		}
	}
	list := make([]Score, 0, len(all))
	for _, s := range all {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b Score) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), strings.Compare(mode(a), mode(b)))
	})
	return list
}

// count adds what the check said in one rollout. out says that the version got out after all.
func (s *Score) count(r *PastRollout, o opinion, out bool) {
	s.Rollouts++
	others := r.stops.byOthers(s.Check)
	if !o.failed {
		if o.passing && others && !out {
			s.Missed++
		}
		return
	}
	if o.stopped {
		s.Stopped++
	} else {
		s.WouldHave++
	}
	halted := r.State == core.StateHalted
	switch resting := r.State.Resting() || r.State == core.StateRollingBack; {
	case out:
		s.Wrong++
	case resting && others, resting && o.stopped && !halted:
		s.Right++
	default:
		s.Open++
	}
}

// mode says whether a check may stop a rollout.
func mode(s Score) string {
	if s.Shadow {
		return "shadow"
	}
	return "acting"
}
