package judge

import (
	"math"
	"slices"
)

// What the tests of counts have in common.
const (
	warmUp     = 2    // looks after a deploy that are not judged: cold caches are real, but they pass
	lookCap    = 100  // most that one look may multiply the evidence by: two bad looks are the least that fails
	aloneFloor = 3    // evidence that must be left without the look that told most: the others must speak against it too
	badFloor   = 5    // bad events that the worse arm must have had: fewer are an anecdote
	shareFloor = 5e-4 // by how much its share may be higher: less is not worth a rollback

	safeRatio  = 2  // a regression that a pass excludes: twice as bad, and worse by more than the floor
	safeNeeded = 20 // the evidence that shows it: it hides with a chance of at most 1 in 20

	hostSpread = 0.1 // how far two healthy groups of hosts are expected to differ, one standard deviation
	coldNoise  = 2   // noise that is assumed while there is nothing to measure it on
	coldLooks  = 10  // looks that it takes to measure it

	outageSize  = 20   // requests in a look, of which
	outageShare = 0.5  // so many fail,
	outageOdds  = 1e-6 // with this chance if the arms were alike: an outage, which no cap and no warm-up delays
)

// The alternatives: how many times worse than tolerated, and how many times better than unacceptable. They are dense where
// telling them apart takes many looks, and sparse where one or two looks tell anyway.
var (
	worse  = [...]float64{1.15, 1.3, 1.5, 2, 3, 5, 10, 30}
	better = [...]float64{0.25, 0.5, 0.75, 0.9}
	none   = [...]float64{0, 0.5} // of what a rise by the floor would be: no bad event at all, or half of the rate
)

// A tolerance is how much more often the candidate may fail: its rate may be Ratio times the control's, and Rise more.
type tolerance struct{ ratio, rise float64 }

// A Side asks one question of two arms: is the candidate's rate of bad events higher than what is tolerated beside the
// control's? Its fields are its memory.
type Side struct {
	Direction Direction `json:"direction"`
	Harm      mixture   `json:"harm"`
	Safe      []float64 `json:"safe"` // for each of better: the evidence against a rate safeRatio times as high
	Calm      []float64 `json:"calm"` // for each of none: the evidence against a rate that is higher by the floor
	Noise     noise     `json:"noise"`
	Old       Totals    `json:"old"` // before the deploy
	New       Totals    `json:"new"` // since
}

func newSide(d Direction) Side {
	return Side{Direction: d, Harm: newMixture(len(worse)), Safe: slices.Repeat([]float64{1}, len(better)),
		Calm: slices.Repeat([]float64{1}, len(none))}
}

func (t *Totals) add(l CountLook) {
	t.Candidate += l.Candidate
	t.CandidateBad += l.CandidateBad
	t.Control += l.Control
	t.ControlBad += l.ControlBad
}

// before takes a look at two arms that run the same version.
func (s *Side) before(l CountLook) {
	l = l.towards(s.Direction)
	s.Noise.add(l, 1)
	s.Old.add(l)
}

// look takes a look after the deploy. tolerated is beside what the hosts explain; a rise by the floor is what a pass excludes.
func (s *Side) look(l CountLook, tolerated tolerance, floor float64) {
	l = l.towards(s.Direction)
	hosts := s.hosts()
	temper := s.Noise.factor()
	harmless := tolerance{hosts * tolerated.ratio, tolerated.rise}
	s.Harm.step(func(i int) float64 { return min(l.ratio(harmless, worse[i], temper), lookCap) })
	for i, times := range better {
		s.Safe[i] = min(s.Safe[i]*l.ratio(tolerance{ratio: hosts * safeRatio}, times, temper), ceiling)
	}
	for i, times := range none {
		s.Calm[i] = min(s.Calm[i]*l.ratio(tolerance{hosts, floor}, times, temper), ceiling)
	}
	if s.Noise.cold() {
		s.Noise.add(l, s.New.ratio())
	}
	s.New.add(l)
}

// ratio is the evidence of a look that the candidate's rate is times what is tolerated, against its being just that.
// It is not expected to exceed 1 where the truth is on the other side of what is tolerated, whatever the control's rate.
//
// Without a rise it is a likelihood ratio: given the sum of bad events, the candidate's are binomial. With n requests and
// x bad events on the candidate, m and y on the control, bad events are Poisson or rarer in the tails, so that a^x * b^y
// is expected to be at most exp(n*p*(a-1) + m*q*(b-1)) at rates p and q. The a and b below make the part of q vanish
// where p = ratio*q + rise, and leave exp(n*rise*(a-1)), which is divided out.
//
// The look counts 1/temper: bad events that come in bursts tell less than their number.
func (l CountLook) ratio(t tolerance, times, temper float64) float64 {
	split := t.ratio*times*l.Candidate + l.Control
	b := (t.ratio*l.Candidate + l.Control) / split
	g := (l.ControlBad+l.CandidateBad)*math.Log(b) - t.rise*(times-1)*l.Candidate*l.Control/split
	if l.CandidateBad > 0 {
		g += l.CandidateBad * math.Log(times)
	}
	return math.Exp(min(g/temper, mostExponent))
}

// mostExponent keeps exponentials numbers.
const mostExponent = 700

// hosts is the ratio of rates that the two groups of hosts showed before the deploy: what was measured, shrunk towards
// "alike" by as much as it could be chance.
func (s *Side) hosts() float64 {
	o := s.Old
	if o.CandidateBad == 0 || o.ControlBad == 0 {
		return 1
	}
	prior := hostSpread * hostSpread
	chance := s.Noise.factor() * (1/o.CandidateBad + 1/o.ControlBad)
	return math.Exp(math.Log(o.CandidateBad/o.Candidate/(o.ControlBad/o.Control)) * prior / (prior + chance))
}

func (s *Side) harm() float64 { return s.Harm.value(evenly(len(worse))) }

// safe is the evidence that the candidate is not both safeRatio times as bad and worse by the floor: the average of the
// evidence against each. The first is what busy services with some errors show; the second is all that a service without
// errors can show. All of the stake is on the first look.
func (s *Side) safe() float64 { return (s.notTwice() + s.notHigher()) / 2 }

func (s *Side) notTwice() float64  { return mean(s.Safe) }
func (s *Side) notHigher() float64 { return mean(s.Calm) }

// earned reports whether evidence of harm may stop a release: more than one look says so, the worse arm had enough bad
// events, and their share is higher by more than the floor. sides is among how many the evidence was averaged.
func (s *Side) earned(sides, floor float64) bool {
	n := s.New
	return s.Harm.without(evenly(len(worse)))/sides >= aloneFloor && n.CandidateBad >= badFloor &&
		n.CandidateBad/n.Candidate-n.ControlBad/n.Control >= floor
}

// outage reports whether most requests of the worse arm fail while those of the other do not. The chance of such a split
// in arms that are alike is bounded by Chernoff's inequality.
func (s *Side) outage(l CountLook) bool {
	l = l.towards(s.Direction)
	if l.Candidate < outageSize || l.CandidateBad < outageShare*l.Candidate || l.ControlBad > outageShare/2*l.Control {
		return false
	}
	bad := l.ControlBad + l.CandidateBad
	expected, seen := l.Candidate/(l.Candidate+l.Control), l.CandidateBad/bad
	divergence := seen * math.Log(seen/expected)
	if seen < 1 {
		divergence += (1 - seen) * math.Log((1-seen)/(1-expected))
	}
	return seen > expected && bad*divergence/s.Noise.factor() >= -math.Log(outageOdds)
}

// ratio is the candidate's rate over the control's, 1 if that is not known.
func (t Totals) ratio() float64 {
	if t.CandidateBad == 0 || t.ControlBad == 0 {
		return 1
	}
	return t.CandidateBad / t.Candidate / (t.ControlBad / t.Control)
}

// evidence is what the side has seen, turned back to candidate and control as the user knows them.
func (s *Side) evidence() Evidence {
	n := s.seen()
	e := Evidence{Totals: &n, Noise: s.Noise.factor()}
	if n.Candidate > 0 {
		e.Candidate, e.Control = n.CandidateBad/n.Candidate, n.ControlBad/n.Control
	}
	if n.CandidateBad > 0 && n.ControlBad > 0 {
		e.Ratio = n.ratio()
		width := 1.96 * math.Sqrt(e.Noise*(1/n.CandidateBad+1/n.ControlBad))
		e.Interval = interval(e.Ratio, width)
	}
	return e
}

// seen is what was counted since the deploy, turned back.
func (s *Side) seen() Totals {
	n := s.New
	if s.Direction == Decrease {
		return Totals{Candidate: n.Control, CandidateBad: n.ControlBad, Control: n.Candidate, ControlBad: n.CandidateBad}
	}
	return n
}

// past is what was counted before the deploy, turned back.
func (s *Side) past() Past {
	t := s.Old
	if s.Direction == Decrease {
		t = Totals{Candidate: t.Control, CandidateBad: t.ControlBad, Control: t.Candidate, ControlBad: t.CandidateBad}
	}
	p := Past{Totals: &t}
	if t.Candidate > 0 {
		p.Candidate, p.Control = t.CandidateBad/t.Candidate, t.ControlBad/t.Control
	}
	if t.CandidateBad > 0 && t.ControlBad > 0 {
		p.Ratio = t.ratio()
		p.Interval = interval(p.Ratio, pastWidth*math.Sqrt(s.Noise.factor()*(1/t.CandidateBad+1/t.ControlBad)))
	}
	return p
}

// showSafety says what a pass of all sides excludes.
func (e *Evidence) showSafety(sides []*Side, floor float64) {
	twice, higher := math.Inf(1), math.Inf(1)
	e.Safe = math.Inf(1)
	for _, s := range sides {
		e.Safe, twice, higher = min(e.Safe, s.safe()), min(twice, s.notTwice()), min(higher, s.notHigher())
	}
	e.SafeRatio, e.SafeRise = safeRatio, floor
	switch { // where one is shown by itself, it is the stronger claim
	case twice >= safeNeeded:
		e.SafeRise = 0
	case higher >= safeNeeded && floor > 0:
		e.SafeRatio = 0
	}
}

// noise measures by how much the split of bad events varies more than chance: the mean of Pearson's chi-squared.
type noise struct {
	Square float64 `json:"square"`
	Splits float64 `json:"splits"` // looks with bad events to split
	Looks  float64 `json:"looks"`
}

// add takes a look at which the rates of the arms are expected to have this ratio.
func (n *noise) add(l CountLook, ratio float64) {
	n.Looks++
	bad := l.ControlBad + l.CandidateBad
	if bad == 0 {
		return
	}
	theta := ratio * l.Candidate / (ratio*l.Candidate + l.Control)
	d := l.CandidateBad - bad*theta
	n.Square += d * d / (bad * theta * (1 - theta))
	n.Splits++
}

// cold reports whether there is too little to go by.
func (n *noise) cold() bool { return n.Looks < coldLooks }

// factor is by how much to temper what a look says: 1 is chance.
func (n *noise) factor() float64 {
	assumed := max(0, coldLooks-n.Looks)
	if n.Splits+assumed == 0 {
		return 1
	}
	return max(1, (n.Square+coldNoise*assumed)/(n.Splits+assumed))
}
