package judge

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	historyLooks  = 12 // looks after the deploy that are judged: the past is cut into stretches of as many
	historySettle = 3  // looks after which a mean counts as half as sure as it will ever be
	historyFirst  = 2  // looks before a mean counts at all
	historyDays   = 3  // days that it takes to know what is usual at a time of day
	historyEnough = 2  // stretches of the past, times the false-alarm rate, that it takes to know what is unusual
	historyMargin = 0.01
	historyOften  = 3   // times the false-alarm rate: how rare the rises are by which yards are chosen
	historyZero   = 0.1 // of the first percentile: what is less is as good as zero, and has no logarithm
)

// historyLevels are how many looks before the deploy its level may be taken from.
var historyLevels = [...]int{6, 12, 24, 48}

// History judges one series that has no control, against its own past. Every instant of the past is taken for a deploy
// that changed nothing: the largest rise after each tells what is usual, and what fewer than the false-alarm rate of
// them reached is a regression. That holds whatever the dependence, the tails and the seasons of the series, and for
// all looks at once, as long as the deploy came at an instant like any other. The level before is taken from a longer
// or a shorter time, with or without what is usual at that time of day: whichever leaves the least rise unseen in the
// past.
type History struct {
	Options Options
	PerDay  int // looks in a day; 0: the series knows no time of day
	State   HistoryState
}

// HistoryState is all that [History] remembers.
type HistoryState struct {
	Past     numbers `json:"past,omitempty"` // gone once it is summed up
	Before   int     `json:"before"`
	Floor    float64 `json:"floor"`
	Yards    []yard  `json:"yards,omitempty"` // set at the first look after the deploy
	Seen     int     `json:"seen"`            // looks since the deploy, usable or not
	Looks    int     `json:"looks"`
	Unusable int     `json:"unusable"`
	Sum      float64 `json:"sum"` // of the values
	Failed   bool    `json:"failed"`
}

// numbers are JSON in which a missing one is null.
type numbers []float64

// MarshalJSON writes what is not finite as null.
func (n numbers) MarshalJSON() ([]byte, error) {
	out := make([]*float64, len(n))
	for i := range n {
		if finite(n[i]) {
			out[i] = &n[i]
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads null as missing.
func (n *numbers) UnmarshalJSON(data []byte) error {
	var in []*float64
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*n = make(numbers, len(in))
	for i, x := range in {
		(*n)[i] = math.NaN()
		if x != nil {
			(*n)[i] = *x
		}
	}
	return nil
}

// A yard is what a rise in one direction is measured by.
type yard struct {
	Direction Direction `json:"direction"`
	Level     float64   `json:"level"`  // before the deploy, in logarithms, less what is usual
	Usual     numbers   `json:"usual"`  // for each look after the deploy: what is usual at its time of day
	Least     float64   `json:"least"`  // rise that fails
	Places    int       `json:"places"` // instants of the past that it was compared with
	Rise      rise      `json:"rise"`

	often float64 // a rise that is not even rare: yards are chosen by it, so that the choice does not bend Least
}

// A rise is how far the mean of the looks after an instant has been above the level before it at most.
type rise struct {
	Sum  float64 `json:"sum"`
	N    float64 `json:"n"`
	Most float64 `json:"most"`
}

func (r *rise) add(x float64) {
	r.Sum += x
	r.N++
	if r.N >= historyFirst {
		r.Most = max(r.Most, r.Sum/r.N*math.Sqrt(r.N/(r.N+historySettle)))
	}
}

// NewHistory starts a test of a series with so many looks a day. The default margin is 1%.
func NewHistory(o Options, perDay int) *History {
	return &History{Options: o.defaults("value", historyMargin), PerDay: perDay}
}

// Before takes a look at the old version: in order, and missing looks too.
func (h *History) Before(x float64) {
	if !measurable(x) {
		x = math.NaN()
	} else {
		h.State.Before++
	}
	h.State.Past = append(h.State.Past, x)
}

// Look takes a look after the deploy.
func (h *History) Look(x float64) Verdict {
	s := &h.State
	if s.Yards == nil && s.Before > 0 {
		h.sumUp()
	}
	if s.Failed || s.Seen == historyLooks {
		return h.verdict()
	}
	s.Seen++
	if !measurable(x) {
		s.Unusable++
		return h.verdict()
	}
	s.Looks++
	s.Sum += x
	for i := range s.Yards {
		y := &s.Yards[i]
		at := y.sign()*math.Log(max(x, s.Floor)) - y.Usual[s.Seen-1]
		y.Rise.add(at - y.Level - math.Log1p(h.Options.Margin))
		s.Failed = s.Failed || y.Rise.Most > y.Least
	}
	return h.verdict()
}

func (y *yard) sign() float64 {
	if y.Direction == Decrease {
		return -1
	}
	return 1
}

// sumUp turns the past into one yard for each direction.
func (h *History) sumUp() {
	s := &h.State
	var values []float64
	for _, x := range s.Past {
		if x > 0 {
			values = append(values, x)
		}
	}
	s.Floor = smallest
	if len(values) > 0 {
		slices.Sort(values)
		s.Floor = max(s.Floor, historyZero*values[len(values)/100])
	}
	ways := oneSided(h.Options.Direction)
	alpha := h.Options.FalseAlarms / float64(len(ways))
	for _, d := range ways {
		best, often := yard{Direction: d}, math.Inf(1)
		past := make([]float64, len(s.Past))
		for i, x := range s.Past {
			past[i] = best.sign() * math.Log(max(x, s.Floor))
		}
		for _, usual := range [][]float64{make([]float64, len(past)+historyLooks), usualAt(past, h.PerDay)} {
			for _, level := range historyLevels {
				if y, ok := newYard(d, past, usual, level, alpha); ok && y.often < often {
					best, often = y, y.often
				}
			}
		}
		if best.Places > 0 {
			s.Yards = append(s.Yards, best)
		}
	}
	s.Past = nil
}

// usualAt is, for every look of the past and those that will be judged, the median of the other days at that time; nil
// if there are too few days.
func usualAt(past []float64, perDay int) []float64 {
	if perDay <= 0 || len(past) < historyDays*perDay {
		return nil
	}
	usual := make([]float64, len(past)+historyLooks)
	for i := range usual {
		var same []float64
		for j := i % perDay; j < len(past); j += perDay {
			if j != i && finite(past[j]) {
				same = append(same, past[j])
			}
		}
		if len(same) > 0 {
			usual[i] = median(same)
		}
	}
	return usual
}

// newYard measures the rises after every instant of the past. It reports false if the past is too short.
func newYard(d Direction, past, usual []float64, level int, alpha float64) (yard, bool) {
	if usual == nil || len(past) < level {
		return yard{}, false
	}
	rest := make([]float64, len(past))
	for i, x := range past {
		rest[i] = x - usual[i]
	}
	var most []float64
	for at := level; at+historyLooks <= len(rest); at++ {
		before, ok := meanOf(rest[at-level : at])
		if !ok {
			continue
		}
		var r rise
		for _, x := range rest[at : at+historyLooks] {
			if finite(x) {
				r.add(x - before)
			}
		}
		most = append(most, r.Most)
	}
	before, ok := meanOf(rest[len(rest)-level:])
	if !ok || float64(len(most)) < historyEnough/alpha {
		return yard{}, false
	}
	slices.Sort(most)
	return yard{
		Direction: d, Level: before, Usual: usual[len(past):], Places: len(most),
		Least: reachedBy(most, alpha), often: reachedBy(most, historyOften*alpha),
	}, true
}

// reachedBy is what only this share of sorted numbers exceeds.
func reachedBy(sorted []float64, share float64) float64 {
	return sorted[max(0, min(len(sorted)-1, int(math.Ceil((1-share)*float64(len(sorted))))-1))]
}

// meanOf is the mean of the usable numbers; false if fewer than half are.
func meanOf(xs []float64) (float64, bool) {
	sum, n := 0.0, 0
	for _, x := range xs {
		if finite(x) {
			sum += x
			n++
		}
	}
	return sum / float64(max(1, n)), 2*n >= len(xs)
}

func (h *History) verdict() Verdict {
	s := &h.State
	v := Verdict{Verdict: core.Inconclusive}
	v.Evidence = Evidence{Looks: s.Looks, Before: s.Before, Unusable: s.Unusable}
	name := upper(h.Options.Name)
	switch {
	case len(s.Yards) == 0:
		needed := int(historyEnough/h.Options.FalseAlarms) + historyLooks + historyLevels[0]
		v.Reason = fmt.Sprintf("%s has %s of history; it takes %s without gaps to know what is usual.",
			name, looks(s.Before), looks(needed))
		return v
	case s.Looks == 0:
		v.Reason = noLooks(h.Options.Name, v.Evidence)
		return v
	}
	w := &s.Yards[0]
	for i := range s.Yards {
		if y := &s.Yards[i]; y.Rise.Most-y.Least > w.Rise.Most-w.Least {
			w = y
		}
	}
	e := &v.Evidence
	e.Candidate = s.Sum / float64(s.Looks)
	e.Ratio = min(math.Exp(w.sign()*w.Rise.Sum/w.Rise.N), math.MaxFloat64)
	e.Control = e.Candidate / e.Ratio
	e.E, e.Most, e.Needed = w.Rise.Sum/w.Rise.N, w.Rise.Most, w.Least
	v.Reason = fmt.Sprintf("%s %s over %s, %s than expected from the time before; ",
		name, number(e.Candidate), looks(s.Looks), change(math.Log(e.Ratio)))
	switch {
	case s.Failed:
		v.Verdict = core.Fail
		v.Reason += fmt.Sprintf("fewer than 1 in %s of %s stretches of its past moved as far.",
			count(math.Round(1/h.Options.FalseAlarms)), count(float64(w.Places)))
	case s.Seen == historyLooks && 2*s.Looks >= historyLooks:
		v.Verdict = core.Pass
		v.Reason += fmt.Sprintf("a change of %s would have been unusual.", percent(math.Abs(math.Expm1(w.Least))))
	default:
		v.Reason += fmt.Sprintf("%d of %d looks are in.", s.Seen, historyLooks)
	}
	return v
}

// HistoryLooks is how many looks after the deploy a [History] judges.
const HistoryLooks = historyLooks

// HistoryNeeds is how many usable looks before the deploy a [History] needs to keep to a rate of false alarms.
func HistoryNeeds(falseAlarms float64) int {
	return int(historyEnough/falseAlarms) + historyLooks + historyLevels[len(historyLevels)-1]
}
