package engine

import (
	"context"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// fresh is how long a timetable is taken as read: calendars change while a rollout waits.
const fresh = 10 * time.Minute

// A timetable is when the waves may start, as it was read at an instant for one of them.
type timetable struct {
	core.Timetable
	wave int
	read time.Time
}

// opening asks the windows whether a wave may start now. Windows that cannot be read are shut.
func (s *session) opening(ctx context.Context, waves []core.StartWave, wave int) core.Opening {
	if h := s.hours; h.Timetable == nil || h.wave != wave || s.Clock.Now().Sub(h.read) >= fresh {
		read, err := s.gear.Windows(ctx, waves)
		if err != nil {
			s.hours = timetable{}
			return core.Opening{Unknown: true, Why: err.Error()}
		}
		s.hours = timetable{read, wave, s.Clock.Now()}
	}
	return s.hours.Opening(wave, s.Clock.Now())
}

// window is what the windows say of the wave at work; nil once it has begun.
func (s *session) window(ctx context.Context) *core.Opening {
	if s.gear.Windows == nil || !s.r.Waiting() {
		return nil
	}
	return new(s.opening(ctx, s.r.Start.Waves, s.r.Wave))
}

// admit refuses to start a rollout whose first window is shut. Nothing is written down, so the line stays free: for this
// version later, or for a newer one.
func (s *session) admit(ctx context.Context, waves []core.StartWave) error {
	if s.gear.Windows == nil {
		return nil
	}
	o := s.opening(ctx, waves, 0)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case o.Open:
		return nil
	}
	return untouched(core.Shut(waves[0].Name, o), o.Until)
}

// block writes down that the wave at work waits for its window. A rollout that has touched nothing yet does not wait: it
// rests as it is, and a re-run goes on with it.
func (s *session) block(ctx context.Context, step core.Step) error {
	blocked := core.Event{Type: core.EventBlocked, Wave: s.r.Waves[step.Wave].Name, Reason: step.Reason}
	if !step.At.IsZero() {
		blocked.Due = &step.At
	}
	if s.r.State != core.StatePending {
		return s.write(ctx, blocked)
	}
	if err := s.write(ctx, blocked, core.Event{Type: core.EventReleased}); err != nil {
		return err
	}
	return untouched(step.Reason, step.At)
}

func untouched(reason string, until time.Time) Blocked {
	reason += " No target was touched"
	if !until.IsZero() {
		reason += "; run it again then"
	}
	return Blocked{Reason: reason + ".", Until: until}
}
