package core

import (
	"fmt"
	"time"
)

// GateRules are what a gate asks beyond the state of the line.
type GateRules struct {
	Distance time.Duration // least time since the newest rollout ended
	Freeze   *Opening      // whether a freeze is on now; nil: the plan has none
}

// A Gate says whether a change may enter a line now. The zero value is shut: unknown is never open.
type Gate struct {
	Open   bool
	Reason string    // one sentence
	Until  time.Time // shut: when it opens by itself; zero: not before somebody does something
}

// A Doorway is how a [Door] stands.
type Doorway struct {
	Open  bool
	Since time.Time // zero: that is not known
	By    string    // who opened or shut it; empty: that is not known
	Ours  bool      // it was shut because the line's gate was
	Why   string    // it was shut
}

// Answers reports whether a person has opened the door since a rollout came to its state: that lets changes in which answer
// what went wrong there.
func (d Doorway) Answers(r *Rollout) bool {
	return d.Open && !r.Changed.IsZero() && d.Since.After(r.Changed)
}

// AtGate says whether a change may enter the line of r, its newest rollout. A change that answers what went wrong there
// enters a line that waits for just that; it enters no freeze.
func AtGate(r *Rollout, rules GateRules, answers bool, now time.Time) Gate {
	if f := rules.Freeze; f != nil && !f.Open {
		if f.Unknown {
			return Gate{Reason: fmt.Sprintf("Nobody knows whether %s is in a freeze: %s.", r.Line, f.Why)}
		}
		return Gate{Reason: fmt.Sprintf("%s is frozen: %s.", r.Line, f.Why), Until: f.Until}
	}
	if open := r.Ended.Add(rules.Distance); r.State.Over() && now.Before(open) {
		return Gate{Reason: fmt.Sprintf("Rollout %s ended less than %s ago.", r.ID, Brief(rules.Distance)), Until: open}
	}
	wrong := ""
	switch r.State {
	case StateHalted:
		wrong = fmt.Sprintf("Rollout %s is halted. Resume, roll back or abort it.", r.ID)
	case StateRollingBack:
		wrong = fmt.Sprintf("Rollout %s is being rolled back.", r.ID)
	case StateRollbackFailed:
		wrong = fmt.Sprintf("The rollback of %s is not complete. Re-run it.", r.ID)
	case StateRolledBack:
		wrong = fmt.Sprintf("Rollout %s was rolled back, and nothing has answered that yet.", r.ID)
	}
	switch {
	case wrong == "":
		return Gate{Open: true, Reason: "A change may enter."}
	case answers:
		return Gate{Open: true, Reason: "This change answers it: " + wrong}
	default:
		return Gate{Reason: wrong}
	}
}
