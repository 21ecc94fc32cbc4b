package judge

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

func TestRanks(t *testing.T) {
	end := NewRanks(Options{}, MannWhitney{})
	end.Least = bakeLooks
	for name, tt := range map[string]struct {
		test  *Ranks
		times float64
		want  core.VerdictKind
		row   int // not before
	}{
		"higher":             {NewRanks(Options{}, MannWhitney{}), 1.5, core.Fail, ranksLeast - 1},
		"higher, at the end": {end, 1.5, core.Fail, bakeLooks - 1},
		"lower":              {NewRanks(Options{}, MannWhitney{}), 0.6, core.Pass, 0},
		"lower is worse":     {NewRanks(Options{Direction: Decrease}, MannWhitney{}), 0.6, core.Fail, ranksLeast - 1},
		"either, by method":  {NewRanks(Options{}, MannWhitney{Direction: Either}), 0.6, core.Fail, ranksLeast - 1},
		"not by a half":      {NewRanks(Options{}, MannWhitney{Allowed: Thresholds{Increase: 1.8, Decrease: 1}}), 1.5, core.Pass, 0},
		"the same":           {NewRanks(Options{}, MannWhitney{Tolerance: 0.9}), 1, core.Pass, 0},
	} {
		d := Replay(tt.test, gaugeBake(12, 40, tt.times), beforeLooks)
		if d.Verdict.Verdict != tt.want || d.Row < beforeLooks+tt.row || d.Evidence.Averages {
			t.Errorf("%s: %s at row %d: %s", name, d.Verdict.Verdict, d.Row, d.Reason)
		}
	}
}

// What is missing is no pass, unless it was asked for.
func TestRanksWithoutData(t *testing.T) {
	for want, m := range map[core.VerdictKind]MannWhitney{
		core.Inconclusive: {}, core.Pass: {Missing: ReplaceMissing}, core.Fail: {MustHaveData: true},
	} {
		r := NewRanks(Options{}, m)
		var v Verdict
		for range ranksLeast {
			v = r.Look(GaugeLook{Control: math.NaN(), Candidate: math.Inf(1)})
			if _, err := json.Marshal(v); err != nil || v.Reason == "" {
				t.Fatalf("%+v: %v", v, err)
			}
		}
		if v.Verdict != want {
			t.Errorf("%+v: %s, want %s: %s", m, v.Verdict, want, v.Reason)
		}
	}
}

// However long the bake, no more than the last hours are remembered.
func TestRanksForget(t *testing.T) {
	r := NewRanks(Options{}, MannWhitney{})
	for i := range 2 * ranksMost {
		r.Look(CountLook{Control: 1000, ControlBad: float64(i % 7), Candidate: 500, CandidateBad: float64(i % 3)}.Shares())
	}
	data, err := json.Marshal(r.State)
	if err != nil || len(r.State.Control) != ranksMost || len(data) > 8000 {
		t.Errorf("%d looks are remembered in %d bytes, %v", len(r.State.Control), len(data), err)
	}
	if l := (CountLook{Candidate: 10}).Shares(); !math.IsNaN(l.Control) || l.Candidate != 0 {
		t.Errorf("shares of nothing are %+v", l)
	}
}

func TestResumeRanks(t *testing.T) {
	rows := gaugeBake(12, 40, 1.2)
	rows[70].Look.Control = math.NaN()
	resume(t, func() *Ranks { return NewRanks(Options{}, MannWhitney{}) }, func(r *Ranks) any { return &r.State }, rows, beforeLooks)
}

func TestReasonOfRanks(t *testing.T) {
	d := Replay(NewRanks(Options{Name: "cpu"}, MannWhitney{}), gaugeBake(12, 40, 1.5), beforeLooks)
	for _, want := range []string{"Cpu 6", " on the control over 10 looks. The candidate differs by ", "98% confidence"} {
		if !strings.Contains(d.Reason, want) {
			t.Errorf("%q misses %q", d.Reason, want)
		}
	}
}
