package judge

import (
	"fmt"
	"math"
	"slices"
)

// Missing is what [MannWhitney] does with missing values.
type Missing string

// The ways with missing values.
const (
	RemoveMissing  Missing = "remove"  // the default; infinite is missing too
	ReplaceMissing Missing = "replace" // by zero: for counters
)

// Outliers is what [MannWhitney] does with outliers, in each arm alone.
type Outliers string

// The ways with outliers.
const (
	KeepOutliers   Outliers = "keep"   // the default
	RemoveOutliers Outliers = "remove" // beyond the quartiles by a factor of their distance, and in the outer percent
	RemoveFar      Outliers = "ksigma" // further from the mean than a factor of the standard deviation
)

// Classifier is how [MannWhitney] tells that arms differ.
type Classifier string

// The classifiers.
const (
	RankShift      Classifier = "mann-whitney"    // by the interval of the shift; the default
	MeanInequality Classifier = "mean-inequality" // by the means as they are
)

// EffectSize is how [MannWhitney] measures the size of a difference.
type EffectSize string

// The sizes of a difference.
const (
	MeanRatio EffectSize = "mean-ratio" // mean of the candidate over that of the control; the default
	CLES      EffectSize = "cles"       // common-language effect size: chance that a value of the candidate is the larger
)

// MannWhitney judges two sets of samples once, as Kayenta's NetflixACAJudge does. It is here for those who come from
// there: it takes each look for one number whatever the traffic behind it, takes looks for independent, and does not
// know how often it is asked. The zero value has Kayenta's defaults.
type MannWhitney struct {
	Classifier    Classifier
	Direction     Direction // default [Either]
	Missing       Missing
	Outliers      Outliers
	OutlierFactor float64 // default 3
	EffectSize    EffectSize
	Confidence    float64    // of the interval of the shift; default 0.98
	Tolerance     float64    // share of the shift that its interval must clear; default 0.25
	Allowed       Thresholds // effect sizes from which a difference counts; default 1, or 0.5 for CLES
	Critical      bool       // the metric may fail everything
	CriticalAt    Thresholds // effect sizes from which it does; default as Allowed
	MustHaveData  bool
}

// Thresholds are effect sizes upwards and downwards.
type Thresholds struct{ Increase, Decrease float64 }

// Classification is what a metric is found to be.
type Classification string

// The classifications, in Kayenta's words.
const (
	ClassPass             Classification = "Pass"
	ClassHigh             Classification = "High"
	ClassLow              Classification = "Low"
	ClassNodata           Classification = "Nodata"
	ClassNodataFailMetric Classification = "NodataFailMetric"
)

// A Finding is what [MannWhitney] says of a metric.
type Finding struct {
	Class     Classification
	Critical  bool    // it fails everything
	Deviation float64 // effect size; NaN if it is not defined
	Lower     float64 // interval of the shift
	Upper     float64
	Shift     float64
	Reason    string
}

func (m MannWhitney) defaults() MannWhitney {
	if m.Direction == "" {
		m.Direction = Either
	}
	if m.OutlierFactor == 0 {
		m.OutlierFactor = 3
	}
	if m.Confidence == 0 {
		m.Confidence = 0.98
	}
	if m.Tolerance == 0 {
		m.Tolerance = 0.25
	}
	usual := Thresholds{Increase: 1, Decrease: 1}
	if m.EffectSize == CLES {
		usual = Thresholds{Increase: 0.5, Decrease: 0.5}
	}
	if m.Allowed == (Thresholds{}) {
		m.Allowed = usual
	}
	if m.CriticalAt == (Thresholds{}) {
		m.CriticalAt = usual
	}
	return m
}

// Judge compares the candidate's samples with the control's.
func (m MannWhitney) Judge(control, candidate []float64) Finding {
	m = m.defaults()
	x, y := m.clean(candidate), m.clean(control)
	switch {
	case len(x) == 0 || len(y) == 0:
		return m.empty()
	case same(x, y):
		return Finding{Class: ClassPass, Deviation: 1, Reason: "The samples of both arms are the same."}
	}
	if m.Classifier == MeanInequality {
		return m.compareMeans(x, y)
	}
	effect := meanRatio(x, y)
	if m.EffectSize == CLES {
		effect = cles(x, y)
	}
	if isConstant(x) && isConstant(y) {
		x, y = blur(x), blur(y)
	}
	f := Finding{Class: ClassPass, Deviation: effect}
	f.Lower, f.Upper, f.Shift = shiftInterval(x, y, m.Confidence)
	bound := m.Tolerance * math.Abs(f.Shift)
	undefined := math.IsNaN(effect)
	switch {
	case m.Direction != Decrease && f.Lower > bound && (undefined || effect >= m.Allowed.Increase):
		f.Class = ClassHigh
		f.Critical = m.Critical && (undefined || effect >= m.CriticalAt.Increase)
	case m.Direction != Increase && f.Upper < -bound && (undefined || effect <= m.Allowed.Decrease):
		f.Class = ClassLow
		f.Critical = m.Critical && (undefined || effect <= m.CriticalAt.Decrease)
	}
	f.Reason = fmt.Sprintf("The candidate differs by %.4g, between %.4g and %.4g at %s confidence; %.4g was needed.",
		f.Shift, f.Lower, f.Upper, percent(m.Confidence), bound)
	return f
}

// compareMeans takes the arm with the higher mean for the higher.
func (m MannWhitney) compareMeans(x, y []float64) Finding {
	a, b := mean(x), mean(y)
	f := Finding{Class: ClassPass, Deviation: meanRatio(x, y), Shift: a - b}
	switch {
	case m.Direction != Decrease && a > b:
		f.Class = ClassHigh
	case m.Direction != Increase && a < b:
		f.Class = ClassLow
	}
	f.Critical = m.Critical && f.Class != ClassPass
	f.Reason = fmt.Sprintf("The means are %.4g and %.4g on the control.", a, b)
	return f
}

// empty is what a metric without samples in one arm is.
func (m MannWhitney) empty() Finding {
	f := Finding{Class: ClassNodata, Critical: m.Critical, Deviation: 1, Reason: "An arm has no samples."}
	switch {
	case m.Missing == ReplaceMissing:
		f.Class, f.Critical = ClassPass, false
	case m.MustHaveData && !m.Critical:
		f.Class = ClassNodataFailMetric
	}
	return f
}

// clean treats missing values, then outliers.
func (m MannWhitney) clean(xs []float64) []float64 {
	var kept []float64
	for _, x := range xs {
		switch {
		case finite(x):
			kept = append(kept, x)
		case m.Missing == ReplaceMissing:
			kept = append(kept, 0)
		}
	}
	if len(kept) == 0 {
		return kept
	}
	low, high := math.Inf(-1), math.Inf(1)
	switch m.Outliers {
	case RemoveOutliers:
		low, high = outlierBounds(kept, m.OutlierFactor)
		low, high = min(low, percentile(kept, 1)), max(high, percentile(kept, 99))
	case RemoveFar:
		centre, far := mean(kept), m.OutlierFactor*deviation(kept)
		low, high = centre-far, centre+far
	}
	return slices.DeleteFunc(kept, func(x float64) bool { return x < low || x > high })
}

// deviation is the sample standard deviation.
func deviation(xs []float64) float64 {
	m, sum := mean(xs), 0.0
	for _, x := range xs {
		sum += (x - m) * (x - m)
	}
	return math.Sqrt(sum / float64(len(xs)-1))
}

// outlierBounds are beyond the quartiles by a factor of their distance.
func outlierBounds(xs []float64, factor float64) (low, high float64) {
	q1, q3 := percentile(xs, 25), percentile(xs, 75)
	return q1 - factor*(q3-q1), q3 + factor*(q3-q1)
}

// percentile interpolates between order statistics as R's type 7 does. xs must not be empty.
func percentile(xs []float64, p float64) float64 {
	ys := slices.Sorted(slices.Values(xs))
	at := p / 100 * float64(len(ys)-1)
	i := int(at)
	if i+1 >= len(ys) {
		return ys[len(ys)-1]
	}
	return ys[i] + (at-float64(i))*(ys[i+1]-ys[i])
}

// meanRatio is the mean of x over that of y; NaN if one of them is zero.
func meanRatio(x, y []float64) float64 {
	a, b := mean(x), mean(y)
	if a == 0 || b == 0 {
		return math.NaN()
	}
	return a / b
}

// cles is the chance that a value of x is larger than one of y, ties counted half.
func cles(x, y []float64) float64 {
	sum, _ := rankSum(x, y, 0)
	m, n := float64(len(x)), float64(len(y))
	return (2*sum - m*(m+1)) / (2 * m * n)
}

func same(x, y []float64) bool {
	return slices.Equal(slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y))) ||
		isConstant(x) && isConstant(y) && x[0] == y[0]
}

func isConstant(xs []float64) bool {
	return !slices.ContainsFunc(xs, func(x float64) bool { return x != xs[0] })
}

// blur spreads equal values by a hundred-thousandth, so that ranks can tell arms apart that do not vary. Kayenta draws
// this at random; spread evenly over a normal distribution it is the same each time.
func blur(xs []float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = x + 1e-5*x*quantile((float64(i)+0.5)/float64(len(xs)))
	}
	return out
}

// quantile is that of the standard normal distribution.
func quantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
