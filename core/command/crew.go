package command

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// crewID names all jobs of one attempt of a CI run.
func crewID(run string, attempt int) string { return fmt.Sprintf("%s/attempts/%d", run, attempt) }

// crewOf is the run and the attempt of a name that crewID gave.
func crewOf(id string) (run string, attempt int) {
	run, number, _ := strings.Cut(id, "/attempts/")
	attempt, _ = strconv.Atoi(number) // 0 is none
	return run, attempt
}

// A gang is one attempt of a CI run, whose jobs act as one.
type gang struct {
	run     string
	attempt int
}

// inRun joins the attempt of the CI run that the job is part of. It refuses to leave something to jobs that nobody would
// know of.
func (s *ship) inRun(ctx context.Context, command string) error {
	var g gang
	forge, ok := s.forge.(core.Foreman)
	if ok {
		var err error
		if g.run, g.attempt, err = forge.Crew(ctx); err != nil {
			return err
		}
	}
	if g.run == "" {
		return usage{fmt.Errorf("breakwater %s works around jobs of a CI run, and there is none here that it knows the jobs of; use breakwater run", command)}
	}
	s.gang = &g
	return nil
}

// newestJob is the newest job that the run had when this process first looked.
func (s *ship) newestJob(ctx context.Context) (newest int64, err error) {
	for attempt := range s.gang.attempt {
		jobs, err := s.forge.(core.Foreman).Jobs(ctx, s.gang.run, attempt+1)
		if err != nil {
			return 0, err
		}
		for _, j := range jobs {
			newest = max(newest, j.ID)
		}
	}
	return newest, nil
}

// crew tells what became of acts that were left to jobs of the CI run: from the forge's own list of the jobs, an attempt
// at a time, and from the target itself, if the plan says how to ask it.
func (s *ship) crew(dir string) engine.Jobs {
	forge, ok := s.forge.(core.Foreman)
	if !ok {
		return nil
	}
	return func(ctx context.Context, g engine.Gear, acts []core.Act, by string) ([]core.Result, error) {
		named, ok := g.Plan.Deploy.Options.(*core.Jobs)
		run, first := crewOf(by)
		if !ok || s.gang == nil || run != s.gang.run || first == 0 {
			return nil, engine.Unheard{Reason: fmt.Sprintf("%s was announced by %s, so what became of it is not known here. Re-run all jobs.", listed(acts), by)}
		}
		results, left, seen, err := s.recall(ctx, forge, named, acts, first)
		if err != nil {
			return nil, err
		}
		if err := s.prove(ctx, g.Plan, dir, acts, results); err != nil {
			return nil, err
		}
		if len(left) > 0 {
			return results, engine.Unheard{Reason: fmt.Sprintf("No job is named %q, so nobody knows what became of %s. The jobs of the run: %s. Name the jobs so, or say in the plan how they are named: deploy: {jobs: {deploy: ..., rollback: ...}}.",
				named.Name(left[0]), listed(left), shell.OneLine(strings.Join(seen, ", ")))}
		}
		return results, nil
	}
}

// recall finds the newest job of each act, attempt by attempt back to the first that can have done something: one may leave
// out what went well before. What a job has done is not undone by a later one that never began. left are acts without any
// job; seen are the names of all jobs.
func (s *ship) recall(ctx context.Context, forge core.Foreman, named *core.Jobs, acts []core.Act, first int) (results []core.Result, left []core.Act, seen []string, err error) {
	idle := make(map[string]core.Result)
	left = slices.Clone(acts)
	for attempt := s.gang.attempt; attempt >= first && len(left) > 0; attempt-- {
		jobs, err := forge.Jobs(ctx, s.gang.run, attempt)
		if err != nil {
			return nil, nil, nil, err
		}
		found, err := match(named, left, jobs)
		if err != nil {
			return nil, nil, nil, err
		}
		for _, r := range found {
			if r.Outcome == core.OutcomeUntouched {
				idle[r.Target] = r
				continue
			}
			results = append(results, r)
			left = slices.DeleteFunc(left, func(a core.Act) bool { return a.Target.Name == r.Target })
		}
		for _, j := range jobs {
			seen = append(seen, j.Name)
		}
	}
	left = slices.DeleteFunc(left, func(a core.Act) bool {
		r, ok := idle[a.Target.Name]
		if ok {
			results = append(results, r)
		}
		return ok
	})
	return results, left, seen, nil
}

func listed(acts []core.Act) string {
	const most = 3
	var names []string
	for i, a := range acts {
		if i == most {
			names = append(names, fmt.Sprintf("%d more", len(acts)-most))
			break
		}
		names = append(names, a.Target.Name)
	}
	return strings.Join(names, ", ")
}

// match finds the job of each act by its name, if it has one. A job of a workflow that another one calls has the caller's
// name before its own.
func match(named *core.Jobs, acts []core.Act, jobs []core.RunJob) (found []core.Result, err error) {
	for _, a := range acts {
		name := named.Name(a)
		all := slices.DeleteFunc(slices.Clone(jobs), func(j core.RunJob) bool {
			return j.Name != name && !strings.HasSuffix(j.Name, " / "+name)
		})
		switch len(all) {
		case 0:
		case 1:
			if all[0].Outcome == "" {
				return nil, engine.Blocked{Reason: fmt.Sprintf("Job %q has not ended: %s. Let the job of bake need it.", name, all[0].URL)}
			}
			found = append(found, resultOf(a, all[0]))
		default:
			return nil, engine.Refused{Reason: fmt.Sprintf("%d jobs of the run are named %q. Give each target one job.", len(all), name)}
		}
	}
	return found, nil
}

func resultOf(a core.Act, j core.RunJob) core.Result {
	r := core.Result{Target: a.Target.Name, Outcome: j.Outcome, Took: j.Took}
	if j.Outcome == core.OutcomeFailed || j.Outcome == core.OutcomeCut {
		r.Error = fmt.Sprintf("its job ended as %s: %s", j.Said, j.URL)
	}
	return r
}

// prove asks each target that a job has acted on what it runs, if the plan says how, a few at a time. A job may well end
// well while the old version goes on serving.
func (s *ship) prove(ctx context.Context, p *core.Plan, dir string, acts []core.Act, results []core.Result) error {
	if p.Current == nil {
		return nil
	}
	current := s.current(p, s.shell(dir))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range results {
		r := &results[i]
		act := acts[slices.IndexFunc(acts, func(a core.Act) bool { return a.Target.Name == r.Target })]
		if r.Outcome != core.OutcomeDone {
			continue
		}
		group.Go(func() error {
			if err := current.Prove(ctx, act); err != nil {
				r.Outcome, r.Error = core.OutcomeFailed, err.Error()
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}
