package core

import "slices"

// Stopped are the verdicts that stopped the rollout, on the way out; none if it was not a check that did.
func (r *Rollout) Stopped() []Verdict {
	said := r.Waves[r.Wave].Verdicts
	switch r.Cause {
	case CauseCheck, CauseInconclusive, CauseUnasked, CausePrecheck:
	default:
		return nil
	}
	if len(said) == 0 { // it never got as far as a bake
		said = r.Precheck
	}
	return slices.DeleteFunc(slices.Clone(said), func(v Verdict) bool { return v.Shadow || v.Verdict == Pass })
}
