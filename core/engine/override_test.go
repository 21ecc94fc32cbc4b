package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
)

// bob is who overrides in these tests.
var bob = core.Actor{ID: "human", Name: "bob"}

// by is the scene with another actor, on the same ledger and targets.
func (s *scene) by(a core.Actor) *scene {
	other := *s
	other.actor = a
	return &other
}

// promote promotes as bob.
func (s *scene) promote(t *testing.T) (*core.Rollout, error) {
	return s.by(bob).engine().Promote(t.Context(), "it is urgent")
}

func sleep(t *testing.T, d time.Duration) {
	if err := (realClock{}).Wait(t.Context(), time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}

// TestPromoteBesideAHolder promotes both waves while a process waits in their bakes: it goes on within one glance, and
// writes the end itself.
func TestPromoteBesideAHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		seen := new(recorder)
		began := time.Now()
		var r *core.Rollout
		done := make(chan error)
		go func() {
			e := s.engine()
			e.Glance, e.Observer = 15*time.Second, seen
			var err error
			r, err = e.Run(t.Context(), s.request("v2"))
			done <- err
		}()
		sleep(t, 12*time.Minute+3*time.Second) // ten minutes into the first bake
		if p, err := s.promote(t); err != nil || p.State != core.StateDeploying || p.Lease.Holder.ID != "first" {
			t.Errorf("%+v, %v", p, err)
		}
		sleep(t, 2*time.Minute+40*time.Second) // into the second
		if p, err := s.promote(t); err != nil || p.State != core.StateBaking || !p.Waves[1].Promoted {
			t.Errorf("%+v, %v", p, err)
		}
		if err := <-done; err != nil || r.State != core.StateSucceeded {
			t.Fatalf("%s, %v", r.State, err)
		}
		if took := time.Since(began); took > 15*time.Minute {
			t.Errorf("it took %s", took)
		}
		if want := "Version v2 is out on every wave. Promoted by hand, without a bake that had passed: w0, w1."; r.Reason != want {
			t.Errorf("%q", r.Reason)
		}
		if n := seen.count(core.EventPromoted); n != 2 {
			t.Errorf("the process that waited was shown %d promotes", n)
		}
		if o := r.Overrides; len(o) != 2 || o[0].Kind != core.OverridePromote || o[0].By.Name != "bob" || o[0].Reason != "it is urgent" || o[0].At.Sub(began) != 12*time.Minute+3*time.Second {
			t.Errorf("%+v", o)
		}
		if n := len(s.deploys.acts); n != 8 {
			t.Errorf("%d deploys", n)
		}
	})
}

// recorder keeps the types of the events that it is shown.
type recorder struct {
	silent
	types []core.EventType
}

func (r *recorder) Recorded(_ *core.Rollout, e core.Event) { r.types = append(r.types, e.Type) }

func (r *recorder) count(typ core.EventType) int {
	return len(slices.DeleteFunc(slices.Clone(r.types), func(t core.EventType) bool { return t != typ }))
}

// TestPromoteBeatsAStaleDecision lets a human promote in the very moment in which the process decides that the bake has
// failed. What was decided before the promote is not written after it, to the next wave least of all.
func TestPromoteBeatsAStaleDecision(t *testing.T) {
	for _, react := range []core.Reaction{core.ReactRollback, core.ReactHalt} {
		t.Run(string(react), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				s.plan.Checks[0].React.Fail = react
				promoted := false
				s.answers.ask = func(asked core.Asked, at time.Time) core.VerdictKind {
					if asked.Wave != "w0" || at.Sub(asked.Since) < 10*time.Minute {
						return core.Pass
					}
					if !promoted {
						promoted = true
						if _, err := s.promote(t); err != nil {
							t.Error(err)
						}
					}
					return core.Fail
				}
				r, err := s.run(t.Context(), "v2")
				if err != nil || r.State != core.StateSucceeded || !r.Waves[0].Promoted || r.Waves[1].Promoted {
					t.Errorf("%s %q, %v", r.State, r.Reason, err)
				}
			})
		})
	}
}

// TestPromoteOfAHaltedRollout promotes without any process at work: a wave, which a re-run goes on behind; the last wave,
// which ends the rollout; and a precheck that fails.
func TestPromoteOfAHaltedRollout(t *testing.T) {
	again := core.Actor{ID: "second", Name: "ann", Run: "7", Attempt: 2}
	fails := func(wave string) func(core.Asked, time.Time) core.VerdictKind {
		return func(asked core.Asked, _ time.Time) core.VerdictKind {
			if asked.Wave == wave {
				return core.Fail
			}
			return core.Pass
		}
	}
	halted := func(t *testing.T, wave string) *scene {
		s := newScene()
		s.plan.Rollback.When, s.plan.Precheck = nil, wave == ""
		s.answers.ask = fails(wave)
		if r, err := s.run(t.Context(), "v2"); err != nil || r.State != core.StateHalted {
			t.Fatalf("%s, %v", r.State, err)
		}
		return s
	}
	t.Run("a wave", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := halted(t, "w0")
			r, err := s.promote(t)
			if err != nil || r.State != core.StateDeploying || r.Lease.Holder.ID != "" || !r.Waiting() || r.Cause != "" {
				t.Fatalf("%+v, %v", r, err)
			}
			if r, err = s.by(again).run(t.Context(), "v2"); err != nil || r.State != core.StateSucceeded {
				t.Fatalf("%s %q, %v", r.State, r.Reason, err)
			}
			if n := len(s.deploys.acts); n != 8 {
				t.Errorf("%d deploys", n)
			}
			if v := r.Waves[0].Verdicts; len(v) != 1 || v[0].Verdict != core.Fail {
				t.Errorf("what the check said of the promoted wave: %+v", v)
			}
		})
	})
	t.Run("the last wave", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := halted(t, "w1")
			r, err := s.promote(t)
			if err != nil || r.State != core.StateSucceeded || r.LastGood() != "v2" {
				t.Fatalf("%s %q, %v", r.State, r.Reason, err)
			}
			if types := s.events(t)[r.Seq-2:]; types[0].Type != core.EventPromoted || types[1].Type != core.EventEnded {
				t.Errorf("%+v", types)
			}
		})
	})
	t.Run("a precheck", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := halted(t, "")
			r, err := s.promote(t)
			if err != nil || r.State != core.StatePending || !r.Accepted || !strings.Contains(r.Reason, "accepted the precheck as it is: it is urgent") {
				t.Fatalf("%+v, %v", r, err)
			}
			if r, err = s.by(again).run(t.Context(), "v2"); err != nil || r.State != core.StateSucceeded {
				t.Fatalf("%s %q, %v", r.State, r.Reason, err)
			}
		})
	})
	t.Run("in a bake whose process is gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newScene()
			ctx, die := context.WithCancel(t.Context())
			s.book = &mortal{Ledger: s.book, ctx: ctx}
			go func() {
				sleep(t, 66*time.Minute) // in the second bake
				die()
			}()
			if _, err := s.run(ctx, "v2"); err == nil {
				t.Fatal("it lives")
			}
			s.book.(*mortal).ctx = t.Context()
			sleep(t, time.Hour) // the lease has run out
			if r, err := s.promote(t); err != nil || r.State != core.StateSucceeded {
				t.Errorf("%s %q, %v", r.State, r.Reason, err)
			}
		})
	})
}

// TestCancelAfterThePromoteOfTheLastWave cancels a job that has not seen yet that a human passed the last wave. What a
// human decided stays decided.
func TestCancelAfterThePromoteOfTheLastWave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		ctx, cancel := context.WithTimeout(t.Context(), 70*time.Minute)
		defer cancel()
		go func() {
			sleep(t, 70*time.Minute-time.Second)
			if _, err := s.promote(t); err != nil {
				t.Error(err)
			}
		}()
		if r, err := s.run(ctx, "v2"); err != nil || r.State != core.StateSucceeded {
			t.Errorf("%s %q, %v", r.State, r.Reason, err)
		}
	})
}

// TestHolderGlances lets another actor take over while a process waits in a bake: it stops within one glance.
func TestHolderGlances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		counted := &reads{Ledger: s.book}
		done := make(chan error)
		go func() {
			e := s.engine()
			e.Ledger, e.Glance = counted, 15*time.Second
			_, err := e.Run(t.Context(), s.request("v2"))
			done <- err
		}()
		sleep(t, 12*time.Minute)
		before := counted.n.Load()
		sleep(t, 40*time.Minute)
		if n := counted.n.Load() - before; n > 4*40+1 {
			t.Errorf("%d reads in 40 minutes of a bake", n)
		}
		rival := s.by(core.Actor{ID: "next", Run: "7", Attempt: 2})
		go rival.run(t.Context(), "v2")
		began := time.Now()
		var lost engine.Lost
		if err := <-done; !errors.As(err, &lost) || time.Since(began) > 16*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		sleep(t, 3*time.Hour)
	})
}

// reads counts how often a ledger is read.
type reads struct {
	core.Ledger
	n atomic.Int64
}

func (r *reads) Read(ctx context.Context, line core.Line) ([]core.Event, error) {
	r.n.Add(1)
	return r.Ledger.Read(ctx, line)
}

// TestRollBackOfAFinishedRollout puts the previous version back after the rollout has ended.
func TestRollBackOfAFinishedRollout(t *testing.T) {
	finished := func(t *testing.T, versions ...string) *scene {
		s := newScene()
		for _, v := range versions {
			req := s.request(v)
			if len(s.events(t)) > 0 {
				req.Previous = ""
			}
			if r, err := s.engine().Run(t.Context(), req); err != nil || r.State != core.StateSucceeded {
				t.Fatalf("%s %q, %v", r.State, r.Reason, err)
			}
		}
		s.deploys.acts = nil
		s.plan.Rollback.Scope = core.ScopeWave // a human means all of it
		return s.by(bob)
	}
	t.Run("to the one before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := finished(t, "v2")
			r, err := s.engine().RollBack(t.Context(), core.Way{Reason: "wrong prices"})
			if err != nil || r.State != core.StateRolledBack || r.LastGood() != "v1" || !strings.HasSuffix(r.Reason, "bob asked for it: wrong prices") {
				t.Fatalf("%s %q, %v", r.State, r.Reason, err)
			}
			want := []string{"w1-3=v1", "w1-2=v1", "w1-1=v1", "w1-0=v1", "w0-3=v1", "w0-2=v1", "w0-1=v1", "w0-0=v1"}
			if got := s.deploys.names(); !slices.Equal(got, want) {
				t.Errorf("%v", got)
			}
			_, err = s.engine().RollBack(t.Context(), core.Way{Reason: "again"})
			if !errors.As(err, new(engine.Refused)) || !strings.HasPrefix(err.Error(), "There is nothing to put back") {
				t.Errorf("again: %v", err)
			}
		})
	})
	t.Run("to a version", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := finished(t, "v1", "v2", "v3")
			_, err := s.engine().RollBack(t.Context(), core.Way{Reason: "why", To: "v0"})
			if want := "Version v0 is not known to be good on shop/test: no rollout of it has succeeded and stayed. Known to be good, newest first: v3, v2, v1."; err == nil || err.Error() != want {
				t.Errorf("%v", err)
			}
			r, err := s.engine().RollBack(t.Context(), core.Way{Reason: "all of it is wrong", To: "v1"})
			if err != nil || r.State != core.StateRolledBack || r.LastGood() != "v1" || r.Target("w0-0").Version != "v1" {
				t.Fatalf("%s %q, %v", r.State, r.Reason, err)
			}
			// v3 did not stay, so it is no way back; v2 is, and the next rollout goes back to what is out now.
			if _, err = s.engine().RollBack(t.Context(), core.Way{Reason: "hm", To: "v3"}); err == nil || !strings.Contains(err.Error(), "newest first: v2, v1.") {
				t.Errorf("%v", err)
			}
			if r, err = s.engine().RollBack(t.Context(), core.Way{Reason: "v2 was fine", To: "v2"}); err != nil || r.State != core.StateRolledBack || len(r.Overrides) != 2 {
				t.Fatalf("%+v, %v", r, err)
			}
			if a := s.deploys.acts[len(s.deploys.acts)-1]; a.Version != "v2" || a.Previous != "v1" || !a.Rollback || !a.Named {
				t.Errorf("%+v", a)
			}
			req := s.request("v4")
			req.Previous = ""
			if r, err = s.engine().Run(t.Context(), req); err != nil || r.Start.Previous != "v2" || r.Start.Waves[0].Targets[0].Runs != "" {
				t.Errorf("%+v, %v", r.Start, err)
			}
		})
	})
	t.Run("cut off and finished by a re-run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := finished(t, "v2")
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
			defer cancel()
			r, err := s.engine().RollBack(ctx, core.Way{Reason: "wrong prices"})
			if err != nil || r.State != core.StateRollingBack || r.Lease.Holder.ID != "" {
				t.Fatalf("%s, %v", r.State, err)
			}
			if r, err = s.by(core.Actor{ID: "later"}).run(t.Context(), "v2"); err != nil || r.State != core.StateRolledBack {
				t.Errorf("%s, %v", r.State, err)
			}
			if n := len(s.deploys.acts); n != 8+1 { // one was cut off
				t.Errorf("%d acts", n)
			}
		})
	})
	t.Run("verified", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := finished(t, "v1", "v2", "v3")
			s.plan.Rollback.Verify = 10 * time.Minute
			for _, to := range []string{"v1", "v2"} {
				s.answers.opened = nil
				r, err := s.engine().RollBack(t.Context(), core.Way{Reason: "why not", To: to})
				if err != nil || r.State != core.StateRolledBack || len(r.Verified) != 1 {
					t.Fatalf("%s, %v", r.State, err)
				}
				if a := s.answers.opened; len(a) != 1 || !a[0].Back || a[0].Version != to || len(a[0].Targets) != 8 {
					t.Errorf("%+v", a)
				}
			}
		})
	})
	t.Run("of what never touched a target", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newScene()
			s.plan.Precheck, s.plan.Rollback.Verify = true, 10*time.Minute
			s.answers.ask = func(core.Asked, time.Time) core.VerdictKind { return core.Fail }
			if r, err := s.run(t.Context(), "v2"); err != nil || r.State != core.StateHalted {
				t.Fatalf("%s, %v", r.State, err)
			}
			if r, err := s.by(bob).engine().RollBack(t.Context(), core.Way{Reason: "why not"}); err != nil || r.State != core.StateRolledBack || r.Verified != nil {
				t.Errorf("%+v, %v", r, err)
			}
		})
	})
}

func TestAbortAndRollBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.plan.Rollback.When = nil
		s.answers.ask = func(core.Asked, time.Time) core.VerdictKind { return core.Fail }
		if r, err := s.run(t.Context(), "v2"); err != nil || r.State != core.StateHalted {
			t.Fatalf("%s, %v", r.State, err)
		}
		s = s.by(bob)
		r, err := s.engine().Abort(t.Context(), "not today", true)
		if err != nil || r.State != core.StateRolledBack || r.Overrides[0].Kind != core.OverrideAbort || !strings.HasSuffix(r.Reason, "bob aborted it: not today") {
			t.Fatalf("%+v, %v", r, err)
		}
		for _, back := range []bool{false, true} {
			if _, err := s.engine().Abort(t.Context(), "again", back); !errors.As(err, new(engine.Refused)) {
				t.Errorf("%v", err)
			}
		}
	})
}

// TestEmergency takes the fast lane: the shortest bake and no windows, with every check and every rollback.
func TestEmergency(t *testing.T) {
	shut := func(context.Context, []core.StartWave) (core.Timetable, error) { return closed{}, nil }
	hurried := func() (*scene, engine.Request) {
		s := newScene()
		s.plan.Emergency, s.windows = &core.Emergency{MinBake: 5 * time.Minute}, shut
		req := s.request("v2")
		req.Emergency = "the shop is down"
		return s, req
	}
	t.Run("from the start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, req := hurried()
			began := time.Now()
			r, err := s.engine().Run(t.Context(), req)
			if err != nil || r.State != core.StateSucceeded || !r.Emergency || len(r.Overrides) != 1 || r.Overrides[0].Reason != "the shop is down" {
				t.Fatalf("%+v, %v", r, err)
			}
			if took := time.Since(began); took != 2*(2*time.Minute+5*time.Minute) {
				t.Errorf("it took %s", took)
			}
			if e := s.events(t); e[1].Type != core.EventExpedited || s.plan.Waves[0].Bake.Min != time.Hour {
				t.Errorf("%+v", e[1])
			}
		})
	})
	t.Run("goes back as ever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, req := hurried()
			s.answers.ask = func(asked core.Asked, _ time.Time) core.VerdictKind {
				if asked.Wave == "w1" {
					return core.Fail
				}
				return core.Pass
			}
			if r, err := s.engine().Run(t.Context(), req); err != nil || r.State != core.StateRolledBack {
				t.Errorf("%s, %v", r.State, err)
			}
		})
	})
	t.Run("of a rollout that is under way, and stays one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, req := hurried()
			s.windows = nil
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute) // two of them in the bake
			defer cancel()
			if r, err := s.run(ctx, "v2"); err != nil || r.State != core.StateHalted {
				t.Fatalf("%s, %v", r.State, err)
			}
			s.windows = shut
			s.actor.ID, s.actor.Attempt = "second", 2
			began := time.Now()
			ctx, cancel = context.WithTimeout(t.Context(), 4*time.Minute) // in the second wave
			defer cancel()
			if r, err := s.engine().Run(ctx, req); err != nil || r.State != core.StateHalted || r.Wave != 1 || !r.Emergency {
				t.Fatalf("%s, %v", r.State, err)
			}
			s.actor.ID, s.actor.Attempt = "third", 3
			r, err := s.engine().Run(t.Context(), req)
			if err != nil || r.State != core.StateSucceeded || len(r.Overrides) != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			if took := time.Since(began); took > 14*time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	})
	t.Run("without a fast lane", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, req := hurried()
			s.plan.Emergency = nil
			if _, err := s.engine().Run(t.Context(), req); !errors.As(err, new(engine.Refused)) || len(s.events(t)) != 0 {
				t.Errorf("%v", err)
			}
		})
	})
	t.Run("of a rollback", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, req := hurried()
			s.windows = nil
			s.deploys.fail = func(core.Act) error { return errors.New("no route to host") }
			if r, err := s.run(t.Context(), "v2"); err != nil || r.State != core.StateRollbackFailed {
				t.Fatalf("%s, %v", r.State, err)
			}
			if _, err := s.engine().Run(t.Context(), req); !errors.As(err, new(engine.Refused)) || !strings.Contains(err.Error(), "does not hurry a rollback") {
				t.Errorf("%v", err)
			}
		})
	})
}

// closed is a timetable that never opens.
type closed struct{}

func (closed) Opening(int, time.Time) core.Opening { return core.Opening{Why: "never"} }

// TestActivate keeps a release that must not be rolled back across: it halts instead, a human cannot roll it back, and
// what comes after it cannot go back across it either.
func TestActivate(t *testing.T) {
	const said = "The plan says activate: this release must not be rolled back across. Roll forward."
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		for _, v := range []string{"v1", "v2"} {
			if r, err := s.run(t.Context(), v); err != nil || r.State != core.StateSucceeded {
				t.Fatalf("%s, %v", r.State, err)
			}
		}
		next := func(version string) (*core.Rollout, error) {
			req := s.request(version)
			req.Previous = ""
			return s.engine().Run(t.Context(), req)
		}
		s.plan.Activate = true
		bad := func(core.Asked, time.Time) core.VerdictKind { return core.Fail }
		s.answers.ask = bad
		r, err := next("v3")
		if err != nil || r.State != core.StateHalted || r.Cause != core.CauseCheck || r.Reason != "Check errors: so it is. "+said {
			t.Fatalf("%s %q, %v", r.State, r.Reason, err)
		}
		refused := func(want string, err error) {
			t.Helper()
			if !errors.As(err, new(engine.Refused)) || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
		human := s.by(bob).engine()
		_, err = human.RollBack(t.Context(), core.Way{Reason: "please"})
		refused("Rollout shop-test-3 of version v3 cannot go back. "+said, err)
		_, err = human.Abort(t.Context(), "please", true)
		refused("Rollout shop-test-3 of version v3 cannot go back. "+said, err)
		if r, err = human.Abort(t.Context(), "v4 mends it", false); err != nil || r.State != core.StateAborted {
			t.Fatalf("%s, %v", r.State, err)
		}

		s.plan.Activate = false
		if r, err = next("v4"); err != nil || r.State != core.StateHalted || !strings.HasSuffix(r.Reason,
			"The plan of version v3, which this one replaces, says activate: it must not be rolled back across. Roll forward.") {
			t.Fatalf("%s %q, %v", r.State, r.Reason, err)
		}
		if _, err = human.Promote(t.Context(), "good enough"); err != nil {
			t.Fatal(err)
		}
		s.answers.ask = nil
		if r, err = s.by(core.Actor{ID: "again"}).run(t.Context(), "v4"); err != nil || r.State != core.StateSucceeded {
			t.Fatalf("%s %q, %v", r.State, r.Reason, err)
		}

		if r, err = next("v5"); err != nil || r.State != core.StateSucceeded || r.Start.Activated != "" {
			t.Fatalf("%s %+v, %v", r.State, r.Start.Activated, err)
		}
		_, err = human.RollBack(t.Context(), core.Way{Reason: "please", To: "v2"})
		refused("Version v2 cannot be put back: the plan of version v3, which came after it, says activate: it must not be rolled back across. Roll forward.", err)
		if r, err = human.RollBack(t.Context(), core.Way{Reason: "please"}); err != nil || r.State != core.StateRolledBack || r.LastGood() != "v4" {
			t.Errorf("%s, %v", r.State, err)
		}
	})
}
