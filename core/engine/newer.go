package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// meet deals with the unfinished rollout of another version: it queues up behind it, supersedes it, or is turned away.
// queued is the rollout behind which it waits already. It returns nil when it is time to look at the line again.
func (e *Engine) meet(ctx context.Context, r *core.Rollout, req Request, queued *string) error {
	hurry := req.Emergency != ""
	switch waits := *queued == r.ID; {
	case hurry && r.State == core.StateHalted:
		return e.endHalted(ctx, r, req)
	case r.State.Resting(), !hurry && r.Start.OnNewer == core.NewerRejected:
		return Blocked{Reason: busy(r)}
	case !waits:
		if err := e.fastLane(req); err != nil {
			return err
		}
		*queued = r.ID
		n := core.Newer{Version: req.Version, By: e.Actor, Emergency: hurry}
		return e.besides(ctx, r, core.Event{Type: core.EventQueued, Newer: &n, Reason: fmt.Sprintf("%s wants version %s out. %s", who(e.Actor), n.Version, r.Arrives(n))}, queued)
	case r.Newer.By.ID != e.Actor.ID:
		return Blocked{Reason: fmt.Sprintf("Version %s no longer waits for %s: version %s came after it and waits in its place. Nothing was done.",
			req.Version, e.Line, r.Newer.Version)}
	case r.Lease.YieldsTo(e.Actor, e.Clock.Now(), e.Dead):
		step, due := core.GivesWay(r)
		if !due && isParked(r) {
			break // ticks take it on
		}
		if !due {
			return Blocked{Reason: "Nobody works on it any more. " + busy(r)}
		}
		return e.besides(ctx, r, core.Event{Type: core.EventEnded, State: step.State, Newer: step.Newer, Reason: step.Reason}, queued)
	}
	if err := e.Clock.Wait(ctx, e.Clock.Now().Add(max(e.Watch, time.Second))); err != nil {
		return Blocked{Reason: fmt.Sprintf("The job was cancelled while version %s waited for %s, where version %s is %s. Nothing was done.",
			req.Version, e.Line, r.Start.Version, r.State)}
	}
	return nil
}

// isParked reports whether a rollout is on its way without a job: it bakes, or a tick is about to wake its run.
func isParked(r *core.Rollout) bool {
	return r.Lease.Holder.ID == "" && (r.State == core.StateBaking || r.State == core.StateDeploying)
}

// endHalted ends a halted rollout because an emergency must out.
func (e *Engine) endHalted(ctx context.Context, r *core.Rollout, req Request) error {
	if err := e.fastLane(req); err != nil {
		return err
	}
	return e.besides(ctx, r, core.Event{Type: core.EventEnded, State: core.StateAborted,
		Newer:    &core.Newer{Version: req.Version, By: e.Actor, Emergency: true},
		Override: e.override(core.OverrideEmergency, req.Emergency),
		Reason:   e.said("ended the halted rollout for version "+req.Version+", an emergency", req.Emergency)}, new(string))
}

// fastLane reports, before anything gives way to an emergency, whether its plan has a fast lane.
func (e *Engine) fastLane(req Request) error {
	if req.Emergency == "" {
		return nil
	}
	gear, err := e.Equip(req.PlanFile, req.PlanText)
	if err != nil {
		return err
	}
	_, err = e.expedite(gear.Plan, req)
	return err
}

// besides writes an event beside whoever works on a rollout. If somebody else wrote first, nothing is written, queued is
// emptied, and the line is looked at again.
func (e *Engine) besides(ctx context.Context, r *core.Rollout, ev core.Event, queued *string) error {
	if err := e.governed(r); err != nil {
		return err
	}
	j := e.journal(r)
	j.beside = true
	err := j.commit(ctx, j.stamped([]core.Event{ev}))
	if errors.Is(err, core.ErrConflict) {
		*queued = ""
		return nil
	}
	return err
}

// busy says why a line cannot be had, and what to do.
func busy(r *core.Rollout) string {
	return fmt.Sprintf("%s is busy: rollout %s of version %s is %s. %s Finish it first: run version %s again to go on, "+
		"or use breakwater rollback or breakwater abort.", r.Line, r.ID, r.Start.Version, r.State, r.Reason, r.Start.Version)
}
