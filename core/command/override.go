package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/report"
)

// reasonFlag is the reason that every override must give.
type reasonFlag struct {
	Reason string `help:"Why. It is in the ledger and in every report." required:"" placeholder:"TEXT"`
}

func (f reasonFlag) check() error {
	if f.Reason == "" {
		return usage{errors.New("an override needs a reason: pass --reason TEXT")}
	}
	return nil
}

type rollbackCmd struct {
	rolloutFlags
	actsFlag
	childFlags
	Child   string `help:"Announce nothing, but write a child pipeline of GitLab to this file, whose jobs do that and put the version back. If nothing goes back, its one job says so." placeholder:"FILE"`
	Reason  string `help:"Why. It is in the ledger and in every report. Needed unless a rollback is under way already, which goes on." placeholder:"TEXT"`
	Version string `help:"What goes back by jobs, where no reason is given. Default: the commit."`
	To      string `help:"Put this version on every target. It must have gone out well on this line before." placeholder:"VERSION"`
}

// Run puts a version back on what a rollout touched, whether or not it has ended. Where jobs of the CI run do that, it
// gives their matrix.
func (c *rollbackCmd) Run(ctx context.Context, s *ship) error {
	l, err := s.load(ctx, c.Plan, s.lookup)
	if err != nil {
		return err
	}
	way := core.Way{Reason: c.Reason, To: c.To, Stands: c.Acts != ""}
	if c.Reason != "" {
		err = s.mayOverride(ctx, c.policyFlag, l, core.OverrideRollback)
	} else if l.RevertedByJobs() {
		way.Of, err = s.version(ctx, c.Version, s.forge.Job())
	}
	if err != nil {
		return err
	}
	t := task{done: ends(core.StateRolledBack), work: func(e *engine.Engine, _ *console) (*core.Rollout, error) { return e.RollBack(ctx, way) }}
	if l.RevertedByJobs() {
		if err := s.inRun(ctx, "rollback"); err != nil {
			return err
		}
		t.outputs = c.outputs(l.Rollback.Parallel)
		t.done = func(r *core.Rollout) bool {
			return c.Reason == "" || r.State == core.StateRollingBack || r.State == core.StateRolledBack
		}
		t.work = c.byJobs(ctx, s, l, way)
	} else if c.Child != "" || c.Acts != "" {
		return usage{fmt.Errorf("%s does not leave rollbacks to jobs, so there is nothing to write for any: leave --child and --acts out", l.file)}
	}
	return s.rollOut(ctx, l, c.rolloutFlags, t)
}

// byJobs leaves a rollback to jobs of the CI run, or of a pipeline of their own.
func (c *rollbackCmd) byJobs(ctx context.Context, s *ship, l *loaded, way core.Way) func(*engine.Engine, *console) (*core.Rollout, error) {
	return func(e *engine.Engine, show *console) (*core.Rollout, error) {
		if c.Child == "" {
			r, err := e.RollBack(ctx, way)
			if err == nil {
				err = c.write(ctx, s, l.dir, c.of(e, r))
			}
			return r, err
		}
		child, err := c.pipeline(s, l)
		if err != nil {
			return nil, err
		}
		r, err := e.LeaveBack(ctx, way)
		if err != nil {
			return nil, err
		}
		if r == nil {
			show.Say("Nothing of version %s goes back on %s.", way.Of, e.Line)
		}
		var text bytes.Buffer
		if err := report.GitLabBack(&text, child, r); err != nil {
			return nil, err
		}
		return r, writeIn(l.dir, c.Child, text.Bytes())
	}
}

type promoteCmd struct {
	rolloutFlags
	reasonFlag
}

// Run passes a wave, or a precheck, that did not pass by itself.
func (c *promoteCmd) Run(ctx context.Context, s *ship) error {
	return s.override(ctx, c.rolloutFlags, c.reasonFlag, anyhow, func(e *engine.Engine) (*core.Rollout, error) {
		return e.Promote(ctx, c.Reason)
	}, core.OverridePromote)
}

// anyhow is what a command has done that leaves the rollout to others.
func anyhow(*core.Rollout) bool { return true }

type abortCmd struct {
	rolloutFlags
	reasonFlag
	Rollback bool `help:"Also put the previous version back."`
}

// Run ends an unfinished rollout. What is out stays out, unless it is to be rolled back.
func (c *abortCmd) Run(ctx context.Context, s *ship) error {
	if l, err := s.load(ctx, c.Plan, s.lookup); err == nil && c.Rollback && l.RevertedByJobs() {
		return usage{errors.New("jobs put the previous version back, and abort gives no matrix for them; use breakwater rollback --reason TEXT in their run")}
	}
	want, kinds := core.StateAborted, []core.OverrideKind{core.OverrideAbort}
	if c.Rollback {
		want, kinds = core.StateRolledBack, append(kinds, core.OverrideRollback)
	}
	return s.override(ctx, c.rolloutFlags, c.reasonFlag, ends(want), func(e *engine.Engine) (*core.Rollout, error) {
		return e.Abort(ctx, c.Reason, c.Rollback)
	}, kinds...)
}

// override does what only those may do whom the policy lets, for each of the kinds.
func (s *ship) override(ctx context.Context, f rolloutFlags, why reasonFlag, done func(*core.Rollout) bool, do func(*engine.Engine) (*core.Rollout, error), kinds ...core.OverrideKind) error {
	if err := why.check(); err != nil {
		return err
	}
	l, err := s.load(ctx, f.Plan, s.lookup)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if err := s.mayOverride(ctx, f.policyFlag, l, kind); err != nil {
			return err
		}
	}
	return s.rollOut(ctx, l, f, task{done: done, work: func(e *engine.Engine, _ *console) (*core.Rollout, error) { return do(e) }})
}
