package judge

import (
	"maps"
	"math"
	"slices"
)

// A Scored metric is a classification and the groups that it belongs to.
type Scored struct {
	Class    Classification
	Critical bool
	Groups   []string
}

// Score is the summary of Kayenta's judgement, from 0 to 100, and the score of each group. weights are those of
// groups, in percent; groups without one share what is left.
func Score(metrics []Scored, weights map[string]float64) (summary float64, groups map[string]float64) {
	groups = make(map[string]float64)
	summed := make(map[string]float64)
	for name, classes := range byGroup(metrics) {
		passed, judged := 0.0, 0.0
		for _, c := range classes {
			if c == ClassPass {
				passed++
			}
			if c != ClassNodata {
				judged++
			}
		}
		summed[name] = 100 // a group without data takes nothing away
		if judged > 0 {
			groups[name] = 100 * passed / judged
			summed[name] = groups[name]
		} else {
			groups[name] = 0
		}
	}
	if vetoed(metrics) {
		return 0, groups
	}
	for _, name := range slices.Sorted(maps.Keys(summed)) {
		summary += summed[name] * weightOf(name, weights, groups) / 100
	}
	return math.Round(100*summary) / 100, groups
}

func byGroup(metrics []Scored) map[string][]Classification {
	groups := make(map[string][]Classification)
	for _, m := range metrics {
		for _, g := range m.Groups {
			groups[g] = append(groups[g], m.Class)
		}
	}
	return groups
}

// vetoed reports whether a critical metric did not pass, or half of the metrics have no data.
func vetoed(metrics []Scored) bool {
	without := 0
	for _, m := range metrics {
		if m.Critical && m.Class != ClassPass {
			return true
		}
		if m.Class == ClassNodata {
			without++
		}
	}
	return 2*without >= len(metrics)
}

func weightOf(name string, weights, groups map[string]float64) float64 {
	if w, ok := weights[name]; ok {
		return w
	}
	left, sharing := 100.0, 0.0
	for g := range groups {
		if w, ok := weights[g]; ok {
			left -= w
		} else {
			sharing++
		}
	}
	return left / sharing
}
