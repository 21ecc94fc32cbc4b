package engine_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
)

// TestResumeBeginsNothing: a later job of a pipeline goes on with a rollout, and never begins one: not the first, not that of
// another version, and not again what was rolled back.
func TestResumeBeginsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		resume := func(version string) error {
			t.Helper()
			before := len(s.deploys.acts)
			req := s.request(version)
			req.Resume = true
			_, err := s.engine().Run(t.Context(), req)
			if len(s.deploys.acts) != before {
				t.Errorf("it deployed %v", s.deploys.acts[before:])
			}
			return err
		}
		refused := func(version string) {
			t.Helper()
			if err := resume(version); !errors.As(err, new(engine.Blocked)) {
				t.Errorf("%s: %v; want it to be blocked", version, err)
			}
		}
		refused("v2")
		s.answers.ask = func(core.Asked, time.Time) core.VerdictKind { return core.Fail }
		if r, err := s.run(t.Context(), "v2"); err != nil || r.State != core.StateRolledBack {
			t.Fatalf("%+v, %v", r, err)
		}
		refused("v2")
		s.answers.ask = nil
		if r, err := s.run(t.Context(), "v3"); err != nil || r.State != core.StateSucceeded {
			t.Fatalf("%+v, %v", r, err)
		}
		refused("v2")
		if err := resume("v3"); !errors.As(err, new(engine.Already)) {
			t.Errorf("%v; want that it is out already", err)
		}
	})
}
