package command

import (
	"context"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
)

type bakeCmd struct {
	rolloutFlags
	waveFlag
	waitFlag
	Version string `help:"What was rolled out. Default: the commit."`
}

// Run bakes a wave that jobs have deployed, or ends a rollback that jobs have carried out.
func (c *bakeCmd) Run(ctx context.Context, s *ship) error {
	l, err := s.load(c.Plan, s.lookup)
	if err != nil {
		return err
	}
	version, err := s.version(ctx, c.Version, s.forge.Job())
	if err != nil {
		return err
	}
	if err := s.inRun(ctx, "bake"); err != nil {
		return err
	}
	s.wait = core.Wait(c.Wait)
	return s.rollOut(ctx, l, c.rolloutFlags, task{
		done: c.done,
		outputs: func(_ *engine.Engine, r *core.Rollout) []core.Output {
			return []core.Output{{Name: "next", Value: c.next(r)}}
		},
		work: func(e *engine.Engine, _ *console) (*core.Rollout, error) { return e.Bake(ctx, version, c.Wave) },
	})
}
