// Package schedule turns labels into waves: which targets are deployed together, in which order, and when each wave
// could be out at the earliest. It is pure: the same plan and targets always give the same waves.
package schedule

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// Waves cuts targets into waves, in the order of the plan's rules and within a rule in the order of its split. Every
// target is in exactly one wave; where that cannot be, every reason is in the error and no waves are returned.
//
// A rule takes what its select matches among the targets that no earlier rule took. Without split that is one wave
// with the rule's name; with split the waves are named after the rule with -1, -2 and so on.
func Waves(p *core.Plan, targets []core.Target) ([]core.StartWave, error) {
	if len(targets) == 0 {
		return nil, errors.New("there are no targets; list at least one")
	}
	errs := checkTargets(targets)
	var waves []core.StartWave
	takenBy := make([]int, len(targets)) // 1 + index of the rule; 0: nobody yet
	for i, rule := range p.Waves {
		taken, err := take(p.Waves, i, targets, takenBy)
		if err != nil {
			errs = append(errs, fmt.Errorf("wave %q: %w", rule.Name, err))
			continue
		}
		cut, err := split(rule, i, taken)
		if err != nil {
			errs = append(errs, fmt.Errorf("wave %q: %w", rule.Name, err))
		}
		waves = append(waves, cut...)
	}
	errs = append(errs, checkLeft(targets, takenBy), checkNames(p, waves))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return waves, nil
}

// take returns the targets that rule i takes, and notes them in takenBy.
func take(rules []core.WaveRule, i int, targets []core.Target, takenBy []int) ([]core.Target, error) {
	sel := rules[i].Select
	if !sel.All && len(sel.Labels) == 0 {
		return nil, errors.New("selects nothing; set select to labels, or to all for every target that is left")
	}
	var taken []core.Target
	var late []int // rules that took what this one matches
	for j, t := range targets {
		switch {
		case !matches(sel, t):
		case takenBy[j] != 0:
			late = append(late, takenBy[j]-1)
		default:
			takenBy[j] = i + 1
			taken = append(taken, t)
		}
	}
	switch {
	case len(taken) > 0:
		return taken, nil
	case len(late) > 0:
		slices.Sort(late)
		var names []string
		for _, k := range slices.Compact(late) {
			names = append(names, rules[k].Name)
		}
		return nil, fmt.Errorf("takes no target: earlier waves took everything that it matches (%s); "+
			"move it up, narrow those, or remove it", list(names))
	default:
		return nil, fmt.Errorf("takes no target: none has %s; mend its select or the labels, or remove it", describe(sel))
	}
}

func matches(sel core.Select, t core.Target) bool {
	if sel.All {
		return true
	}
	for label, values := range sel.Labels {
		if value, ok := t.Labels[label]; !ok || !slices.Contains(values, value) {
			return false
		}
	}
	return true
}

// describe says which labels a selection asks for.
func describe(sel core.Select) string {
	var parts []string
	for _, label := range slices.Sorted(maps.Keys(sel.Labels)) {
		parts = append(parts, label+"="+strings.Join(sel.Labels[label], "|"))
	}
	return strings.Join(parts, " and ")
}

func checkTargets(targets []core.Target) []error {
	var errs []error
	var twice, heavy []string
	nameless := 0
	seen := make(map[string]int, len(targets))
	for _, t := range targets {
		if seen[t.Name]++; t.Name == "" {
			nameless++
		} else if seen[t.Name] == 2 {
			twice = append(twice, t.Name)
		}
		if !(t.Weight >= 0) || math.IsInf(t.Weight, 1) { // the negation also catches NaN
			heavy = append(heavy, t.Name)
		}
	}
	if nameless > 0 {
		errs = append(errs, fmt.Errorf("targets without a name: %d; name each one", nameless))
	}
	if len(twice) > 0 {
		errs = append(errs, fmt.Errorf("targets listed more than once: %s; give each its own name", list(twice)))
	}
	if len(heavy) > 0 {
		errs = append(errs, fmt.Errorf("targets with a weight that is not a number above 0: %s", list(heavy)))
	}
	return errs
}

func checkLeft(targets []core.Target, takenBy []int) error {
	var left []string
	for j, t := range targets {
		if takenBy[j] == 0 {
			left = append(left, t.Name)
		}
	}
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("targets in no wave: %s; add a last wave with select: all, or widen one", list(left))
}

func checkNames(p *core.Plan, waves []core.StartWave) error {
	var errs []error
	first := make(map[string]int, len(waves)) // name to rule
	for _, w := range waves {
		rule, ok := first[w.Name]
		if !ok {
			first[w.Name] = w.Rule
			continue
		}
		errs = append(errs, fmt.Errorf("two waves are named %q, from rule %d (%q) and rule %d (%q); rename one rule",
			w.Name, rule+1, p.Waves[rule].Name, w.Rule+1, p.Waves[w.Rule].Name))
	}
	return errors.Join(errs...)
}

// listed is how many names an error spells out.
const listed = 10

// list joins names for an error: quoted, and at most listed of them.
func list(names []string) string {
	quoted := make([]string, 0, listed)
	for _, name := range names[:min(len(names), listed)] {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	text := strings.Join(quoted, ", ")
	if more := len(names) - listed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
