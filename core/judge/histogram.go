package judge

import (
	"github.com/breakwater-ci/breakwater/core"
)

// A HistogramLook is what two latency histograms gained since the look before: for each bucket edge, how many requests
// were at most that slow. The last edge is +Inf: all requests.
type HistogramLook struct {
	Control   []float64
	Candidate []float64
}

// usable reports whether a look can be judged. Cumulative buckets never fall.
func (l HistogramLook) usable(edges int) bool {
	if len(l.Control) != edges || len(l.Candidate) != edges {
		return false
	}
	for i := range edges - 1 {
		if !(l.Control[i] <= l.Control[i+1]) || !(l.Candidate[i] <= l.Candidate[i+1]) || !l.above(i).usable() {
			return false
		}
	}
	return l.Control[0] >= 0 && l.Candidate[0] >= 0
}

// above are the counts of requests slower than edge i.
func (l HistogramLook) above(i int) CountLook {
	control, candidate := l.Control[len(l.Control)-1], l.Candidate[len(l.Candidate)-1]
	return CountLook{
		Control: control, ControlBad: control - l.Control[i],
		Candidate: candidate, CandidateBad: candidate - l.Candidate[i],
	}
}

// The edges that are judged are those that between these shares of requests exceeded before: from a bit below the
// median to far in the tail. Beyond them an edge tells nothing, and would dilute the average.
const (
	sharpestEdge = 0.0005
	bluntestEdge = 0.6
)

// Histogram judges latency against a control that served at the same time. For every bucket edge, requests slower than
// it are counted as bad events and judged as [Counts] are; the evidence is averaged over the edges. It needs no
// interpolation between edges, merges instances, and says which edge tells most.
type Histogram struct {
	Options Options
	Edges   []float64 // upper bounds of the buckets, ascending; the last is +Inf
	State   HistogramState
}

// HistogramState is all that [Histogram] remembers.
type HistogramState struct {
	Sides    []Side  `json:"sides"` // for each direction, for each edge but the last
	Before   int     `json:"before"`
	Looks    int     `json:"looks"`
	Unusable int     `json:"unusable"`
	Most     float64 `json:"most"`
	Failed   bool    `json:"failed"`
}

// NewHistogram starts a test of buckets with these upper bounds, the last +Inf. The default margin is 2%: of the share
// of requests slower than an edge. With a quantile the margin that is asked for is of latency instead: the release fails
// only if its latency is higher by that much too.
func NewHistogram(o Options, edges []float64) *Histogram {
	if !(o.Quantile > 0 && o.Quantile < 1) {
		o.Quantile = 0
	}
	if o.Quantile > 0 && o.Margin > 0 && finite(o.Margin) {
		o.slower, o.Margin = o.Margin, 0
	}
	h := &Histogram{Options: o.defaults("requests", 0.02), Edges: edges}
	for _, d := range oneSided(h.Options.Direction) {
		for range len(edges) - 1 {
			h.State.Sides = append(h.State.Sides, newSide(d))
		}
	}
	return h
}

// Before takes a look at which both arms ran the old version.
func (h *Histogram) Before(l HistogramLook) {
	if !l.usable(len(h.Edges)) {
		return
	}
	h.State.Before++
	for i := range h.State.Sides {
		h.State.Sides[i].before(l.above(i % (len(h.Edges) - 1)))
	}
}

// Look takes a look after the deploy.
func (h *Histogram) Look(l HistogramLook) Verdict {
	s := &h.State
	if s.Failed {
		return h.verdict()
	}
	if !l.usable(len(h.Edges)) {
		s.Unusable++
		return h.verdict()
	}
	s.Looks++
	carry(h.used())
	if s.Looks+s.Unusable > warmUp {
		for i := range s.Sides {
			s.Sides[i].look(l.above(i%(len(h.Edges)-1)), h.Options.tolerated(), h.Options.Floor)
		}
	}
	used := h.used()
	e := average(used, (*Side).harm)
	s.Most = max(s.Most, e)
	s.Failed = e >= 1/h.Options.FalseAlarms && h.earned(used)
	return h.verdict()
}

// used are the sides that are judged: of the edges that told apart fast from slow before the deploy.
func (h *Histogram) used() []*Side {
	var used []*Side
	for i := range h.State.Sides {
		s := &h.State.Sides[i]
		if share := h.share(s); share >= sharpestEdge && share <= bluntestEdge {
			used = append(used, s)
		}
	}
	return used
}

// share is which share of both arms' requests exceeded the edge of a side: before the deploy, if there were looks then.
func (h *Histogram) share(s *Side) float64 {
	t := s.Old
	if h.State.Before == 0 {
		t = s.New
	}
	return (t.CandidateBad + t.ControlBad) / (t.Candidate + t.Control)
}

// guarded are those of the sides that are judged for which a pass must answer. One who asks about a quantile does not ask
// about edges far beyond it: so few requests exceed them that a pass would wait for a multiple of the traffic. They still
// count against the release.
func (h *Histogram) guarded(used []*Side) []*Side {
	var guarded []*Side
	for _, s := range used {
		if h.Options.Quantile == 0 || h.share(s) >= (1-h.Options.Quantile)/2 {
			guarded = append(guarded, s)
		}
	}
	if len(guarded) == 0 {
		return used
	}
	return guarded
}

// edge is which edge a side judges.
func (h *Histogram) edge(side *Side) int {
	for i := range h.State.Sides {
		if side == &h.State.Sides[i] {
			return i % (len(h.Edges) - 1)
		}
	}
	return 0
}

// earned reports whether the evidence may stop a release.
func (h *Histogram) earned(used []*Side) bool {
	return earned(used, h.Options.Floor) && h.slower(worst(used).Direction, h.edge(worst(used)))
}

func (h *Histogram) verdict() Verdict {
	s, used := &h.State, h.used()
	v := Verdict{Verdict: core.Inconclusive}
	e := &v.Evidence
	if len(used) > 0 {
		w := worst(used)
		*e = w.evidence()
		e.Edge = h.Edges[h.edge(w)]
		e.showSafety(h.guarded(used), h.Options.Floor)
	}
	e.E, e.Latency = average(used, (*Side).harm), h.latency()
	e.Looks, e.Before, e.Unusable = s.Looks, s.Before, s.Unusable
	e.Most, e.Needed = max(1, s.Most), 1/h.Options.FalseAlarms
	e.Averages, e.Earned = true, h.earned(used)
	switch {
	case s.Failed:
		v.Verdict = core.Fail
	case e.Safe >= safeNeeded:
		v.Verdict = core.Pass
		v.Early = s.Looks >= h.Options.MinLooks && e.E < 1
	}
	v.Reason = histogramReason(h.Options.Name, v)
	return v
}

// average of what the sides say; 1, which is no evidence, if there are none.
func average(sides []*Side, what func(*Side) float64) float64 {
	if len(sides) == 0 {
		return 1
	}
	sum := 0.0
	for _, s := range sides {
		sum += what(s)
	}
	return sum / float64(len(sides))
}

// earned reports whether what the sides say on average may stop a release.
func earned(sides []*Side, floor float64) bool {
	return len(sides) > 0 && worst(sides).earned(float64(len(sides)), floor)
}

// worst is the side with the most evidence of harm.
func worst(sides []*Side) *Side {
	w := sides[0]
	for _, s := range sides {
		if s.harm() > w.harm() {
			w = s
		}
	}
	return w
}
