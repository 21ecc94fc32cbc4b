package judge

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// gaugeBake makes samples of two arms, the candidate's level times from the deploy on.
func gaugeBake(seed uint64, level, times float64) []Row[GaugeLook] {
	r := rand.New(rand.NewPCG(seed, 0))
	rows := make([]Row[GaugeLook], beforeLooks+bakeLooks)
	for i := range rows {
		m := level
		if i >= beforeLooks {
			m *= times
		}
		rows[i].Look = GaugeLook{Control: level * math.Exp(0.1*r.NormFloat64()), Candidate: m * math.Exp(0.1*r.NormFloat64())}
	}
	return rows
}

// Gauges that are zero, or never move, are no trouble.
func TestStillGauges(t *testing.T) {
	for name, level := range map[string]float64{"zero": 0, "constant": 7} {
		g := NewGauge(Options{})
		var v Verdict
		for i := range beforeLooks + bakeLooks {
			if l := (GaugeLook{Control: level, Candidate: level}); i < beforeLooks {
				g.Before(l)
			} else {
				v = g.Look(l)
			}
		}
		if v.Verdict != core.Pass {
			t.Errorf("%s: %s: %s", name, v.Verdict, v.Reason)
		}
	}
}

// A look at which the arms compare as before never turns what was no fail into one.
func TestHealthyLookNeverFailsGauges(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 10))
		g := NewGauge(Options{})
		for i, row := range gaugeBake(seed, 40, 1+0.3*r.Float64()) {
			if i < beforeLooks {
				g.Before(row.Look)
				continue
			}
			data, err := json.Marshal(g.State)
			if err != nil {
				t.Fatal(err)
			}
			if v := g.Look(row.Look); v.Verdict == core.Fail {
				break
			}
			healthy := NewGauge(Options{})
			if err := json.Unmarshal(data, &healthy.State); err != nil {
				t.Fatal(err)
			}
			healthy.Look(row.Look)
			side := healthy.State.Sides[0]
			usual := math.Exp(side.Base.next(math.Log(row.Look.Control)) + side.Centre)
			if v := healthy.Look(GaugeLook{Control: row.Look.Control, Candidate: usual}); v.Verdict == core.Fail {
				t.Fatalf("seed %d: a healthy look %d fails: %s", seed, i, v.Reason)
			}
		}
	}
}

// A gauge that has stepped up for good is found after a few looks, however much a look owes to the one before; one that was
// far out once is not.
func TestStepOfCorrelatedGauge(t *testing.T) {
	found, failed := 0, 0
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 11))
		a, b := 0.0, 0.0
		spike := make([]Row[GaugeLook], beforeLooks+bakeLooks)
		for i := range spike {
			a, b = 0.95*a+0.03*r.NormFloat64(), 0.95*b+0.03*r.NormFloat64()
			spike[i].Look = GaugeLook{Control: math.Exp(a), Candidate: math.Exp(b)}
		}
		step := slices.Clone(spike)
		for i := beforeLooks; i < len(step); i++ {
			step[i].Look.Candidate *= 2
		}
		spike[beforeLooks+r.IntN(bakeLooks)].Look.Candidate *= 2
		if d := Replay(NewGauge(Options{}), step, beforeLooks); d.Verdict.Verdict == core.Fail && d.Row < beforeLooks+5 {
			found++
		}
		if d := Replay(NewGauge(Options{}), spike, beforeLooks); d.Verdict.Verdict == core.Fail {
			failed++
		}
	}
	if found < 90 || failed > 8 {
		t.Errorf("%d of 100 steps were found in five looks; one bad look failed %d", found, failed)
	}
}
