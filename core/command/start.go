package command

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// waveFlag is the wave that a job works on.
type waveFlag struct {
	Wave string `help:"The wave, by name or by number from 1. Default: the one at work." placeholder:"WAVE"`
}

// done is what a job around others has done whose rollout is on its way, or whose wave is past.
func (f waveFlag) done(r *core.Rollout) bool {
	return r.State == core.StatePending || r.State == core.StateDeploying || outOrParked(r) || f.passed(r)
}

func (f waveFlag) passed(r *core.Rollout) bool {
	i := core.FindWave(r.Start.Waves, f.Wave)
	return i >= 0 && r.Waves[i].State == core.WavePassed
}

// next is the wave that goes out after this one; empty if it is not its turn, or there is none.
func (f waveFlag) next(r *core.Rollout) string {
	i := core.FindWave(r.Start.Waves, f.Wave)
	switch {
	case f.Wave == "" && r.State == core.StateDeploying:
		return r.Waves[r.Wave].Name
	case f.passed(r) && !r.State.Over() && i+1 < len(r.Waves):
		return r.Waves[i+1].Name
	default:
		return ""
	}
}

type startCmd struct {
	releaseFlags
	waveFlag
	maxWavesFlag
	actsFlag
	Resume bool `help:"Begin no rollout: only go on with the one of this version that is under way. For a job that is run again."`
}

// Run announces what the jobs after it do. There is nothing to do where the wave is out already.
func (c *startCmd) Run(ctx context.Context, s *ship) error {
	l, err := s.load(ctx, c.Plan, s.lookup)
	if err != nil {
		return err
	}
	ask, err := c.request(ctx, s, l)
	if err != nil {
		return err
	}
	if err := s.inRun(ctx, "start"); err != nil {
		return err
	}
	return s.rollOut(ctx, l, c.rolloutFlags, task{done: c.done, outputs: c.outputs(l.Deploy.Parallel), work: func(e *engine.Engine, show *console) (*core.Rollout, error) {
		req := ask(show)
		req.Resume, req.Stands = c.Resume, c.Acts != ""
		cut := req.Waves
		req.Waves = func(ctx context.Context) ([]core.StartWave, error) {
			waves, err := cut(ctx)
			return waves, cmp.Or(err, c.fits(l.file, waves))
		}
		r, err := e.Start(ctx, req, c.Wave)
		if err == nil {
			show.Say("Jobs to deploy: %d.", len(c.of(e, r)))
			err = c.write(ctx, s, l.dir, c.of(e, r))
		}
		return r, err
	}})
}

// mostJobs is how many jobs a matrix can have at GitHub.
const mostJobs = 256

// handable reports why a rollout's acts could not be left to jobs of a CI run.
func (s *ship) handable(p *core.Plan, waves []core.StartWave) error {
	if s.divides {
		return nil
	}
	all := 0
	for _, w := range waves {
		all += len(w.Targets)
		if p.DeployedByJobs() && len(w.Targets) > mostJobs {
			return fmt.Errorf("wave %s has %d targets, and a matrix has at most %d jobs: split it", w.Name, len(w.Targets), mostJobs)
		}
	}
	if p.RevertedByJobs() && all > mostJobs {
		return fmt.Errorf("%d targets may have to go back, and a matrix has at most %d jobs: roll back by a command, with rollback: {run: ...}", all, mostJobs)
	}
	return nil
}

// actsFlag is where jobs whose number was known before find what they are to do.
type actsFlag struct {
	Acts string `help:"Give no matrix, but write what jobs need to know to this file: the id of the newest job, then TARGET NAME=VALUE, a line each. A job whose target is not in it has nothing to do." placeholder:"FILE"`
}

// of are the acts that are left to jobs. Those who find them in a file may be of another attempt than who announced them.
func (f actsFlag) of(e *engine.Engine, r *core.Rollout) []core.Act {
	if f.Acts != "" {
		return e.Handed(r)
	}
	return e.Announced(r)
}

// write leaves acts behind for the jobs that carry them out. A job that is created later must ask again.
func (f actsFlag) write(ctx context.Context, s *ship, dir string, acts []core.Act) error {
	if f.Acts == "" {
		return nil
	}
	newest, err := s.newestJob(ctx)
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintln(&text, newest)
	for _, a := range acts {
		vars, err := shell.ForAct(a).Environ()
		if err != nil {
			return err
		}
		for _, v := range vars {
			if strings.ContainsAny(v, "\n\r") {
				name, _, _ := strings.Cut(v, "=")
				return usage{fmt.Errorf("%s of target %s has several lines, and a job cannot be told that: make it one", name, a.Target.Name)}
			}
			fmt.Fprintln(&text, a.Target.Name, v)
		}
	}
	return writeIn(dir, f.Acts, []byte(text.String()))
}

// outputs are those by which jobs that are made from them know what to do.
func (f actsFlag) outputs(parallel core.Amount) func(*engine.Engine, *core.Rollout) []core.Output {
	if f.Acts != "" {
		return nil
	}
	return matrixOf(parallel)
}

// A leg is one job of a matrix: what it needs to know to act on one target.
type leg struct {
	Action   shell.Action      `json:"action"`
	Target   string            `json:"target"`
	Version  string            `json:"version"`
	Previous string            `json:"previous"`
	Wave     string            `json:"wave"`
	Rollout  string            `json:"rollout"`
	Attempt  int               `json:"attempt"`
	Labels   map[string]string `json:"labels"`
}

// matrixOf gives the acts that were left to jobs as the matrix of those jobs, with how many of them may run at a time.
func matrixOf(parallel core.Amount) func(*engine.Engine, *core.Rollout) []core.Output {
	return func(e *engine.Engine, r *core.Rollout) []core.Output {
		acts := e.Announced(r)
		legs := make([]leg, len(acts))
		for i, a := range acts {
			legs[i] = leg{shell.ForAct(a).Action, a.Target.Name, a.Version, a.Previous, a.Wave, a.Rollout, a.Attempt, a.Target.Labels}
		}
		text, _ := json.Marshal(map[string][]leg{"include": legs}) // strings and numbers always do
		return []core.Output{
			{Name: "matrix", Value: string(text)},
			{Name: "jobs", Value: strconv.Itoa(len(acts))},
			{Name: "parallel", Value: strconv.Itoa(max(1, parallel.Of(len(acts), 1)))},
			{Name: "attempt", Value: strconv.Itoa(e.Actor.Attempt)},
		}
	}
}
