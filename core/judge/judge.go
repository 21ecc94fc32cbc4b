// Package judge turns numbers into verdicts: is the wave worse than what it is compared with? It is pure: standard
// library only, no clock, no network, no goroutine. A test is handed one look at a time; its State is a few hundred to a
// few thousand bytes of JSON, and a look taken up in another process goes on as if nothing had happened.
//
// Most tests here are e-processes: a number that starts at 1 and, as long as the release is healthy, is not expected to
// grow, however often anybody looks. By Ville's inequality it reaches 1/a with probability at most a. So "fail at the
// first look at which it is at 1/a" stops a healthy release with probability at most a whatever the schedule of looks,
// and averages of such numbers need no correction for their dependence.
//
//   - [Counts]: bad events out of a total, against a control. Guaranteed while errors are independent given the traffic.
//   - [Histogram]: latency buckets, against a control. As counts, for every bucket edge at once.
//   - [Gauge]: samples of a gauge, against a control. Calibrated: no test is exact for noise of unknown dependence.
//   - [History]: one series without a control, calibrated on its own past.
//   - [Burn]: an error budget that burns too fast in several windows, without a control.
//   - [Ranks] and [MannWhitney]: what Kayenta would say, for those who come from there.
//
// What a rollout may spend on false alarms, and how the tests of one bake are judged together, is in [Spend] and [Joint].
// What was broken before the deploy is in [Past].
package judge

import (
	"math"

	"github.com/breakwater-ci/breakwater/core"
)

// Direction says which change is a regression.
type Direction = core.Direction

// The directions.
const (
	Increase = core.Increase // more is worse; the default
	Decrease = core.Decrease // less is worse
	Either   = core.Either   // any change is
)

// Options are what a user may say about a test. The zero value of each field is its default.
//
// A Floor that is asked for is tolerated as the margin is: the evidence must be against a share that is higher by that
// much. The default of 0.05 points only keeps what nobody would act on from failing: the shares as seen must differ by it.
// A negative one does neither. Either is what a pass must exclude, see [Evidence].
type Options struct {
	Name        string    // what is counted or measured, for the reason: "errors", "p99", "cpu"
	FalseAlarms float64   // chance that a healthy release fails, over all looks; default 0.01
	Margin      float64   // relative change that is tolerated, 0.1 is 10%; negative: none; default by test
	Floor       float64   // counts and histograms: rise of a share that does not matter, see below; 0.001 is 0.1 points
	Quantile    float64   // histograms: the quantile to report, 0.99 is the 99th percentile; Margin then is of latency
	Direction   Direction // default [Increase]
	MinLooks    int       // looks before a pass may end a bake; default 36

	rise   float64 // Floor, if it was asked for
	slower float64 // histograms: Margin, if it is of latency
}

// Defaults of [Options].
const (
	falseAlarms = 0.01
	minLooks    = meanOnset + 6 // a regression that starts late must have had the time to start and to show
)

func (o Options) defaults(name string, margin float64) Options {
	if o.Name == "" {
		o.Name = name
	}
	if !(o.FalseAlarms > 0 && o.FalseAlarms < 1) {
		o.FalseAlarms = falseAlarms
	}
	switch {
	case o.Margin == 0 || !finite(o.Margin):
		o.Margin = margin
	case o.Margin < 0:
		o.Margin = 0
	}
	switch {
	case o.Floor == 0 || !(o.Floor < 1):
		o.Floor = shareFloor
	case o.Floor < 0:
		o.Floor = 0
	default:
		o.rise = o.Floor
	}
	if o.Direction == "" {
		o.Direction = Increase
	}
	if o.MinLooks <= 0 {
		o.MinLooks = minLooks
	}
	return o
}

func (o Options) tolerated() tolerance { return tolerance{1 + o.Margin, o.rise} }

// oneSided are the one-sided questions that a direction asks.
func oneSided(d Direction) []Direction {
	if d == Either {
		return []Direction{Increase, Decrease}
	}
	return []Direction{d}
}

// A Test judges a release one look at a time. Before takes the looks at which both arms ran the old version, Look those
// after the deploy, in order. A look that cannot be used (missing, negative, infinite) is only counted. A fail is final:
// later looks repeat it.
type Test[L any] interface {
	Before(look L)
	Look(look L) Verdict
}

// A Verdict is the answer after a look.
type Verdict struct {
	Verdict  core.VerdictKind `json:"verdict"`
	Early    bool             `json:"early,omitempty"` // a pass that is shown well enough to end the bake now
	Reason   string           `json:"reason"`          // one sentence
	Evidence Evidence         `json:"evidence"`
}

// Evidence is what a human needs to check a verdict.
type Evidence struct {
	Looks     int        `json:"looks"`                // usable looks since the deploy
	Before    int        `json:"before"`               // usable looks before it
	Unusable  int        `json:"unusable,omitempty"`   // looks that could not be used
	Candidate float64    `json:"candidate"`            // level of the wave: a share, or the mean of a gauge
	Control   float64    `json:"control"`              // level of what it is compared with
	Ratio     float64    `json:"ratio,omitempty"`      // candidate over control; absent if unknown
	Interval  [2]float64 `json:"interval,omitzero"`    // of the ratio, at 95%: for the report, not what decides
	Totals    *Totals    `json:"totals,omitempty"`     // counts and histograms: the sums behind the shares
	E         float64    `json:"e"`                    // evidence of harm now; [History]: how far the level has moved; [Burn]: the burn rate
	Most      float64    `json:"most"`                 // the most that it has been
	Needed    float64    `json:"needed"`               // to fail
	Averages  bool       `json:"averages,omitempty"`   // E may be averaged with that of other tests, see [Joint]
	Earned    bool       `json:"earned,omitempty"`     // E may stop a release: more than one look, and enough of a difference
	Safe      float64    `json:"safe,omitempty"`       // evidence that no worse regression than this hides; 20 shows it:
	SafeRatio float64    `json:"safe_ratio,omitempty"` // so many times the control's level,
	SafeRise  float64    `json:"safe_rise,omitempty"`  // and a share higher by so much
	Noise     float64    `json:"noise,omitempty"`      // counts: variance of sums over chance; gauges: lag-one correlation
	Edge      float64    `json:"edge,omitempty"`       // histogram: the bucket edge that tells most
	Latency   *Latency   `json:"latency,omitempty"`    // histogram: the quantile that was asked for
}

// Totals are sums since the deploy, without the warm-up.
type Totals struct {
	Candidate    float64 `json:"candidate"`
	CandidateBad float64 `json:"candidate_bad"`
	Control      float64 `json:"control"`
	ControlBad   float64 `json:"control_bad"`
}

// interval is a ratio give or take a logarithm. Where it has no bound it is as wide as a number of JSON can be.
func interval(ratio, width float64) [2]float64 {
	factor := math.Exp(width)
	return [2]float64{ratio / factor, min(ratio*factor, math.MaxFloat64)}
}

// finite reports whether every number can be used.
func finite(xs ...float64) bool {
	for _, x := range xs {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// The range of what is measured: beyond it a ratio would not be a number any more.
const smallest, largest = 1e-150, 1e150

// measurable reports whether a sample can be compared by its ratio to another.
func measurable(x float64) bool { return x >= 0 && x <= largest }
