package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
)

// errBelow is what a policy says of a plan that is below it.
var errBelow = errors.New("below the floor")

// governed is an engine of a scene with a policy that admits plans, or does not.
func (s *scene) governed(admits bool) *engine.Engine {
	e := s.engine()
	e.Admit = func(_, _ string, waves []core.StartWave) (*core.Obeyed, error) {
		if !admits || len(waves) != len(s.waves) {
			return nil, errBelow
		}
		return &core.Obeyed{Name: "policy.yaml", Digest: "sha256:1a2b"}, nil
	}
	return e
}

// TestPolicyBeforeTheStart: nothing is written down of a plan that is below a floor, and what is obeyed is.
func TestPolicyBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		if _, err := s.governed(false).Run(t.Context(), s.request("v2")); !errors.Is(err, errBelow) {
			t.Fatal(err)
		}
		if events := s.events(t); len(events) != 0 || len(s.deploys.acts) != 0 {
			t.Fatalf("%d events, %v", len(events), s.deploys.names())
		}
		r, err := s.governed(true).Run(t.Context(), s.request("v2"))
		if err != nil || r.State != core.StateSucceeded || r.Start.Policy == nil || r.Start.Policy.Name != "policy.yaml" {
			t.Fatalf("%+v, %v", r.Start.Policy, err)
		}
	})
}

// TestPolicyOfAResumedRollout: what goes on must keep to the policy as it is now, and is not touched without one.
func TestPolicyOfAResumedRollout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.answers.ask = func(core.Asked, time.Time) core.VerdictKind { return core.Inconclusive }
		r, err := s.governed(true).Run(t.Context(), s.request("v2"))
		if err != nil || r.State != core.StateHalted {
			t.Fatalf("%v, %v", r.State, err)
		}
		before := len(s.events(t))
		s.actor.ID, s.actor.Attempt = "second", 2
		_, err = s.governed(false).Run(t.Context(), s.request("v2"))
		if !errors.Is(err, errBelow) || !strings.Contains(err.Error(), "goes on with the plan that it started with") {
			t.Error(err)
		}
		for name, do := range map[string]func(*engine.Engine) error{
			"run":      func(e *engine.Engine) error { _, err := e.Run(t.Context(), s.request("v2")); return err },
			"rollback": func(e *engine.Engine) error { _, err := e.RollBack(t.Context(), core.Way{Reason: "so"}); return err },
			"abort":    func(e *engine.Engine) error { _, err := e.Abort(t.Context(), "so", false); return err },
		} {
			refused, ok := errors.AsType[engine.Refused](do(s.engine()))
			if want := "Rollout shop-test-1 keeps to the policy policy.yaml, so nothing is done to it without one. Pass --policy policy.yaml."; !ok || refused.Reason != want {
				t.Errorf("%s: %q", name, refused.Reason)
			}
		}
		if after := len(s.events(t)); after != before {
			t.Errorf("%d events were written", after-before)
		}
		s.answers.ask = nil
		if r, err = s.governed(true).Run(t.Context(), s.request("v2")); err != nil || r.State != core.StateSucceeded {
			t.Errorf("%v, %v", r.State, err)
		}
	})
}

// TestPolicyNeverHoldsUpARollback: what goes back does so whatever the policy says by now.
func TestPolicyNeverHoldsUpARollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		broken := true
		s.deploys.fail = func(a core.Act) error {
			if a.Rollback && broken {
				return errors.New("no route to host")
			}
			return nil
		}
		s.answers.ask = func(core.Asked, time.Time) core.VerdictKind { return core.Fail }
		r, err := s.governed(true).Run(t.Context(), s.request("v2"))
		if err != nil || r.State != core.StateRollbackFailed {
			t.Fatalf("%v, %v", r.State, err)
		}
		broken = false
		s.actor.ID, s.actor.Attempt = "second", 2
		if r, err = s.governed(false).Run(context.Background(), s.request("v2")); err != nil || r.State != core.StateRolledBack {
			t.Errorf("%v, %v", r.State, err)
		}
	})
}
