package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/ledger"
)

// realClock is the clock of a synctest bubble.
type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

func (realClock) Wait(ctx context.Context, until time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(until)):
		return nil
	}
}

// deploys is a driver whose acts take a minute each, and a record of them.
type deploys struct {
	mu       sync.Mutex
	acts     []core.Act
	now, max int
	fail     func(core.Act) error
}

func (d *deploys) Deploy(ctx context.Context, act core.Act) (string, error) {
	d.mu.Lock()
	d.acts = append(d.acts, act)
	d.now++
	d.max = max(d.max, d.now)
	d.mu.Unlock()
	defer func() { d.mu.Lock(); d.now--; d.mu.Unlock() }()
	if err := (realClock{}).Wait(ctx, time.Now().Add(time.Minute)); err != nil {
		return "cut off", err
	}
	if d.fail != nil {
		if err := d.fail(act); err != nil {
			return "line 1\nline 2", err
		}
	}
	return "", nil
}

func (d *deploys) names() []string {
	var names []string
	for _, a := range d.acts {
		names = append(names, a.Target.Name+"="+a.Version)
	}
	return names
}

// answers is an asker whose checks say what ask returns.
type answers struct {
	mu     sync.Mutex
	ask    func(asked core.Asked, at time.Time) core.VerdictKind
	late   func() time.Duration // how late the checks were when they looked; nil: not at all
	opened []core.Asked
}

func (a *answers) Open(_ context.Context, asked core.Asked) (core.Looker, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.opened = append(a.opened, asked)
	return answering{a, asked}, nil
}

type answering struct {
	*answers
	asked core.Asked
}

func (a answering) Close() error { return nil }

func (a answering) Look(_ context.Context, at time.Time) core.Evidence {
	kind := core.Pass
	if a.ask != nil {
		kind = a.ask(a.asked, at)
	}
	seen := core.Evidence{Enough: true, Verdicts: []core.Verdict{{Check: "errors", Verdict: kind, Reason: "so it is", At: at}}}
	if a.late != nil {
		seen.Late = a.late()
	}
	return seen
}

// silent observes nothing.
type silent struct{}

func (silent) Recorded(*core.Rollout, core.Event)  {}
func (silent) Looked(*core.Rollout, core.Evidence) {}
func (silent) Acted(core.Act, core.Result, string) {}

// A scene is an engine with everything around it, in a bubble of virtual time.
type scene struct {
	plan    *core.Plan
	waves   []core.StartWave
	book    core.Ledger
	deploys *deploys
	answers *answers
	actor   core.Actor
	dead    bool // what is known of other holders
	windows func(context.Context, []core.StartWave) (core.Timetable, error)
}

func newScene() *scene {
	react := core.Reactions{Fail: core.ReactRollback, Inconclusive: core.ReactHalt, Error: core.ReactHalt}
	bake := core.Bake{Min: time.Hour, Max: 4 * time.Hour, Every: time.Minute}
	s := &scene{book: ledger.NewMemory(), deploys: new(deploys), answers: new(answers), actor: core.Actor{ID: "first", Name: "ann", Run: "7", Attempt: 1}}
	s.plan = &core.Plan{Service: "shop", Environment: "test", React: react,
		Deploy:   core.Deploy{Timeout: 15 * time.Minute, Parallel: core.Amount{Count: 2, Set: true}},
		Rollback: core.Rollback{When: []core.Trigger{core.TriggerDeploy, core.TriggerCheck}, Scope: core.ScopeRollout, Timeout: 15 * time.Minute, Parallel: core.Amount{Count: 1, Set: true}},
		Checks:   []core.Check{{Name: "errors", React: react}}}
	for i := range 2 {
		name := fmt.Sprintf("w%d", i)
		s.plan.Waves = append(s.plan.Waves, core.WaveRule{Name: name, Bake: bake})
		wave := core.StartWave{Name: name, Rule: i}
		for j := range 4 {
			wave.Targets = append(wave.Targets, core.StartTarget{Target: core.Target{Name: fmt.Sprintf("%s-%d", name, j)}})
		}
		s.waves = append(s.waves, wave)
	}
	return s
}

func (s *scene) engine() *engine.Engine {
	return &engine.Engine{
		Line: s.plan.Line(), Ledger: s.book, Clock: realClock{}, Actor: s.actor, Observer: silent{},
		Equip: func(string, string) (engine.Gear, error) {
			return engine.Gear{Plan: s.plan, Deploy: s.deploys, Rollback: s.deploys, Checks: s.answers, Windows: s.windows}, nil
		},
		Dead: func(core.Actor) bool { return s.dead }, Lease: 10 * time.Minute, LastWords: 2 * time.Second,
	}
}

func (s *scene) request(version string) engine.Request {
	return engine.Request{Version: version, Previous: "v1", Waves: func(context.Context) ([]core.StartWave, error) { return s.waves, nil }}
}

func (s *scene) run(ctx context.Context, version string) (*core.Rollout, error) {
	return s.engine().Run(ctx, s.request(version))
}

func (s *scene) events(t *testing.T) []core.Event {
	t.Helper()
	events, err := s.book.Read(context.Background(), s.plan.Line())
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestRunTakesAReleaseOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		began := time.Now()
		r, err := s.run(t.Context(), "v2")
		if err != nil || r.State != core.StateSucceeded {
			t.Fatalf("%v, %v", r, err)
		}
		// Two waves of four targets, two at a time, a minute each, and two bakes of an hour.
		if took := time.Since(began); took != 2*(2*time.Minute+time.Hour) {
			t.Errorf("it took %s", took)
		}
		if s.deploys.max != 2 {
			t.Errorf("%d deploys ran at the same time", s.deploys.max)
		}
		var already engine.Already
		if _, err := s.run(t.Context(), "v2"); !errors.As(err, &already) {
			t.Errorf("again: %v", err)
		}
		if n := len(s.deploys.acts); n != 8 {
			t.Errorf("%d deploys", n)
		}
	})
}

// TestWritesAreBatched counts the writes of a long bake: they must not grow with the looks, nor with the targets.
func TestWritesAreBatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		counted := &counting{Ledger: s.book}
		s.book = counted
		if _, err := s.run(t.Context(), "v2"); err != nil {
			t.Fatal(err)
		}
		// started; and for each wave: intent, two batches of outcomes, the bake, its first look, a renewal every five
		// minutes, and its pass; at last the end.
		if most := 1 + 2*(1+2+1+1+12+1) + 1; counted.appends > most {
			t.Errorf("%d writes, want at most %d", counted.appends, most)
		}
	})
}

type counting struct {
	core.Ledger
	appends int
}

func (c *counting) Append(ctx context.Context, line core.Line, after int64, events []core.Event) error {
	c.appends++
	return c.Ledger.Append(ctx, line, after, events)
}

func TestFailedDeployGoesBackNewestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.plan.Deploy.Parallel.Count = 1 // else a neighbour may have been started before the failure is known
		s.deploys.fail = func(a core.Act) error {
			if a.Target.Name == "w1-1" && !a.Rollback {
				return errors.New("exit 3")
			}
			return nil
		}
		r, err := s.run(t.Context(), "v2")
		if err != nil || r.State != core.StateRolledBack {
			t.Fatalf("%v, %v", r.State, err)
		}
		want := []string{"w1-1=v1", "w1-0=v1", "w0-3=v1", "w0-2=v1", "w0-1=v1", "w0-0=v1"}
		if got := s.deploys.names()[6:]; !slices.Equal(got, want) {
			t.Errorf("went back: %v, want %v", got, want)
		}
		if failed := r.Target("w1-1"); failed.State != core.TargetRolledBack || failed.Version != "v1" {
			t.Errorf("%+v", failed)
		}
	})
}

func TestRollbackGoesPastFailuresAndIsFinishedByARerun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		broken := true
		s.deploys.fail = func(a core.Act) error {
			if a.Rollback && a.Target.Name == "w0-2" && broken {
				return errors.New("no route to host")
			}
			return nil
		}
		s.answers.ask = func(asked core.Asked, _ time.Time) core.VerdictKind { return core.Fail }
		r, err := s.run(t.Context(), "v2")
		if err != nil || r.State != core.StateRollbackFailed {
			t.Fatalf("%v, %v", r.State, err)
		}
		if fails := engine.Failures(r); fails == nil || !strings.Contains(fails.Error(), "w0-2 (wave w0) is rollback-failed: no route to host") {
			t.Errorf("failures: %v", fails)
		}
		before := len(s.deploys.acts)
		broken = false
		s.actor.ID, s.actor.Attempt = "second", 2
		r, err = s.run(t.Context(), "v2")
		if err != nil || r.State != core.StateRolledBack {
			t.Fatalf("%v, %v", r.State, err)
		}
		if got := s.deploys.names()[before:]; !slices.Equal(got, []string{"w0-2=v1"}) {
			t.Errorf("the re-run did %v", got)
		}
	})
}

// TestCancel cancels a job in a deploy, and in a bake; the next attempt goes on at the exact target, and keeps the bake
// time that was served.
func TestCancel(t *testing.T) {
	tests := []struct {
		name   string
		after  time.Duration
		redone []string
		took   time.Duration // of the second attempt
	}{
		{"in a deploy", 90 * time.Second, []string{"w0-2=v2", "w0-3=v2"}, time.Minute + time.Hour + 2*time.Minute + time.Hour},
		{"in a bake", 42 * time.Minute, nil, 20*time.Minute + 2*time.Minute + time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				ctx, cancel := context.WithTimeout(t.Context(), tt.after)
				defer cancel()
				r, err := s.run(ctx, "v2")
				if err != nil || r.State != core.StateHalted || r.Cause != core.CauseInterrupted {
					t.Fatalf("%s, %s, %v", r.State, r.Cause, err)
				}
				if r.Lease.Holder.ID != "" {
					t.Errorf("the lease is still held: %+v", r.Lease)
				}
				before := len(s.deploys.acts)
				(realClock{}).Wait(t.Context(), time.Now().Add(9*time.Hour)) // it is night
				began := time.Now()
				s.actor.ID, s.actor.Attempt = "second", 2
				r, err = s.run(t.Context(), "v2")
				if err != nil || r.State != core.StateSucceeded {
					t.Fatalf("%s, %v", r.State, err)
				}
				if took := time.Since(began); took != tt.took {
					t.Errorf("the second attempt took %s, want %s", took, tt.took)
				}
				redone := slices.Sorted(slices.Values(slices.DeleteFunc(s.deploys.names()[before:], func(n string) bool { return strings.HasPrefix(n, "w1-") })))
				if !slices.Equal(redone, tt.redone) {
					t.Errorf("done again in the first wave: %v, want %v", redone, tt.redone)
				}
			})
		})
	}
}

// TestResumedBake halts a bake because nobody could be asked, which keeps the time that was served, and because nobody
// knew, which starts it afresh.
func TestResumedBake(t *testing.T) {
	tests := []struct {
		kind core.VerdictKind
		took time.Duration // of the second attempt, with the whole second wave
	}{
		{core.Error, 30 * time.Minute},
		{core.Inconclusive, time.Hour},
	}
	for _, tt := range tests {
		t.Run(string(tt.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				s.answers.ask = func(asked core.Asked, at time.Time) core.VerdictKind {
					if at.Sub(asked.Since) >= 30*time.Minute {
						return tt.kind
					}
					return core.Pass
				}
				r, err := s.run(t.Context(), "v2")
				if err != nil || r.State != core.StateHalted {
					t.Fatalf("%s, %v", r.State, err)
				}
				s.answers.ask = nil
				s.actor.ID, s.actor.Attempt = "second", 2
				began := time.Now()
				r, err = s.run(t.Context(), "v2")
				if err != nil || r.State != core.StateSucceeded {
					t.Fatalf("%s, %v", r.State, err)
				}
				if took, want := time.Since(began), tt.took+2*time.Minute+time.Hour; took != want {
					t.Errorf("the second attempt took %s, want %s", took, want)
				}
			})
		})
	}
}

// TestMissedLooks lets a process die in a bake. The next one asks about every look that was missed, and finds the
// failure that nobody saw.
func TestMissedLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		ctx, die := context.WithCancel(t.Context())
		s.book = &mortal{Ledger: s.book, ctx: ctx}
		failed := time.Now().Add(40 * time.Minute)
		s.answers.ask = func(_ core.Asked, at time.Time) core.VerdictKind {
			if at.After(failed) && at.Before(failed.Add(2*time.Minute)) {
				return core.Fail
			}
			return core.Pass
		}
		go func() {
			(realClock{}).Wait(t.Context(), failed.Add(-10*time.Minute))
			die()
		}()
		if _, err := s.run(ctx, "v2"); err == nil {
			t.Fatal("it lives")
		}
		(realClock{}).Wait(t.Context(), failed.Add(10*time.Minute))
		s.book.(*mortal).ctx = t.Context()
		s.actor.ID, s.actor.Attempt = "second", 2
		r, err := s.run(t.Context(), "v2")
		if err != nil || r.State != core.StateRolledBack {
			t.Errorf("%s, %v", r.State, err)
		}
	})
}

// mortal is a ledger that a dead process can no longer write to.
type mortal struct {
	core.Ledger
	ctx context.Context
}

func (m *mortal) Append(ctx context.Context, line core.Line, after int64, events []core.Event) error {
	if err := m.ctx.Err(); err != nil {
		return err
	}
	return m.Ledger.Append(ctx, line, after, events)
}

func TestOneActorAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.plan.OnNewer = core.NewerRejected
		done := make(chan error)
		go func() {
			_, err := s.run(t.Context(), "v2")
			done <- err
		}()
		(realClock{}).Wait(t.Context(), time.Now().Add(30*time.Minute))
		rival := *s
		rival.actor = core.Actor{ID: "rival", Run: "8", Attempt: 3}
		var blocked engine.Blocked
		if _, err := rival.run(t.Context(), "v2"); !errors.As(err, &blocked) || !strings.Contains(err.Error(), "held by ann") {
			t.Errorf("the rival: %v", err)
		}
		if _, err := rival.run(t.Context(), "v3"); !errors.As(err, &blocked) || !strings.Contains(err.Error(), "busy") {
			t.Errorf("another version: %v", err)
		}
		next := *s
		next.actor = core.Actor{ID: "next", Name: "bob", Run: "7", Attempt: 2}
		r, err := next.run(t.Context(), "v2")
		if err != nil || r.State != core.StateSucceeded {
			t.Errorf("the next attempt: %v, %v", r, err)
		}
		var lost engine.Lost
		if err := <-done; !errors.As(err, &lost) || !strings.Contains(err.Error(), "bob") {
			t.Errorf("the first attempt: %v", err)
		}
		if n := len(s.deploys.acts); n != 8 {
			t.Errorf("%d deploys, want 8: one for each target", n)
		}
	})
}

func TestFirstRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		req := s.request("v1")
		req.Previous = ""
		var refused engine.Refused
		if _, err := s.engine().Run(t.Context(), req); !errors.As(err, &refused) || !strings.Contains(err.Error(), "--first-release") {
			t.Errorf("without a word: %v", err)
		}
		req.FirstRelease = true
		s.answers.ask = func(core.Asked, time.Time) core.VerdictKind { return core.Fail }
		r, err := s.engine().Run(t.Context(), req)
		if err != nil || r.State != core.StateHalted || !strings.Contains(r.Reason, "no previous version") {
			t.Errorf("%s %q, %v", r.State, r.Reason, err)
		}
	})
}

func TestOverrides(t *testing.T) {
	halted := func(t *testing.T) *scene {
		s := newScene()
		s.plan.Rollback.When = nil
		s.answers.ask = func(core.Asked, time.Time) core.VerdictKind { return core.Fail }
		if r, err := s.run(t.Context(), "v2"); err != nil || r.State != core.StateHalted {
			t.Fatalf("%s, %v", r.State, err)
		}
		s.actor = core.Actor{ID: "human", Name: "bob"}
		return s
	}
	t.Run("rollback", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := halted(t)
			r, err := s.engine().RollBack(t.Context(), core.Way{Reason: "customers complain"})
			if err != nil || r.State != core.StateRolledBack || len(r.Overrides) != 1 || r.Overrides[0].By.Name != "bob" || !strings.Contains(r.Reason, "customers complain") {
				t.Errorf("%s %q %+v, %v", r.State, r.Reason, r.Overrides, err)
			}
		})
	})
	t.Run("abort", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := halted(t)
			r, err := s.engine().Abort(t.Context(), "we live with it", false)
			if err != nil || r.State != core.StateAborted {
				t.Fatalf("%s, %v", r.State, err)
			}
			// The line is free, and the next rollout knows what the targets run and what was good.
			s.answers.ask, s.actor.ID = nil, "later"
			req := s.request("v3")
			req.Previous = ""
			if _, err := s.engine().Run(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			start := s.events(t)[0].Start
			if start.Previous != "v1" || start.Waves[0].Targets[0].Runs != "v2" || start.Waves[1].Targets[0].Runs != "" {
				t.Errorf("%+v", start)
			}
		})
	})
	t.Run("nothing to do", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newScene()
			var refused engine.Refused
			if _, err := s.engine().Abort(t.Context(), "why not", false); !errors.As(err, &refused) {
				t.Errorf("%v", err)
			}
		})
	})
}

// TestSimulation tells the stories that the simulate command can be asked for.
func TestSimulation(t *testing.T) {
	tests := []struct {
		faults   []string
		kill     []core.EventType
		want     core.State
		attempts int
		says     string
	}{
		{nil, nil, core.StateSucceeded, 1, "passed every bake"},
		{[]string{"wave=2"}, nil, core.StateRolledBack, 1, "deploy failed on w1-0"},
		{[]string{"wave=w0"}, nil, core.StateRolledBack, 1, "of wave w0"},
		{[]string{"target=w1-3", "rollback=w0-0"}, nil, core.StateRollbackFailed, 1, "rollback failed on w0-0"},
		{[]string{"check=errors@90m"}, nil, core.StateRolledBack, 1, "Check errors"},
		{nil, []core.EventType{core.EventDeploying, core.EventBaking, core.EventPassed}, core.StateSucceeded, 4, "passed every bake"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.faults, tt.kill), func(t *testing.T) {
			s := newScene()
			sim := engine.Simulation{Plan: s.plan, Waves: s.waves, Ledger: ledger.NewMemory(), Start: time.Unix(0, 0), Each: time.Minute, KillAt: tt.kill}
			for _, text := range tt.faults {
				f, err := engine.ParseFault(text)
				if err != nil {
					t.Fatal(err)
				}
				sim.Faults = append(sim.Faults, f)
			}
			r, attempts, err := sim.Run(t.Context())
			if err != nil || r.State != tt.want || attempts != tt.attempts || !strings.Contains(r.Reason, tt.says) {
				t.Errorf("%s after %d attempts: %q, %v", r.State, attempts, r.Reason, err)
			}
		})
	}
	for _, text := range []string{"", "wave", "wave=", "dog=2", "check=errors@soon", "check=errors@-1m"} {
		if f, err := engine.ParseFault(text); err == nil {
			t.Errorf("%q became %+v", text, f)
		}
	}
}

// TestVerify asks the checks after a rollback until they have recovered, or until the time for that is over.
func TestVerify(t *testing.T) {
	for _, recovers := range []bool{true, false} {
		t.Run(fmt.Sprintf("recovers=%v", recovers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				s.plan.Rollback.Verify = 10 * time.Minute
				var back time.Time // when the previous version was back
				s.deploys.fail = func(a core.Act) error {
					if a.Rollback {
						back = time.Now()
					}
					return nil
				}
				s.answers.ask = func(asked core.Asked, at time.Time) core.VerdictKind {
					if asked.Version == "v1" && recovers && at.Sub(back) >= 4*time.Minute {
						return core.Pass
					}
					return core.Fail
				}
				r, err := s.run(t.Context(), "v2")
				if err != nil || r.State != core.StateRolledBack {
					t.Fatalf("%s, %v", r.State, err)
				}
				took, want := r.Ended.Sub(back), 10*time.Minute
				if recovers {
					want = 4 * time.Minute
				}
				if took != want || r.Unwell == recovers || strings.HasPrefix(r.Reason, "NOT RECOVERED") == recovers {
					t.Errorf("verified for %s, want %s; unwell %v: %s", took, want, r.Unwell, r.Reason)
				}
			})
		})
	}
}

// TestSlowChecks has a check that takes longer than there is between two looks: the bake ends all the same.
func TestSlowChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.answers.ask = func(core.Asked, time.Time) core.VerdictKind {
			(realClock{}).Wait(t.Context(), time.Now().Add(90*time.Second))
			return core.Pass
		}
		began := time.Now()
		r, err := s.run(t.Context(), "v2")
		if err != nil || r.State != core.StateSucceeded {
			t.Fatalf("%s, %v", r.State, err)
		}
		if took := time.Since(began); took > 4*time.Hour {
			t.Errorf("it took %s", took)
		}
	})
}

// TestOrphan takes a line over while the first actor is in the middle of a long act. That act is cut off, and nothing is
// written by the actor that lost.
func TestOrphan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		began := time.Now()
		first := s.engine()
		first.Watch = 15 * time.Second
		first.Equip = func(string, string) (engine.Gear, error) {
			return engine.Gear{Plan: s.plan, Deploy: hanging{}, Rollback: s.deploys, Checks: s.answers}, nil
		}
		done := make(chan error)
		go func() {
			_, err := first.Run(t.Context(), s.request("v2"))
			done <- err
		}()
		(realClock{}).Wait(t.Context(), began.Add(time.Minute))
		s.actor = core.Actor{ID: "next", Run: "7", Attempt: 2}
		go func() { s.run(t.Context(), "v2") }()
		var lost engine.Lost
		if err := <-done; !errors.As(err, &lost) {
			t.Errorf("the first attempt: %v", err)
		}
		if after := time.Since(began); after > 90*time.Second {
			t.Errorf("the first attempt went on until %s", after)
		}
		(realClock{}).Wait(t.Context(), began.Add(24*time.Hour))
		for _, e := range s.events(t) {
			if e.Actor == "first" && e.At.After(began.Add(time.Minute)) {
				t.Errorf("it wrote %+v", e)
			}
		}
	})
}

// hanging is a driver whose acts never end by themselves.
type hanging struct{}

func (hanging) Deploy(ctx context.Context, _ core.Act) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}
