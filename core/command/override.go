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
}

// Run puts the previous version back on everything that an unfinished rollout touched.
func (c *rollbackCmd) Run(ctx context.Context, s *ship) error {
	return s.override(ctx, c.rolloutFlags, c.reasonFlag, "rollback", core.StateRolledBack, (*engine.Engine).RollBack)
}

type abortCmd struct {
	rolloutFlags
	reasonFlag
}

// Run ends an unfinished rollout and keeps what is out.
func (c *abortCmd) Run(ctx context.Context, s *ship) error {
	return s.override(ctx, c.rolloutFlags, c.reasonFlag, "abort", core.StateAborted, (*engine.Engine).Abort)
}

func (s *ship) override(ctx context.Context, f rolloutFlags, why reasonFlag, kind string, want core.State, do func(*engine.Engine, context.Context, string) (*core.Rollout, error)) error {
	if err := why.check(); err != nil {
		return err
	}
	l, err := s.load(f.Plan, s.lookup)
	if err != nil {
		return err
	}
	if err := s.mayOverride(ctx, f.policyFlag, l, kind); err != nil {
		return err
	}
	return s.rollOut(ctx, l, f, want, func(e *engine.Engine, _ *console) (*core.Rollout, error) { return do(e, ctx, why.Reason) })
}
