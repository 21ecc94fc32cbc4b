package report

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// mostLooks is how many looks of a check are kept for one wave. Of more, the telling ones stay, see [thinned].
const mostLooks = 240

// Looks are what the checks of one rollout said over time: what this process saw, and what is in the ledger of the time
// before it. It is a [core.Observer]. The zero value has seen nothing.
type Looks struct {
	mu      sync.Mutex
	rollout string
	read    int64 // number of the newest event
	back    bool  // that event is past the decision to roll back
	waves   map[string][]*series
}

// A series is what one check said in the bake of one wave.
type series struct {
	check   string // untrusted
	shadow  bool
	control bool   // it is compared with something
	looks   []look // oldest first, one for an instant
}

// A look is one answer, as far as it can be drawn.
type look struct {
	at      time.Time
	kind    core.VerdictKind
	value   *float64 // nil: there was no number
	control *float64 // what the value is compared with
	max     *float64 // limits
	min     *float64
}

// afterRollback stands for the wave of the looks after a rollback, which are about all that went back.
const afterRollback = ""

// Looked implements [core.Observer].
func (l *Looks) Looked(r *core.Rollout, seen core.Evidence) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turnTo(r.ID)
	wave := afterRollback
	if r.State == core.StateBaking {
		wave = r.Waves[r.Wave].Name
	}
	l.add(wave, seen.Verdicts)
}

// Recorded implements [core.Observer].
func (l *Looks) Recorded(_ *core.Rollout, e core.Event) { l.Read([]core.Event{e}) }

// Acted implements [core.Observer]: an act is no look.
func (l *Looks) Acted(core.Act, core.Result, string) {}

// Read takes the looks that events of one rollout tell of, oldest first. It passes over those that it has read before.
func (l *Looks) Read(events []core.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		l.turnTo(e.Rollout)
		if e.Seq <= l.read {
			continue
		}
		l.read = e.Seq
		wave := e.Wave
		switch e.Type {
		case core.EventRollingBack:
			l.back = true
		case core.EventLooked, core.EventPassed, core.EventHalted, core.EventVerified:
			if l.back {
				wave = afterRollback
			}
			l.add(wave, e.Verdicts)
		}
	}
}

// turnTo forgets another rollout.
func (l *Looks) turnTo(rollout string) {
	if l.rollout != rollout || l.waves == nil {
		l.rollout, l.read, l.back, l.waves = rollout, 0, false, make(map[string][]*series)
	}
}

func (l *Looks) add(wave string, verdicts []core.Verdict) {
	for _, v := range verdicts {
		all := l.waves[wave]
		i := slices.IndexFunc(all, func(s *series) bool { return s.check == v.Check })
		if i < 0 {
			i = len(all)
			all = append(all, &series{check: v.Check, shadow: v.Shadow})
			l.waves[wave] = all
		}
		all[i].add(newLook(v))
	}
}

// of are copies of the series of a wave that have numbers at two instants or more, in the order of the plan.
func (l *Looks) of(wave string) []*series {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*series
	for _, s := range l.waves[wave] {
		n := 0
		for _, look := range s.looks {
			if look.value != nil {
				n++
			}
		}
		if n >= 2 {
			own := *s
			own.looks = slices.Clone(s.looks)
			all = append(all, &own)
		}
	}
	return all
}

func (s *series) add(one look) {
	i, known := slices.BinarySearchFunc(s.looks, one.at, func(l look, at time.Time) int { return l.at.Compare(at) })
	if known {
		return
	}
	s.control = s.control || one.control != nil
	if s.looks = slices.Insert(s.looks, i, one); len(s.looks) > mostLooks {
		s.looks = thinned(s.looks)
	}
}

// worst is the worst kind of answer in a series.
func (s *series) worst() core.VerdictKind {
	for _, kind := range verdictKinds {
		if slices.ContainsFunc(s.looks, func(l look) bool { return l.kind == kind }) {
			return kind
		}
	}
	return core.Pass
}

// newLook takes from a verdict what can be drawn. The evidence tells what the value is held against: a comparison its
// control, a burn rate the rate that is too fast, a threshold its limits.
func newLook(v core.Verdict) look {
	var seen struct {
		Against string
		Control *float64
		Latency *struct{ Control *float64 }
		Needed  *float64
		Max     *float64
		Min     *float64
	}
	one := look{at: v.At, kind: v.Verdict, value: v.Value}
	if v.Value == nil || json.Unmarshal(v.Evidence, &seen) != nil {
		return one
	}
	one.max, one.min = seen.Max, seen.Min
	switch {
	case seen.Against != "" && seen.Latency != nil:
		one.control = seen.Latency.Control
	case seen.Against != "":
		one.control = seen.Control
	case seen.Needed != nil:
		one.max = seen.Needed
	}
	return one
}

// thinned leaves out every other look and keeps what matters of each two: the first and the last stay.
func thinned(all []look) []look {
	kept := []look{all[0]}
	for pair := range slices.Chunk(all[1:len(all)-1], 2) {
		kept = append(kept, slices.MaxFunc(pair, byHarm))
	}
	return append(kept, all[len(all)-1])
}

// byHarm orders looks by what a reader must not miss: a number rather than none, then a fail, then how far the value is
// on the wrong side.
func byHarm(a, b look) int {
	rank := func(l look) (n int) {
		if l.value != nil {
			n += 2
		}
		if l.kind == core.Fail {
			n++
		}
		return n
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.strain(), b.strain()))
}

// strain is how far a value is from where it should be; below 0 it is within its limits.
func (l look) strain() float64 {
	if l.value == nil {
		return math.Inf(-1)
	}
	v := *l.value
	switch {
	case l.control != nil:
		return math.Abs(v - *l.control)
	case l.max != nil && l.min != nil:
		return max(v-*l.max, *l.min-v)
	case l.min != nil:
		return *l.min - v
	case l.max != nil:
		return v - *l.max
	default:
		return v
	}
}
