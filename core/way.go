package core

import (
	"cmp"
	"fmt"
)

// A Way says how a human wants a rollout to go back.
type Way struct {
	Of     string // version whose rollback goes on, if no reason is given; empty: whichever it is
	Reason string
	Stands bool   // what the same run of the CI system has left to jobs stays theirs, also where an earlier attempt of it did
	To     string // the version that every target gets; empty: what was touched gets what was there before
}

// RollBack is the step that puts a version back because a human asks for it: on everything that was touched, whatever
// the plan's scope; or, to a version that is named, on every target that does not run it. Where that cannot be it does
// nothing, and its reason says why.
func RollBack(r *Rollout, way Way) Step {
	switch {
	case r.Start.Activated != "" && r.Touched():
		return refuse("Rollout %s of version %s cannot go back. %s", r.ID, r.Start.Version, r.Start.activation())
	case way.To == r.Start.Version:
		return refuse("Version %s is that of rollout %s itself, so there is no way back to it. Run it instead.", way.To, r.ID)
	}
	var scope, without []string
	for _, t := range r.targets() {
		switch back := cmp.Or(way.To, t.Previous); {
		case way.To == "" && t.Attempts == 0 && !t.Left:
		case back == "":
			without = append(without, t.Name)
		case t.Version != back:
			scope = append(scope, t.Name)
		}
	}
	switch {
	case len(without) > 0:
		return refuse("Nobody knows what ran on %s before rollout %s, so there is no previous version to go back to.", listed(without), r.ID)
	case len(scope) == 0 && (r.State.Over() || way.To != ""):
		return refuse("There is nothing to put back: rollout %s has left nothing else than %s on any target.", r.ID, cmp.Or(way.To, "the previous version"))
	}
	return Step{Do: DoRollBack, Wave: r.Wave, Targets: scope, Cause: CauseOverride, Reason: way.Reason}
}

func refuse(format string, args ...any) Step {
	return Step{Do: DoNothing, Reason: fmt.Sprintf(format, args...)}
}

// activation says why a rollout must not go back.
func (s Start) activation() string {
	if s.Activated == s.Version {
		return "The plan says activate: this release must not be rolled back across. Roll forward."
	}
	return fmt.Sprintf("The plan of version %s, which this one replaces, says activate: it must not be rolled back across. Roll forward.", s.Activated)
}

// Activates is the version that must not be rolled back across by whatever comes after this rollout and goes back to
// previous; empty: there is none. An activation that did not end well stays in force until a later rollout succeeds.
func (r *Rollout) Activates(previous string) string {
	if r.State == StateSucceeded || previous == r.Start.Version || !r.Touched() {
		return ""
	}
	return r.Start.Activated
}

// Touched reports whether something was or may have been done to a target.
func (r *Rollout) Touched() bool {
	for _, t := range r.targets() {
		if t.Attempts > 0 {
			return true
		}
	}
	return false
}
