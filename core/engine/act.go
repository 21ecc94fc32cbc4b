package engine

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// deploy puts the version on what is left of a wave, and stops starting when more targets failed than tolerated.
func (s *session) deploy(ctx context.Context, step core.Step) error {
	p := s.gear.Plan
	wave := &s.r.Waves[step.Wave]
	failed := 0
	for i := range wave.Targets {
		if wave.Targets[i].State == core.TargetFailed {
			failed++
		}
	}
	return s.act(ctx, stage{
		wave: wave.Name, targets: step.Targets, driver: s.gear.Deploy,
		intent: core.EventDeploying, outcome: core.EventDeployed,
		parallel: p.Deploy.Parallel.Of(len(wave.Targets), 1), timeout: p.Deploy.Timeout,
		spare: p.Deploy.Tolerate.Of(len(wave.Targets), 0) - failed,
	})
}

// revert puts the previous version back on targets of a wave: because they go back, or for a try. It goes on past
// failures.
func (s *session) revert(ctx context.Context, step core.Step, intent, outcome core.EventType) error {
	p := s.gear.Plan
	wave := &s.r.Waves[step.Wave]
	return s.act(ctx, stage{
		wave: wave.Name, targets: step.Targets, driver: s.gear.Rollback, back: true,
		intent: intent, outcome: outcome,
		parallel: p.Rollback.Parallel.Of(len(wave.Targets), 1), timeout: p.Rollback.Timeout,
		spare: len(step.Targets),
	})
}

// confirm tells targets of a wave that it has passed. It goes on past failures: what waits goes back by itself.
func (s *session) confirm(ctx context.Context, step core.Step) error {
	c, ok := s.gear.Deploy.(core.Confirmer)
	if !ok {
		return fmt.Errorf("the driver %s does not know how to tell %s that the wave has passed", s.gear.Plan.Deploy.Driver, strings.Join(short(step.Targets), ", "))
	}
	p := s.gear.Plan
	wave := &s.r.Waves[step.Wave]
	return s.act(ctx, stage{
		wave: wave.Name, targets: step.Targets, driver: confirming{c},
		intent: core.EventConfirming, outcome: core.EventConfirmed,
		parallel: p.Deploy.Parallel.Of(len(wave.Targets), 1), timeout: p.Deploy.Timeout,
		spare: len(step.Targets),
	})
}

// confirming is a driver whose acts tell targets that their wave has passed.
type confirming struct{ core.Confirmer }

func (c confirming) Deploy(ctx context.Context, act core.Act) (string, error) {
	return c.Confirm(ctx, act)
}

// A stage is the same act on several targets of a wave.
type stage struct {
	wave            string
	targets         []string
	driver          core.Driver
	back            bool
	intent, outcome core.EventType
	parallel        int
	timeout         time.Duration
	spare           int // how many may fail before no more are started
}

// A report is the outcome of one act on its way into the ledger.
type report struct {
	act    core.Act
	result core.Result
	output string
	saved  chan struct{} // closed once the outcome is written down, or never will be
}

// act announces the acts of a stage with one write, carries them out, and writes the outcomes down as they come: all
// that have come in while one write was under way go into the next. A worker starts its next act only once the outcome
// of its last is in the ledger, so no act starts after the lease is lost, and a crash repeats no act that the ledger
// knows.
func (s *session) act(ctx context.Context, st stage) error {
	need := max(s.Lease/2, st.timeout+time.Minute)
	acts := s.acts(st)
	intent := core.Event{Type: st.intent, Wave: st.wave, Targets: st.targets}
	if err := s.write(ctx, append([]core.Event{intent}, s.lasts(need)...)...); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	defer watcher.Wait()
	defer stop()
	if s.Watch > 0 {
		watcher.Go(func() { s.watch(ctx, stop) })
	}
	pool := &pool{stage: st, acts: acts, clock: s.Clock, gather: s.Gather, reports: make(chan report)}
	pool.start(ctx)

	untouched := make(map[string]bool, len(acts))
	for _, a := range acts {
		untouched[a.Target.Name] = true
	}
	var err error
	for rep := range pool.reports {
		batch := pool.also(ctx, rep)
		results := make([]core.Result, len(batch))
		for i, b := range batch {
			results[i] = b.result
			delete(untouched, b.result.Target)
			s.Observer.Acted(b.act, b.result, b.output)
		}
		if err == nil {
			outcome := core.Event{Type: st.outcome, Wave: st.wave, Results: results}
			if err = s.write(ctx, append([]core.Event{outcome}, s.lasts(need)...)...); err != nil {
				pool.halt()
				stop() // what still runs must not go on beside the actor that took over
			}
		}
		for _, b := range batch {
			close(b.saved)
		}
	}
	if err != nil || len(untouched) == 0 {
		return err
	}
	return s.write(ctx, core.Event{Type: st.outcome, Wave: st.wave, Results: left(st.targets, untouched)})
}

// acts makes the acts of a stage, with the attempt that each will be.
func (s *session) acts(st stage) []core.Act {
	acts := make([]core.Act, len(st.targets))
	for i, name := range st.targets {
		t := s.r.Target(name)
		a := core.Act{Rollout: s.r.ID, Wave: st.wave, Target: t.Target, Version: s.r.Start.Version, Previous: t.Previous, Attempt: t.Attempts + 1}
		switch {
		case st.intent == core.EventConfirming:
			a.Attempt = t.Attempts
		case st.back:
			a.Version, a.Previous, a.Attempt, a.Rollback = t.Previous, cmp.Or(t.Version, s.r.Start.Version), max(1, t.Attempts), true
			a.Named = s.r.To != ""
		}
		acts[i] = a
	}
	return acts
}

// left are the results of announced targets that were never started.
func left(targets []string, untouched map[string]bool) []core.Result {
	var results []core.Result
	for _, name := range targets {
		if untouched[name] {
			results = append(results, core.Result{Target: name, Outcome: core.OutcomeUntouched})
		}
	}
	return results
}

// A pool runs the acts of a stage, so many at a time. Its reports channel is closed when all workers have ended.
type pool struct {
	stage
	acts    []core.Act
	clock   core.Clock
	gather  time.Duration
	reports chan report

	next   atomic.Int64
	flying atomic.Int64 // acts whose outcome is not written down yet
	failed atomic.Int64
	halted atomic.Bool
}

func (p *pool) start(ctx context.Context) {
	var workers sync.WaitGroup
	for range max(1, min(p.parallel, len(p.acts))) {
		workers.Go(func() { p.work(ctx) })
	}
	go func() {
		workers.Wait()
		close(p.reports)
	}()
}

func (p *pool) halt() { p.halted.Store(true) }

func (p *pool) work(ctx context.Context) {
	for ctx.Err() == nil && !p.halted.Load() && p.failed.Load() <= int64(p.spare) {
		i := int(p.next.Add(1)) - 1
		if i >= len(p.acts) {
			return
		}
		p.flying.Add(1)
		rep := p.do(ctx, p.acts[i])
		if rep.result.Outcome == core.OutcomeFailed {
			p.failed.Add(1)
		}
		p.reports <- rep
		<-rep.saved
		p.flying.Add(-1)
	}
}

// do carries out one act.
func (p *pool) do(ctx context.Context, a core.Act) report {
	began := p.clock.Now()
	output, err := p.driver.Deploy(ctx, a)
	result := core.Result{Target: a.Target.Name, Outcome: core.OutcomeDone, Took: p.clock.Now().Sub(began)}
	if c, ok := p.driver.(core.Confirmer); ok && p.intent == core.EventDeploying {
		result.Held = err == nil && c.Holds()
	}
	if err != nil {
		result.Outcome, result.Error, result.Tail = core.OutcomeFailed, err.Error(), tail(output)
		if ctx.Err() != nil {
			result.Outcome = core.OutcomeCut
		}
	}
	return report{act: a, result: result, output: output, saved: make(chan struct{})}
}

// also collects the reports that come in beside one: those that wait already, and, where outcomes are gathered, those
// that come a little later.
func (p *pool) also(ctx context.Context, first report) []report {
	batch := []report{first}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	over := make(chan struct{})
	if p.gather == 0 {
		close(over)
	} else {
		go func() {
			defer close(over)
			p.clock.Wait(ctx, p.clock.Now().Add(p.gather)) // however it ends, the time is over
		}()
	}
	for p.flying.Load() > int64(len(batch)) {
		select {
		case rep := <-p.reports: // it cannot be closed: acts are under way
			batch = append(batch, rep)
			continue
		default:
		}
		select {
		case rep := <-p.reports:
			batch = append(batch, rep)
		case <-over:
			return batch
		}
	}
	return batch
}

// tail keeps the last lines of an output, at most 2 KiB, for the ledger.
func tail(output string) string {
	const most = 2 << 10
	if len(output) <= most {
		return output
	}
	cut := output[len(output)-most:]
	for i := range len(cut) {
		if cut[i] == '\n' {
			return cut[i+1:]
		}
	}
	return cut
}
