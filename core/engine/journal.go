package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Lost says that another actor took the line over. Nothing was done or written since.
type Lost struct{ Holder core.Actor }

func (l Lost) Error() string {
	return fmt.Sprintf("Another process took the rollout over: %s. This one did nothing more and stops.", who(l.Holder))
}

// A journal writes one rollout down, and is the fence: once another actor has taken the line over, every write fails.
// It is not safe for concurrent use.
type journal struct {
	r         *core.Rollout
	ledger    core.Ledger
	clock     core.Clock
	actor     core.Actor
	observer  core.Observer
	lastWords time.Duration
	beside    bool  // it writes beside whoever holds the lease
	broken    error // why nothing more may be done
}

// tries is how often a write is tried whose outcome is not known. The ledgers try again by themselves as well, where
// that makes sense for them.
const tries = 4

// errMoved says that somebody else moved the rollout on, beside the process that holds the lease. What was to be written
// was decided before that; nothing of it is.
var errMoved = errors.New("somebody else moved the rollout on")

// write appends events. It returns only once they are in the ledger, or will never be.
func (j *journal) write(ctx context.Context, events ...core.Event) error {
	if j.broken != nil {
		return j.broken
	}
	ctx, cancel := j.outlive(ctx)
	defer cancel()
	for {
		err := j.commit(ctx, j.stamped(events))
		if !errors.Is(err, core.ErrConflict) {
			j.broken = err
			return err
		}
		state, wave, holder := j.r.State, j.r.Wave, j.r.Lease.Holder.ID
		if err := j.reload(ctx); err != nil {
			j.broken = err
			return err
		}
		due := events[0].Type == core.EventDeploying   // it may have to give way first, or the wave is announced by now
		if j.beside && j.r.Lease.Holder.ID != holder { // somebody works on it now
			return errMoved
		}
		if due || j.r.State != state || j.r.Wave != wave || j.r.Waves[wave].State == core.WavePassed {
			return errMoved
		}
	}
}

// stamped are events as the next ones of the ledger.
func (j *journal) stamped(events []core.Event) []core.Event {
	stamped := make([]core.Event, len(events))
	for i, e := range events {
		stamped[i] = j.stamp(e, j.r.Seq+int64(i)+1)
	}
	return stamped
}

// outlive gives the writes of a cancelled job a little longer than the job.
func (j *journal) outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Err() != nil {
		return context.WithTimeout(context.WithoutCancel(ctx), j.lastWords)
	}
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(j.lastWords, cancel) })
	return out, func() { stop(); cancel() }
}

func (j *journal) stamp(e core.Event, seq int64) core.Event {
	e.Seq, e.At, e.Rollout, e.Actor = seq, j.clock.Now(), j.r.ID, j.actor.ID
	return e
}

// commit appends stamped events and applies them. An error whose outcome is open is settled by reading. What the state
// machine refuses never reaches the ledger.
func (j *journal) commit(ctx context.Context, events []core.Event) error {
	after := events[0].Seq - 1
	if err := j.fits(events); err != nil {
		return err
	}
	overtaken := false
	err := j.ledger.Append(ctx, j.r.Line, after, events)
	for try := 1; err != nil; try++ {
		if !errors.Is(err, core.ErrConflict) && try == tries {
			return fmt.Errorf("the ledger could not be written: %w", err)
		}
		tail, readErr := j.tail(ctx, after)
		switch {
		case readErr == nil && j.wrote(tail, events):
			overtaken = len(tail) > len(events)
			err = nil
			continue
		case readErr == nil && errors.Is(err, core.ErrConflict):
			return core.ErrConflict
		case readErr != nil && try == tries:
			return fmt.Errorf("the ledger could not be written: %w", errors.Join(err, readErr))
		}
		if waitErr := j.clock.Wait(ctx, j.clock.Now().Add(time.Duration(try)*200*time.Millisecond)); waitErr != nil {
			return fmt.Errorf("the ledger could not be written: %w", err)
		}
		err = j.ledger.Append(ctx, j.r.Line, after, events)
	}
	for _, e := range events {
		if err := j.r.Apply(e); err != nil {
			return err
		}
		j.observer.Recorded(j.r, e)
	}
	if overtaken {
		return j.reload(ctx)
	}
	return nil
}

// fits reports why events cannot be the next ones.
func (j *journal) fits(events []core.Event) error {
	draft := j.r
	for i, e := range events {
		if i == len(events)-1 {
			return draft.Fits(e)
		}
		if i == 0 {
			draft = j.r.Clone()
		}
		if err := draft.Apply(e); err != nil {
			return err
		}
	}
	return nil
}

// tail reads what the ledger has after an event.
func (j *journal) tail(ctx context.Context, after int64) ([]core.Event, error) {
	have, err := j.ledger.Read(ctx, j.r.Line)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(have, func(e core.Event) bool { return e.Seq <= after }), nil
}

// wrote reports whether a tail begins with events of this actor whose write seemed to fail.
func (j *journal) wrote(tail, events []core.Event) bool {
	return len(tail) >= len(events) && tail[0].Actor == j.actor.ID && tail[0].Type == events[0].Type && tail[0].At.Equal(events[0].At)
}

// reload reads the rollout again after a conflict, see catchUp.
func (j *journal) reload(ctx context.Context) error {
	have, err := j.ledger.Read(ctx, j.r.Line)
	if err != nil {
		return err
	}
	return j.catchUp(have)
}

// catchUp applies what others wrote. It is an error if this actor no longer holds the lease; else they wrote something
// that does not take the line away.
func (j *journal) catchUp(have []core.Event) error {
	r, err := core.Replay(j.r.Line, have)
	if err != nil {
		return err
	}
	if !j.beside && (r.ID != j.r.ID || r.Lease.Holder.ID != j.actor.ID) {
		return Lost{Holder: lastHolder(have)}
	}
	seen := j.r.Seq
	*j.r = *r
	for _, e := range have {
		if e.Seq > seen {
			j.observer.Recorded(j.r, e)
		}
	}
	return nil
}

// lastHolder is who held the line last, also if it was given back since.
func lastHolder(events []core.Event) core.Actor {
	for _, e := range slices.Backward(events) {
		if e.Lease != nil {
			return e.Lease.Holder
		}
	}
	return core.Actor{}
}

// lasts makes sure that the lease lasts for at least need from now. It returns the event that renews it, if one is due;
// the event is to be written together with others.
func (j *journal) lasts(need time.Duration) []core.Event {
	now := j.clock.Now()
	if j.r.Lease.Until.After(now.Add(need)) {
		return nil
	}
	return []core.Event{{Type: core.EventRenewed, Lease: &core.Lease{Holder: j.actor, Until: now.Add(2 * need)}}}
}
