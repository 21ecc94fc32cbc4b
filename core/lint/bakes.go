package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// The looks that a comparison needs before it can tell anything: a tenth of them may be odd, and one without a control
// at the same time is judged over a dozen.
const (
	compareLooks = 10
	beforeLooks  = 12
)

// A bakeGroup is the waves whose bake is set in one place of the plan.
type bakeGroup struct {
	fields []any
	waves  []*core.WaveRule
}

func (g bakeGroup) names() string {
	var names []string
	for _, w := range g.waves {
		names = append(names, w.Name)
	}
	if len(names) == 1 {
		return "wave " + names[0]
	}
	return "waves " + strings.Join(names, ", ")
}

// bakes groups the waves that are asked for by the place that says how long they bake.
func (s Subject) bakes(asked func(*core.WaveRule) bool) []bakeGroup {
	type place struct{ line, column int }
	var groups []bakeGroup
	index := make(map[place]int)
	for i := range s.Plan.Waves {
		w := &s.Plan.Waves[i]
		if !asked(w) {
			continue
		}
		fields := []any{&w.Bake.Min, &s.Plan.Bake.Min, &w.Bake, &s.Plan.Bake}
		line, column := s.Places.At(fields...)
		at, known := index[place{line, column}]
		if !known {
			at = len(groups)
			index[place{line, column}] = at
			groups = append(groups, bakeGroup{fields: fields})
		}
		groups[at].waves = append(groups[at].waves, w)
	}
	return groups
}

func noBake(s Subject) (faults []fault) {
	for _, g := range s.bakes(func(w *core.WaveRule) bool { return w.Bake.Min == 0 }) {
		faults = append(faults, fault{what: "There is no bake after " + g.names() + ".", about: g.names(), at: g.fields})
	}
	return faults
}

func shortBake(s Subject) (faults []fault) {
	short := func(w *core.WaveRule) bool {
		need, _ := s.neededBake(w)
		return w.Bake.Min > 0 && w.Bake.Min < need
	}
	for _, g := range s.bakes(short) {
		worst := slices.MaxFunc(g.waves, func(a, b *core.WaveRule) int {
			needA, _ := s.neededBake(a)
			needB, _ := s.neededBake(b)
			return cmp.Compare(needA, needB)
		})
		need, why := s.neededBake(worst)
		faults = append(faults, fault{
			what: fmt.Sprintf("The bake of %s lasts %s, but %s: that takes %s with a look every %s.", g.names(),
				core.Brief(worst.Bake.Min), why, core.Brief(need), core.Brief(worst.Bake.Every)),
			about: g.names(), at: g.fields,
		})
	}
	return faults
}

// neededBake is how long a wave must bake so that every check could fail in it, and what needs it.
func (s Subject) neededBake(w *core.WaveRule) (need time.Duration, why string) {
	for i := range s.Plan.Checks {
		c := &s.Plan.Checks[i]
		if d, because := neededBy(c, w.Bake.Every); d > need {
			need, why = d, fmt.Sprintf("check %s %s", c.Name, because)
		}
	}
	return need, why
}

func neededBy(c *core.Check, every time.Duration) (need time.Duration, because string) {
	switch {
	case c.Compare != nil && c.Compare.Control.Kind == core.ControlBefore:
		return beforeLooks * every, fmt.Sprintf("compares with before, which needs %d looks", beforeLooks)
	case c.Compare != nil:
		return compareLooks * every, fmt.Sprintf("compares, which needs %d looks", compareLooks)
	case c.Threshold != nil:
		t := c.Threshold
		because = fmt.Sprintf("fails only after %d breaches", t.Breaches.M)
		if t.For > 0 {
			because += " that have lasted " + core.Brief(t.For)
		}
		return t.For + time.Duration(t.Breaches.M)*every, because
	default:
		return every, "needs a look"
	}
}

func shortMemory(s Subject) (faults []fault) {
	longest := make(map[string]*core.WaveRule) // by source
	for i := range s.Plan.Waves {
		w := &s.Plan.Waves[i]
		if u := w.Bake.Until; u != nil && (longest[u.Source] == nil || longest[u.Source].Bake.Max < w.Bake.Max) {
			longest[u.Source] = w
		}
	}
	for name, memory := range s.Memories {
		if w := longest[name]; w != nil && memory.Keeps < w.Bake.Max {
			faults = append(faults, fault{
				what: fmt.Sprintf("Source %s keeps what it saw for %s, but the bake of wave %s may last %s and counts all of it.",
					name, core.Brief(memory.Keeps), w.Name, core.Brief(w.Bake.Max)),
				about: "source " + name, at: memory.Fields,
			})
		}
	}
	return faults
}
