package core

import "fmt"

// Rehearse says which waves prove that a rollback works before they bake.
type Rehearse string

// RehearseFirst deploys the first wave, puts the previous version back on it, and deploys it again.
const RehearseFirst Rehearse = "first"

// nextRehearsal is the step of a rehearsal of the rollback, if one is due or under way: once the first wave is out for
// the first time, what is out of it goes back, and then is deployed again like what was never deployed. Where nobody
// knows what to put back there is nothing to rehearse.
func nextRehearsal(p *Plan, r *Rollout) (Step, bool) {
	if p.Rollback.Rehearse != RehearseFirst || r.Wave != 0 || !r.Rehearsed.IsZero() {
		return Step{}, false
	}
	var out, going, failed []string
	for _, t := range r.Waves[0].Targets {
		switch t.State {
		case TargetDeployed:
			if t.Previous == "" {
				return Step{}, false
			}
			out = append(out, t.Name)
		case TargetRollingBack:
			going = append(going, t.Name)
		case TargetRollbackFailed:
			failed = append(failed, t.Name)
		case TargetFailed: // the plan tolerates it, and what has not gone out cannot come back
		default:
			if !r.Rehearsing {
				return Step{}, false // not out yet
			}
		}
	}
	switch {
	case len(going) > 0:
		return Step{Do: DoRehearse, Targets: going}, true
	case len(failed) > 0:
		return Step{Do: DoHalt, Cause: CauseRehearsal, Reason: fmt.Sprintf("The rehearsal of the rollback failed on %s: a rollback of this release "+
			"would not work there. Nothing else was touched.", listed(failed))}, true
	case len(out) > 0 && !r.Rehearsing:
		return Step{Do: DoRehearse, Targets: out}, true
	}
	return Step{}, false
}

// rehearsing notes what is about to be put back in a rehearsal.
func (r *Rollout) rehearsing(e Event) {
	r.Rehearsing = true
	for _, name := range e.Targets {
		t := r.Target(name)
		t.State, t.Version, t.Error, t.Tail, t.Held = TargetRollingBack, "", "", "", false
	}
}

// rehearsed notes what was put back in a rehearsal: that is to be deployed again.
func (r *Rollout) rehearsed(e Event) {
	left := false
	for _, res := range e.Results {
		t := r.Target(res.Target)
		t.Took = res.Took
		switch res.Outcome {
		case OutcomeDone:
			t.State, t.Version = TargetPending, t.Previous
		case OutcomeFailed:
			t.State, t.Error, t.Tail = TargetRollbackFailed, res.Error, res.Tail
		}
	}
	for _, t := range r.Waves[r.Wave].Targets {
		left = left || t.State == TargetRollingBack || t.State == TargetRollbackFailed
	}
	if !left {
		r.Rehearsing, r.Rehearsed = false, e.At
	}
}
