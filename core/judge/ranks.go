package judge

import (
	"fmt"
	"math"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	ranksLeast = 10  // looks that it takes for ranks to tell anything
	ranksMost  = 240 // most looks that are remembered: the last of them are compared
)

// Ranks is [MannWhitney] as a test over looks, for plans that come from Kayenta. It compares the samples of all looks
// since the deploy, without those before. It promises nothing about false alarms: it takes looks for independent, and
// asking again at every look is asking often. A fail is final as that of every test is, so one who wants Kayenta's answer
// at the end of the bake sets Least to the looks of a bake.
type Ranks struct {
	Options Options // Name and Direction
	Method  MannWhitney
	Least   int // usable looks before it says anything; default 10
	State   RanksState
}

// RanksState is all that [Ranks] remembers: some kilobytes for a bake of hours.
type RanksState struct {
	Control   numbers  `json:"control,omitempty"`
	Candidate numbers  `json:"candidate,omitempty"`
	Before    int      `json:"before"`
	Looks     int      `json:"looks"`
	Unusable  int      `json:"unusable"`
	Failed    *Verdict `json:"failed,omitempty"`
}

// NewRanks starts a test. The direction is that of the options, unless the method has its own.
func NewRanks(o Options, m MannWhitney) *Ranks {
	o = o.defaults("gauge", 0)
	if m.Direction == "" {
		m.Direction = o.Direction
	}
	return &Ranks{Options: o, Method: m, Least: ranksLeast}
}

// Shares are counts as samples: the percentage of bad events in a look, missing where there were none at all.
func (l CountLook) Shares() GaugeLook {
	percentage := func(bad, total float64) float64 {
		if !(total > 0) {
			return math.NaN()
		}
		return 100 * bad / total
	}
	return GaugeLook{Control: percentage(l.ControlBad, l.Control), Candidate: percentage(l.CandidateBad, l.Candidate)}
}

// Before takes a look at the old version, which Kayenta does not compare with.
func (r *Ranks) Before(GaugeLook) { r.State.Before++ }

// Look takes a look after the deploy.
func (r *Ranks) Look(l GaugeLook) Verdict {
	s := &r.State
	if s.Failed != nil {
		return *s.Failed
	}
	s.Looks++
	for _, x := range []*float64{&l.Control, &l.Candidate} {
		if !measurable(math.Abs(*x)) {
			*x = math.NaN()
		}
	}
	if !finite(l.Control, l.Candidate) {
		s.Unusable++
	}
	s.Control = append(s.Control, l.Control)[max(0, len(s.Control)+1-ranksMost):]
	s.Candidate = append(s.Candidate, l.Candidate)[max(0, len(s.Candidate)+1-ranksMost):]
	v := Verdict{Verdict: core.Inconclusive, Evidence: Evidence{Looks: s.Looks - s.Unusable, Before: s.Before, Unusable: s.Unusable}}
	if s.Looks < r.Least {
		v.Reason = fmt.Sprintf("%s has %s since the deploy; the ranks of fewer than %d tell nothing.",
			upper(r.Options.Name), looks(s.Looks), r.Least)
		return v
	}
	f := r.Method.Judge(s.Control, s.Candidate)
	if x, y := r.Method.clean(s.Candidate), r.Method.clean(s.Control); len(x) > 0 && len(y) > 0 {
		v.Evidence.Candidate, v.Evidence.Control = mean(x), mean(y)
	}
	if finite(f.Deviation) && r.Method.EffectSize != CLES {
		v.Evidence.Ratio = f.Deviation
	}
	switch f.Class {
	case ClassHigh, ClassLow, ClassNodataFailMetric:
		v.Verdict = core.Fail
	case ClassPass:
		v.Verdict = core.Pass
	}
	v.Reason = fmt.Sprintf("%s %s against %s on the control over %s. %s", upper(r.Options.Name),
		number(v.Evidence.Candidate), number(v.Evidence.Control), looks(v.Evidence.Looks), f.Reason)
	if v.Verdict == core.Fail {
		s.Failed = &v
	}
	return v
}
