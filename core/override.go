package core

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// An Override is something that a human did to a rollout. It always has a reason, and every report shows it.
type Override struct {
	Kind   OverrideKind `json:"kind"`
	Reason string       `json:"reason"`
	By     Actor        `json:"by"`
	At     time.Time    `json:"at,omitzero"` // when its event was written; zero in the event itself, which has that time
}

// OverrideKind is what a human did.
type OverrideKind string

// The kinds of overrides.
const (
	OverrideRollback  OverrideKind = "rollback"  // put a version back
	OverrideAbort     OverrideKind = "abort"     // ended the rollout
	OverridePromote   OverrideKind = "promote"   // passed a wave, or a precheck, that had not passed by itself
	OverrideEmergency OverrideKind = "emergency" // took the plan's fast lane
	OverrideDrift     OverrideKind = "drift"     // accepted that targets do not run what the ledger says
)

// An Emergency is the fast lane of a plan: shorter bakes, never fewer checks, never without rollback.
type Emergency struct {
	MinBake time.Duration `json:"min_bake" jsonschema_description:"Shortest bake of a wave in an emergency. A bake that is shorter anyway stays as it is."`
}

// For is the plan as a rollout goes by it. In an emergency bakes may end earlier; what is asked in them, how long they
// may last, and what a failure does stay as they are.
func (p *Plan) For(r *Rollout) *Plan {
	if !r.Emergency || p.Emergency == nil {
		return p
	}
	hurried := *p
	hurried.Waves = slices.Clone(p.Waves)
	for i := range hurried.Waves {
		b := &hurried.Waves[i].Bake
		b.Min = min(b.Min, p.Emergency.MinBake)
	}
	return &hurried
}

// Unpromotable says why a human cannot promote the rollout now, and what to do instead; empty: a promote fits. What it
// passes is the wave that bakes, or whose bake was halted; or a precheck that did not pass.
func (r *Rollout) Unpromotable() string {
	wave := ""
	if r.State != "" {
		wave = r.Waves[r.Wave].Name
	}
	again := fmt.Sprintf("Run version %s again to go on.", r.Start.Version)
	switch r.State {
	case StateBaking:
		if r.Waves[r.Wave].State == WavePassed {
			return fmt.Sprintf("wave %s, the last one, has passed its bake already. %s", wave, again)
		}
		return ""
	case StateHalted:
		return r.unpromotableHalt(wave, again)
	case StatePending:
		return "no wave has begun, so there is no bake to end. " + again
	case StateDeploying:
		if r.Waiting() {
			return fmt.Sprintf("wave %s has not begun, so there is no bake to end. A window is passed only by run --emergency.", wave)
		}
		return fmt.Sprintf("wave %s is being deployed. Only a wave that is out can pass; wait until it bakes.", wave)
	case StateRollingBack, StateRollbackFailed:
		return fmt.Sprintf("it goes back, and a rollback is never cut short. %s", again)
	default:
		return "it is over."
	}
}

// unpromotableHalt is [Rollout.Unpromotable] of a halted rollout.
func (r *Rollout) unpromotableHalt(wave, again string) string {
	switch {
	case r.halted.from == StateBaking, r.halted.from == StatePending && (r.Cause == CausePrecheck || r.Cause == CauseUnasked):
		return ""
	case r.halted.from == StatePending:
		return "it was halted before anything was touched, and no check stands in its way. " + again
	case r.Cause == CauseDeploy:
		return fmt.Sprintf("the deploy of wave %s failed, and a wave that is not out cannot pass. %s Failed targets are deployed again.", wave, again)
	case r.Cause == CauseWindow, r.Cause == CauseUnasked:
		return fmt.Sprintf("wave %s was halted before its window, and a window is passed only by run --emergency.", wave)
	default:
		return fmt.Sprintf("wave %s is not out, so there is no bake to end. %s", wave, again)
	}
}

// A Way says how a human wants a rollout to go back.
type Way struct {
	Reason string
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
		case way.To == "" && t.Attempts == 0:
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
