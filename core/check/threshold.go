package check

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A threshold asks that no value of a query leaves its limits.
type threshold struct {
	limits  limits
	source  source
	query   string
	scope   core.Asked
	window  time.Duration   // that $window stands for
	reaches bool            // the query covers it
	past    []time.Duration // how long before the first look there are looks to catch up on, in order
	history history
}

func newThreshold(spec core.Threshold, from source, scope core.Asked) *threshold {
	t := &threshold{
		limits:  limits{min: spec.Min, max: spec.Max},
		source:  from,
		query:   spec.Query,
		scope:   scope,
		history: newHistory(spec.Breaches, spec.For),
	}
	t.window = max(scope.Bake.Every, from.shortest())
	t.reaches = from.reaches(spec.Query)
	if t.source.broken == nil {
		t.source.broken = t.limits.check()
	}
	if every := scope.Bake.Every; scope.Wave == "" && !from.watches() && every > 0 {
		for i := t.history.needs(every) - 1; i > 0; i-- {
			t.past = append(t.past, time.Duration(i)*every)
		}
	}
	return t
}

// delay is how long after the start of the bake the first look is of use. In a precheck the past counts, if the source
// knows it.
func (t *threshold) delay(scope core.Asked) time.Duration {
	switch {
	case t.source.watches():
		return t.window
	case scope.Wave == "", !t.reaches:
		return 0
	default:
		return t.window
	}
}

// answer looks once. A precheck has a single look, so that it looks into the past first: else a check that needs
// several looks could not say a thing.
func (t *threshold) answer(ctx context.Context, at time.Time, _ time.Duration) core.Verdict {
	past := t.past
	t.past = nil
	for _, ago := range past {
		if v := t.look(ctx, at.Add(-ago)); v.Verdict == core.Error {
			v.At = at
			return v // do not try a dead source again and again
		}
	}
	return t.look(ctx, at)
}

func (t *threshold) look(ctx context.Context, at time.Time) core.Verdict {
	v := core.Verdict{At: at}
	if t.reaches {
		v.Window = core.Brief(t.window)
	}
	sent, samples, err := t.source.put(ctx, t.query, t.scope.Variables(at, t.window))
	v.Query = sent
	if err != nil {
		t.history.add(at, unknown)
		v.Verdict, v.Reason = core.Error, err.Error()
		return v
	}
	worst, ok := t.limits.worst(samples)
	if !ok {
		t.history.add(at, unknown)
		v.Verdict, v.Reason = core.Inconclusive, noData(samples)
		return v
	}
	if !math.IsInf(worst.Value, 0) {
		v.Value = &worst.Value
	}
	v.Evidence = t.limits.evidence()
	found := healthy
	if t.limits.broken(worst.Value) {
		found = breach
	}
	t.history.add(at, found)
	kind, why := t.history.judge(at)
	v.Verdict, v.Reason = kind, t.limits.say(worst)+why
	return v
}

func noData(samples []core.Sample) string {
	if len(samples) == 0 {
		return "no data: the query returned no series"
	}
	return fmt.Sprintf("no data: the query returned %d series, none with a number", len(samples))
}
