package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// checks finds requirements for which the plan has no check that can stop a rollout. A check that is there and cannot
// is the place, if there is one.
func checks(s Subject, f *core.Floors) (all []breach) {
	for i := range f.Checks.Require {
		r := &f.Checks.Require[i]
		b := breach{
			plan: []any{&s.Plan.Checks}, floor: r,
			what: fmt.Sprintf("there is no check%s", described(*r)), asks: "requires one",
			want: fmt.Sprintf("a check%s that can stop a rollout", described(*r)),
		}
		met := false
		for j := range s.Plan.Checks {
			c := &s.Plan.Checks[j]
			if r.Name != "" && r.Name != c.Name || r.Kind != "" && r.Kind != c.Kind() {
				continue
			}
			why, at := idle(s.Plan, c)
			if met = why == ""; met {
				break
			}
			b.plan, b.what, b.asks = at, fmt.Sprintf("check %s %s", c.Name, why), "requires "+b.want
		}
		if !met {
			all = append(all, b)
		}
	}
	return all
}

// idle says why a check cannot stop a rollout, and where the plan says so; empty if it can. A check that only notifies
// when it fails lets bad waves pass, and one that only notifies when nobody knows lets all of them.
func idle(p *core.Plan, c *core.Check) (why string, at []any) {
	switch {
	case c.Shadow:
		return "is a shadow", []any{&c.Shadow}
	case c.React.Fail == core.ReactNotify:
		return "only notifies when it fails", []any{&c.React.Fail, &p.React.Fail, c}
	case c.React.Error == core.ReactNotify:
		return "only notifies when it cannot be asked", []any{&c.React.Error, &p.React.Error, c}
	case c.React.Inconclusive == core.ReactNotify:
		return "only notifies when it does not know", []any{&c.React.Inconclusive, &p.React.Inconclusive, c}
	default:
		return "", nil
	}
}

// described is what a requirement says of a check.
func described(r core.CheckMatch) string {
	text := ""
	if r.Kind != "" {
		text = " of kind " + string(r.Kind)
	}
	if r.Name != "" {
		text = " " + r.Name + text
	}
	return text
}

// rollback finds a plan in which a failed deploy, or a failed check, does not roll back by itself. It names the nearest
// cause only.
func rollback(s Subject, f *core.Floors) []breach {
	if !f.Rollback.Required {
		return nil
	}
	p := s.Plan
	when := []any{&p.Rollback.When, &p.Rollback}
	const want = "rollback.when: [deploy, check], or no rollback.when at all"
	for _, t := range []core.Trigger{core.TriggerDeploy, core.TriggerCheck} {
		if !slices.Contains(p.Rollback.When, t) {
			return []breach{{plan: when, floor: &f.Rollback.Required, want: want,
				what: fmt.Sprintf("a failed %s does not roll back", t), asks: "requires it"}}
		}
	}
	acts := func(c core.Check) bool { return !c.Shadow && c.React.Fail == core.ReactRollback }
	if len(p.Checks) > 0 && !slices.ContainsFunc(p.Checks, acts) {
		return []breach{{plan: []any{&p.React.Fail, &p.React, &p.Checks}, floor: &f.Rollback.Required,
			what: "no check rolls back when it fails", asks: "requires it", want: "react.fail: rollback for at least one check that is no shadow"}}
	}
	return nil
}

// rehearse finds a plan that does not try its rollback. A release that must not be rolled back across has none to try.
func rehearse(s Subject, f *core.Floors) []breach {
	p := s.Plan
	if !f.Rollback.Rehearse || p.Rollback.Rehearse == core.RehearseFirst || p.Activate {
		return nil
	}
	return []breach{{plan: []any{&p.Rollback.Rehearse, &p.Rollback}, floor: &f.Rollback.Rehearse,
		what: "the first wave does not rehearse a rollback", asks: "requires it", want: "rollback.rehearse: first"}}
}

func drivers(s Subject, f *core.Floors) (all []breach) {
	if len(f.Drivers.Allow) == 0 {
		return nil
	}
	p := s.Plan
	refuse := func(verb, driver string, at any) {
		if !slices.Contains(f.Drivers.Allow, driver) {
			all = append(all, breach{plan: []any{at}, floor: &f.Drivers.Allow,
				what: fmt.Sprintf("the driver %s %s", driver, verb), asks: "does not allow it",
				want: "a driver of " + strings.Join(f.Drivers.Allow, ", ")})
		}
	}
	refuse("deploys", p.Deploy.Driver, &p.Deploy)
	if back := cmp.Or(p.Rollback.Driver, p.Deploy.Driver); back != p.Deploy.Driver {
		refuse("rolls back", back, &p.Rollback)
	}
	return all
}
