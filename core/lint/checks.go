package lint

import (
	"fmt"
	"slices"

	"github.com/breakwater-ci/breakwater/core"
)

func noChecks(s Subject) []fault {
	if len(s.Plan.Checks) > 0 {
		return nil
	}
	return []fault{{what: "There are no checks: nothing is asked during a bake.", at: []any{&s.Plan.Checks}}}
}

// noRollback finds a plan in which no rollback starts by itself. It names the nearest cause only.
func noRollback(s Subject) []fault {
	p := s.Plan
	acting := slices.DeleteFunc(slices.Clone(p.Checks), func(c core.Check) bool { return c.Shadow })
	onCheck := slices.Contains(p.Rollback.When, core.TriggerCheck)
	rollsBack := func(c core.Check) bool { return c.React.Fail == core.ReactRollback }
	when := []any{&p.Rollback.When, &p.Rollback}
	switch {
	case p.Activate:
		return []fault{{
			what: "Nothing rolls back by itself: the plan says activate, so a failed deploy and a failed check only halt.", about: "activate",
			at: []any{&p.Activate}, do: "Take activate out of the plan again once this release is out everywhere.",
		}}
	case len(p.Rollback.When) == 0:
		return []fault{{what: "Nothing rolls back by itself: a failed deploy and a failed check only halt.", about: "when", at: when}}
	case len(p.Checks) > 0 && !onCheck:
		return []fault{{what: "A failed check does not roll back: it only halts.", about: "check", at: when}}
	case len(acting) > 0 && !slices.ContainsFunc(acting, rollsBack):
		return []fault{{
			what: "No check rolls back when it fails: each only halts or notifies.", about: "react",
			at: []any{&p.React.Fail, &p.React, &p.Checks}, do: "Set react.fail to rollback for at least one check.",
		}}
	}
	return nil
}

func onlyNotifies(s Subject) (faults []fault) {
	for i := range s.Plan.Checks {
		c := &s.Plan.Checks[i]
		if c.React.Fail == core.ReactNotify && !c.Shadow {
			faults = append(faults, fault{
				what:  fmt.Sprintf("Check %s only notifies when it fails.", c.Name),
				about: "check " + c.Name, at: []any{&c.React.Fail, &s.Plan.React.Fail, c},
			})
		}
	}
	return faults
}

func allShadow(s Subject) []fault {
	shadow := func(c core.Check) bool { return c.Shadow }
	if len(s.Plan.Checks) == 0 || len(slices.DeleteFunc(slices.Clone(s.Plan.Checks), shadow)) > 0 {
		return nil
	}
	return []fault{{what: "Every check is a shadow: none may stop a rollout.", at: []any{&s.Plan.Checks[0].Shadow, &s.Plan.Checks}}}
}
