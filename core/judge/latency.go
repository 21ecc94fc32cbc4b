package judge

// A Latency is a quantile of both arms since the deploy, interpolated between the edges of its bucket as Prometheus does
// it. Beyond the last finite edge nothing is known but that it is higher: then it is that edge.
type Latency struct {
	Quantile        float64 `json:"quantile"`
	Candidate       float64 `json:"candidate"`
	Control         float64 `json:"control"`
	CandidateBeyond bool    `json:"candidate_beyond,omitempty"` // the last finite edge
	ControlBeyond   bool    `json:"control_beyond,omitempty"`
}

// buckets are the shares of one arm's requests slower than each edge; the last edge is +Inf, and nothing is slower.
type buckets struct {
	edges  []float64
	slower []float64
}

// quantile is the latency that this share of requests does not exceed; true if it is beyond the last finite edge.
func (b buckets) quantile(share float64) (float64, bool) {
	last := len(b.edges) - 2
	for i := range b.edges[:last+1] {
		if 1-b.slower[i] < share {
			continue
		}
		from, below := 0.0, 0.0 // latencies start at zero, unless the first edge says that these do not
		switch {
		case i > 0:
			from, below = b.edges[i-1], 1-b.slower[i-1]
		case b.edges[0] <= 0:
			return b.edges[0], false
		}
		inside := 1 - b.slower[i] - below
		if !(inside > 0) {
			return from, false
		}
		return from + (b.edges[i]-from)*(share-below)/inside, false
	}
	return b.edges[last], true
}

// arms are the buckets since the deploy; false if nothing has been counted on one of them.
func (h *Histogram) arms() (candidate, control buckets, ok bool) {
	candidate.edges, control.edges = h.Edges, h.Edges
	for i := range len(h.Edges) - 1 {
		t := h.State.Sides[i].seen()
		if t.Candidate <= 0 || t.Control <= 0 {
			return candidate, control, false
		}
		candidate.slower = append(candidate.slower, t.CandidateBad/t.Candidate)
		control.slower = append(control.slower, t.ControlBad/t.Control)
	}
	return candidate, control, len(h.Edges) > 1
}

// latency is the quantile that was asked for; nil if none was, or nothing has been counted.
func (h *Histogram) latency() *Latency {
	candidate, control, ok := h.arms()
	if h.Options.Quantile == 0 || !ok {
		return nil
	}
	l := Latency{Quantile: h.Options.Quantile}
	l.Candidate, l.CandidateBeyond = candidate.quantile(l.Quantile)
	l.Control, l.ControlBeyond = control.quantile(l.Quantile)
	return &l
}

// slower reports whether latency differs by more than is tolerated: at the quantile that was asked for, or at the one
// which an edge is on the control, for the edge that tells most. A quantile far from where a regression is does not move.
func (h *Histogram) slower(d Direction, edge int) bool {
	if h.Options.slower == 0 {
		return true
	}
	candidate, control, ok := h.arms()
	if !ok {
		return false
	}
	beyond := func(share float64) bool {
		x, far := candidate.quantile(share)
		y, away := control.quantile(share)
		switch {
		case d == Decrease:
			return x*(1+h.Options.slower) <= y && !far || away && !far
		default:
			return x >= y*(1+h.Options.slower) && !away || far && !away
		}
	}
	return beyond(h.Options.Quantile) || beyond(1-control.slower[edge])
}
