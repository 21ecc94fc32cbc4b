package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/breakwater-ci/breakwater/core"
)

// RollBack puts a version back because a human asks for it: the previous one, or the one that is named, also after the
// rollout has ended. A rollback that has begun goes on, and needs no reason. Where jobs of the CI run put it back, it only
// announces that, see [Engine.Announced].
func (e *Engine) RollBack(ctx context.Context, way core.Way) (*core.Rollout, error) {
	r, err := e.goBack(ctx, "rolled back", e.wayBack(ctx, way))
	if nothing, ok := errors.AsType[idle](err); ok {
		return nothing.r, nil
	}
	return r, err
}

// LeaveBack is RollBack up to what jobs are to do, which is left for another run of the CI system to announce: it gives the
// line back. The rollout is nil if nothing of the version goes back, and no human has a reason for it.
func (e *Engine) LeaveBack(ctx context.Context, way core.Way) (*core.Rollout, error) {
	if way.Reason == "" {
		r, err := e.load(ctx)
		if err != nil || r.State == "" || r.Start.Version != way.Of || !goesBack(r) {
			return nil, err
		}
	}
	s, err := e.takeOver(ctx, "rolled back", e.wayBack(ctx, way))
	if nothing, ok := errors.AsType[idle](err); ok {
		return nothing.r, nil
	}
	if err != nil {
		return nil, err
	}
	s.leaves = true
	return s.run(ctx)
}

// wayBack decides what a rollback begins with.
func (e *Engine) wayBack(ctx context.Context, way core.Way) func(*core.Plan, *core.Rollout) ([]core.Event, error) {
	return func(p *core.Plan, r *core.Rollout) ([]core.Event, error) {
		if way.Reason == "" {
			return e.goesOnBack(p, r, way)
		}
		switch {
		case r.State != core.StateRollingBack:
		case way.To == "" || way.To == r.To:
			return nil, nil
		default:
			return nil, Refused{Reason: fmt.Sprintf("Rollout %s goes back to %s already. Let that end, then roll back to %s.",
				r.ID, cmp.Or(r.To, "the previous version"), way.To)}
		}
		if way.To != "" {
			if err := e.mayReturn(ctx, way.To); err != nil {
				return nil, err
			}
		}
		asked := "asked for it"
		if way.To != "" {
			asked = "asked for version " + way.To
		}
		return e.returns(r, core.OverrideRollback, asked, way)
	}
}

// goesOnBack are the events of a rollback that somebody, or a check, has decided already: nobody overrides anything.
func (e *Engine) goesOnBack(p *core.Plan, r *core.Rollout, way core.Way) ([]core.Event, error) {
	switch {
	case way.To == "" && way.Of == r.Start.Version && !goesBack(r) && p.RevertedByJobs():
		return nil, idle{r} // a workflow asks whatever has failed
	case way.To != "" || !goesBack(r):
		return nil, Refused{Reason: fmt.Sprintf("Rollout %s is %s and does not go back by itself. To roll it back is an override, which needs a reason: pass --reason TEXT.",
			r.ID, r.State)}
	case way.Of != "" && way.Of != r.Start.Version:
		return nil, Refused{Reason: fmt.Sprintf("Rollout %s, which goes back, is of version %s, not of %s. Run its own jobs again.", r.ID, r.Start.Version, way.Of)}
	case r.State == core.StateRollbackFailed:
		return e.resumes(r), nil
	case way.Stands && len(e.Handed(r)) > 0 && len(e.Handed(r)) == notBack(r):
		return nil, idle{r} // what became of it is for the bake to learn
	case r.Lease.Holder.ID == e.Actor.ID && len(e.Announced(r)) > 0 && len(e.Announced(r)) == notBack(r):
		return nil, idle{r} // another job of this attempt has announced it
	default:
		return nil, nil
	}
}

// Abort ends an unfinished rollout because a human asks for it. What is out stays out, unless it is to be rolled back.
func (e *Engine) Abort(ctx context.Context, reason string, rollBack bool) (*core.Rollout, error) {
	decide := func(_ *core.Plan, r *core.Rollout) ([]core.Event, error) {
		switch {
		case r.State.Over():
			return nil, Refused{Reason: fmt.Sprintf("No rollout on %s is unfinished, so there is none to be aborted.", e.Line)}
		case rollBack && r.State == core.StateRollingBack:
			return nil, nil
		case rollBack:
			return e.returns(r, core.OverrideAbort, "aborted it", core.Way{Reason: reason})
		case r.State == core.StateRollingBack:
			return nil, Refused{Reason: fmt.Sprintf("Rollout %s is being rolled back, and a rollback is never cut short. Run it again to finish it.", r.ID)}
		}
		by := e.override(core.OverrideAbort, reason)
		return []core.Event{{Type: core.EventEnded, State: core.StateAborted, Override: by, Reason: e.said("aborted it", reason)}}, nil
	}
	if rollBack {
		return e.goBack(ctx, "aborted", decide)
	}
	s, err := e.takeOver(ctx, "aborted", decide)
	if err != nil {
		return nil, err
	}
	return s.r, nil
}

// goBack takes the line over, and carries a rollback out.
func (e *Engine) goBack(ctx context.Context, verb string, decide func(*core.Plan, *core.Rollout) ([]core.Event, error)) (*core.Rollout, error) {
	s, err := e.takeOver(ctx, verb, decide)
	if err != nil {
		return nil, err
	}
	return s.run(ctx)
}

// takeOver takes the line over and writes what decide wants in the same moment.
func (e *Engine) takeOver(ctx context.Context, verb string, decide func(*core.Plan, *core.Rollout) ([]core.Event, error)) (*session, error) {
	for {
		r, err := e.load(ctx)
		if err != nil {
			return nil, err
		}
		if r.State == "" {
			return nil, Refused{Reason: fmt.Sprintf("No rollout on %s yet, so there is none to be %s.", e.Line, verb)}
		}
		s, err := e.claimOnly(ctx, r, func(p *core.Plan) ([]core.Event, error) { return decide(p, r) })
		if !errors.Is(err, core.ErrConflict) {
			return s, err
		}
	}
}

// returns is the event that begins a rollback which a human asked for.
func (e *Engine) returns(r *core.Rollout, kind core.OverrideKind, asked string, way core.Way) ([]core.Event, error) {
	step := core.RollBack(r, way)
	if step.Do != core.DoRollBack {
		return nil, Refused{Reason: step.Reason}
	}
	return []core.Event{{Type: core.EventRollingBack, Targets: step.Targets, Cause: step.Cause, To: way.To,
		Override: e.override(kind, way.Reason), Reason: e.said(asked, way.Reason)}}, nil
}

func (e *Engine) override(kind core.OverrideKind, reason string) *core.Override {
	return &core.Override{Kind: kind, Reason: reason, By: e.Actor}
}

// said is what the actor did, and why, as a sentence.
func (e *Engine) said(did, reason string) string {
	return fmt.Sprintf("%s %s: %s", who(e.Actor), did, reason)
}
