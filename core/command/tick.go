package command

import (
	"context"
	"fmt"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
)

type tickCmd struct {
	rolloutFlags
}

// Run looks once at the line's parked bake, and has its CI run started again where there is something to be done. It fails
// if the rollout came to a halt in this look: later ticks find it halted, and are quiet.
func (c *tickCmd) Run(ctx context.Context, s *ship) error {
	l, err := s.load(c.Plan, s.lookup)
	if err != nil {
		return err
	}
	s.ticks = true
	began := s.Clock.Now()
	quiet := func(r *core.Rollout) bool { return r.State != core.StateHalted || r.Changed.Before(began) }
	return s.rollOut(ctx, l, c.rolloutFlags, task{done: quiet, work: func(e *engine.Engine, show *console) (*core.Rollout, error) {
		r, err := e.Tick(ctx, func(ctx context.Context, run string) error {
			forge, ok := s.forge.(core.Restarter)
			if !ok {
				return usage{fmt.Errorf("run %s has work to do, and nobody here can start it again: run tick in the CI system that it ran in", run)}
			}
			if err := forge.Restart(ctx, run); err != nil {
				return err
			}
			show.Say("Started run %s again: it has work to do.", run)
			return nil
		})
		if err == nil && r == nil {
			show.Say("No rollout on %s yet.", l.Line())
		}
		return r, err
	}})
}
