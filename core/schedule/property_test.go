package schedule

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// TestWavesProperties cuts random plans and holds the result against what Waves promises. A failing seed is in the
// name of its subtest.
func TestWavesProperties(t *testing.T) {
	for seed := range uint64(3000) {
		p, targets := randomPlan(rand.New(rand.NewPCG(seed, 0)))
		waves, err := Waves(p, targets)
		if err == nil {
			err = broken(p, targets, waves)
		}
		if err != nil {
			t.Errorf("seed %d: %v\nsplit %+v\n%s", seed, err, *p.Waves[len(p.Waves)-1].Split, show(waves))
		}
		if again, _ := Waves(p, targets); !reflect.DeepEqual(waves, again) {
			t.Errorf("seed %d: a second run gave other waves:\n%s\n%s", seed, show(waves), show(again))
		}
	}
}

// randomPlan has one or two rules that take some values of a label, and a last one with a random split.
func randomPlan(r *rand.Rand) (*core.Plan, []core.Target) {
	var targets []core.Target
	values, groups := 1+r.IntN(6), 1+r.IntN(12)
	for i := range 3 + r.IntN(40) {
		labels := map[string]string{"kind": "rest", "group": fmt.Sprint(r.IntN(groups))}
		if i < 2 {
			labels["kind"] = fmt.Sprint(i)
		}
		if r.IntN(10) > 0 {
			labels["value"] = fmt.Sprint(r.IntN(1 + r.IntN(values))) // some values are much more common than others
		}
		targets = append(targets, core.Target{Name: fmt.Sprintf("t%d", i), Labels: labels})
	}
	amount := func() core.Amount {
		switch r.IntN(3) {
		case 0:
			return core.Amount{}
		case 1:
			return count(1 + r.IntN(8))
		default:
			return percent(1 + 99*r.Float64())
		}
	}
	s := &core.Split{First: amount(), Max: amount()}
	if r.IntN(2) == 0 {
		s.Growth = 1 + 2*r.Float64()
	}
	if r.IntN(2) == 0 {
		s.By = "group"
	}
	if r.IntN(4) > 0 {
		s.Spread = "value"
	}
	p := &core.Plan{Waves: rules(labelled("x", "kind=0"))}
	if r.IntN(2) == 0 {
		p.Waves = append(p.Waves, labelled("y", "kind=1"))
	}
	p.Waves = append(p.Waves, all("z", s))
	return p, targets
}

// broken says which promise the waves of a plan break, nil if none.
func broken(p *core.Plan, targets []core.Target, waves []core.StartWave) error {
	if err := brokenPartition(targets, waves); err != nil {
		return err
	}
	byRule := make([][]core.StartWave, len(p.Waves))
	for _, w := range waves {
		byRule[w.Rule] = append(byRule[w.Rule], w)
	}
	for i, rule := range p.Waves {
		if rule.Split == nil {
			if len(byRule[i]) != 1 || byRule[i][0].Name != rule.Name {
				return fmt.Errorf("rule %q without split gave %d waves", rule.Name, len(byRule[i]))
			}
			continue
		}
		if err := brokenSplit(rule, byRule[i]); err != nil {
			return err
		}
	}
	return nil
}

// brokenPartition: every target is in exactly one wave, waves are never empty, come in the order of their rules, and
// have names of their own.
func brokenPartition(targets []core.Target, waves []core.StartWave) error {
	left := map[string]bool{}
	for _, t := range targets {
		left[t.Name] = true
	}
	names := map[string]bool{}
	for i, w := range waves {
		switch {
		case len(w.Targets) == 0:
			return fmt.Errorf("wave %q is empty", w.Name)
		case names[w.Name]:
			return fmt.Errorf("two waves are named %q", w.Name)
		case i > 0 && w.Rule < waves[i-1].Rule:
			return fmt.Errorf("wave %q comes after a later rule's", w.Name)
		}
		names[w.Name] = true
		for _, t := range w.Targets {
			if !left[t.Name] {
				return fmt.Errorf("target %q is in two waves, or in none of the list", t.Name)
			}
			delete(left, t.Name)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("in no wave: %v", slices.Sorted(maps.Keys(left)))
	}
	return nil
}

// brokenSplit holds the waves of one split rule against an oracle that looks at everything that is left.
func brokenSplit(rule core.WaveRule, waves []core.StartWave) error {
	left := map[string]members{}
	for _, w := range waves {
		for _, g := range groupsOf(w, rule.Split.By) {
			if _, ok := left[g.name]; ok {
				return fmt.Errorf("group %q is in two waves", g.name)
			}
			left[g.name] = g
		}
	}
	n, previous := len(left), 0
	for i, w := range waves {
		groups := groupsOf(w, rule.Split.By)
		if want := fmt.Sprintf("%s-%d", rule.Name, i+1); w.Name != want {
			return fmt.Errorf("wave %q should be %q", w.Name, want)
		}
		if err := brokenSize(rule.Split, n, previous, len(groups), len(left)); err != nil {
			return fmt.Errorf("wave %q: %w", w.Name, err)
		}
		if err := brokenSpread(rule.Split, groups, left); err != nil {
			return fmt.Errorf("wave %q: %w", w.Name, err)
		}
		previous = len(groups)
	}
	return nil
}

// brokenSize: growth and max are kept, and only the last wave is smaller than it could be.
func brokenSize(s *core.Split, n, previous, size, left int) error {
	limit, growth := n, s.Growth
	if s.Max.Set {
		limit = max(1, s.Max.Of(n, 1))
	}
	if growth == 0 {
		growth = 2
	}
	switch {
	case size > limit:
		return fmt.Errorf("has %d, more than max, %d", size, limit)
	case previous == 0 && !s.First.Set && size != 1:
		return fmt.Errorf("has %d, though first is 1", size)
	case previous == 0 && s.First.Set && size != min(max(1, s.First.Of(n, 1)), limit):
		return fmt.Errorf("has %d, though first is %+v and max %d", size, s.First, limit)
	case previous > 0 && float64(size) > float64(previous)*growth+1e-6:
		return fmt.Errorf("has %d, more than %d times %v", size, previous, growth)
	case previous > 0 && size < left && size < limit && float64(size+1) < float64(previous)*growth:
		return fmt.Errorf("has %d, less than %d times %v", size, previous, growth)
	}
	return nil
}

// brokenSpread: while a group without a repeated value is left, none with one is taken; and where every group has one
// value, repeats are as even as what is left allows. The groups are taken out of left.
func brokenSpread(s *core.Split, groups []members, left map[string]members) error {
	count := map[string]int{} // of each value in the wave
	for _, g := range groups {
		delete(left, g.name)
		if s.Spread != "" && g.repeats(s.Spread, count) > 0 {
			for _, other := range left {
				if other.repeats(s.Spread, count) == 0 {
					return fmt.Errorf("took %q again while %q was there", g.name, other.name)
				}
				if s.By == "" && other.repeats(s.Spread, count) < g.repeats(s.Spread, count) {
					return fmt.Errorf("took %q while %q was repeated less", g.name, other.name)
				}
			}
		}
		for value := range g.values(s.Spread) {
			count[value]++
		}
	}
	return nil
}

// members are the targets of one group.
type members struct {
	name    string
	targets []core.StartTarget
}

// groupsOf returns the groups of a wave in the order in which they were taken.
func groupsOf(w core.StartWave, by string) []members {
	var groups []members
	for _, t := range w.Targets {
		name := t.Name
		if by != "" {
			name = t.Labels[by]
		}
		if last := len(groups) - 1; last >= 0 && groups[last].name == name {
			groups[last].targets = append(groups[last].targets, t)
			continue
		}
		groups = append(groups, members{name, []core.StartTarget{t}})
	}
	return groups
}

func (m members) values(label string) map[string]bool {
	values := map[string]bool{}
	for _, t := range m.targets {
		values[t.Labels[label]] = true
	}
	return values
}

// repeats is how often the most repeated of the group's values has been taken.
func (m members) repeats(label string, count map[string]int) int {
	most := 0
	for value := range m.values(label) {
		most = max(most, count[value])
	}
	return most
}

// FuzzWaves: whatever the plan, Waves gives waves that keep their promises, or an error; and it never panics.
func FuzzWaves(f *testing.F) {
	f.Add("a r=us; b r=us; c r=eu", "w", "r=us", "r", "c", 1, 0.0, 2.0, 0, 25.0)
	f.Add("a; b; c; d; e", "", "", "", "", 0, 10.0, 1.5, 2, 0.0)
	f.Add("a; a", "w", "", "x", "", -1, -10.0, -1.0, -2, 1e300)
	f.Fuzz(func(t *testing.T, targets, name, sel, by, spread string, first int, firstShare, growth float64, most int, mostShare float64) {
		s := &core.Split{By: by, Spread: spread, Growth: growth,
			First: core.Amount{Count: first, Percent: firstShare, Set: true},
			Max:   core.Amount{Count: most, Percent: mostShare, Set: true}}
		p := &core.Plan{Waves: rules(all(name, s))}
		if sel != "" {
			p.Waves = append(rules(labelled("first", strings.Fields(sel)...)), p.Waves...)
		}
		fleet := parse(targets)
		waves, err := Waves(p, fleet)
		if err == nil {
			err = broken(p, fleet, waves)
		} else if waves == nil {
			err = nil
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkWaves100k cuts 100,000 targets in 10,000 groups over 1,000 spread values.
func BenchmarkWaves100k(b *testing.B) {
	targets := make([]core.Target, 100_000)
	for i := range targets {
		targets[i] = core.Target{Name: fmt.Sprintf("target-%06d", i), Labels: map[string]string{
			"cell": fmt.Sprint(i / 10), "rack": fmt.Sprint(i / 10 % 1000)}}
	}
	splits := []struct {
		name  string
		split *core.Split
	}{
		{"one wave", nil},
		{"split", &core.Split{Max: percent(5)}},
		{"spread", &core.Split{Max: percent(5), Spread: "rack"}},
		{"by", &core.Split{By: "cell", Max: percent(5)}},
		{"by and spread", &core.Split{By: "cell", Max: percent(5), Spread: "rack"}},
		{"one at a time", &core.Split{Max: count(1), Spread: "rack"}},
	}
	for _, bb := range splits {
		b.Run(bb.name, func(b *testing.B) {
			p := &core.Plan{Waves: rules(all("w", bb.split))}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Waves(p, targets); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
