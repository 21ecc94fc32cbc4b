package judge

import (
	"math"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// However many bakes a rollout has, they spend no more than there is.
func TestSpend(t *testing.T) {
	for i, want := range []float64{0.005, 0.01 / 6, 0.01 / 12} {
		if got := Spend(0.01, i+1); math.Abs(got-want) > 1e-12 {
			t.Errorf("bake %d spends %v, want %v", i+1, got, want)
		}
	}
	sum := 0.0
	for bake := 1; bake <= 100000; bake++ {
		sum += Spend(0.01, bake)
	}
	if sum > 0.01 || sum < 0.0099999 {
		t.Errorf("all bakes together spend %v", sum)
	}
	if Spend(0.01, 0) != Spend(0.01, 1) {
		t.Error("a bake that is not counted spends more than the first")
	}
}

func TestJoint(t *testing.T) {
	says := func(e float64, averages, earned bool) Verdict {
		return Verdict{Verdict: core.Inconclusive, Evidence: Evidence{E: e, Averages: averages, Earned: earned}}
	}
	failed := Verdict{Verdict: core.Fail}
	for _, tt := range []struct {
		name     string
		verdicts []Verdict
		tests    int
		index    int
		ok       bool
	}{
		{"nobody", nil, 0, -1, false},
		{"no evidence", []Verdict{says(1, true, false), says(1, true, false)}, 2, -1, false},
		{"one by itself", []Verdict{says(1, true, false), failed}, 2, 1, true},
		{"not quite", []Verdict{says(90, true, true), says(109, true, true)}, 2, 1, false},
		{"both together", []Verdict{says(90, true, true), says(111, true, true)}, 2, 1, true},
		{"a third has not spoken", []Verdict{says(90, true, true), says(111, true, true)}, 3, 1, false},
		{"not earned", []Verdict{says(90, true, true), says(1e9, true, false)}, 2, 0, false},
		{"no e-value", []Verdict{says(90, true, true), says(1e9, false, true)}, 2, 0, false},
	} {
		if index, ok := Joint(0.01, tt.verdicts, tt.tests); ok != tt.ok || index != tt.index {
			t.Errorf("%s: %d, %v; want %d, %v", tt.name, index, ok, tt.index, tt.ok)
		}
	}
}

// The evidence of every test starts at 1, and the test fails by itself at 1/FalseAlarms: numbers that can be averaged.
func TestEvidenceIsComparable(t *testing.T) {
	histogram, edges := histogramBake(3, 0.3)
	for name, d := range map[string]Decision{
		"counts":    Replay(NewCounts(Options{FalseAlarms: 0.002}), countBake(1, 0.01, 3), beforeLooks),
		"gauge":     Replay(NewGauge(Options{FalseAlarms: 0.002}), gaugeBake(2, 40, 1.5), beforeLooks),
		"histogram": Replay(NewHistogram(Options{FalseAlarms: 0.002}, edges), histogram, beforeLooks),
	} {
		if e := d.Evidence; d.Verdict.Verdict != core.Fail || e.Needed != 500 || e.E < 500 || !e.Averages || !e.Earned {
			t.Errorf("%s: %s with evidence %+v", name, d.Verdict.Verdict, e)
		}
	}
	for name, v := range map[string]Verdict{
		"counts":    NewCounts(Options{}).Look(CountLook{}),
		"gauge":     NewGauge(Options{}).Look(GaugeLook{-1, 1}),
		"histogram": NewHistogram(Options{}, edges).Look(HistogramLook{}),
	} {
		if v.Evidence.E != 1 || v.Evidence.Earned {
			t.Errorf("%s starts with evidence %v", name, v.Evidence.E)
		}
	}
}
