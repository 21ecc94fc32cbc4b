package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/breakwater-ci/breakwater/core"
)

// Promote passes a wave that bakes, or was halted in its bake, because a human asks for it; or a precheck that did not
// pass. It takes the line from nobody: a process that waits in the bake sees it and goes on. Where there is none, a
// re-run goes on, unless it was the last wave and none of its targets waits to be told: then the rollout has succeeded.
func (e *Engine) Promote(ctx context.Context, reason string) (*core.Rollout, error) {
	for {
		r, err := e.load(ctx)
		if err != nil {
			return nil, err
		}
		if r.State == "" || r.State.Over() {
			return nil, Refused{Reason: fmt.Sprintf("No rollout on %s is unfinished, so there is none to be promoted.", e.Line)}
		}
		if err := e.governed(r); err != nil {
			return nil, err
		}
		if why := r.Unpromotable(); why != "" {
			return nil, Refused{Reason: fmt.Sprintf("Rollout %s is %s and cannot be promoted: %s", r.ID, r.State, why)}
		}
		j := e.journal(r)
		j.beside = true
		err = j.commit(ctx, j.stamped(e.promotes(r, reason)))
		if !errors.Is(err, core.ErrConflict) {
			return r, err
		}
	}
}

// promotes are the events of a promote: with the end of the rollout, if nothing is left and nobody is there to write it.
func (e *Engine) promotes(r *core.Rollout, reason string) []core.Event {
	wave := r.Waves[r.Wave].Name
	what := "promoted wave " + wave
	if !r.Touched() {
		what = "accepted the precheck as it is"
	}
	events := []core.Event{{Type: core.EventPromoted, Wave: wave, Override: e.override(core.OverridePromote, reason), Reason: e.said(what, reason)}}
	if r.Lease.Holder.ID != "" && !r.Lease.YieldsTo(e.Actor, e.Clock.Now(), e.Dead) {
		return events
	}
	after := r.Clone()
	if err := after.Apply(e.journal(r).stamp(events[0], r.Seq+1)); err != nil {
		return events // commit will say why
	}
	if end, done := core.Finish(after); done {
		events = append(events, core.Event{Type: core.EventEnded, State: end.State, Reason: end.Reason})
	}
	return events
}
