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

// hours are windows that are shut from one time after midnight of the bubble to another.
type hours struct{ shut, opens time.Duration }

// midnight is when the time of a bubble begins.
var midnight = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (h hours) Opening(_ int, at time.Time) core.Opening {
	if since := at.Sub(midnight); since < h.shut || since >= h.opens {
		return core.Opening{Open: true}
	}
	o := core.Opening{Why: "it is lunch time"}
	if h.opens < 1000*time.Hour {
		o.Until = midnight.Add(h.opens)
	}
	return o
}

func (s *scene) closes(shut, opens time.Duration) {
	s.windows = func(context.Context, []core.StartWave) (core.Timetable, error) { return hours{shut, opens}, nil }
}

func types(events []core.Event) []core.EventType {
	var all []core.EventType
	for _, e := range events {
		if e.Type != core.EventRenewed {
			all = append(all, e.Type)
		}
	}
	return all
}

func TestAShutWindowLeavesTheLineFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.closes(0, 3*time.Hour)
		_, err := s.run(t.Context(), "v2")
		blocked, ok := errors.AsType[engine.Blocked](err)
		const want = "Blocked: wave w0 may not start before 2000-01-01 03:00 UTC: it is lunch time. No target was touched; run it again then."
		if !ok || blocked.Reason != want || !blocked.Until.Equal(midnight.Add(3*time.Hour)) {
			t.Fatalf("%+v", err)
		}
		if len(s.events(t)) != 0 || len(s.deploys.acts) != 0 {
			t.Error("something was written or touched")
		}
		pass(t, 3*time.Hour)
		if r, err := s.run(t.Context(), "v3"); err != nil || r.State != core.StateSucceeded {
			t.Errorf("a newer version, when the window opens: %v", err)
		}
	})
}

func TestBetweenWavesAShutWindowWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.closes(time.Hour, 12*time.Hour) // the first wave bakes until 01:02
		r, err := s.run(t.Context(), "v2")
		if err != nil || r.State != core.StateSucceeded {
			t.Fatal(err)
		}
		if got := r.Waves[1].Began.Sub(midnight); got != 12*time.Hour {
			t.Errorf("the second wave began at %s", got)
		}
		var lease core.Lease
		blocked := 0
		for _, e := range s.events(t) {
			if e.Lease != nil {
				if !lease.Until.IsZero() && !e.At.Before(lease.Until) {
					t.Errorf("the lease had run out at %s", e.At)
				}
				lease = *e.Lease
			}
			if e.Type == core.EventBlocked {
				blocked++
				if e.Wave != "w1" || !e.Due.Equal(midnight.Add(12*time.Hour)) || e.Reason != "Blocked: wave w1 may not start before 2000-01-01 12:00 UTC: it is lunch time." {
					t.Errorf("%+v", e)
				}
			}
		}
		if blocked != 1 {
			t.Errorf("%d events say that it waits", blocked)
		}
	})
}

func TestNothingUnderWayIsHeldUp(t *testing.T) {
	t.Run("a bake and a rollback", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newScene()
			s.closes(time.Minute, 12*time.Hour) // in the middle of the first wave
			s.answers.ask = func(_ core.Asked, at time.Time) core.VerdictKind {
				if at.Sub(midnight) > 30*time.Minute {
					return core.Fail
				}
				return core.Pass
			}
			r, err := s.run(t.Context(), "v2")
			if err != nil || r.State != core.StateRolledBack || r.Ended.Sub(midnight) > 40*time.Minute {
				t.Errorf("%+v, %v", r, err)
			}
		})
	})
	t.Run("a wave that is half out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newScene()
			s.closes(2*time.Minute, 12*time.Hour)
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
			defer cancel()
			if r, err := s.run(ctx, "v2"); err != nil || r.State != core.StateHalted {
				t.Fatalf("%+v, %v", r, err)
			}
			pass(t, time.Hour)
			s.actor = core.Actor{ID: "second", Run: "7", Attempt: 2}
			r, err := s.run(t.Context(), "v2")
			if err != nil || r.State != core.StateSucceeded || r.Waves[0].Out.Sub(midnight) > 2*time.Hour {
				t.Errorf("%+v, %v", r, err)
			}
		})
	})
}

// TestUnreadWindowsAreShut: nobody knows is not open, before the first wave and between two.
func TestUnreadWindowsAreShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		broken := func(context.Context, []core.StartWave) (core.Timetable, error) {
			return nil, errors.New("calendar x: gone")
		}
		s.windows = broken
		_, err := s.run(t.Context(), "v2")
		if blocked, ok := errors.AsType[engine.Blocked](err); !ok || !blocked.Until.IsZero() ||
			blocked.Reason != "Blocked: nobody knows whether wave w0 may start: calendar x: gone. No target was touched." {
			t.Fatal(err)
		}
		s.windows = func(ctx context.Context, w []core.StartWave) (core.Timetable, error) {
			if time.Since(midnight) > time.Hour {
				return broken(ctx, w)
			}
			return hours{}, nil
		}
		r, err := s.run(t.Context(), "v2")
		if err != nil || r.State != core.StateHalted || r.Cause != core.CauseUnasked || !strings.Contains(r.Reason, "calendar x: gone") {
			t.Fatalf("%+v, %v", r, err)
		}
		s.closes(0, 0)
		if r, err = s.run(t.Context(), "v2"); err != nil || r.State != core.StateSucceeded || len(s.deploys.acts) != 8 {
			t.Errorf("once it can be read: %+v, %v", r, err)
		}
	})
}

func TestAWindowThatNeverOpensHalts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.closes(time.Hour, 1000*time.Hour)
		r, err := s.run(t.Context(), "v2")
		if err != nil || r.State != core.StateHalted || r.Cause != core.CauseWindow || r.Reason != "Blocked: wave w1 may not start within a year: it is lunch time." {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestAPendingRolloutRestsWhileItsWindowIsShut: its job died, or its precheck took so long, between the start and the
// first wave.
func TestAPendingRolloutRestsWhileItsWindowIsShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.plan.Precheck = true
		s.closes(time.Minute, 5*time.Hour)
		s.answers.ask = func(asked core.Asked, at time.Time) core.VerdictKind {
			if asked.Wave == "" {
				pass(t, 2*time.Minute)
			}
			return core.Pass
		}
		for range 2 {
			_, err := s.run(t.Context(), "v2")
			if blocked, ok := errors.AsType[engine.Blocked](err); !ok || !blocked.Until.Equal(midnight.Add(5*time.Hour)) {
				t.Fatal(err)
			}
			r, err := core.Replay(s.plan.Line(), s.events(t))
			if err != nil || r.State != core.StatePending || r.Blocked == nil || !r.Blocked.Until.Equal(midnight.Add(5*time.Hour)) || r.Lease.Holder.ID != "" {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		if len(s.deploys.acts) > 0 {
			t.Error("something was touched")
		}
		pass(t, 5*time.Hour)
		if r, err := s.run(t.Context(), "v2"); err != nil || r.State != core.StateSucceeded || r.Blocked != nil {
			t.Errorf("%+v, %v", r, err)
		}
		want := []core.EventType{core.EventStarted, core.EventPrechecked, core.EventBlocked, core.EventReleased, core.EventClaimed,
			core.EventBlocked, core.EventReleased, core.EventClaimed, core.EventDeploying}
		if got := types(s.events(t)); !slices.Equal(got[:len(want)], want) {
			t.Errorf("the ledger tells %v", got)
		}
	})
}

func TestACancelledWaitHalts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.closes(time.Hour, 12*time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Hour)
		defer cancel()
		r, err := s.run(ctx, "v2")
		if err != nil || r.State != core.StateHalted || r.Blocked != nil ||
			r.Reason != "The job was cancelled while the rollout waited. Blocked: wave w1 may not start before 2000-01-01 12:00 UTC: it is lunch time." {
			t.Fatalf("%+v, %v", r, err)
		}
		s.actor = core.Actor{ID: "second", Run: "7", Attempt: 2}
		if r, err = s.run(t.Context(), "v2"); err != nil || r.State != core.StateSucceeded || r.Waves[1].Began.Sub(midnight) != 12*time.Hour {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// pass lets virtual time pass.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	if err := (realClock{}).Wait(t.Context(), time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}
