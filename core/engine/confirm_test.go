package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
)

// holding is a driver whose targets wait to be told that their wave has passed.
type holding struct{ *deploys }

func (holding) Holds() bool { return true }

func (h holding) Confirm(ctx context.Context, act core.Act) (string, error) {
	act.Version += "!"
	return h.Deploy(ctx, act)
}

func (s *scene) holding() *engine.Engine {
	e := s.engine()
	e.Equip = func(string, string) (engine.Gear, error) {
		return engine.Gear{Plan: s.plan, Deploy: holding{s.deploys}, Rollback: s.deploys, Checks: s.answers}, nil
	}
	return e
}

// told are the acts on targets of a wave that tell them that it has passed.
func (s *scene) told(wave string) (n int) {
	for _, a := range s.deploys.acts {
		if a.Wave == wave && a.Version == "v2!" {
			n++
		}
	}
	return n
}

// TestConfirms: the targets of a wave are told that it has passed, before anything is done to the next and before the end.
func TestConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		r, err := s.holding().Run(t.Context(), s.request("v2"))
		if err != nil || r.State != core.StateSucceeded {
			t.Fatalf("%v, %v", r, err)
		}
		var order []string
		for _, a := range s.deploys.acts {
			order = append(order, a.Wave+" "+a.Version)
		}
		if got := strings.Join(slices.Compact(order), ", "); got != "w0 v2, w0 v2!, w1 v2, w1 v2!" || s.told("w0") != 4 || s.told("w1") != 4 {
			t.Errorf("%s", got)
		}
	})
}

// TestConfirmFailed: a target that does not take it has all of them go back before the next wave, those that wait too.
func TestConfirmFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.deploys.fail = func(a core.Act) error {
			if a.Version == "v2!" && a.Target.Name == "w0-1" {
				return errors.New("it went back by itself")
			}
			return nil
		}
		r, err := s.holding().Run(t.Context(), s.request("v2"))
		if err != nil || r.State != core.StateRolledBack || r.Cause != core.CauseConfirm || r.Why != "Wave w0 has passed, and w0-1 did not take that: it went back by itself" {
			t.Fatalf("%+v, %v", r, err)
		}
		for _, target := range r.Waves[0].Targets {
			if target.Version != "v1" || target.Held {
				t.Errorf("%+v", target)
			}
		}
		if slices.Contains(s.deploys.names(), "w1-0=v2") {
			t.Errorf("%v", s.deploys.names())
		}
	})
}

// TestConfirmFailedHalts where the plan says so, and the re-run tells only the target that had not taken it.
func TestConfirmFailedHalts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.plan.Rollback.When = []core.Trigger{core.TriggerCheck}
		broken := true
		s.deploys.fail = func(a core.Act) error {
			if broken && a.Version == "v2!" && a.Target.Name == "w0-1" {
				return errors.New("it went back by itself")
			}
			return nil
		}
		r, err := s.holding().Run(t.Context(), s.request("v2"))
		if err != nil || r.State != core.StateHalted || r.Cause != core.CauseConfirm || r.Reason != "Wave w0 has passed, and w0-1 did not take that: it went back by itself" {
			t.Fatalf("%+v, %v", r, err)
		}
		if s.told("w0") != 4 || slices.Contains(s.deploys.names(), "w1-0=v2") {
			t.Errorf("%v", s.deploys.names())
		}
		broken = false
		s.actor = core.Actor{ID: "next", Run: "7", Attempt: 2}
		r, err = s.holding().Run(t.Context(), s.request("v2"))
		if err != nil || r.State != core.StateSucceeded || s.told("w0") != 5 {
			t.Errorf("%v, %v: %v", r, err, s.deploys.names())
		}
	})
}

// TestPromoteConfirms: a human who passes the last wave does not end the rollout while its targets wait: the re-run tells them.
func TestPromoteConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.waves, s.plan.Waves = s.waves[:1], s.plan.Waves[:1]
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		if r, err := s.holding().Run(ctx, s.request("v2")); r.State != core.StateHalted {
			t.Fatalf("%v, %v", r, err)
		}
		s.actor = core.Actor{ID: "ada"}
		r, err := s.holding().Promote(t.Context(), "it is fine")
		if err != nil || r.State != core.StateBaking || r.Waves[0].State != core.WavePassed {
			t.Fatalf("%v, %v", r, err)
		}
		s.actor = core.Actor{ID: "next", Run: "7", Attempt: 2}
		r, err = s.holding().Run(t.Context(), s.request("v2"))
		if err != nil || r.State != core.StateSucceeded || !r.Waves[0].Promoted || s.told("w0") != 4 {
			t.Errorf("%v, %v: %v", r, err, s.deploys.names())
		}
	})
}

// TestTickConfirms: a tick that passes a wave acts on no target, so it wakes the run that tells them.
func TestTickConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.waves, s.plan.Waves = s.waves[:1], s.plan.Waves[:1]
		s.plan.Waves[0].Bake.Wait = core.WaitPark
		if r, err := s.holding().Run(t.Context(), s.request("v2")); err != nil || r.State != core.StateBaking {
			t.Fatalf("%v, %v", r, err)
		}
		sleep(t, 2*time.Hour)
		s.actor = core.Actor{ID: "tick"}
		woken := ""
		r, err := s.holding().Tick(t.Context(), engine.Found{Events: s.events(t)}, func(_ context.Context, run string) error {
			woken = run
			return nil
		})
		if err != nil || r.State != core.StateBaking || r.Waves[0].State != core.WavePassed || woken != "7" || s.told("w0") != 0 {
			t.Errorf("%v, %v: woken %q, told %d", r, err, woken, s.told("w0"))
		}
	})
}
