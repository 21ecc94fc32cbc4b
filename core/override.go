package core

import (
	"fmt"
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
		switch w := &r.Waves[r.Wave]; {
		case w.Held() && w.State == WavePassed:
			return fmt.Sprintf("wave %s has passed already, and its targets are being told. %s", wave, again)
		case w.State == WavePassed:
			return fmt.Sprintf("wave %s, the last one, has passed already. %s", wave, again)
		}
		return ""
	case StateHalted:
		if r.Waves[r.Wave].State == WavePassed {
			return fmt.Sprintf("wave %s has passed already, and its targets are to be told. %s", wave, again)
		}
		return r.unpromotableHalt(wave, again)
	case StatePending:
		return "no wave has begun, so there is no bake to end. " + again
	case StateDeploying:
		switch {
		case r.Blocked != nil:
			return fmt.Sprintf("wave %s waits for its window, and a window is passed only by run --emergency.", wave)
		case r.Waiting():
			return fmt.Sprintf("wave %s has not begun, so there is no bake to end. %s", wave, again)
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
