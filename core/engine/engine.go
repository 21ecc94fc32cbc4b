// Package engine carries a rollout out: it asks [core.Next] what to do, writes down what it is about to do, does it,
// and writes down how it ended. It may die at any line; the next process loads the record and goes on.
//
// All decisions are in package core. Here is only the loop, the fence that keeps a process that lost its lease from
// acting, and the worker pool that acts on targets.
package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// An Engine runs the rollouts of one line.
type Engine struct {
	Line     core.Line
	Ledger   core.Ledger
	Clock    core.Clock
	Actor    core.Actor
	Observer core.Observer

	// Equip builds what a plan needs. The plan is the one that the rollout started with, which is not always the one
	// in the working tree.
	Equip func(planFile, planText string) (Gear, error)

	// Admit refuses a plan that is below the floors that somebody has set for it, before anything is written down, and
	// says which floors it keeps to. Nil: there are none. What goes back is never refused.
	Admit func(planFile, planText string, waves []core.StartWave) (*core.Obeyed, error)

	// Require reports why a rollout may not begin by what its plan requires of the commit. Nil: nothing is asked.
	Require func(context.Context, *core.Plan) error

	// Jobs tells what became of acts that the plan leaves to jobs of the CI run. Nil: such a plan is not carried out.
	Jobs Jobs

	// Warn is told what keeps the engine from working as it should, without stopping it. Nil: nobody is.
	Warn func(error)

	// Dead reports that the process of a lease's holder is known to be gone.
	Dead func(core.Actor) bool

	// Lease is how long a lease lasts without being renewed. An act may take longer: then the lease covers it.
	Lease time.Duration

	// Glance is how often the ledger is looked at while time passes, to see what was written beside this process; Watch is
	// how often while targets are acted on, to see whether another actor took over. 0: only the writes tell.
	Glance, Watch time.Duration

	// Unmarked leaves a parked bake without a marker. Jobs that are sure to come go on with it, and a tick that did so as well
	// would keep the line from them.
	Unmarked bool

	// Gather is how long the outcome of an act may wait for those of others that are under way, to be written down with
	// them. 0: only for as long as a write takes.
	Gather time.Duration

	// LastWords is how long the last writes may take once ctx has ended.
	LastWords time.Duration
}

// Gear is what a plan needs to be carried out.
type Gear struct {
	Plan     *core.Plan
	Deploy   core.Driver
	Rollback core.Driver
	Checks   core.Asker

	// Windows reads when the waves may start, calendars included, as it is now. Nil: at any time.
	Windows func(context.Context, []core.StartWave) (core.Timetable, error)
}

// A Request asks for one version to go out.
type Request struct {
	Version      string
	Previous     string // empty: the ledger's last good version
	FirstRelease bool   // there is no previous version
	AcceptDrift  string // why it may go out over targets that do not run what the ledger says; empty: it may not
	Emergency    string // why it takes the plan's fast lane; empty: it does not
	Resume       bool   // begin no rollout, only go on with one
	Stands       bool   // what the same run of the CI system has left to jobs stays theirs, also where an earlier attempt of it did
	Through      string // the last wave that is worked on, by name or by number from 1; empty: there is none that is too far
	PlanFile     string
	PlanText     string

	// Elsewhere finds the version to go back to where the ledger knows none; empty: it is not known there either. Nil:
	// nobody else is asked.
	Elsewhere func(ctx context.Context) string

	// Waves cuts the targets into waves, and fills in what each says that it runs, if it can say. It is called only if
	// a new rollout starts.
	Waves func(ctx context.Context) ([]core.StartWave, error)

	stint func(*core.Rollout) (*stint, error) // the part that is to be done; nil: all of it
}

// Run takes a version as far as it goes: it starts a rollout, or goes on with the unfinished one of the same version.
// The rollout that it returns is as the ledger has it. The error is a [Blocked], a [Refused], a [Lost], or what kept
// the engine from going on; a rollout that was halted or rolled back is not an error.
func (e *Engine) Run(ctx context.Context, req Request) (*core.Rollout, error) {
	s, err := e.begin(ctx, req)
	if nothing, ok := errors.AsType[idle](err); ok {
		return nothing.r, nil
	}
	if err != nil {
		return nil, err
	}
	return s.run(ctx)
}

// A session is one process at work on one rollout.
type session struct {
	*Engine
	*journal
	gear    Gear
	stint   *stint // nil: all of the rollout
	leaves  bool   // what goes back is for another run of the CI system to announce
	through string // the last wave that this process works on; empty: there is none that is too far
	bake    lookout
	hours   timetable
	ended   bool      // this process wrote that the rollout is over
	stays   bool      // it has said that it waits with a bake that it cannot park
	next    time.Time // when the next look of a parked bake is due; zero: that is not known
	glanced time.Time // when the ledger was last looked at while time passed
}

// run takes one step after the other until the rollout rests.
func (s *session) run(ctx context.Context) (*core.Rollout, error) {
	defer s.bake.close()
	for {
		if ctx.Err() != nil {
			if err := s.interrupted(ctx); !errors.Is(err, errMoved) {
				return s.r, err
			}
			continue
		}
		if err := s.prepare(ctx); err != nil {
			return s.r, err
		}
		seen := s.bake.seen
		if seen.Window = s.window(ctx); ctx.Err() != nil {
			continue
		}
		step := core.Next(s.gear.Plan, s.r, s.Clock.Now(), seen)
		if step.Do == core.DoNothing || s.stint.over(s.r, step) {
			return s.r, nil
		}
		if step.Do != core.DoEnd && beyond(s.r, s.through) {
			return s.r, s.release(ctx)
		}
		switch err := s.carryOut(ctx, step); {
		case errors.Is(err, errParked), errors.Is(err, errHanded):
			return s.r, nil
		case err != nil && ctx.Err() == nil && !errors.Is(err, errMoved):
			return s.r, err
		}
	}
}

// carryOut does one step. An intent is in the ledger before the act that it announces.
func (s *session) carryOut(ctx context.Context, step core.Step) error {
	wave := s.r.Waves[step.Wave].Name
	verdicts := s.bake.seen.Verdicts
	switch step.Do {
	case core.DoPrecheck:
		return s.precheck(ctx)
	case core.DoBlock:
		return s.block(ctx, step)
	case core.DoDeploy:
		if s.gear.Plan.DeployedByJobs() {
			return s.announce(ctx, step)
		}
		return s.deploy(ctx, step)
	case core.DoBake:
		return s.write(ctx, core.Event{Type: core.EventBaking, Wave: wave})
	case core.DoLook:
		return s.look(ctx, step.At)
	case core.DoWait:
		if s.parks() {
			return s.park(ctx, step.At)
		}
		return s.wait(ctx, step.At)
	case core.DoPass:
		return s.write(ctx, core.Event{Type: core.EventPassed, Wave: wave, Verdicts: verdicts, Reason: step.Reason})
	case core.DoConfirm:
		return s.confirm(ctx, step)
	case core.DoHalt:
		return s.write(ctx, core.Event{Type: core.EventHalted, Wave: wave, Cause: step.Cause, Reason: step.Reason, Verdicts: verdicts})
	case core.DoRollBack:
		return s.write(ctx, core.Event{Type: core.EventRollingBack, Targets: step.Targets, Cause: step.Cause, Reason: step.Reason, Verdicts: verdicts})
	case core.DoRehearse:
		return s.revert(ctx, step, core.EventRehearsing, core.EventRehearsed)
	case core.DoRevert:
		if s.gear.Plan.RevertedByJobs() {
			return s.announceBack(ctx)
		}
		return s.revert(ctx, step, core.EventReverting, core.EventReverted)
	case core.DoVerify:
		return s.write(ctx, core.Event{Type: core.EventVerified, Verdicts: verdicts})
	case core.DoEnd:
		return s.write(ctx, core.Event{Type: core.EventEnded, State: step.State, Newer: step.Newer, Reason: step.Reason})
	default:
		return fmt.Errorf("the engine does not know how to %q", step.Do)
	}
}

// interrupted leaves the rollout so that a re-run goes on with it. A rollback stays one: it is finished first.
func (s *session) interrupted(ctx context.Context) error {
	if s.r.State.Resting() {
		return nil
	}
	if s.r.State == core.StateRollingBack {
		return s.write(ctx, core.Event{Type: core.EventReleased})
	}
	if end, done := core.Finish(s.r); done {
		return s.write(ctx, core.Event{Type: core.EventEnded, State: end.State, Reason: end.Reason})
	}
	reason := fmt.Sprintf("The job was cancelled while the rollout was %s.", s.r.State)
	if s.r.Blocked != nil {
		reason = "The job was cancelled while the rollout waited. " + s.r.Blocked.Reason
	}
	return s.write(ctx, core.Event{
		Type: core.EventHalted, Wave: s.r.Waves[s.r.Wave].Name, Cause: core.CauseInterrupted, Verdicts: s.bake.seen.Verdicts,
		Reason: reason,
	})
}
