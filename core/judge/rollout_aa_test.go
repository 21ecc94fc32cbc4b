package judge

import (
	"math"
	"math/rand/v2"
	"testing"
)

const (
	rolloutWaves  = 5
	rolloutChecks = 3
)

// TestFalseAlarmsOfRollouts replays whole healthy rollouts: five waves, each a bake of an hour with a look a minute at
// errors, latency and a gauge, which all follow the same traffic, and share what the bake may spend. Correlated traffic is
// measured, not bounded: arms that wander by a tenth, each by itself, are told from a regression only by what the hour
// before showed of it.
func TestFalseAlarmsOfRollouts(t *testing.T) {
	edges := []float64{0.025, 0.05, 0.1, 0.25, 0.5, 1, math.Inf(1)}
	for _, tr := range traffics {
		if tr.name == "cold start" {
			continue // nothing but the warm-up is about it
		}
		r := rand.New(rand.NewPCG(15, 15))
		rollouts := max(10, *aa/4)
		stopped, joint := 0, 0
		for range rollouts {
			for wave := 1; wave <= rolloutWaves; wave++ {
				blamed, alone := bakeFails(r, tr, edges, Spend(falseAlarms, wave))
				if blamed {
					stopped++
					if !alone {
						joint++
					}
					break
				}
			}
		}
		reportOf(t, "rollout of 5 waves, 3 checks, "+tr.name, stopped, rollouts, tr.name != "correlated")
		if joint > 0 {
			t.Logf("%d of them by the average of evidence alone", joint)
		}
	}
}

// bakeFails replays one healthy bake; alone says that one test failed it by itself.
func bakeFails(r *rand.Rand, tr traffic, edges []float64, alpha float64) (failed, alone bool) {
	o := Options{FalseAlarms: alpha / rolloutChecks}
	errors, latency, gauge := NewCounts(o), NewHistogram(o, edges), NewGauge(o)
	requests := math.Exp(math.Log(100) + r.Float64()*math.Log(1000))
	share := []float64{0.05, 0.2, 0.5}[r.IntN(3)]
	rates := tr.next(r)
	for look := range beforeLooks + bakeLooks {
		a, b := rates(look)
		counts := CountLook{
			Control: requests, ControlBad: poisson(r, min(0.9, 0.003*a)*requests),
			Candidate: requests * share, CandidateBad: poisson(r, min(0.9, 0.003*b)*requests*share),
		}
		slow := HistogramLook{Control: drawn(r, requests, a, edges), Candidate: drawn(r, requests*share, b, edges)}
		level := GaugeLook{Control: 40 * math.Exp(math.Log(a)/4+0.05*r.NormFloat64()), Candidate: 40 * math.Exp(math.Log(b)/4+0.05*r.NormFloat64())}
		if look < beforeLooks {
			errors.Before(counts)
			latency.Before(slow)
			gauge.Before(level)
			continue
		}
		verdicts := []Verdict{errors.Look(counts), latency.Look(slow), gauge.Look(level)}
		if i, ok := Joint(alpha, verdicts, rolloutChecks); ok {
			return true, verdicts[i].Evidence.E >= verdicts[i].Evidence.Needed
		}
	}
	return false, false
}

// drawn are the buckets of one look: exponential of mean 0.05, one request in twenty five times as slow, more when rate
// is higher.
func drawn(r *rand.Rand, requests, rate float64, edges []float64) []float64 {
	buckets := make([]float64, len(edges))
	slow := min(0.9, 0.05*rate)
	below, sum := 0.0, 0.0
	for i, edge := range edges {
		share := 1 - (1-slow)*math.Exp(-edge/0.05) - slow*math.Exp(-edge/0.25)
		sum += poisson(r, requests*(share-below))
		below, buckets[i] = share, sum
	}
	return buckets
}
