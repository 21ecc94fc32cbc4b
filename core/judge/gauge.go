package judge

import (
	"math"

	"github.com/breakwater-ci/breakwater/core"
)

// A GaugeLook is one sample of a gauge on each arm: CPU, memory, a queue, a quantile as a series.
type GaugeLook struct {
	Control   float64
	Candidate float64
}

// usable reports whether a look can be judged. Gauges are compared by their ratio, so they must not be negative.
func (l GaugeLook) usable() bool {
	return measurable(l.Control) && measurable(l.Candidate)
}

const (
	gaugeMargin = 0.03 // differences that releases have without anybody minding
	gaugeBefore = 10   // usable looks before the deploy that it takes to know how the arms compare anyway
	gaugePast   = 240  // most looks before the deploy that are remembered
	gaugeZero   = 1e-3 // of the median: what is less is as good as zero, and has no logarithm

	// gaugeGain is how many times what the mixture has gained counts as evidence, within an hour of looks. For an
	// e-process without end it is 1, and four hours of looks come to that; so much keeps to the rate of false alarms, see
	// the A/A simulation.
	gaugeGain    = 4
	gaugeHour    = 60
	gaugeVisible = 0.5 // a change that must have been visible before silence means pass
)

// Gauge judges samples of a gauge against a control. It works on the logarithm of candidate over control, which
// removes what both arms share, measured against what it was before the deploy, with what a look owes to the look
// before removed. Two kinds of evidence are averaged: of a shift, from the signs and sizes of the looks on the scale
// of the last few, which holds for any noise that is as often up as down; and of single looks far outside of what was
// seen before.
type Gauge struct {
	Options Options
	State   GaugeState
}

// GaugeState is all that [Gauge] remembers.
type GaugeState struct {
	Past     []pastLook  `json:"past,omitempty"` // before the deploy; gone once it is summed up
	Before   int         `json:"before"`
	Old      [2]float64  `json:"old"`             // of the logarithms before the deploy: control, candidate
	Gap      int         `json:"gap"`             // looks since the last usable one
	Floor    float64     `json:"floor"`           // values below it count as this much
	Sides    []gaugeSide `json:"sides,omitempty"` // set at the first look after the deploy
	Looks    int         `json:"looks"`
	Unusable int         `json:"unusable"`
	Sum      [2]float64  `json:"sum"` // since the deploy
	Most     float64     `json:"most"`
	Failed   bool        `json:"failed"`
}

// A pastLook is a usable look, and how many looks after the last usable one it came.
type pastLook struct {
	Control   float64 `json:"t"`
	Candidate float64 `json:"c"`
	Gap       int     `json:"gap"`
}

// NewGauge starts a test. The default margin is 3%.
func NewGauge(o Options) *Gauge {
	return &Gauge{Options: o.defaults("gauge", gaugeMargin), State: GaugeState{Floor: smallest}}
}

// Before takes a look at which both arms ran the old version.
func (g *Gauge) Before(l GaugeLook) {
	s := &g.State
	s.Gap++
	if !l.usable() {
		return
	}
	s.Before++
	s.Old[0] += math.Log(max(l.Control, smallest))
	s.Old[1] += math.Log(max(l.Candidate, smallest))
	if len(s.Past) == gaugePast {
		s.Past = s.Past[1:]
	}
	s.Past = append(s.Past, pastLook{Control: l.Control, Candidate: l.Candidate, Gap: s.Gap})
	s.Gap = 0
}

// Look takes a look after the deploy.
func (g *Gauge) Look(l GaugeLook) Verdict {
	s := &g.State
	s.Gap++
	if s.Failed {
		return g.verdict()
	}
	if !l.usable() {
		s.Unusable++
		return g.verdict()
	}
	if s.Sides == nil && s.Before >= gaugeBefore {
		g.sumUp()
	}
	s.Looks++
	control, candidate := g.logs(l.Control, l.Candidate)
	s.Sum[0] += control
	s.Sum[1] += candidate
	for i := range s.Sides {
		s.Sides[i].look(control, candidate, s.Gap, math.Log1p(g.Options.Margin))
	}
	s.Gap = 0
	e := g.evidence()
	s.Most = max(s.Most, e)
	s.Failed = e >= g.needed() && g.earned()
	return g.verdict()
}

// sumUp turns the looks before the deploy into what the test needs to know of them.
func (g *Gauge) sumUp() {
	s := &g.State
	var values []float64
	for _, p := range s.Past {
		values = append(values, p.Control, p.Candidate)
	}
	s.Floor = max(gaugeZero*median(values), smallest)
	for _, d := range oneSided(g.Options.Direction) {
		var before arms
		for _, p := range s.Past {
			control, candidate := g.logs(p.Control, p.Candidate)
			before.add(control, candidate, p.Gap)
		}
		if d == Decrease {
			before.negate()
		}
		s.Sides = append(s.Sides, newGaugeSide(d, before))
	}
	s.Past = nil
}

func (g *Gauge) logs(control, candidate float64) (float64, float64) {
	return math.Log(max(control, g.State.Floor)), math.Log(max(candidate, g.State.Floor))
}

func (g *Gauge) needed() float64 { return 1 / g.Options.FalseAlarms }

// earned reports whether evidence may stop a release: more than one look says so.
func (g *Gauge) earned() bool {
	return len(g.State.Sides) > 0 && g.worst().without()/float64(len(g.State.Sides)) >= gaugeAlone
}

func (g *Gauge) evidence() float64 {
	if len(g.State.Sides) == 0 {
		return 1
	}
	sum := 0.0
	for i := range g.State.Sides {
		sum += g.State.Sides[i].harm()
	}
	gain := max(1, gaugeGain*min(1, gaugeHour/float64(max(1, g.State.Looks))))
	return max(0, 1+gain*(sum/float64(len(g.State.Sides))-1))
}

func (g *Gauge) worst() *gaugeSide {
	w := &g.State.Sides[0]
	for i := range g.State.Sides {
		if s := &g.State.Sides[i]; s.harm() > w.harm() {
			w = s
		}
	}
	return w
}

func (g *Gauge) verdict() Verdict {
	s := &g.State
	v := Verdict{Verdict: core.Inconclusive}
	v.Evidence = Evidence{
		Looks: s.Looks, Before: s.Before, Unusable: s.Unusable,
		E: g.evidence(), Most: max(1, s.Most), Needed: g.needed(), Averages: true, Earned: g.earned(),
	}
	e := &v.Evidence
	visible := math.Inf(1)
	if len(s.Sides) > 0 && s.Looks > 0 {
		w := g.worst()
		n := float64(s.Looks)
		control, candidate := s.Sum[0]/n, s.Sum[1]/n
		e.Control, e.Candidate, e.Noise = math.Exp(control), math.Exp(candidate), w.Phi
		e.Ratio = min(math.Exp(candidate-control), math.MaxFloat64)
		width := 1.96 * w.error(n)
		e.Interval = interval(e.Ratio, width)
		visible = math.Log1p(g.Options.Margin) + w.error(n)*math.Sqrt(2*math.Log(e.Needed)+2)
	}
	switch {
	case s.Failed:
		v.Verdict = core.Fail
	case visible <= math.Log1p(gaugeVisible):
		v.Verdict = core.Pass
	}
	v.Reason = g.reason(v, visible)
	return v
}
