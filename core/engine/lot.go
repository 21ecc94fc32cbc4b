package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// soon is within what time a look is left to the next tick. The marker stays where it is then: it is due already, and to
// move it costs more than the look that it would save.
const soon = 15 * time.Minute

// errParked says that the bake goes on without this process.
var errParked = errors.New("the bake is parked")

// parks reports whether the bake at work is one that no process waits for.
func (s *session) parks() bool {
	w := &s.r.Waves[s.r.Wave]
	return s.r.State == core.StateBaking && w.State == core.WaveBaking && s.gear.Plan.Waves[w.Rule].Bake.Wait == core.WaitPark
}

// park gives the line back in the middle of a bake in which the next look is due at an instant. What happens until
// somebody looks again is judged then. The marker by which ticks find the line is there before the line is given back; as
// long as there is none, this process looks itself.
func (s *session) park(ctx context.Context, next time.Time) error {
	if lot, ok := s.Ledger.(core.Lot); ok && !s.Unmarked {
		if err := lot.Park(ctx, core.Marker{Line: s.Line}, next); err != nil {
			if !s.stays && ctx.Err() == nil && s.Warn != nil {
				s.Warn(fmt.Errorf("the bake cannot be parked yet, because no tick would find it; this job waits with it meanwhile: %w", err))
			}
			s.stays = true
			return s.wait(ctx, next)
		}
	}
	if err := s.write(ctx, core.Event{Type: core.EventReleased}); err != nil {
		return err
	}
	return errParked
}

// Settle puts the marker of a line where it belongs after a look at it. was is the marker as it was before the line's events
// were read: a run that parks the line after that has put another there, which stays. next is when the next look is due;
// zero if that is not known.
//
// A line that somebody works on keeps its marker: that process may be about to give it back, and if it dies a tick must
// find what it leaves behind.
func (e *Engine) Settle(ctx context.Context, was core.Marker, r *core.Rollout, next time.Time) error {
	lot, ok := e.Ledger.(core.Lot)
	if !ok {
		return nil
	}
	now := e.Clock.Now()
	switch {
	case !UnderWay(r) && len(was.Marks) == 0:
		return nil
	case !UnderWay(r):
		next = time.Time{}
	case !abandoned(r, now) || next.IsZero():
		return nil
	case len(was.Marks) == 1 && !next.After(now.Add(soon)):
		return nil
	}
	if err := lot.Park(ctx, was, next); err != nil {
		return fmt.Errorf("the marker of %s could not be moved, so ticks look at it more often than they need to: %w", e.Line, err)
	}
	return nil
}

// UnderWay reports whether there is something to come of a rollout without anybody running it again.
func UnderWay(r *core.Rollout) bool {
	switch r.State {
	case core.StateDeploying, core.StateBaking, core.StateRollingBack:
		return true
	default:
		return false
	}
}

// abandoned reports whether a rollout is under way and nobody works on it.
func abandoned(r *core.Rollout, now time.Time) bool {
	return UnderWay(r) && (r.Lease.Holder.ID == "" || !now.Before(r.Lease.Until))
}
