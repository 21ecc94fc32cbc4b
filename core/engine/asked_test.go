package engine_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// TestWhatChecksAreTold follows a rollout whose second bake fails: each bake is numbered, is told which targets are still
// to come, when its wave began, and after the rollback that it is one.
func TestWhatChecksAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.plan.Rollback.Verify = 10 * time.Minute
		s.answers.ask = func(asked core.Asked, _ time.Time) core.VerdictKind {
			if asked.Wave == "w1" && !asked.Back {
				return core.Fail
			}
			return core.Pass
		}
		r, err := s.run(t.Context(), "v2")
		if err != nil || r.State != core.StateRolledBack {
			t.Fatalf("%v, %v", r, err)
		}
		opened := s.answers.opened
		if len(opened) != 3 {
			t.Fatalf("opened %d times", len(opened))
		}
		for i, want := range []struct {
			nth, targets, control int
			back                  bool
		}{{1, 4, 4, false}, {2, 4, 0, false}, {2, 8, 0, true}} {
			o := opened[i]
			if o.Nth != want.nth || len(o.Targets) != want.targets || len(o.Control) != want.control || o.Back != want.back {
				t.Errorf("opening %d: bake %d, %d targets against %d, back %t", i, o.Nth, len(o.Targets), len(o.Control), o.Back)
			}
			if o.Began.IsZero() || !o.Began.Before(o.Since) {
				t.Errorf("opening %d: began %s, since %s", i, o.Began, o.Since)
			}
		}
		if !opened[2].Began.Equal(opened[0].Began) {
			t.Errorf("the rollback is about what began at %s, not at %s", opened[0].Began, opened[2].Began)
		}
	})
}

// TestChecksGoOnWhereTheyWere cancels a job in a bake: the next one hands the checks what they knew.
func TestChecksGoOnWhereTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		if r, err := s.run(ctx, "v2"); err != nil && !errors.Is(err, context.DeadlineExceeded) || r.State != core.StateHalted {
			t.Fatalf("%v, %v", r, err)
		}
		s.actor = core.Actor{ID: "next", Run: "7", Attempt: 2}
		if r, err := s.run(t.Context(), "v2"); err != nil || r.State != core.StateSucceeded {
			t.Fatalf("%v, %v", r, err)
		}
		again := s.answers.opened[1]
		if again.Wave != "w0" || again.Nth != 1 || len(again.Known) != 1 || again.Known[0].Check != "errors" {
			t.Errorf("bake %d of %s, which knows %+v", again.Nth, again.Wave, again.Known)
		}
	})
}
