package judge

import (
	"fmt"
	"math"
)

// A Past is what both arms were like before the deploy, when they ran the same version.
type Past struct {
	Looks     int        `json:"looks"`
	Candidate float64    `json:"candidate"` // a share, or the level of a gauge
	Control   float64    `json:"control"`
	Ratio     float64    `json:"ratio,omitempty"`   // candidate over control; absent if unknown
	Interval  [2]float64 `json:"interval,omitzero"` // of the ratio, at 99.9%
	Totals    *Totals    `json:"totals,omitempty"`  // counts and histograms
	Edge      float64    `json:"edge,omitempty"`    // histogram: the bucket edge that differs most
}

const (
	pastWidth   = 3.29 // standard errors of an interval at 99.9%: a veto is asked for at every bake, and must be rare
	brokenRatio = 1.5  // times the control: more than hosts explain
	brokenShare = 0.5  // of what both arms served
)

// Broken reports whether something was broken before the deploy, so that a bake can tell nothing about the release, and
// says what in a sentence. Either most of what both arms served went wrong, and nothing could be seen beside that; or the
// candidate's hosts were worse than the control's on the same version already, by more than the margin and than hosts
// explain. A level that is only unusual for both arms is no veto: it cancels. Gauges are never broken by this: hosts of
// another size have another level, and the test measures from there.
func (p Past) Broken(o Options) (reason string, broken bool) {
	t := p.Totals
	if t == nil || !(t.Candidate > 0) || !(t.Control > 0) {
		return "", false
	}
	what := fmt.Sprintf("%s %s against %s on the control before the deploy", upper(o.Name), share(p.Candidate), share(p.Control))
	if p.Edge > 0 {
		what = fmt.Sprintf("%s slower than %s: %s against %s on the control before the deploy", upper(o.Name),
			number(p.Edge), share(p.Candidate), share(p.Control))
	}
	if p.Edge == 0 && t.Candidate >= outageSize && t.Control >= outageSize && min(p.Candidate, p.Control) >= brokenShare {
		return what + ": already broken before us.", true
	}
	tolerated := max(brokenRatio, 1+o.Margin)
	higher := t.CandidateBad >= badFloor && p.Interval[0] > tolerated && p.Candidate-p.Control >= o.Floor
	lower := t.ControlBad >= badFloor && p.Interval[1] > 0 && p.Interval[1] < 1/tolerated && p.Control-p.Candidate >= o.Floor
	if higher && o.Direction != Decrease || lower && o.Direction != Increase {
		return fmt.Sprintf("%s, between %s and %s times, both on the old version: already broken before us.",
			what, number(p.Interval[0]), number(p.Interval[1])), true
	}
	return "", false
}

// Past is what the looks before the deploy have shown.
func (c *Counts) Past() Past {
	p := c.State.Sides[0].past()
	p.Looks = c.State.Before
	return p
}

// Past is what the looks before the deploy have shown at the edge at which the arms differed most.
func (h *Histogram) Past() Past {
	worst, most := Past{}, -1.0
	for _, s := range h.used() {
		if h.State.Before == 0 {
			break
		}
		p := s.past()
		p.Edge = h.Edges[h.edge(s)]
		far := 0.0
		if p.Ratio > 0 {
			far = max(math.Log(p.Interval[0]), -math.Log(p.Interval[1]))
		}
		if most < 0 || far > most {
			worst, most = p, max(0, far)
		}
	}
	worst.Looks = h.State.Before
	return worst
}

// Past is what the looks before the deploy have shown.
func (g *Gauge) Past() Past {
	s := &g.State
	p := Past{Looks: s.Before}
	if s.Before > 0 {
		n := float64(s.Before)
		p.Candidate, p.Control = math.Exp(s.Old[1]/n), math.Exp(s.Old[0]/n)
		p.Ratio = min(math.Exp((s.Old[1]-s.Old[0])/n), math.MaxFloat64)
	}
	if len(s.Sides) > 0 {
		w := &s.Sides[0]
		p.Interval = interval(p.Ratio, pastWidth*w.Scale/(1-w.Phi)/math.Sqrt(w.Known))
	}
	return p
}
