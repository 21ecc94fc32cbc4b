package judge

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// The evidence of a look is not expected to exceed 1 at any rate that it speaks against: summed over every outcome.
func TestEvidenceIsExpectedToBeOne(t *testing.T) {
	const n, m = 800.0, 2400.0
	poissons := func(mean float64) []float64 { // e^-mean mean^k / k!
		p := make([]float64, int(mean+12*math.Sqrt(mean)+30))
		for k := range p {
			lgamma, _ := math.Lgamma(float64(k) + 1)
			p[k] = math.Exp(float64(k)*math.Log(mean) - mean - lgamma)
		}
		return p
	}
	for _, tt := range []struct {
		name  string
		harm  tolerance
		times []float64
	}{
		{"harm", tolerance{1.02, 0}, worse[:]}, {"harm beyond a rise", tolerance{1.1, 0.003}, worse[:]},
		{"not twice", tolerance{2, 0}, better[:]}, {"not higher", tolerance{1, 0.003}, none[:]},
	} {
		for _, times := range tt.times {
			for _, q := range []float64{0.0001, 0.001, 0.01} {
				for _, beyond := range []float64{1, 0.7} { // at the boundary, and on the side that is spoken against
					p := tt.harm.ratio*q + tt.harm.rise
					if times > 1 {
						p *= beyond
					} else {
						p /= beyond
					}
					expected := 0.0
					candidate, control := poissons(n*p), poissons(m*q)
					for x := range candidate {
						for y := range control {
							l := CountLook{Candidate: n, CandidateBad: float64(x), Control: m, ControlBad: float64(y)}
							expected += candidate[x] * control[y] * l.ratio(tt.harm, times, 1)
						}
					}
					if expected > 1+1e-9 || beyond == 1 && expected < 1-1e-6 {
						t.Errorf("%s, %v times at %v: evidence is expected to be %v", tt.name, times, q, expected)
					}
				}
			}
		}
	}
}

// A service without a single error passes once a rise by the floor would have shown.
func TestPerfectServicePasses(t *testing.T) {
	for floor, most := range map[float64]float64{0: 12000, 0.01: 800} {
		c := NewCounts(Options{Floor: floor})
		requests := 0.0
		for range beforeLooks {
			c.Before(CountLook{Control: 500, Candidate: 100})
		}
		for {
			v := c.Look(CountLook{Control: 500, Candidate: 100})
			if requests += 100; requests > most {
				t.Fatalf("floor %v: %s after %v requests: %s", floor, v.Verdict, requests, v.Reason)
			}
			if v.Verdict == core.Pass {
				break
			}
		}
	}
}

// What a pass excludes passes with a chance of at most 1 in 20: rates twice the control's, and higher by the floor.
func TestRegressionsHardlyPass(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	passed, bakes := 0, 0
	for _, q := range []float64{0, 0.00005, 0.0005, 0.002} {
		for range 100 {
			c := NewCounts(Options{FalseAlarms: 1e-9})
			p := max(2*q, q+shareFloor)
			bakes++
			for i := range beforeLooks + bakeLooks {
				l := CountLook{Control: 2000, ControlBad: poisson(r, 2000*q), Candidate: 1000, CandidateBad: poisson(r, 1000*p)}
				if i < beforeLooks {
					l.CandidateBad = poisson(r, 1000*q)
					c.Before(l)
				} else if c.Look(l).Verdict == core.Pass {
					passed++
					break
				}
			}
		}
	}
	if expected := float64(bakes) / safeNeeded; float64(passed) > expected+4*math.Sqrt(expected) {
		t.Errorf("%d of %d regressions passed", passed, bakes)
	}
}

// A rise within a floor that was asked for is tolerated: it fails no more often than no rise at all.
func TestRiseWithinTheFloor(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	failed, found := 0, 0
	for range 300 {
		within, beyond := NewCounts(Options{Floor: 0.001}), NewCounts(Options{Floor: 0.001})
		for range bakeLooks {
			l := CountLook{Control: 3000, ControlBad: poisson(r, 3), Candidate: 1000, CandidateBad: poisson(r, 2)} // 0.1%, 0.2%
			within.Look(l)
			l.CandidateBad = poisson(r, 5)
			beyond.Look(l)
		}
		if within.State.Failed {
			failed++
		}
		if beyond.State.Failed {
			found++
		}
	}
	if failed > 8 {
		t.Errorf("a rise by the floor failed %d of 300 bakes", failed)
	}
	if found < 285 {
		t.Errorf("a rise by four floors failed %d of 300 bakes", found)
	}
}

// A regression that shows in one look of five is one too, however clearly the others speak against it.
func TestRegressionThatComesAndGoes(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	rows := make([]Row[CountLook], beforeLooks+bakeLooks)
	for i := range rows {
		rate := 0.03
		if i >= beforeLooks && i%5 == 0 {
			rate = 0.3
		}
		rows[i].Look = CountLook{Control: 6000, ControlBad: poisson(r, 180), Candidate: 6000, CandidateBad: poisson(r, 6000*rate)}
	}
	if d := Replay(NewCounts(Options{}), rows, beforeLooks); d.Verdict.Verdict != core.Fail {
		t.Error(d.Reason)
	}
}
