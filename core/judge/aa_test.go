package judge

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

var aa = flag.Int("aa", 60, "bakes for each kind of traffic in the A/A simulation; 2000 for the table in the docs")

const (
	bakeLooks   = 60
	beforeLooks = 60
)

// A traffic makes the rates of bad events of one look for two arms that run the same version, as multiples of the base.
type traffic struct {
	name string
	next func(r *rand.Rand) func(look int) (control, candidate float64)
}

func steady(*rand.Rand) func(int) (float64, float64) {
	return func(int) (float64, float64) { return 1, 1 }
}

// bursty is what retries and single bad clients do: each arm's rate is random in each look.
func bursty(r *rand.Rand) func(int) (float64, float64) {
	return func(int) (float64, float64) { return gamma(r, 2) / 2, gamma(r, 2) / 2 }
}

// correlated rates wander, each arm by itself.
func correlatedRates(r *rand.Rand) func(int) (float64, float64) {
	a, b := 0.0, 0.0
	return func(int) (float64, float64) {
		a, b = 0.8*a+0.06*r.NormFloat64(), 0.8*b+0.06*r.NormFloat64()
		return math.Exp(a), math.Exp(b)
	}
}

// incident multiplies the rates of both arms by ten for a quarter of an hour.
func incident(r *rand.Rand) func(int) (float64, float64) {
	start := beforeLooks + r.IntN(bakeLooks)
	return func(look int) (float64, float64) {
		if look >= start && look < start+15 {
			return 10, 10
		}
		return 1, 1
	}
}

// unlike hosts differ for good, by a tenth one way or the other.
func unlike(r *rand.Rand) func(int) (float64, float64) {
	m := math.Exp(0.1 * r.NormFloat64())
	return func(int) (float64, float64) { return 1, m }
}

// cold candidates fail three times as often in the first two looks after the deploy.
func cold(*rand.Rand) func(int) (float64, float64) {
	return func(look int) (float64, float64) {
		if look >= beforeLooks && look < beforeLooks+warmUp {
			return 1, 3
		}
		return 1, 1
	}
}

// spike is one bad look of the candidate.
func spike(r *rand.Rand) func(int) (float64, float64) {
	at := beforeLooks + r.IntN(bakeLooks)
	return func(look int) (float64, float64) {
		if look == at {
			return 1, 20
		}
		return 1, 1
	}
}

var traffics = []traffic{
	{"steady", steady}, {"bursty", bursty}, {"correlated", correlatedRates}, {"shared incident", incident},
	{"unlike hosts", unlike}, {"cold start", cold}, {"one bad look", spike},
}

// TestFalseAlarmsOfCounts replays healthy bakes of every kind of traffic and size.
func TestFalseAlarmsOfCounts(t *testing.T) {
	for _, tr := range traffics {
		for _, before := range []int{0, beforeLooks} {
			r := rand.New(rand.NewPCG(1, uint64(before)))
			failed := 0
			for range *aa {
				perLook := math.Exp(r.Float64()*math.Log(3000)) / 10 // bad events of the control: 0.1 to 300 a look
				share := []float64{0.02, 0.1, 0.5}[r.IntN(3)]
				rates := tr.next(r)
				c := NewCounts(Options{})
				for look := beforeLooks - before; look < beforeLooks+bakeLooks; look++ {
					n := 100000.0
					a, b := rates(look)
					l := CountLook{Control: n, ControlBad: poisson(r, a*perLook), Candidate: n * share / (1 - share), CandidateBad: poisson(r, b*perLook*share/(1-share))}
					if look < beforeLooks {
						c.Before(l)
					} else if c.Look(l).Verdict == core.Fail {
						failed++
						break
					}
				}
			}
			report(t, fmt.Sprintf("counts, %s, %d before", tr.name, before), failed, before > 0)
		}
	}
}

// TestFalseAlarmsOfGauges replays healthy bakes of noise of every dependence: of an hour, and of four hours after an hour.
func TestFalseAlarmsOfGauges(t *testing.T) {
	for _, bake := range []int{bakeLooks, 4 * bakeLooks} {
		for _, phi := range []float64{0, 0.3, 0.5, 0.8, 0.95, 0.99} {
			r := rand.New(rand.NewPCG(2, uint64(100*phi)))
			failed := 0
			for range *aa {
				if healthyGaugeFails(r, phi, bake) {
					failed++
				}
			}
			report(t, fmt.Sprintf("gauge, lag-one correlation %v, %d looks", phi, bake), failed, phi < 0.9)
		}
	}
}

// healthyGaugeFails replays one healthy bake with a shift that both arms share.
func healthyGaugeFails(r *rand.Rand, phi float64, bake int) bool {
	size := []float64{0.01, 0.1, 0.3}[r.IntN(3)]
	a, b := r.NormFloat64()*size, r.NormFloat64()*size
	offset := []float64{0, 0, 0.2}[r.IntN(3)]
	shift := beforeLooks + r.IntN(bake)
	g := NewGauge(Options{})
	for look := range beforeLooks + bake {
		step := size * math.Sqrt(1-phi*phi)
		a, b = phi*a+step*r.NormFloat64(), phi*b+step*r.NormFloat64()
		common := 0.0
		if look >= shift {
			common = 0.5
		}
		l := GaugeLook{Control: math.Exp(a + common), Candidate: math.Exp(b + common + offset)}
		if look < beforeLooks {
			g.Before(l)
		} else if g.Look(l).Verdict == core.Fail {
			return true
		}
	}
	return false
}

// TestFalseAlarmsOfHistograms replays healthy bakes of latency, steady and with looks that are slow for both arms or one.
func TestFalseAlarmsOfHistograms(t *testing.T) {
	edges := []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, math.Inf(1)}
	for _, tr := range traffics {
		r := rand.New(rand.NewPCG(3, 3))
		failed := 0
		for range max(10, *aa/10) {
			perLook := []float64{20, 200, 2000}[r.IntN(3)]
			share := []float64{0.1, 0.5}[r.IntN(2)]
			rates := tr.next(r)
			h := NewHistogram(Options{}, edges)
			for look := range beforeLooks + bakeLooks {
				a, b := rates(look)
				l := HistogramLook{Control: latencies(r, perLook, 0.05*a, edges), Candidate: latencies(r, perLook*share, 0.05*b, edges)}
				if look < beforeLooks {
					h.Before(l)
				} else if h.Look(l).Verdict == core.Fail {
					failed++
					break
				}
			}
		}
		reportOf(t, "histogram, "+tr.name, failed, max(10, *aa/10), true)
	}
}

// TestFalseAlarmsOfHistory replays quiet hours of a week with seasons, wandering and spikes.
func TestFalseAlarmsOfHistory(t *testing.T) {
	const perDay = 288
	for _, phi := range []float64{0, 0.8, 0.95} {
		r := rand.New(rand.NewPCG(4, uint64(100*phi)))
		failed := 0
		for range max(10, *aa/10) {
			h, x := NewHistory(Options{}, perDay), 0.0
			start := r.IntN(perDay)
			for look := range 7*perDay + historyLooks {
				x = phi*x + 0.2*math.Sqrt(1-phi*phi)*r.NormFloat64()
				if r.Float64() < 0.005 {
					x += 0.5
				}
				v := math.Exp(x + math.Sin(2*math.Pi*float64(start+look)/perDay))
				if look < 7*perDay {
					h.Before(v)
				} else if h.Look(v).Verdict == core.Fail {
					failed++
					break
				}
			}
		}
		reportOf(t, fmt.Sprintf("before and after, lag-one correlation %v", phi), failed, max(10, *aa/10), true)
	}
}

func report(t *testing.T, what string, failed int, bounded bool) {
	reportOf(t, what, failed, *aa, bounded)
}

// reportOf fails a test whose false alarms are more than chance explains at the promised 1%.
func reportOf(t *testing.T, what string, failed, bakes int, bounded bool) {
	t.Helper()
	t.Logf("%-50s %5.2f%% of %d", what, 100*float64(failed)/float64(bakes), bakes)
	expected := falseAlarms * float64(bakes)
	if bounded && float64(failed) > expected+4*math.Sqrt(expected)+1 {
		t.Errorf("%s: %d of %d healthy bakes failed", what, failed, bakes)
	}
}

// latencies are cumulative buckets of one look: lognormal, and some requests four times as slow.
func latencies(r *rand.Rand, perLook, slow float64, edges []float64) []float64 {
	buckets := make([]float64, len(edges))
	for range int(poisson(r, perLook)) {
		x := math.Exp(-3 + 0.8*r.NormFloat64())
		if r.Float64() < slow {
			x *= 4
		}
		for i := range edges {
			if x <= edges[i] {
				buckets[i]++
			}
		}
	}
	return buckets
}

func poisson(r *rand.Rand, mean float64) float64 {
	if mean > 500 {
		return math.Max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	n, left := 0.0, math.Exp(-mean/10)
	for range 10 { // in tenths, so that the exponential does not vanish
		for p := r.Float64(); p > left; p *= r.Float64() {
			n++
		}
	}
	return n
}

// gamma draws from a gamma distribution with a whole shape.
func gamma(r *rand.Rand, shape int) float64 {
	sum := 0.0
	for range shape {
		sum += r.ExpFloat64()
	}
	return sum
}
