package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// TestLateLook: a look that the checks were too late for decides nothing, also where a bake may not extend itself: it is
// asked again.
func TestLateLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		for i := range s.plan.Waves {
			s.plan.Waves[i].Bake = core.Bake{Every: time.Minute}
		}
		looks := 0
		s.answers.ask = func(core.Asked, time.Time) core.VerdictKind {
			if looks++; looks%2 == 1 {
				return core.Inconclusive // a command says nothing of the past
			}
			return core.Pass
		}
		s.answers.late = func() time.Duration { return time.Duration(looks%2) * time.Minute }
		r, err := s.run(t.Context(), "v2")
		if err != nil || r.State != core.StateSucceeded || looks != 4 {
			t.Errorf("%s after %d looks: %s, %v", r.State, looks, r.Reason, err)
		}
	})
}
