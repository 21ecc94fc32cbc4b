package doctor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/breakwater-ci/breakwater/core"
)

// A question is what the plan asks a source in one place.
type question struct {
	about   string // the check, or the bake
	source  string
	queries []string
	sparse  []string // those of the queries that may well have no data: errors that did not happen
	alarms  []string
	window  time.Duration // that a query covers; 0: the shortest that the source can
	timeout time.Duration
}

// parallel is how many questions are asked at the same time.
const parallel = 16

// longest is how long a source that only knows what it saw itself may watch before it is asked.
const longest = 2 * time.Minute

// untilTimeout is the longest time for an answer about traffic, as in a bake.
const untilTimeout = 30 * time.Second

// Sources asks every source what the plan asks it, once, about all targets. Sources that know only what they saw
// themselves watch the targets first.
func Sources(ctx context.Context, p *core.Plan, sources map[string]core.Source, targets []core.Target, clock core.Clock) []core.Diagnosis {
	asked := questions(p)
	broken := watch(ctx, sources, targets, clock)
	found := make([]core.Diagnosis, len(asked))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, q := range asked {
		s, open := sources[q.source]
		if !open {
			continue // why it could not be opened is known already
		}
		g.Go(func() error {
			if err := broken[q.source]; err != nil {
				found[i] = q.unasked(err)
				return nil
			}
			found[i] = q.ask(ctx, s, core.Variables{Targets: targets, At: clock.Now()})
			return nil
		})
	}
	g.Wait() // the functions return no error
	found = slices.DeleteFunc(found, func(d core.Diagnosis) bool { return d.About == "" })
	return append(found, idle(p, asked)...)
}

// watch has the sources that need it watch the targets until they can answer.
func watch(ctx context.Context, sources map[string]core.Source, targets []core.Target, clock core.Clock) map[string]error {
	broken := make(map[string]error)
	pause := time.Duration(0)
	for name, s := range sources {
		if w, ok := s.(core.Watcher); ok {
			broken[name] = w.Watch(ctx, targets)
			pause = max(pause, min(shortest(s), longest))
		}
	}
	if pause > 0 {
		if err := clock.Wait(ctx, clock.Now().Add(pause)); err != nil {
			for name := range broken {
				broken[name] = errors.Join(broken[name], err)
			}
		}
	}
	return broken
}

// shortest is the shortest window that a source can answer for.
func shortest(s core.Source) time.Duration {
	if w, ok := s.(interface{ Window() time.Duration }); ok {
		return w.Window()
	}
	return 0
}

func questions(p *core.Plan) []question {
	var all []question
	if u := p.Bake.Until; u != nil {
		all = append(all, question{about: "bake.until", source: u.Source, queries: []string{u.Query}, window: p.Bake.Min, timeout: untilTimeout})
	}
	for i := range p.Waves {
		if u := p.Waves[i].Bake.Until; u != nil && u != p.Bake.Until {
			all = append(all, question{about: "bake.until of wave " + p.Waves[i].Name, source: u.Source, queries: []string{u.Query},
				window: p.Waves[i].Bake.Min, timeout: untilTimeout})
		}
	}
	for i := range p.Checks {
		c := &p.Checks[i]
		q := question{about: "check " + c.Name, window: p.Bake.Every, timeout: c.Timeout}
		switch {
		case c.Threshold != nil:
			q.source, q.queries = c.Threshold.Source, []string{c.Threshold.Query}
		case c.Compare != nil:
			q.source, q.sparse = c.Compare.Source, []string{c.Compare.Errors}
			for _, query := range []string{c.Compare.Errors, c.Compare.Total, c.Compare.Histogram, c.Compare.Gauge} {
				if query != "" {
					q.queries = append(q.queries, query)
				}
			}
		case c.BurnRate != nil:
			q.source, q.sparse = c.BurnRate.Source, []string{c.BurnRate.Errors}
			q.queries, q.window = []string{c.BurnRate.Errors, c.BurnRate.Total}, c.BurnRate.Windows[0].Long
		case c.Alarms != nil:
			q.source, q.alarms = c.Alarms.Source, c.Alarms.Names
		default:
			continue // a command is looked at, not run
		}
		all = append(all, q)
	}
	return all
}

// ask puts a question to its source.
func (q question) ask(ctx context.Context, s core.Source, v core.Variables) core.Diagnosis {
	if q.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, q.timeout, fmt.Errorf("no answer within %s", core.Brief(q.timeout)))
		defer cancel()
	}
	v.Window = max(q.window, shortest(s))
	if len(q.alarms) > 0 {
		return q.askAlarms(ctx, s, v.At)
	}
	values := 0
	for _, query := range q.queries {
		text, err := s.Fill(query, v)
		if err != nil {
			return q.unasked(err)
		}
		samples, err := s.Query(ctx, core.Query{Text: text, At: v.At, Window: v.Window})
		if err != nil {
			return q.unasked(late(ctx, err))
		}
		known := slices.DeleteFunc(samples, func(one core.Sample) bool { return math.IsNaN(one.Value) })
		if len(known) == 0 && !slices.Contains(q.sparse, query) {
			return core.Diagnosis{About: "source " + q.source, Health: core.HealthWarning,
				What: fmt.Sprintf("It answers, and has no data for %s: %s", q.about, text),
				Do:   "Try the query where you look at metrics; what has no data never passes.",
			}
		}
		values += len(known)
	}
	return core.Well("source "+q.source, "It answers %s with %s.", q.about, counted(values, "value"))
}

func (q question) askAlarms(ctx context.Context, s core.Source, at time.Time) core.Diagnosis {
	alarmist, ok := s.(core.Alarmist)
	if !ok {
		return q.unasked(errors.New("it knows no alarms"))
	}
	alarms, err := alarmist.Alarms(ctx, q.alarms, at.Add(-5*time.Minute), at)
	if err != nil {
		return q.unasked(late(ctx, err))
	}
	for _, a := range alarms {
		if n := len(a.Episodes); n > 0 && a.Episodes[n-1].Until.IsZero() {
			return core.Diagnosis{About: "source " + q.source, Health: core.HealthWarning,
				What: fmt.Sprintf("It answers %s, and alarm %s is firing now.", q.about, a.Name),
				Do:   "Mend what it is about before a release: what is broken already hides what a release breaks.",
			}
		}
	}
	return core.Well("source "+q.source, "It answers %s with %s.", q.about, counted(len(alarms), "alarm"))
}

// unasked says that nobody could be asked.
func (q question) unasked(err error) core.Diagnosis {
	return core.Diagnosis{About: "source " + q.source, Health: core.HealthProblem,
		What: fmt.Sprintf("It could not be asked for %s: %s.", q.about, strings.TrimSuffix(err.Error(), ".")),
		Do:   "See that its address and credentials are right and that this machine may reach it; a rollout would halt.",
	}
}

// late puts the reason in place of an error of a question that took too long.
func late(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// idle finds sources that nothing in the plan asks.
func idle(p *core.Plan, asked []question) (found []core.Diagnosis) {
	var names []string
	for name := range p.Sources {
		if !slices.ContainsFunc(asked, func(q question) bool { return q.source == name }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		found = append(found, core.Diagnosis{About: "source " + name, Health: core.HealthWarning, What: "Nothing in the plan asks it.",
			Do: "Remove it, or add a check that asks it."})
	}
	return found
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
