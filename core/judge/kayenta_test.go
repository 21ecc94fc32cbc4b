package judge

import (
	"cmp"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// vector is one of the cases in Kayenta's own test suites.
type vector struct {
	Suite      string         `json:"suite"`
	Name       string         `json:"name"`
	Control    samples        `json:"control"`
	Experiment samples        `json:"experiment"`
	Params     vectorParams   `json:"params"`
	Expected   map[string]any `json:"expected"`
}

// samples are numbers in which "NaN" is missing.
type samples []float64

func (s *samples) UnmarshalJSON(data []byte) error {
	var all []any
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	for _, v := range all {
		x, ok := v.(float64)
		if !ok {
			x = math.NaN()
		}
		*s = append(*s, x)
	}
	return nil
}

type vectorParams struct {
	Classifier           string
	Tolerance            float64
	ConfLevel            float64
	EffectSizeThresholds struct{ AllowedIncrease, AllowedDecrease float64 }
	CriticalThresholds   struct{ CriticalIncrease, CriticalDecrease float64 }
	EffectSizeMeasure    string
	Direction            string
	NaNStrategy          string
	Critical             bool
	MustHaveData         bool
	Mu, Quantile, P      float64
	Measure              string
	Detector, Op         string
	Factor, K            float64
	GroupWeights         map[string]float64
	Metrics              []struct {
		Classification Classification
		Critical       bool
		Groups         []string
	}
}

// TestKayentaVectors reproduces what Kayenta's own tests expect.
func TestKayentaVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/kayenta_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for _, v := range file.Vectors {
		t.Run(v.Suite+"/"+v.Name, func(t *testing.T) { v.check(t) })
	}
}

func (v vector) check(t *testing.T) {
	switch v.Suite {
	case "Classifier":
		v.checkClass(t)
	case "MannWhitney":
		v.checkInterval(t)
	case "Scorer":
		v.checkScore(t)
	case "Percentile":
		v.equal(t, "value", percentile(v.Experiment, v.Params.P))
	case "EffectSize":
		if v.Params.Measure == "cles" {
			v.equal(t, "value", cles(v.Experiment, v.Control))
		} else {
			v.equal(t, "value", meanRatio(v.Experiment, v.Control))
		}
	case "Summary":
		v.equal(t, "min", slices.Min(v.Experiment))
		v.equal(t, "max", slices.Max(v.Experiment))
		v.equal(t, "mean", mean(v.Experiment))
		v.equal(t, "std", deviation(v.Experiment))
	case "Detector", "Transform":
		v.checkClean(t)
	default:
		t.Fatalf("no check for suite %q", v.Suite)
	}
}

func (v vector) judge() MannWhitney {
	p := v.Params
	m := MannWhitney{
		Direction: Direction(strings.ToLower(p.Direction)), Missing: Missing(strings.ToLower(p.NaNStrategy)),
		Confidence: p.ConfLevel, Tolerance: p.Tolerance, Critical: p.Critical, MustHaveData: p.MustHaveData,
		Allowed:    Thresholds{p.EffectSizeThresholds.AllowedIncrease, p.EffectSizeThresholds.AllowedDecrease},
		CriticalAt: Thresholds{p.CriticalThresholds.CriticalIncrease, p.CriticalThresholds.CriticalDecrease},
	}
	if p.Classifier == "MeanInequality" {
		m.Classifier = MeanInequality
	}
	if p.EffectSizeMeasure == "cles" {
		m.EffectSize = CLES
	}
	return m
}

func (v vector) checkClass(t *testing.T) {
	got := v.judge().Judge(v.Control, v.Experiment)
	if want, ok := v.Expected["classification"]; ok && string(got.Class) != want {
		t.Errorf("class is %s, want %s (%s)", got.Class, want, got.Reason)
	}
	if want, ok := v.Expected["critical"]; ok && got.Critical != want {
		t.Errorf("critical is %v, want %v", got.Critical, want)
	}
	if want, ok := v.Expected["deviation"]; ok && want == "NaN" && !math.IsNaN(got.Deviation) {
		t.Errorf("deviation is %v, want NaN", got.Deviation)
	}
	if got.Reason == "" {
		t.Error("no reason")
	}
}

func (v vector) checkInterval(t *testing.T) {
	x, y := []float64(v.Experiment), []float64(v.Control)
	if _, ok := v.Expected["wilcoxonDiff"]; ok {
		v.equal(t, "wilcoxonDiff", wilcoxonDiff(x, y, v.Params.Mu, v.Params.Quantile))
		return
	}
	lower, upper, shift := shiftInterval(x, y, v.Params.ConfLevel)
	if _, ok := v.Expected["muMin"]; ok {
		least, most := slices.Min(x)-slices.Max(y), slices.Max(x)-slices.Min(y)
		z := quantile(1 - (1-v.Params.ConfLevel)/2)
		v.equal(t, "muMin", least)
		v.equal(t, "muMax", most)
		v.equal(t, "zqLower", z)
		v.equal(t, "wilcoxonDiff(muMin,zqLower)", wilcoxonDiff(x, y, least, z))
		v.equal(t, "wilcoxonDiff(muMax,zqLower)", wilcoxonDiff(x, y, most, z))
		v.equal(t, "wilcoxonDiff(muMin,zqUpper)", wilcoxonDiff(x, y, least, -z))
		v.equal(t, "wilcoxonDiff(muMax,zqUpper)", wilcoxonDiff(x, y, most, -z))
	}
	v.equal(t, "lower", lower)
	v.equal(t, "upper", upper)
	v.equal(t, "estimate", shift)
}

func (v vector) checkScore(t *testing.T) {
	var metrics []Scored
	for _, m := range v.Params.Metrics {
		metrics = append(metrics, Scored{Class: m.Classification, Critical: m.Critical, Groups: m.Groups})
	}
	summary, groups := Score(metrics, v.Params.GroupWeights)
	v.equal(t, "score", summary)
	if want, ok := v.Expected["group_scores_sorted"].([]any); ok {
		var got []float64
		for _, s := range groups {
			got = append(got, s)
		}
		slices.Sort(got)
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("groups score %v, want %v", got, want)
			}
		}
	}
}

func (v vector) checkClean(t *testing.T) {
	m := MannWhitney{OutlierFactor: cmp.Or(v.Params.K, 3)}
	switch {
	case v.Params.Op == "replaceNaNs":
		m.Missing = ReplaceMissing
	case v.Params.Detector == "ksigma":
		m.Outliers = RemoveFar
	}
	if outlier, ok := v.Expected["outlier"].([]any); ok {
		v.checkOutliers(t, m, outlier)
		return
	}
	got := m.clean(v.Experiment)
	want := v.Expected["values"].([]any)
	if len(got) != len(want) {
		t.Fatalf("kept %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("kept %v, want %v", got, want)
		}
	}
}

func (v vector) checkOutliers(t *testing.T, m MannWhitney, outlier []any) {
	var kept []float64
	if v.Params.Detector == "ksigma" {
		kept = m.clean(v.Experiment)
	} else if len(v.Experiment) > 0 {
		low, high := outlierBounds(v.Experiment, v.Params.Factor)
		kept = slices.DeleteFunc(slices.Clone(v.Experiment), func(x float64) bool { return x < low || x > high })
	}
	if len(outlier) != len(v.Experiment) {
		t.Fatalf("%d answers for %d values", len(outlier), len(v.Experiment))
	}
	for i, want := range outlier {
		if out := !slices.Contains(kept, v.Experiment[i]); out != want {
			t.Errorf("%v is an outlier: %v, want %v", v.Experiment[i], out, want)
		}
	}
}

// equal compares a number with what is expected, to the tolerance that Kayenta's test has.
func (v vector) equal(t *testing.T, name string, got float64) {
	t.Helper()
	want, isNumber := v.Expected[name].(float64)
	tolerance := cmp.Or(number64(v.Expected[name+"_abs_tol"]), number64(v.Expected["abs_tol"]), 1e-9)
	if !isNumber && !math.IsNaN(got) || isNumber && !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %v, want %v", name, got, v.Expected[name])
	}
}

func number64(v any) float64 {
	x, _ := v.(float64)
	return x
}
