package core

import (
	"fmt"
	"slices"
)

// Held reports whether a target of the wave waits to be told that the wave has passed.
func (w *Wave) Held() bool {
	return slices.ContainsFunc(w.Targets, func(t TargetRecord) bool { return t.Held })
}

// confirms reports whether it is time to tell a target that its wave has passed. One that has not taken it is told again
// only once somebody has resumed the rollout.
func (r *Rollout) confirms(t *TargetRecord) bool {
	w := &r.Waves[r.index[t.Name].wave]
	return t.Held && t.State == TargetDeployed && w.State == WavePassed
}

// nextConfirm tells the targets of a wave that has passed that they may end what they hold open. Where one does not take
// that, it does not run what all others run, or nobody knows: that is a deploy that has failed.
func nextConfirm(p *Plan, r *Rollout) Step {
	w := &r.Waves[r.Wave]
	var todo, failed []string
	for i := range w.Targets {
		switch t := &w.Targets[i]; {
		case r.confirms(t):
			todo = append(todo, t.Name)
		case t.Held:
			failed = append(failed, t.Name)
		}
	}
	if len(failed) > 0 {
		return undeployed(p, r, CauseConfirm, fmt.Sprintf("Wave %s has passed, and %s did not take that: %s", w.Name, listed(failed), r.Target(failed[0]).Error))
	}
	return Step{Do: DoConfirm, Wave: r.Wave, Targets: todo}
}

// confirming notes what is about to be told. A target that did not wait any more runs something else by now.
func (r *Rollout) confirming(e Event) {
	for _, name := range e.Targets {
		t := r.Target(name)
		t.Version, t.By = "", e.Actor
	}
}

// confirmed notes which targets know that their wave has passed. What the others run is not known, unless nobody tried.
func (r *Rollout) confirmed(e Event) {
	for _, res := range e.Results {
		t := r.Target(res.Target)
		t.Error, t.Tail = res.Error, res.Tail
		switch res.Outcome {
		case OutcomeDone:
			t.Held, t.Version = false, r.Start.Version
		case OutcomeUntouched:
			t.Version = r.Start.Version
		case OutcomeFailed:
			t.State = TargetFailed
		}
	}
	r.advance()
}

// confirmAgain has the targets that did not take it be told once more.
func (w *Wave) confirmAgain() {
	for i := range w.Targets {
		if t := &w.Targets[i]; t.Held && t.State == TargetFailed {
			t.State = TargetDeployed
		}
	}
}
