package judge

import "github.com/breakwater-ci/breakwater/core"

// A CountLook is what happened since the look before: increments, not counters.
type CountLook struct {
	Control      float64 // requests, or any exposure such as host-minutes
	ControlBad   float64 // those of them that went wrong
	Candidate    float64
	CandidateBad float64
}

// usable reports whether a look can be judged. A counter that was reset shows as a negative increment.
func (l CountLook) usable() bool {
	for _, n := range []float64{l.Control, l.ControlBad, l.Candidate, l.CandidateBad} {
		if n != 0 && !(n >= 1e-3 && n <= 1e12) { // no count of anything that a look can see
			return false
		}
	}
	return l.Control > 0 && l.Candidate > 0
}

// towards turns a look so that more is worse.
func (l CountLook) towards(d Direction) CountLook {
	if d == Decrease {
		return CountLook{Control: l.Candidate, ControlBad: l.CandidateBad, Candidate: l.Control, CandidateBad: l.ControlBad}
	}
	return l
}

// Counts judges bad events out of a total, such as failed requests, against a control that served at the same time.
// Given how many bad events there were in a look, how they split between the arms does not depend on the common level:
// load, time of day and incidents that both arms share cancel.
type Counts struct {
	Options Options
	State   CountState
}

// CountState is all that [Counts] remembers.
type CountState struct {
	Sides    []Side  `json:"sides"` // one for each direction that is asked for
	Before   int     `json:"before"`
	Looks    int     `json:"looks"` // usable, with the warm-up
	Unusable int     `json:"unusable"`
	Most     float64 `json:"most"`
	Failed   bool    `json:"failed"`

	Outage *CountLook `json:"outage,omitempty"` // the look that failed it by itself: most requests of one arm went wrong
}

// NewCounts starts a test. The default margin is 2%, the default floor 0.05 points.
func NewCounts(o Options) *Counts {
	c := &Counts{Options: o.defaults("errors", 0.02)}
	for _, d := range oneSided(c.Options.Direction) {
		c.State.Sides = append(c.State.Sides, newSide(d))
	}
	return c
}

// Before takes a look at which both arms ran the old version: it measures the noise, and how the hosts of the two arms
// differ anyway.
func (c *Counts) Before(l CountLook) {
	if !l.usable() {
		return
	}
	c.State.Before++
	for i := range c.State.Sides {
		c.State.Sides[i].before(l)
	}
}

// Look takes a look after the deploy.
func (c *Counts) Look(l CountLook) Verdict {
	s := &c.State
	if s.Failed {
		return c.verdict()
	}
	if !l.usable() {
		s.Unusable++
		return c.verdict()
	}
	s.Looks++
	carry(c.sides())
	for i := range s.Sides {
		side := &s.Sides[i]
		if s.Outage == nil && side.outage(l) {
			s.Outage = &l
		}
		if s.Looks+s.Unusable > warmUp {
			side.look(l, c.Options.tolerated(), c.Options.Floor)
		}
	}
	s.Most = max(s.Most, c.evidence())
	s.Failed = s.Outage != nil || c.evidence() >= c.needed() && c.earned()
	return c.verdict()
}

func (c *Counts) needed() float64 { return 1 / c.Options.FalseAlarms }

// evidence of harm, averaged over the directions.
func (c *Counts) evidence() float64 { return average(c.sides(), (*Side).harm) }

func (c *Counts) earned() bool { return earned(c.sides(), c.Options.Floor) }

func (c *Counts) sides() []*Side {
	sides := make([]*Side, len(c.State.Sides))
	for i := range sides {
		sides[i] = &c.State.Sides[i]
	}
	return sides
}

func (c *Counts) verdict() Verdict {
	s := &c.State
	e := worst(c.sides()).evidence()
	e.Looks, e.Before, e.Unusable = s.Looks, s.Before, s.Unusable
	e.E, e.Most, e.Needed = c.evidence(), max(1, s.Most), c.needed()
	e.Averages, e.Earned = true, c.earned()
	e.showSafety(c.sides(), c.Options.Floor)
	v := Verdict{Verdict: core.Inconclusive, Evidence: e}
	switch {
	case s.Failed:
		v.Verdict = core.Fail
	case e.Safe >= safeNeeded:
		v.Verdict = core.Pass
		v.Early = s.Looks >= c.Options.MinLooks && e.E < 1
	}
	v.Reason = countReason(c.Options.Name, v, s.Outage)
	return v
}
