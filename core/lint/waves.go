package lint

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// What a plan may ask of its waves without a word.
const (
	firstShare = 0.10 // of the weight, in the first wave
	growth     = 3    // from one wave to the next
	slack      = 1e-9 // for sums of weights
)

// The labels that say where a target is, and what it is for.
var (
	regionLabels = []string{"region"}
	zoneLabels   = []string{"zone", "az", "availability_zone"}
	stageLabels  = []string{"environment", "env", "tier", "stage"}
	preStages    = []string{
		"alpha", "beta", "dev", "development", "gamma", "integration", "preprod", "preproduction", "qa", "sandbox", "stage", "staging",
		"test", "testing", "uat",
	}
)

func (s Subject) targets() []core.StartTarget {
	var all []core.StartTarget
	for _, w := range s.Waves {
		all = append(all, w.Targets...)
	}
	return all
}

// rule is the rule of the plan that a wave was cut by.
func (s Subject) rule(w core.StartWave) *core.WaveRule { return &s.Plan.Waves[w.Rule] }

func bigFirstWave(s Subject) []fault {
	first := s.Waves[0]
	share := core.Weight(first.Targets) / core.Weight(s.targets())
	if share <= firstShare+slack {
		return nil
	}
	return []fault{{
		what:  fmt.Sprintf("The first wave, %s, takes %s of the weight.", first.Name, percent(share)),
		about: "first wave", at: s.rule(first).Size(),
	}}
}

// steepGrowth finds, of the waves of one rule, the one that grows most.
func steepGrowth(s Subject) (faults []fault) {
	steepest := make(map[int]int) // by rule: the wave
	factor := func(i int) float64 { return core.Weight(s.Waves[i].Targets) / core.Weight(s.Waves[i-1].Targets) }
	for i := 1; i < len(s.Waves); i++ {
		if factor(i) <= growth+slack {
			continue
		}
		rule := s.Waves[i].Rule
		if known := steepest[rule]; known == 0 || factor(known) < factor(i) {
			steepest[rule] = i
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(steepest)) {
		i := steepest[rule]
		w := s.Waves[i]
		fields := s.rule(w).Size()
		if r := s.rule(w); r.Split != nil && s.Waves[i-1].Rule == w.Rule {
			fields = append([]any{&r.Split.Growth}, fields...)
		}
		faults = append(faults, fault{
			what: fmt.Sprintf("Wave %s is %s times as large as wave %s before it.", w.Name,
				strconv.FormatFloat(factor(i), 'g', 3, 64), s.Waves[i-1].Name),
			about: "rule " + s.rule(w).Name, at: fields,
		})
	}
	return faults
}

// wideEarlyWave looks at the first half of the waves, and at least at the first.
func wideEarlyWave(s Subject) (faults []fault) {
	seen := make(map[int]bool)
	for _, w := range s.Waves[:max(1, len(s.Waves)/2)] {
		kind, places := "regions", values(w.Targets, regionLabels)
		if len(places) < 2 {
			kind, places = "zones", values(w.Targets, zoneLabels)
		}
		if len(places) < 2 || seen[w.Rule] {
			continue
		}
		seen[w.Rule] = true
		faults = append(faults, fault{
			what:  fmt.Sprintf("Wave %s, an early one, takes %d %s at once: %s.", w.Name, len(places), kind, few(places)),
			about: "rule " + s.rule(w).Name, at: s.rule(w).Size(),
		})
	}
	return faults
}

func busyFirstWave(s Subject) []fault {
	regions := values(s.targets(), regionLabels)
	if len(regions) < 2 {
		return nil
	}
	heavy := make(map[string]float64)
	for _, t := range s.targets() {
		heavy[value(t, regionLabels)] += cmp.Or(t.Weight, 1)
	}
	byWeight := func(a, b string) int { return cmp.Compare(heavy[a], heavy[b]) }
	least, most := heavy[slices.MinFunc(regions, byWeight)], heavy[slices.MaxFunc(regions, byWeight)]
	if most <= least+slack {
		return nil
	}
	for _, region := range values(s.Waves[0].Targets, regionLabels) {
		if heavy[region] >= most-slack {
			return []fault{{
				what: fmt.Sprintf("The first wave, %s, is in the busiest region: %s has %s of the weight.", s.Waves[0].Name, region,
					percent(heavy[region]/core.Weight(s.targets()))),
				about: "first wave", at: []any{&s.rule(s.Waves[0]).Select},
			}}
		}
	}
	return nil
}

func noPreProduction(s Subject) []fault {
	if s.Plan.Requires != nil {
		return nil // what was tested before says so on the commit
	}
	words := strings.FieldsFunc(s.Plan.Environment, func(r rune) bool { return strings.ContainsRune("-_.", r) })
	for _, stage := range append(append(words, s.Plan.Environment), values(s.targets(), stageLabels)...) {
		if slices.Contains(preStages, strings.ToLower(strings.ReplaceAll(stage, "-", ""))) {
			return nil
		}
	}
	return []fault{{what: "No target is labelled as a pre-production environment, and the plan requires no status of tests before.", at: []any{&s.Plan.Waves}}}
}

// value is that of the first of some labels that a target has.
func value(t core.StartTarget, labels []string) string {
	for _, l := range labels {
		if v := t.Labels[l]; v != "" {
			return v
		}
	}
	return ""
}

// values are the values that some labels have, each once, sorted.
func values(targets []core.StartTarget, labels []string) []string {
	all := make(map[string]bool)
	for _, t := range targets {
		for _, l := range labels {
			if v := t.Labels[l]; v != "" {
				all[v] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func few(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// percent writes a share with three digits at most.
func percent(share float64) string { return strconv.FormatFloat(share*100, 'g', 3, 64) + "%" }
