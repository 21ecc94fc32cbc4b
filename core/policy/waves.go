package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/breakwater-ci/breakwater/core"
)

// slack is for sums of weights.
const slack = 1e-9

func bake(s Subject, f *core.Floors) (all []breach) {
	for i := range s.Plan.Waves {
		w := &s.Plan.Waves[i]
		least, floor, wave := f.Bake.Min, any(&f.Bake.Min), "wave "+w.Name
		if s.Waves[0].Rule == i && f.Bake.First > least {
			least, floor, wave = f.Bake.First, &f.Bake.First, "the first wave, "+w.Name+","
		}
		if w.Bake.Min < least {
			all = append(all, breach{
				plan: []any{&w.Bake.Min, &w.Bake, &s.Plan.Bake.Min, &s.Plan.Bake, &s.Plan.Waves[i]}, floor: floor,
				what: fmt.Sprintf("%s bakes for %s", wave, core.Brief(w.Bake.Min)),
				asks: fmt.Sprintf("asks for at least %s", core.Brief(least)),
				want: fmt.Sprintf("a bake.min of at least %s for wave %s", core.Brief(least), w.Name),
			})
		}
	}
	if e := s.Plan.Emergency; e != nil && e.MinBake < f.Bake.Emergency {
		all = append(all, breach{
			plan: []any{&e.MinBake, e}, floor: &f.Bake.Emergency,
			what: fmt.Sprintf("a wave may bake for only %s in an emergency", core.Brief(e.MinBake)),
			asks: fmt.Sprintf("asks for at least %s", core.Brief(f.Bake.Emergency)),
			want: fmt.Sprintf("an emergency.min_bake of at least %s", core.Brief(f.Bake.Emergency)),
		})
	}
	return all
}

func firstWave(s Subject, f *core.Floors) []breach {
	most, first := float64(f.FirstWave.Max), s.Waves[0]
	if share := s.share(first); most == 0 || share <= most+slack {
		return nil
	}
	return []breach{{
		plan: s.rule(first).Size(), floor: &f.FirstWave.Max,
		what: fmt.Sprintf("the first wave, %s, takes %s of the weight", first.Name, percent(s.share(first))),
		asks: "allows " + percent(most),
		want: fmt.Sprintf("a first wave of at most %s; set weight where targets differ in traffic", percent(most)),
	}}
}

// growth finds, of the waves of one rule, the one that grows most.
func growth(s Subject, f *core.Floors) (all []breach) {
	factor := func(i int) float64 { return core.Weight(s.Waves[i].Targets) / core.Weight(s.Waves[i-1].Targets) }
	for _, i := range s.worst(1, factor, f.Growth.Max) {
		w := s.Waves[i]
		fields := s.rule(w).Size()
		if r := s.rule(w); r.Split != nil && s.Waves[i-1].Rule == w.Rule {
			fields = append([]any{&r.Split.Growth}, fields...)
		}
		all = append(all, breach{
			plan: fields, floor: &f.Growth.Max,
			what: fmt.Sprintf("wave %s is %s times as large as wave %s before it", w.Name, short(factor(i)), s.Waves[i-1].Name),
			asks: fmt.Sprintf("allows %s times", short(f.Growth.Max)),
			want: "a wave in between, or a split with a smaller growth or a max",
		})
	}
	return all
}

// largest finds, of the waves of one rule, the largest.
func largest(s Subject, f *core.Floors) (all []breach) {
	most := float64(f.Largest.Max)
	for _, i := range s.worst(0, func(i int) float64 { return s.share(s.Waves[i]) }, most) {
		w := s.Waves[i]
		fields := s.rule(w).Size()
		if r := s.rule(w); r.Split != nil {
			fields = append([]any{&r.Split.Max}, fields...)
		}
		all = append(all, breach{
			plan: fields, floor: &f.Largest.Max,
			what: fmt.Sprintf("wave %s takes %s of the weight at once", w.Name, percent(s.share(w))),
			asks: "allows " + percent(most),
			want: fmt.Sprintf("waves of at most %s: several of them, or a split with a max", percent(most)),
		})
	}
	return all
}

// worst returns, for each rule of the plan, the wave of which a measure is largest, if that is above a bound; 0 is no
// bound. It looks at the waves from one on.
func (s Subject) worst(from int, measure func(wave int) float64, bound float64) []int {
	worst := make(map[int]int) // by rule
	for i := from; i < len(s.Waves) && bound > 0; i++ {
		rule := s.Waves[i].Rule
		if known, ok := worst[rule]; measure(i) > bound+slack && (!ok || measure(i) > measure(known)) {
			worst[rule] = i
		}
	}
	return slices.Sorted(maps.Values(worst))
}

// rule is the rule of the plan that a wave was cut by.
func (s Subject) rule(w core.StartWave) *core.WaveRule { return &s.Plan.Waves[w.Rule] }

// share is how much of all weight is in a wave, from 0 to 1.
func (s Subject) share(w core.StartWave) float64 {
	total := 0.0
	for _, each := range s.Waves {
		total += core.Weight(each.Targets)
	}
	return core.Weight(w.Targets) / total
}

func percent(share float64) string { return short(share*100) + "%" }

func short(x float64) string { return strconv.FormatFloat(x, 'g', 3, 64) }
