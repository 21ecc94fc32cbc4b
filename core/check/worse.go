package check

import (
	"context"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Worse is a source that makes a wave look worse than it was: what one comparison counts against its targets, or the level
// that it measures, is so many times as much from an instant on. It shows what a comparison would see of a regression in
// numbers that are real but for that.
func Worse(s core.Source, c core.Compare, targets []core.Target, times float64, from time.Time) core.Source {
	w := &worse{Source: s, compare: c, targets: targets, times: times, from: from, marked: make(map[string]bool)}
	if r, ok := s.(core.Ranger); ok {
		return rangingWorse{w, r}
	}
	return w
}

type worse struct {
	core.Source
	compare core.Compare
	targets []core.Target
	times   float64
	from    time.Time

	mu     sync.Mutex
	marked map[string]bool // queries about the wave's targets, filled in
}

// rangingWorse also answers at many instants at once: those are before the wave, as they were.
type rangingWorse struct {
	*worse
	core.Ranger
}

// Window is that of the source.
func (w *worse) Window() time.Duration { return source{Source: w.Source}.shortest() }

// Fill marks the queries that are to be answered worse.
func (w *worse) Fill(query string, v core.Variables) (string, error) {
	text, err := w.Source.Fill(query, v)
	if err != nil || len(v.Targets) != len(w.targets) || v.Targets[0].Name != w.targets[0].Name {
		return text, err
	}
	if query == w.compare.Errors || query == w.compare.Histogram || query == w.compare.Gauge {
		w.mu.Lock()
		w.marked[text] = true
		w.mu.Unlock()
	}
	return text, nil
}

// Query answers as the source does, or worse.
func (w *worse) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	samples, err := w.Source.Query(ctx, q)
	w.mu.Lock()
	marked := w.marked[q.Text]
	w.mu.Unlock()
	if err != nil || !marked || !q.At.After(w.from) {
		return samples, err
	}
	if w.compare.Histogram != "" {
		return w.slower(samples), nil
	}
	for i := range samples {
		samples[i].Value *= w.times
	}
	return samples, nil
}

// slower lets so many times as many requests exceed each bucket edge.
func (w *worse) slower(samples []core.Sample) []core.Sample {
	all := make(map[string]float64) // requests of a series, by its labels without the edge
	for _, s := range samples {
		if edge, err := strconv.ParseFloat(s.Labels["le"], 64); err == nil && math.IsInf(edge, 1) {
			all[without(s.Labels, "le")] = s.Value
		}
	}
	for i, s := range samples {
		if total, ok := all[without(s.Labels, "le")]; ok {
			samples[i].Value = max(0, total-w.times*(total-s.Value))
		}
	}
	return samples
}

func without(all map[string]string, name string) string {
	rest := make(map[string]string, len(all))
	for k, v := range all {
		if k != name {
			rest[k] = v
		}
	}
	return labels(core.Sample{Labels: rest})
}
