package judge

import (
	"math"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

func TestQuantileOfBuckets(t *testing.T) {
	b := buckets{edges: []float64{0.1, 0.2, 0.4, math.Inf(1)}, slower: []float64{0.5, 0.1, 0.1}}
	for share, want := range map[float64]float64{0.25: 0.05, 0.5: 0.1, 0.7: 0.15, 0.9: 0.2} {
		if got, beyond := b.quantile(share); math.Abs(got-want) > 1e-12 || beyond {
			t.Errorf("quantile %v is %v, beyond %v; want %v", share, got, beyond, want)
		}
	}
	if got, beyond := b.quantile(0.95); got != 0.4 || !beyond {
		t.Errorf("a quantile beyond the last edge is %v, %v", got, beyond)
	}
	if got, _ := (buckets{edges: []float64{-1, 1, math.Inf(1)}, slower: []float64{0.5, 0}}).quantile(0.2); got != -1 {
		t.Errorf("a quantile below a negative edge is %v", got)
	}
}

// slowed are looks at which the candidate's requests take times as long: an exponential distribution of mean 0.1.
func slowed(times float64) ([]Row[HistogramLook], []float64) {
	edges := []float64{0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, math.Inf(1)}
	rows := make([]Row[HistogramLook], beforeLooks+bakeLooks)
	for i := range rows {
		mean := 0.1
		if i >= beforeLooks {
			mean *= times
		}
		for _, edge := range edges {
			rows[i].Look.Control = append(rows[i].Look.Control, 3000*(1-math.Exp(-edge/0.1)))
			rows[i].Look.Candidate = append(rows[i].Look.Candidate, 3000*(1-math.Exp(-edge/mean)))
		}
	}
	return rows, edges
}

// A margin of latency is tolerated, however sure it is that there is a difference.
func TestMarginOfLatency(t *testing.T) {
	rows, edges := slowed(1.2)
	for margin, fails := range map[float64]bool{0: true, 0.1: true, 0.5: false} {
		d := Replay(NewHistogram(Options{Quantile: 0.99, Margin: margin}, edges), rows, beforeLooks)
		if (d.Verdict.Verdict == core.Fail) != fails {
			t.Errorf("a fifth slower at a margin of %v: %s: %s", margin, d.Verdict.Verdict, d.Reason)
		}
		l := d.Evidence.Latency
		if l == nil || math.Abs(l.Control-0.46) > 0.02 || math.Abs(l.Candidate-0.55) > 0.03 || !strings.Contains(d.Reason, "; p99 0.5") {
			t.Errorf("the quantiles are %+v: %s", l, d.Reason)
		}
	}
	rows, edges = slowed(0.7)
	for margin, fails := range map[float64]bool{0.1: true, 0.8: false} {
		d := Replay(NewHistogram(Options{Quantile: 0.9, Margin: margin, Direction: Decrease}, edges), rows, beforeLooks)
		if (d.Verdict.Verdict == core.Fail) != fails {
			t.Errorf("faster, which was said to be worse, at a margin of %v: %s: %s", margin, d.Verdict.Verdict, d.Reason)
		}
	}
	for _, quantile := range []float64{-1, 1, 7, math.NaN()} {
		if d := Replay(NewHistogram(Options{Quantile: quantile}, edges), rows, beforeLooks); d.Evidence.Latency != nil {
			t.Errorf("quantile %v is reported", quantile)
		}
	}
}

// A pass answers for the quantile that was asked for: the traffic that shows nothing of the far tail is enough. What the
// far tail shows still fails.
func TestAPassAnswersForItsQuantile(t *testing.T) {
	passes := func(quantile float64) int {
		rows, edges := slowed(1)
		for i := range rows {
			for j := range edges {
				rows[i].Look.Control[j] /= 30 // 100 requests a look
				rows[i].Look.Candidate[j] /= 30
			}
		}
		test := NewHistogram(Options{Quantile: quantile}, edges)
		for i, r := range rows {
			if i < beforeLooks {
				test.Before(r.Look)
			} else if v := test.Look(r.Look); v.Verdict == core.Pass {
				return i - beforeLooks
			}
		}
		return len(rows)
	}
	if median, tail := passes(0.5), passes(0.999); median >= tail {
		t.Errorf("the median passes after %d looks, the far tail after %d", median, tail)
	}
	rows, edges := slowed(1)
	for i := beforeLooks; i < len(rows); i++ { // a fiftieth hangs
		for j := range len(edges) - 1 {
			rows[i].Look.Candidate[j] *= 0.98
		}
	}
	if d := Replay(NewHistogram(Options{Quantile: 0.5}, edges), rows, beforeLooks); d.Verdict.Verdict != core.Fail {
		t.Errorf("%s: %s", d.Verdict.Verdict, d.Reason)
	}
}
