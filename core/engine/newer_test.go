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

// An outcome is what a run of a version came to.
type outcome struct {
	r   *core.Rollout
	err error
}

// comes runs a version in a process of its own, which starts after a while.
func (s *scene) comes(ctx context.Context, after time.Duration, version, actor string, change func(*engine.Request)) <-chan outcome {
	rival := *s
	rival.actor = core.Actor{ID: actor, Name: actor, Run: actor, Attempt: 1}
	done := make(chan outcome, 1)
	go func() {
		if err := (realClock{}).Wait(ctx, time.Now().Add(after)); err != nil {
			done <- outcome{nil, err}
			return
		}
		req := rival.request(version)
		req.Previous = "" // the ledger knows
		if change != nil {
			change(&req)
		}
		e := rival.engine()
		e.Watch = 2 * time.Minute
		r, err := e.Run(ctx, req)
		done <- outcome{r, err}
	}()
	return done
}

// newcomers is a scene in which v1 is out everywhere.
func newcomers(t *testing.T, on core.OnNewer) *scene {
	t.Helper()
	s := newScene()
	s.plan.OnNewer = on
	s.plan.Emergency = &core.Emergency{MinBake: 5 * time.Minute}
	if r, err := s.engine().Run(t.Context(), s.request("v1")); err != nil || r.State != core.StateSucceeded {
		t.Fatalf("%v, %v", r, err)
	}
	s.deploys.acts = nil
	return s
}

// versions are those that were put on targets, each stretch once.
func (s *scene) versions() []string {
	var all []string
	for _, a := range s.deploys.acts {
		all = append(all, a.Version)
	}
	return slices.Compact(all)
}

func blockedFor(t *testing.T, o outcome, want string) {
	t.Helper()
	if blocked, ok := errors.AsType[engine.Blocked](o.err); !ok || !strings.Contains(blocked.Reason, want) {
		t.Errorf("%v, want it blocked: %q", o.err, want)
	}
}

// TestNewerQueues: the newest version waits, and starts by itself once the line is free; one that it takes the place of
// is told.
func TestNewerQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newcomers(t, core.NewerQueues)
		a := s.comes(t.Context(), 0, "v2", "ann", nil)
		b := s.comes(t.Context(), 10*time.Minute, "v3", "bob", nil)
		c := s.comes(t.Context(), 20*time.Minute, "v4", "cyd", nil)
		blockedFor(t, <-b, "Version v3 no longer waits for shop/test: version v4 came after it and waits in its place. Nothing was done.")
		if o := <-a; o.err != nil || o.r.State != core.StateSucceeded {
			t.Fatalf("%v, %v", o.r.State, o.err)
		}
		if o := <-c; o.err != nil || o.r.State != core.StateSucceeded || o.r.Start.Previous != "v2" {
			t.Fatalf("%v, %v", o.r, o.err)
		}
		if got := s.versions(); !slices.Equal(got, []string{"v2", "v4"}) {
			t.Errorf("%v", got)
		}
	})
}

// TestNewerIsRejected, or blocked by what a human must decide on.
func TestNewerIsRejected(t *testing.T) {
	for _, c := range []struct {
		name string
		on   core.OnNewer
		halt bool
	}{{"by the plan", core.NewerRejected, false}, {"a halted rollout, though it would queue", core.NewerQueues, true}, {"a halted rollout, though it would supersede", core.NewerSupersedes, true}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newcomers(t, c.on)
				if c.halt {
					s.answers.ask = func(core.Asked, time.Time) core.VerdictKind { return core.Error }
				}
				a := s.comes(t.Context(), 0, "v2", "ann", nil)
				b := s.comes(t.Context(), 30*time.Minute, "v3", "bob", nil)
				blockedFor(t, <-b, "shop/test is busy: rollout shop-test-2 of version v2 is ")
				<-a
				if got := s.versions(); !slices.Equal(got, []string{"v2"}) {
					t.Errorf("%v", got)
				}
			})
		})
	}
}

// TestNewerSupersedes: the rollout ends at the border of waves, never within one, and the newer version takes over from
// the last version that finished.
func TestNewerSupersedes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newcomers(t, core.NewerSupersedes)
		a := s.comes(t.Context(), 0, "v2", "ann", nil)
		b := s.comes(t.Context(), 10*time.Minute, "v3", "bob", nil)
		o := <-a
		if o.err != nil || o.r.State != core.StateAborted || !o.r.GaveWay() || o.r.Waves[0].State != core.WavePassed {
			t.Fatalf("%v %v, %v", o.r.State, o.r.Waves[0].State, o.err)
		}
		if want := "Version v2 is superseded by version v3. What is out stays out until then. The last version that finished is v1."; o.r.Reason != want {
			t.Errorf("%q", o.r.Reason)
		}
		o = <-b
		if o.err != nil || o.r.State != core.StateSucceeded || o.r.Start.Previous != "v1" {
			t.Fatalf("%v, %v", o.r, o.err)
		}
		for _, act := range s.deploys.acts {
			if act.Version == "v2" && strings.HasPrefix(act.Target.Name, "w1") {
				t.Errorf("v2 went out on %s", act.Target.Name)
			}
		}
	})
}

// TestSupersededGoesBackWhole: when the newer version fails, what the superseded one left goes back as well, to the last
// version that finished, also where the newer one has not come yet.
func TestSupersededGoesBackWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newcomers(t, core.NewerSupersedes)
		s.answers.ask = func(asked core.Asked, _ time.Time) core.VerdictKind {
			if asked.Version == "v3" && asked.Wave != "" {
				return core.Fail
			}
			return core.Pass
		}
		a := s.comes(t.Context(), 0, "v2", "ann", nil)
		b := s.comes(t.Context(), 10*time.Minute, "v3", "bob", func(req *engine.Request) {
			cut := req.Waves
			req.Waves = func(ctx context.Context) ([]core.StartWave, error) {
				waves, err := cut(ctx)
				waves = slices.Clone(waves)
				slices.Reverse(waves) // those of v2 come last
				return waves, err
			}
		})
		<-a
		o := <-b
		if o.err != nil || o.r.State != core.StateRolledBack {
			t.Fatalf("%v, %v", o.r.State, o.err)
		}
		for _, w := range o.r.Waves {
			for _, target := range w.Targets {
				if target.Version != "v1" {
					t.Errorf("%s runs %q", target.Name, target.Version)
				}
			}
		}
	})
}

// TestEmergencyDoesNotWait: an emergency ends a bake, and a halted rollout.
func TestEmergencyDoesNotWait(t *testing.T) {
	for _, c := range []struct {
		name string
		says core.VerdictKind
		why  string
	}{
		{"a bake", core.Pass, "Version v2 is superseded in an emergency by version v3. What is out stays out until then. The last version that finished is v1."},
		{"a halted rollout", core.Error, "bob ended the halted rollout for version v3, an emergency: customers cannot pay"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newcomers(t, core.NewerRejected)
				began := time.Now()
				s.answers.ask = func(asked core.Asked, _ time.Time) core.VerdictKind {
					if asked.Version == "v3" {
						return core.Pass
					}
					return c.says
				}
				a := s.comes(t.Context(), 0, "v2", "ann", nil)
				b := s.comes(t.Context(), 20*time.Minute, "v3", "bob", func(req *engine.Request) { req.Emergency = "customers cannot pay" })
				o := <-b
				if o.err != nil || o.r.State != core.StateSucceeded || o.r.Start.Previous != "v1" || !o.r.Emergency {
					t.Fatalf("%v, %v", o.r, o.err)
				}
				if took := time.Since(began); took > time.Hour {
					t.Errorf("it took %v", took)
				}
				<-a
				if last := s.ended(t, "shop-test-2"); last.Reason != c.why {
					t.Errorf("%q", last.Reason)
				}
			})
		})
	}
}

// TestEmergencyWithoutAFastLane ends nothing.
func TestEmergencyWithoutAFastLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newcomers(t, core.NewerQueues)
		s.plan.Emergency = nil
		a := s.comes(t.Context(), 0, "v2", "ann", nil)
		o := <-s.comes(t.Context(), 20*time.Minute, "v3", "bob", func(req *engine.Request) { req.Emergency = "now" })
		if _, ok := errors.AsType[engine.Refused](o.err); !ok {
			t.Errorf("%v", o.err)
		}
		if o := <-a; o.r.State != core.StateSucceeded {
			t.Errorf("%v", o.r.State)
		}
	})
}

// TestWaitingEnds: a job that is cancelled while its version waits says so and has done nothing; one that waits for a
// process that is gone does not wait for ever.
func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newcomers(t, core.NewerQueues)
		first, stop := context.WithCancel(t.Context())
		s.comes(t.Context(), 0, "v2", "ann", nil)
		b := s.comes(first, 10*time.Minute, "v3", "bob", nil)
		(realClock{}).Wait(t.Context(), time.Now().Add(20*time.Minute+time.Millisecond))
		stop()
		blockedFor(t, <-b, "The job was cancelled while version v3 waited for shop/test, where version v2 is baking. Nothing was done.")
		s.dead = true
		blockedFor(t, <-s.comes(t.Context(), time.Minute, "v4", "cyd", nil), "Nobody works on it any more. shop/test is busy: ")
	})
}

// ended is the event that ended a rollout.
func (s *scene) ended(t *testing.T, rollout string) core.Event {
	t.Helper()
	for e, err := range s.book.(core.Historian).History(t.Context(), s.plan.Line()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Rollout == rollout && e.Type == core.EventEnded {
			return e
		}
	}
	t.Fatalf("%s has not ended", rollout)
	return core.Event{}
}
