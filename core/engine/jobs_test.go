package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
)

// A crew is a CI run whose jobs deploy, with processes around them that may be killed at any write.
type crew struct {
	*scene
	t       *testing.T
	random  *rand.Rand
	run     int
	first   int // attempt of the run
	back    int // the run that puts back; 0: there is none
	attempt int
	pipes   bool                           // announcements stand until they are learned, single jobs are run again, and what goes back is another run's
	runs    map[string]string              // what each target runs
	jobs    map[int]map[string]core.Result // by attempt and job
	acted   map[string]int                 // how often a job that ended well put the new version on a target
	story   []string
}

// child is the run that deploys.
const child = 7

var errShot = errors.New("the process was shot")

// shaky is a ledger whose process may be shot right before or right after a write.
type shaky struct {
	core.Ledger
	random *rand.Rand
	dead   bool
}

func (m *shaky) Read(ctx context.Context, line core.Line) ([]core.Event, error) {
	if m.dead {
		return nil, errShot
	}
	return m.Ledger.Read(ctx, line)
}

func (m *shaky) Append(ctx context.Context, line core.Line, after int64, events []core.Event) error {
	if m.dead {
		return errShot
	}
	if m.random.IntN(25) == 0 {
		if m.dead = true; m.random.IntN(2) == 0 {
			m.Ledger.Append(ctx, line, after, events)
		}
		return errShot
	}
	return m.Ledger.Append(ctx, line, after, events)
}

func newCrew(t *testing.T, seed uint64) *crew {
	c := &crew{scene: newScene(), t: t, random: rand.New(rand.NewPCG(seed, 7)), run: child, first: 1, attempt: 1,
		runs: make(map[string]string), jobs: make(map[int]map[string]core.Result), acted: make(map[string]int)}
	c.plan.Deploy.Driver = core.DriverJobs
	c.plan.Deploy.Tolerate = core.Amount{Count: c.random.IntN(2), Set: true}
	if c.random.IntN(3) == 0 {
		c.plan.Rollback.When = nil
	}
	for _, w := range c.waves {
		for _, target := range w.Targets {
			c.runs[target.Name] = "v1"
		}
	}
	c.answers.ask = func(core.Asked, time.Time) core.VerdictKind {
		if c.random.IntN(400) == 0 {
			return core.Fail
		}
		return core.Pass
	}
	return c
}

// process is a new one of the attempt.
func (c *crew) process() *engine.Engine {
	c.actor = core.Actor{ID: fmt.Sprintf("%d/attempts/%d", c.run, c.attempt), Run: fmt.Sprint(c.run), Attempt: c.attempt}
	e := c.engine()
	e.Ledger = &shaky{Ledger: c.book, random: c.random}
	e.Jobs = func(_ context.Context, _ engine.Gear, acts []core.Act, by string) ([]core.Result, error) {
		var run, first int
		fmt.Sscanf(by, "%d/attempts/%d", &run, &first)
		if run != c.run {
			return nil, engine.Unheard{Reason: "another run announced it"}
		}
		var known []core.Result
		for _, a := range acts {
			var found *core.Result
			for n := c.attempt; n >= first && (found == nil || found.Outcome == core.OutcomeUntouched); n-- {
				if r, ok := c.jobs[n][job(a)]; ok {
					found = &r
				}
			}
			if found != nil {
				known = append(known, *found)
			}
		}
		if len(known) < len(acts) {
			return known, engine.Unheard{Reason: "some jobs are not known"}
		}
		return known, nil
	}
	return e
}

func job(a core.Act) string { return fmt.Sprint(a.Target.Name, " ", a.Rollback) }

// work has jobs act on what was announced. Some fail, some are cancelled, and some never begin.
func (c *crew) work(e *engine.Engine, r *core.Rollout) {
	acts := e.Announced(r)
	if c.pipes { // what has ended well is not run again by itself
		acts = slices.DeleteFunc(e.Handed(r), func(a core.Act) bool { return c.newest(a).Outcome == core.OutcomeDone })
	}
	c.act(acts)
}

// again has a job or two act again that did not end well, before anybody has learned that: as a later attempt, or as the same.
func (c *crew) again(start func(*engine.Engine) (*core.Rollout, error)) {
	for c.pipes && c.random.IntN(2) == 0 {
		c.attempt += c.random.IntN(2)
		e := c.process()
		r, err := start(e)
		if err != nil {
			return
		}
		acts := slices.DeleteFunc(e.Handed(r), func(a core.Act) bool {
			return c.newest(a).Outcome == core.OutcomeDone || c.random.IntN(2) == 0
		})
		c.act(acts)
	}
}

// newest is how the newest job of an act ended in its run.
func (c *crew) newest(a core.Act) core.Result {
	for n := c.attempt; n >= c.first; n-- {
		if r, ok := c.jobs[n][job(a)]; ok {
			return r
		}
	}
	return core.Result{}
}

func (c *crew) act(acts []core.Act) {
	for _, a := range acts {
		if events := c.events(c.t); !announcedIn(events, a) {
			c.t.Fatalf("nobody announced %+v", a)
		}
		result := core.Result{Target: a.Target.Name, Outcome: core.OutcomeDone}
		switch n := c.random.IntN(20); {
		case n == 0:
			result.Outcome = core.OutcomeFailed
		case n == 1:
			result.Outcome = core.OutcomeCut
		case n == 2:
			result.Outcome = core.OutcomeUntouched
		case n == 3:
			continue // GitHub lost it
		}
		if result.Outcome == core.OutcomeDone || result.Outcome == core.OutcomeCut && c.random.IntN(2) == 0 {
			c.runs[a.Target.Name] = a.Version
			if !a.Rollback && result.Outcome == core.OutcomeDone {
				c.acted[a.Target.Name]++
			}
		}
		if c.jobs[c.attempt] == nil {
			c.jobs[c.attempt] = make(map[string]core.Result)
		}
		if was := c.jobs[c.attempt][job(a)]; was.Outcome == "" || result.Outcome != core.OutcomeUntouched {
			c.jobs[c.attempt][job(a)] = result
		}
	}
}

// announcedIn reports whether the ledger says that a target is about to be acted on, and nothing after that.
func announcedIn(events []core.Event, a core.Act) bool {
	kind := core.EventDeploying
	if a.Rollback {
		kind = core.EventReverting
	}
	for _, e := range slices.Backward(events) {
		switch {
		case e.Type == kind && slices.Contains(e.Targets, a.Target.Name):
			return true
		case slices.ContainsFunc(e.Results, func(r core.Result) bool { return r.Target == a.Target.Name }):
			return false
		}
	}
	return false
}

// try runs all jobs of one attempt of the workflow, as far as they go. It reports whether the rollout is over.
func (c *crew) try() bool {
	ctx := c.t.Context()
	note := func(what string, r *core.Rollout, err error) {
		state := core.State("")
		if r != nil {
			state = r.State
		}
		c.story = append(c.story, fmt.Sprintf("%d %s: %s %v", c.attempt, what, state, err))
	}
	back := c.back != 0 && c.last().State == core.StateRollingBack // that run holds the line, and is the one that is retried
	for _, wave := range []string{"1", "2"} {
		if back {
			break
		}
		start := func(e *engine.Engine) (*core.Rollout, error) {
			req := c.request("v2")
			req.Stands = c.pipes
			r, err := e.Start(ctx, req, wave)
			note("start "+wave, r, err)
			return r, err
		}
		e := c.process()
		r, err := start(e)
		if err != nil || r.State == core.StateRollingBack {
			back = true
			break
		}
		c.work(e, r)
		c.again(start)
		r, err = c.process().Bake(ctx, "v2", wave)
		note("bake "+wave, r, err)
		if i := core.FindWave(c.waves, wave); err != nil || r.State != core.StateSucceeded && r.Waves[i].State != core.WavePassed {
			back = true
			break
		}
	}
	if back {
		switch {
		case c.pipes && c.back != 0 && (c.last().State == core.StateRollingBack || c.random.IntN(2) == 0):
			c.run, c.first = c.back, c.back-child
		case c.pipes:
			r, err := c.process().LeaveBack(ctx, core.Way{Of: "v2"})
			note("leave back", r, err)
			if err != nil || r == nil {
				break
			}
			c.attempt++
			c.back = child + c.attempt
			c.run, c.first = c.back, c.attempt
		}
		announce := func(e *engine.Engine) (*core.Rollout, error) {
			r, err := e.RollBack(ctx, core.Way{Of: "v2", Stands: c.pipes})
			note("rollback", r, err)
			return r, err
		}
		if c.pipes && c.run == child {
			return false // nothing goes back
		}
		e := c.process()
		r, err := announce(e)
		if err == nil && r.State == core.StateRollingBack {
			c.work(e, r)
			c.again(announce)
			r, err = c.process().Bake(ctx, "v2", "")
			note("bake", r, err)
		}
		c.run, c.first = child, 1
	}
	r, err := core.Replay(c.plan.Line(), c.events(c.t))
	if err != nil {
		c.t.Fatal(err)
	}
	c.holds(r)
	return r.State.Over()
}

// holds checks what must be so after every attempt.
func (c *crew) holds(r *core.Rollout) {
	for i, w := range r.Waves {
		for _, t := range w.Targets {
			if t.Version != "" && t.Version != c.runs[t.Name] {
				c.t.Fatalf("the ledger says that %s runs %s; it runs %s", t.Name, t.Version, c.runs[t.Name])
			}
			if c.acted[t.Name] > 1 {
				c.t.Fatalf("%s was finished, and deployed again", t.Name)
			}
			if c.runs[t.Name] == "v2" && t.Attempts == 0 {
				c.t.Fatalf("%s runs v2, and the ledger does not know that it was touched", t.Name)
			}
			if r.State == core.StateRolledBack && c.runs[t.Name] != "v1" {
				c.t.Fatalf("%s runs %s after the rollback", t.Name, c.runs[t.Name])
			}
			if t.Attempts > 0 && i > 0 && r.Waves[i-1].Passed.IsZero() {
				c.t.Fatalf("%s was touched before wave %s had passed", t.Name, r.Waves[i-1].Name)
			}
		}
	}
}

// TestJobsWhatever takes random releases out by jobs that fail, are cancelled and get lost, around processes that are shot at
// any write: attempt after attempt until the rollout is over.
func TestJobsWhatever(t *testing.T) {
	for _, pipes := range []bool{false, true} {
		t.Run(fmt.Sprint("pipelines ", pipes), func(t *testing.T) { whatever(t, pipes) })
	}
}

func whatever(t *testing.T, pipes bool) {
	ends := make(map[core.State]int)
	for seed := uint64(1); seed <= 400; seed++ {
		synctest.Test(t, func(t *testing.T) {
			c := newCrew(t, seed)
			c.pipes = pipes
			defer func() {
				if t.Failed() {
					t.Logf("seed %d:\n%s", seed, strings.Join(c.story, "\n"))
				}
			}()
			for !c.try() {
				if c.attempt++; c.attempt > 60 {
					t.Fatal("it never ends")
				}
				elapse(time.Minute)
			}
			ends[c.last().State]++
		})
		if t.Failed() {
			return
		}
	}
	if ends[core.StateSucceeded] < 40 || ends[core.StateRolledBack] < 40 {
		t.Errorf("ends: %v; want many of both", ends)
	}
}

func (c *crew) last() *core.Rollout {
	r, err := core.Replay(c.plan.Line(), c.events(c.t))
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}
