// Package check asks the checks of a plan: at every look of a bake it puts each question to its source or command and
// makes one of four verdicts of what comes back. They are never mixed up: pass and fail are known, inconclusive means
// that there was no data or too little of it, and error that nobody could be asked.
//
// What is wrong with one check, even a query that cannot be filled in, is a verdict of that check and stops no other.
package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/judge"
	"github.com/breakwater-ci/breakwater/core/shell"
)

const parallel = 16 // questions that are asked at the same time

// New returns the asker of a plan whose defaults are filled in, with its sources by name. Checks that are commands run
// in the shell.
func New(p *core.Plan, sources map[string]core.Source, run *shell.Runner, clock core.Clock) core.Asker {
	return &asker{plan: p, sources: sources, shell: run, clock: clock}
}

type asker struct {
	plan    *core.Plan
	sources map[string]core.Source
	shell   *shell.Runner
	clock   core.Clock
}

// A question is one check of one wave. It remembers what its earlier looks found.
type question interface {
	// answer looks once, so long after the instant that it is asked about. It need not name the check in the verdict.
	answer(ctx context.Context, at time.Time, late time.Duration) core.Verdict
}

// Open never fails. Sources that know only what they saw themselves start to watch.
func (a *asker) Open(ctx context.Context, scope core.Asked) (core.Looker, error) {
	ctx, stop := context.WithCancel(ctx)
	l := &looker{plan: a.plan, shell: a.shell, clock: a.clock, stop: stop, first: scope.Since}
	open := a.opener(ctx, scope)
	l.budget = a.budget(scope)
	for _, c := range a.plan.Checks {
		switch {
		case c.Threshold != nil:
			t := newThreshold(*c.Threshold, open(c.Threshold.Source, c.Timeout), scope)
			l.delay(scope, t.delay(scope))
			l.questions = append(l.questions, t)
		case c.Compare != nil:
			q := newCompare(c, open(c.Compare.Source, c.Timeout), scope, l.budget)
			l.delay(scope, q.delay())
			l.questions = append(l.questions, q)
		case c.BurnRate != nil:
			l.questions = append(l.questions, newBurn(c, open(c.BurnRate.Source, c.Timeout), scope, l.budget))
		case c.Alarms != nil:
			l.questions = append(l.questions, newAlarms(c, open(c.Alarms.Source, c.Timeout), scope))
		case c.Run != nil:
			l.questions = append(l.questions, newCommand(c, a.shell, scope))
		default:
			l.questions = append(l.questions, unanswerable{errors.New("the check asks nothing; give it a threshold or run")})
		}
	}
	if u := scope.Bake.Until; u != nil {
		l.until = &until{spec: *u, source: open(u.Source, untilTimeout), scope: scope}
	}
	return l, nil
}

// budget is what the comparisons of a bake may spend. Those that are judged without acting share nothing.
func (a *asker) budget(scope core.Asked) budget {
	b := budget{alpha: judge.Spend(float64(a.plan.FalseAlarms), max(1, scope.Nth))}
	for i := range a.plan.Checks {
		if spends(&a.plan.Checks[i]) {
			b.tests++
		}
	}
	b.tests = max(1, b.tests)
	return b
}

func spends(c *core.Check) bool {
	return c.Compare != nil && !c.Shadow && c.Compare.Method != core.MethodMannWhitney
}

// opener returns a function that gives a source by its name, and has it watch the targets if it is the first time.
func (a *asker) opener(ctx context.Context, scope core.Asked) func(name string, timeout time.Duration) source {
	watched := map[string]error{}
	return func(name string, timeout time.Duration) source {
		s := newSource(name, a.sources[name], timeout, scope.Bake.Every)
		if s.Source == nil {
			s.broken = errors.New("the plan has no source of that name")
			return s
		}
		watcher, ok := s.Source.(core.Watcher)
		if !ok {
			return s
		}
		if _, ok := watched[name]; !ok {
			watched[name] = watcher.Watch(ctx, a.seenBy(name, scope))
		}
		if err := watched[name]; err != nil {
			s.broken = fmt.Errorf("it could not watch the targets: %w", err)
		}
		return s
	}
}

// seenBy are the targets that a source has to watch: those of the wave, and the control where something is compared with it.
func (a *asker) seenBy(source string, scope core.Asked) []core.Target {
	for _, c := range a.plan.Checks {
		if c.Compare != nil && c.Compare.Source == source && c.Compare.Control.Kind == core.ControlPending {
			return slices.Concat(scope.Targets, scope.Control)
		}
	}
	return scope.Targets
}

var _ core.Delayed = (*looker)(nil)

// A looker is the checks of a plan, opened for one wave.
type looker struct {
	plan      *core.Plan
	shell     *shell.Runner
	clock     core.Clock
	stop      context.CancelFunc
	first     time.Time
	questions []question // in the order of the plan's checks
	until     *until     // nil: the bake asks for no traffic
	budget    budget
}

// delay puts the first look off until a query of a check does not reach back to before the bake.
func (l *looker) delay(scope core.Asked, d time.Duration) {
	l.first = later(l.first, scope.Since.Add(d))
}

// Look asks all checks, some at the same time, and returns their verdicts in the order of the plan.
func (l *looker) Look(ctx context.Context, at time.Time) core.Evidence {
	seen := core.Evidence{First: l.first, At: at, Verdicts: make([]core.Verdict, len(l.questions)), Enough: true}
	late := l.clock.Now().Sub(at)
	var g errgroup.Group
	g.SetLimit(parallel)
	if l.until != nil {
		g.Go(func() error {
			enough, text := l.until.count(ctx, at)
			seen.Enough, seen.Seen = enough, l.show(text)
			return nil
		})
	}
	for i, q := range l.questions {
		g.Go(func() error {
			seen.Verdicts[i] = l.sign(i, q.answer(ctx, at, late))
			return nil
		})
	}
	g.Wait() // the functions return no error
	if slices.ContainsFunc(l.questions, func(q question) bool { c, ok := q.(*command); return ok && c.missed(late) }) {
		seen.Late = late
	}
	l.judgeTogether(&seen)
	return seen
}

// sign says whose verdict it is, and makes it fit to be shown.
func (l *looker) sign(i int, v core.Verdict) core.Verdict {
	c := &l.plan.Checks[i]
	v.Check, v.Shadow, v.Reason, v.Query = c.Name, c.Shadow, l.show(v.Reason), l.shell.Redact(v.Query)
	return v
}

// judgeTogether lets the comparisons fail by what they have seen together, none of which is enough alone.
func (l *looker) judgeTogether(seen *core.Evidence) {
	var place []int
	var verdicts []judge.Verdict
	for i, q := range l.questions {
		if c, ok := q.(*compare); ok && spends(&l.plan.Checks[i]) && c.counts() {
			place, verdicts = append(place, i), append(verdicts, c.judged)
		}
	}
	worst, failed := judge.Joint(l.budget.alpha, verdicts, l.budget.tests)
	if !failed || verdicts[worst].Verdict == core.Fail {
		return
	}
	i := place[worst]
	seen.Verdicts[i] = l.sign(i, l.questions[i].(*compare).failTogether(len(verdicts)))
}

// show makes a text fit for ledgers, logs and reports: it may hold labels, errors and output from anywhere.
func (l *looker) show(text string) string { return shell.OneLine(l.shell.Redact(text)) }

// FirstLook returns the first instant at which the queries do not reach back to before the bake. For a precheck the
// past is there already, but for sources that only now started to watch.
func (l *looker) FirstLook() time.Time { return l.first }

// Close ends what was started.
func (l *looker) Close() error {
	l.stop()
	return nil
}

// unanswerable is a question that nobody can be asked.
type unanswerable struct{ err error }

func (u unanswerable) answer(_ context.Context, at time.Time, _ time.Duration) core.Verdict {
	return core.Verdict{Verdict: core.Error, Reason: u.err.Error(), At: at}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
