package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	// unwritten is how long looks of a parked bake go unwritten when they say nothing new. The next tick asks again about
	// all that is not written down.
	unwritten = 30 * time.Minute

	// awakening is how long a run that was started again has the line to itself before a tick starts it once more.
	awakening = 15 * time.Minute
)

// A Found is a line as a tick found it: its marker, which was read first, and the events of its newest rollout.
type Found struct {
	Marker core.Marker
	Events []core.Event
}

// Tick looks at a bake that nobody waits for, and writes down what is decided there. It holds no lease and acts on no
// target: where a wave is due, or one must go back, it has wake run the rollout's last CI run again, and keeps the line for
// that run for a while. Once the last wave has passed it does so too, for the jobs that wait for that. A rollout that
// somebody works on, or that rests, is left alone. No rollout yet is nil. In the end the line's marker is settled; after an
// error it stays as it is, and the next tick tries again.
func (e *Engine) Tick(ctx context.Context, found Found, wake func(ctx context.Context, run string) error) (*core.Rollout, error) {
	r, err := core.Replay(e.Line, found.Events)
	if err != nil || r.State == "" {
		return nil, err
	}
	if !abandoned(r, e.Clock.Now()) {
		return r, e.Settle(ctx, found.Marker, r, time.Time{})
	}
	if err := e.governed(r); err != nil {
		return r, err
	}
	gear, err := e.Equip(r.Start.PlanFile, r.Start.Plan)
	if err != nil {
		return r, fmt.Errorf("rollout %s goes on with the plan that it started with, which does not load: %w", r.ID, err)
	}
	s := e.session(r, gear)
	s.beside = true
	s.hurry()
	defer s.bake.close()
	due, err := s.decide(ctx)
	if err != nil {
		return s.r, err
	}
	if err := s.rouse(ctx, due, lastRun(found.Events), wake); err != nil {
		return s.r, err
	}
	return s.r, e.Settle(ctx, found.Marker, s.r, s.next)
}

// rouse has the run started again if a look has found something for it to do, or if what comes after the rollout may begin.
func (s *session) rouse(ctx context.Context, due bool, run string, wake func(context.Context, string) error) error {
	switch {
	case due:
		return s.wake(ctx, run, wake)
	case s.ended && s.r.State == core.StateSucceeded && run != "":
		if err := wake(ctx, run); err != nil {
			return fmt.Errorf("rollout %s has succeeded, but what comes after it in its CI run does not start by itself; re-run it: %w", s.r.ID, err)
		}
	}
	return nil
}

// decide goes through the looks that are due. It reports whether there is something to be done to targets.
func (s *session) decide(ctx context.Context) (bool, error) {
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if !abandoned(s.r, s.Clock.Now()) {
			return false, nil
		}
		if err := s.prepare(ctx); err != nil {
			return false, err
		}
		seen := s.bake.seen
		seen.Window = s.window(ctx)
		step := core.Next(s.gear.Plan, s.r, s.Clock.Now(), seen)
		switch step.Do {
		case core.DoDeploy, core.DoRehearse, core.DoRevert, core.DoBake, core.DoConfirm:
			return true, nil
		case core.DoWait, core.DoNothing:
			s.next = step.At
			return false, nil
		}
		err := s.carryOut(ctx, step)
		if err != nil && !errors.Is(err, errMoved) {
			return false, err
		}
		s.ended = s.ended || err == nil && step.Do == core.DoEnd
	}
}

// wake has the last CI run of the rollout run again. The line is kept for it first, so two ticks at the same time wake it
// once; an attempt of that run takes over at once. A run that cannot be woken now is tried again by the next tick.
func (s *session) wake(ctx context.Context, run string, wake func(context.Context, string) error) error {
	if run == "" {
		return Blocked{Reason: fmt.Sprintf("Rollout %s is %s and has work to do, but it was started outside of CI: run version %s again.",
			s.r.ID, s.r.State, s.r.Start.Version)}
	}
	holder := s.Actor
	holder.Run, holder.Attempt = run, 0
	claimed := core.Event{Type: core.EventClaimed, Lease: &core.Lease{Holder: holder, Until: s.Clock.Now().Add(awakening)}}
	if err := s.write(ctx, claimed); err != nil {
		if errors.Is(err, errMoved) {
			return nil
		}
		return err
	}
	if err := wake(ctx, run); err != nil {
		return errors.Join(err, s.write(ctx, core.Event{Type: core.EventReleased}))
	}
	return nil
}

// worthSaying reports whether a look of a parked bake is written down: it says something else than what was written
// last, or that is long ago.
func (s *session) worthSaying(seen core.Evidence) bool {
	w := &s.r.Waves[s.r.Wave]
	last := w.Since
	if w.Looked.After(last) {
		last = w.Looked
	}
	return !sameKinds(w.Verdicts, seen.Verdicts) || seen.At.Sub(last) >= unwritten
}

// lastRun is the CI run that held the line last; empty if none did.
func lastRun(events []core.Event) string {
	for _, e := range slices.Backward(events) {
		if e.Lease != nil && e.Lease.Holder.Run != "" {
			return e.Lease.Holder.Run
		}
	}
	return ""
}
