package check

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/breakwater-ci/breakwater/core"
)

// A reading is what one arm of a comparison showed in one window. Which of its numbers mean something depends on what is
// compared. Where there was no data they are NaN, or there are no buckets.
type reading struct {
	bad, total float64
	buckets    map[float64]float64 // by upper bound: how many were at most that slow
	level      float64
}

// figures are the numbers that a comparison is about: the queries for them, and how their answers become a reading.
type figures struct {
	queries []string
	read    func(answers [][]core.Sample) reading
}

func figuresOf(c core.Compare) figures {
	switch {
	case c.Histogram != "":
		return figures{[]string{c.Histogram}, readBuckets}
	case c.Gauge != "":
		return figures{[]string{c.Gauge}, readLevel}
	default:
		return figures{[]string{c.Errors, c.Total}, readCounts}
	}
}

// readCounts adds up errors and total. A total without errors has none of them: the series of errors of many systems
// begins with the first error.
func readCounts(answers [][]core.Sample) reading {
	bad, _ := sum(answers[0])
	total, known := sum(answers[1])
	if !known {
		return reading{bad: math.NaN(), total: math.NaN()}
	}
	return reading{bad: min(bad, total), total: total} // what is extrapolated may be a hair more than everything
}

// sum adds up the samples that are numbers; false if none is.
func sum(samples []core.Sample) (total float64, known bool) {
	for _, s := range samples {
		if !math.IsNaN(s.Value) {
			total += s.Value
			known = true
		}
	}
	return total, known
}

// readBuckets adds up samples by their label le. Cumulative buckets never fall; where extrapolation makes them do so by a
// hair, the lower bucket counts.
func readBuckets(answers [][]core.Sample) reading {
	buckets := make(map[float64]float64)
	for _, s := range answers[0] {
		edge, err := strconv.ParseFloat(s.Labels["le"], 64)
		if err != nil || math.IsNaN(edge) || math.IsNaN(s.Value) {
			continue
		}
		buckets[edge] += s.Value
	}
	most := 0.0
	for _, edge := range slices.Sorted(maps.Keys(buckets)) {
		most = max(most, buckets[edge])
		buckets[edge] = most
	}
	if _, all := buckets[math.Inf(1)]; !all {
		return reading{}
	}
	return reading{buckets: buckets}
}

// readLevel averages the samples.
func readLevel(answers [][]core.Sample) reading {
	numbers := slices.DeleteFunc(slices.Clone(answers[0]), func(s core.Sample) bool { return math.IsNaN(s.Value) })
	total, known := sum(numbers)
	if !known {
		return reading{level: math.NaN()}
	}
	return reading{level: total / float64(len(numbers))}
}

// known reports whether there was data.
func (r reading) known() bool {
	return r.buckets != nil || !math.IsNaN(r.total) && !math.IsNaN(r.level)
}

// pooled are several readings as one: events add up, levels are averaged. One without data leaves nothing.
func pooled(all []reading) reading {
	one := all[0]
	for _, r := range all[1:] {
		one.bad += r.bad
		one.total += r.total
		one.level += r.level
		if one.buckets == nil || r.buckets == nil {
			one.buckets = nil
			continue
		}
		both := make(map[float64]float64)
		for edge, n := range one.buckets {
			if m, ok := r.buckets[edge]; ok {
				both[edge] = n + m
			}
		}
		one.buckets = both
	}
	one.level /= float64(len(all))
	return one
}

// at is the reading as a look takes it: the counts of the edges, nil if one is missing.
func (r reading) at(edges []float64) []float64 {
	counts := make([]float64, len(edges))
	for i, edge := range edges {
		n, ok := r.buckets[edge]
		if !ok {
			return nil
		}
		counts[i] = n
	}
	return counts
}

// An arm is one side of a comparison: which targets, and how long before the time of the wave. Several times are pooled.
type arm struct {
	targets []core.Target
	lags    []time.Duration
}

// ask reads an arm at one instant. It also returns the queries as they were sent, the newest time's.
func (c *compare) ask(ctx context.Context, a arm, at time.Time) (reading, string, error) {
	readings, sent := make([]reading, len(a.lags)), make([]string, len(a.lags))
	g, ctx := errgroup.WithContext(ctx)
	for i, lag := range a.lags {
		g.Go(func() (err error) {
			readings[i], sent[i], err = c.askOnce(ctx, a.targets, at.Add(-lag))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return reading{}, sent[0], err
	}
	return pooled(readings), sent[0], nil
}

func (c *compare) askOnce(ctx context.Context, targets []core.Target, at time.Time) (reading, string, error) {
	answers, sent := make([][]core.Sample, len(c.queries)), make([]string, len(c.queries))
	g, ctx := errgroup.WithContext(ctx)
	for i, query := range c.queries {
		g.Go(func() (err error) {
			sent[i], answers[i], err = c.source.put(ctx, query, c.variables(targets, at))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return reading{}, strings.Join(sent, " / "), err
	}
	return c.read(answers), strings.Join(sent, " / "), nil
}

// recall reads an arm at the n instants up to and including until, a step apart, oldest first.
func (c *compare) recall(ctx context.Context, a arm, until time.Time, n int) ([]reading, error) {
	byLag := make([][]reading, len(a.lags))
	for i, lag := range a.lags {
		answers := make([][][]core.Sample, len(c.queries)) // by query, by instant
		for q, query := range c.queries {
			var err error
			answers[q], err = c.source.series(ctx, query, c.variables(a.targets, until.Add(-lag)), c.step, n)
			if err != nil {
				return nil, err
			}
		}
		for k := range n {
			one := make([][]core.Sample, len(c.queries))
			for q := range answers {
				one[q] = answers[q][k]
			}
			byLag[i] = append(byLag[i], c.read(one))
		}
	}
	all := make([]reading, n)
	for k := range all {
		one := make([]reading, len(a.lags))
		for i := range byLag {
			one[i] = byLag[i][k]
		}
		all[k] = pooled(one)
	}
	return all, nil
}

func (c *compare) variables(targets []core.Target, at time.Time) core.Variables {
	scope := c.scope
	scope.Targets = targets
	return scope.Variables(at, c.step)
}

// saw says what a reading shows, for a look that cannot compare yet.
func (c *compare) saw(r reading) string {
	switch {
	case r.buckets != nil:
		return fmt.Sprintf("%s requests in %s, %d buckets", number(r.buckets[math.Inf(1)]), core.Brief(c.step), len(r.buckets))
	case c.spec.Gauge != "":
		return "the level is " + number(r.level)
	default:
		return fmt.Sprintf("%s of %s in %s went wrong", number(math.Round(r.bad)), number(math.Round(r.total)), core.Brief(c.step))
	}
}
