package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// RollBack puts a version back because a human asks for it: the previous one, or the one that is named, also after the
// rollout has ended. A rollback that has begun goes on.
func (e *Engine) RollBack(ctx context.Context, way core.Way) (*core.Rollout, error) {
	return e.goBack(ctx, "rolled back", func(r *core.Rollout) ([]core.Event, error) {
		if r.State == core.StateRollingBack && (way.To == "" || way.To == r.To) {
			return nil, nil
		}
		if r.State == core.StateRollingBack {
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
	})
}

// Abort ends an unfinished rollout because a human asks for it. What is out stays out, unless it is to be rolled back.
func (e *Engine) Abort(ctx context.Context, reason string, rollBack bool) (*core.Rollout, error) {
	decide := func(r *core.Rollout) ([]core.Event, error) {
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

// Promote passes a wave that bakes, or was halted in its bake, because a human asks for it; or a precheck that did not
// pass. It takes the line from nobody: a process that waits in the bake sees it and goes on. Where there is none, a
// re-run goes on, unless it was the last wave: then the rollout has succeeded.
func (e *Engine) Promote(ctx context.Context, reason string) (*core.Rollout, error) {
	for {
		r, err := e.load(ctx)
		if err != nil {
			return nil, err
		}
		if r.State == "" || r.State.Over() {
			return nil, Refused{Reason: fmt.Sprintf("No rollout on %s is unfinished, so there is none to be promoted.", e.Line)}
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

// expedite is the event of an emergency, by the plan that the rollout goes by.
func (e *Engine) expedite(p *core.Plan, req Request) ([]core.Event, error) {
	if p.Emergency == nil {
		return nil, Refused{Reason: fmt.Sprintf("The plan that version %s goes out with has no fast lane, so there is none for an emergency. "+
			"Add emergency: {min_bake: 5m} to it, or run without --emergency.", req.Version)}
	}
	return []core.Event{{Type: core.EventExpedited, Override: e.override(core.OverrideEmergency, req.Emergency),
		Reason: fmt.Sprintf("EMERGENCY, declared by %s: %s. Bakes may be as short as %s and windows are passed; every check is asked as ever.",
			who(e.Actor), strings.TrimRight(req.Emergency, ". "), core.Brief(p.Emergency.MinBake))}}, nil
}

// hurry takes the fast lane of the plan in an emergency.
func (s *session) hurry() {
	if s.r.Emergency {
		s.gear.Plan, s.gear.Windows = s.gear.Plan.For(s.r), nil
	}
}

// goBack takes the line over, and carries a rollback out.
func (e *Engine) goBack(ctx context.Context, verb string, decide func(*core.Rollout) ([]core.Event, error)) (*core.Rollout, error) {
	s, err := e.takeOver(ctx, verb, decide)
	if err != nil {
		return nil, err
	}
	return s.run(ctx)
}

// takeOver takes the line over and writes what decide wants in the same moment.
func (e *Engine) takeOver(ctx context.Context, verb string, decide func(*core.Rollout) ([]core.Event, error)) (*session, error) {
	for {
		r, err := e.load(ctx)
		if err != nil {
			return nil, err
		}
		if r.State == "" {
			return nil, Refused{Reason: fmt.Sprintf("No rollout on %s yet, so there is none to be %s.", e.Line, verb)}
		}
		s, err := e.claimOnly(ctx, r, func(*core.Plan) ([]core.Event, error) { return decide(r) })
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

// mayReturn refuses to go back to a version that nobody knows to be good on this line, or across one that activates.
func (e *Engine) mayReturn(ctx context.Context, to string) error {
	past, ok := e.Ledger.(core.Historian)
	if !ok {
		return Refused{Reason: "This ledger keeps only the newest rollout, so nobody knows which versions were good. Roll back without --to."}
	}
	var good []string // newest last
	activated := ""   // since the version was good
	r := &core.Rollout{Line: e.Line}
	fold := func() {
		if r.State == core.StateSucceeded {
			good = append(slices.DeleteFunc(good, func(v string) bool { return v == r.Start.Version }), r.Start.Version)
		}
		switch {
		case r.State == core.StateSucceeded && r.Start.Version == to:
			activated = ""
		case r.Start.Activated != "" && r.Touched():
			activated = r.Start.Activated
		}
	}
	for ev, err := range past.History(ctx, e.Line) {
		if err != nil {
			return err
		}
		if ev.Type == core.EventStarted {
			fold()
			r = &core.Rollout{Line: e.Line}
		}
		if err := r.Apply(ev); err != nil {
			return err
		}
	}
	fold()
	switch {
	case len(good) == 0:
		return Refused{Reason: fmt.Sprintf("No rollout on %s has succeeded yet, so no version is known to be good.", e.Line)}
	case !slices.Contains(good, to):
		slices.Reverse(good)
		return Refused{Reason: fmt.Sprintf("Version %s is not known to be good on %s: no rollout of it has succeeded and stayed. Known to be good, newest first: %s.",
			to, e.Line, strings.Join(short(good), ", "))}
	case activated != "":
		return Refused{Reason: fmt.Sprintf("Version %s cannot be put back: the plan of version %s, which came after it, says activate: it must not be rolled back across. Roll forward.",
			to, activated)}
	}
	return nil
}

func (e *Engine) override(kind core.OverrideKind, reason string) *core.Override {
	return &core.Override{Kind: kind, Reason: reason, By: e.Actor}
}

// said is what the actor did, and why, as a sentence.
func (e *Engine) said(did, reason string) string {
	return fmt.Sprintf("%s %s: %s", who(e.Actor), did, reason)
}
