package command

import (
	"context"
	"errors"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
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
	reasonFlag
	To string `help:"Put this version on every target. It must have gone out well on this line before." placeholder:"VERSION"`
}

// Run puts a version back on what a rollout touched, whether or not it has ended.
func (c *rollbackCmd) Run(ctx context.Context, s *ship) error {
	return s.override(ctx, c.rolloutFlags, c.reasonFlag, ends(core.StateRolledBack), func(e *engine.Engine) (*core.Rollout, error) {
		return e.RollBack(ctx, core.Way{Reason: c.Reason, To: c.To})
	}, core.OverrideRollback)
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
	l, err := s.load(f.Plan, s.lookup)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if err := s.mayOverride(ctx, f.policyFlag, l, kind); err != nil {
			return err
		}
	}
	return s.rollOut(ctx, l, f, done, func(e *engine.Engine, _ *console) (*core.Rollout, error) { return do(e) })
}
