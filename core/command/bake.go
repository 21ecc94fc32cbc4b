package command

import (
	"context"
	"fmt"
	"slices"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
)

// parked reports whether the bakes of waves are parked.
func parked(w core.WaveRule) bool { return w.Bake.Wait == core.WaitPark }

type bakeCmd struct {
	rolloutFlags
	waveFlag
	waitFlag
	Version string `help:"What was rolled out. Default: the commit."`
}

// Run bakes a wave that jobs have deployed, or ends a rollback that jobs have carried out.
func (c *bakeCmd) Run(ctx context.Context, s *ship) error {
	l, err := s.load(ctx, c.Plan, s.lookup)
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
	if s.gang.run != s.forge.Job().Actor.Run && (s.wait == core.WaitPark || s.wait == "" && slices.ContainsFunc(l.Plan.Waves, parked)) {
		return usage{fmt.Errorf("no tick can start the jobs of %s again, so its bakes cannot be parked: pass --wait leave, and --wait inline in the last job of the wave", s.gang.run)}
	}
	return s.rollOut(ctx, l, c.rolloutFlags, task{
		done: c.done,
		outputs: func(_ *engine.Engine, r *core.Rollout) []core.Output {
			return []core.Output{{Name: "next", Value: c.next(r)}}
		},
		work: func(e *engine.Engine, _ *console) (*core.Rollout, error) { return e.Bake(ctx, version, c.Wave) },
	})
}
