package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Jobs tells what became of acts that were left to jobs of the CI run, announced by the actor by. An act that no job is
// known of is an [Unheard]; the results of the others come with it.
type Jobs func(ctx context.Context, g Gear, acts []core.Act, by string) ([]core.Result, error)

// Unheard says that nobody knows what became of acts.
type Unheard struct{ Reason string }

func (u Unheard) Error() string { return u.Reason }

// errHanded says that jobs of the CI run go on from here.
var errHanded = errors.New("jobs go on")

// A stint is the part of a rollout that one process does around jobs of the CI run.
type stint struct {
	wave  int
	bakes bool // from the outcomes of the jobs to the end of the bake; else up to what the jobs are to do
}

// over reports whether a step is none of the stint's.
func (s *stint) over(r *core.Rollout, step core.Step) bool {
	switch {
	case s == nil:
		return false
	case s.bakes:
		return r.State != core.StateRollingBack && r.Wave > s.wave
	default:
		return step.Do == core.DoBake || step.Do == core.DoRevert || r.State == core.StateBaking && step.Do != core.DoEnd
	}
}

// idle says that a stint has nothing to do.
type idle struct{ r *core.Rollout }

func (idle) Error() string { return "nothing to do" }

// Start takes a version up to what jobs of the CI run are to do: it begins the rollout, or goes on with it, and writes
// down that the wave at work gets the version, see [Engine.Announced]. A wave is named, or numbered from 1; empty is the
// one at work. All processes of one attempt of the CI run must be the same actor: what one announces, the others learn.
func (e *Engine) Start(ctx context.Context, req Request, wave string) (*core.Rollout, error) {
	cut := req.Waves
	req.Waves = func(ctx context.Context) ([]core.StartWave, error) {
		waves, err := cut(ctx)
		if err == nil && core.FindWave(waves, cmp.Or(wave, "1")) != 0 {
			err = e.early(req.Version, wave)
		}
		return waves, err
	}
	req.stint = func(r *core.Rollout) (*stint, error) { return e.starts(r, req, wave) }
	s, err := e.begin(ctx, req)
	if nothing, ok := errors.AsType[idle](err); ok {
		return nothing.r, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.learn(ctx); err != nil {
		return s.r, err
	}
	return s.run(ctx)
}

// Announced are the acts of a rollout that this actor left to jobs of the CI run.
func (e *Engine) Announced(r *core.Rollout) []core.Act {
	return slices.DeleteFunc(handed(r), func(a core.Act) bool { return r.Target(a.Target.Name).By != e.Actor.ID })
}

// Handed are the acts of a rollout that this actor's run of the CI system left to its jobs, whichever attempt of it: the
// actors of a run are named after it.
func (e *Engine) Handed(r *core.Rollout) []core.Act {
	return slices.DeleteFunc(handed(r), func(a core.Act) bool {
		return e.Actor.Run == "" || !strings.HasPrefix(r.Target(a.Target.Name).By, e.Actor.Run+"/")
	})
}

// starts is the stint of a start.
func (e *Engine) starts(r *core.Rollout, req Request, wave string) (*stint, error) {
	version := req.Version
	if r.State == "" || r.Start.Version != version || r.State.Over() && r.State != core.StateSucceeded {
		if n, err := strconv.Atoi(wave); err == nil && n > 1 { // of a name only the cut waves tell, once it is their turn
			return nil, e.early(version, wave)
		}
		return new(stint), nil
	}
	i, err := e.placed(r, wave)
	if err != nil {
		return nil, err
	}
	w := &r.Waves[i]
	switch {
	case w.State == core.WavePassed, w.State == core.WaveBaking:
		return nil, idle{r}
	case req.Stands && r.State == core.StateDeploying && len(e.Handed(r)) > 0:
		return nil, idle{r} // what became of it is for the bake to learn
	case r.State == core.StateDeploying && r.Lease.Holder.ID == e.Actor.ID && len(e.Announced(r)) == unfinished(w):
		return nil, idle{r} // another job of this attempt has announced it
	case r.HaltedBy() == e.Actor.ID && e.Actor.ID != "":
		return nil, Blocked{Reason: fmt.Sprintf("Rollout %s was halted by this very attempt: %s Re-run all jobs to resume it.", r.ID, r.Reason)}
	}
	return &stint{wave: i}, nil
}

// early says that a wave wants to start before there is a rollout.
func (e *Engine) early(version, wave string) error {
	return Blocked{Reason: fmt.Sprintf("No rollout of version %s is under way on %s, so wave %s cannot start. Re-run all jobs: the first wave goes first.",
		version, e.Line, wave)}
}

// unfinished counts the targets of a wave that are to be deployed yet.
func unfinished(w *core.Wave) (n int) {
	for _, t := range w.Targets {
		if t.State != core.TargetDeployed && t.State != core.TargetFailed {
			n++
		}
	}
	return n
}

// notBack counts the targets that are to go back yet.
func notBack(r *core.Rollout) (n int) {
	for _, w := range r.Waves {
		for _, t := range w.Targets {
			if t.InScope && t.State != core.TargetRolledBack && t.State != core.TargetRollbackFailed {
				n++
			}
		}
	}
	return n
}

// placed is the place of a wave, which must be the one at work or one before it.
func (e *Engine) placed(r *core.Rollout, wave string) (int, error) {
	if wave == "" {
		return r.Wave, nil
	}
	all := names(r.Start.Waves)
	switch i := core.FindWave(r.Start.Waves, wave); {
	case i < 0:
		return 0, Refused{Reason: fmt.Sprintf("Rollout %s has no wave %s. Its waves are %s.", r.ID, wave, strings.Join(all, ", "))}
	case i > r.Wave && !goesBack(r):
		return 0, Blocked{Reason: fmt.Sprintf("Wave %s waits for wave %s of rollout %s, which is %s.", all[i], all[r.Wave], r.ID, r.State)}
	default:
		return min(i, r.Wave), nil
	}
}

func names(waves []core.StartWave) []string {
	all := make([]string, len(waves))
	for i, w := range waves {
		all[i] = w.Name
	}
	return all
}

// Bake goes on where jobs of the CI run were left to act: it writes down what became of that, and bakes the wave, which
// is named as for [Engine.Start]; or it ends a rollback.
func (e *Engine) Bake(ctx context.Context, version, wave string) (*core.Rollout, error) {
	for {
		r, err := e.load(ctx)
		if err != nil {
			return nil, err
		}
		st, err := e.bakes(r, version, wave)
		if nothing, ok := errors.AsType[idle](err); ok {
			return nothing.r, nil
		}
		if err != nil {
			return nil, err
		}
		s, err := e.join(ctx, r, Request{Version: version, stint: func(*core.Rollout) (*stint, error) { return st, nil }})
		if errors.Is(err, core.ErrConflict) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s.stint = st
		if err := s.learn(ctx); err != nil {
			return s.r, err
		}
		return s.run(ctx)
	}
}

// bakes is the stint of a bake.
func (e *Engine) bakes(r *core.Rollout, version, wave string) (*stint, error) {
	if r.State == "" || r.Start.Version != version {
		return nil, Blocked{Reason: fmt.Sprintf("No rollout of version %s is under way on %s. Re-run all jobs: breakwater start begins one.", version, e.Line)}
	}
	i, err := e.placed(r, wave)
	switch {
	case err != nil:
		return nil, err
	case r.State.Over(), r.Waves[i].State == core.WavePassed && i < r.Wave, r.HaltedBy() == e.Actor.ID && e.Actor.ID != "":
		return nil, idle{r}
	case r.Waiting():
		return nil, Blocked{Reason: fmt.Sprintf("Wave %s of rollout %s has not begun. Re-run all jobs: breakwater start goes before breakwater bake.", r.Waves[i].Name, r.ID)}
	}
	return &stint{wave: i, bakes: true}, nil
}

// announce writes down that jobs put the version on what is left of a wave. Where that was to have happened already, it
// halts: what no job did, a re-run does.
func (s *session) announce(ctx context.Context, step core.Step) error {
	p, w := s.gear.Plan, &s.r.Waves[step.Wave]
	if s.stint.bakes {
		return s.write(ctx, core.Event{Type: core.EventHalted, Wave: w.Name, Cause: core.CauseDeploy, Reason: fmt.Sprintf(
			"No job deployed %s of wave %s: it was skipped or cancelled, or breakwater start had not announced it. Re-run all jobs.",
			strings.Join(short(step.Targets), ", "), w.Name)})
	}
	events := append([]core.Event{{Type: core.EventDeploying, Wave: w.Name, Targets: step.Targets}},
		s.lasts(taking(len(step.Targets), p.Deploy.Parallel.Of(len(w.Targets), 1), p.Deploy.Timeout))...)
	if err := s.write(ctx, events...); err != nil {
		return err
	}
	return errHanded
}

// announceBack writes down that jobs put the previous version back on all that is left, newest wave first.
func (s *session) announceBack(ctx context.Context) error {
	if s.leaves {
		return cmp.Or(s.release(ctx), errHanded)
	}
	if s.stint != nil {
		return errHanded
	}
	var events []core.Event
	p, long := s.gear.Plan, time.Duration(0)
	for _, w := range slices.Backward(s.r.Waves) {
		var back []string
		for _, t := range slices.Backward(w.Targets) {
			if t.InScope && t.State != core.TargetRolledBack && t.State != core.TargetRollbackFailed {
				back = append(back, t.Name)
			}
		}
		if back != nil {
			events = append(events, core.Event{Type: core.EventReverting, Wave: w.Name, Targets: back})
			long += taking(len(back), p.Rollback.Parallel.Of(len(w.Targets), 1), p.Rollback.Timeout)
		}
	}
	if err := s.write(ctx, append(events, s.lasts(long)...)...); err != nil {
		return err
	}
	return errHanded
}

// taking is how long jobs may take, so many at a time, with a minute for each to begin.
func taking(acts, parallel int, timeout time.Duration) time.Duration {
	rounds := (acts + max(1, parallel) - 1) / max(1, parallel)
	return time.Duration(rounds) * (timeout + time.Minute)
}

// handed are the acts that were announced and have no outcome yet, newest wave first on the way back.
func handed(r *core.Rollout) []core.Act {
	var acts []core.Act
	for _, w := range r.Waves {
		for _, t := range w.Targets {
			a := core.Act{Rollout: r.ID, Wave: w.Name, Target: t.Target, Version: r.Start.Version, Previous: t.Previous, Attempt: t.Attempts}
			switch {
			case r.State == core.StateDeploying && t.State == core.TargetDeploying:
			case r.State == core.StateRollingBack && t.State == core.TargetRollingBack && t.Version == "" && t.By != "":
				a.Version, a.Previous, a.Attempt, a.Rollback = t.Previous, r.Start.Version, max(1, t.Attempts), true
			default:
				continue
			}
			acts = append(acts, a)
		}
	}
	if r.State == core.StateRollingBack {
		slices.Reverse(acts)
	}
	return acts
}

// learn writes down what became of the acts that were left to jobs. A start leaves out what its own attempt announced,
// which is yet to be done, and what nobody knows of, which is done again.
func (s *session) learn(ctx context.Context) error {
	acts := make(map[string][]core.Act) // by who announced them
	for _, a := range handed(s.r) {
		if by := s.r.Target(a.Target.Name).By; s.stint.bakes || by != s.Actor.ID {
			acts[by] = append(acts[by], a)
		}
	}
	var told []core.Event
	for _, by := range slices.Sorted(maps.Keys(acts)) {
		results, err := s.Jobs(ctx, s.gear, acts[by], by)
		if err != nil && (s.stint.bakes || !errors.As(err, new(Unheard))) {
			return err
		}
		told = append(told, outcomes(s.r, results)...)
	}
	if told == nil {
		return nil
	}
	return s.write(ctx, told...)
}

// outcomes are the events that tell of results, one for each wave.
func outcomes(r *core.Rollout, results []core.Result) []core.Event {
	kind := core.EventDeployed
	if r.State == core.StateRollingBack {
		kind = core.EventReverted
	}
	var events []core.Event
	for _, w := range slices.Backward(r.Waves) {
		e := core.Event{Type: kind, Wave: w.Name}
		for _, res := range results {
			if slices.ContainsFunc(w.Targets, func(t core.TargetRecord) bool { return t.Name == res.Target }) {
				e.Results = append(e.Results, res)
			}
		}
		if e.Results != nil {
			events = append(events, e)
		}
	}
	return events
}
