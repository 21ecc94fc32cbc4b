package core

import (
	"errors"
	"fmt"
	"slices"
)

// moves is the state machine: the states in which an event may happen. Everything else is refused, see Apply.
var moves = map[EventType][]State{
	EventStarted:   {""},
	EventExpedited: {StatePending, StateDeploying, StateBaking},
	EventClaimed: {StatePending, StateDeploying, StateBaking, StateHalted, StateRollingBack, StateRollbackFailed,
		StateRolledBack, StateAborted, StateSucceeded},
	EventRenewed: {StatePending, StateDeploying, StateBaking, StateHalted, StateRollingBack, StateRollbackFailed},
	EventQueued:  {StatePending, StateDeploying, StateBaking, StateRollingBack},
	EventReleased: {StatePending, StateDeploying, StateBaking, StateHalted, StateRollingBack, StateRollbackFailed,
		StateRolledBack, StateAborted, StateSucceeded},
	EventPrechecked: {StatePending},
	EventBlocked:    {StatePending, StateDeploying},
	EventDeploying:  {StatePending, StateDeploying},
	EventDeployed:   {StateDeploying},
	EventRehearsing: {StateDeploying},
	EventRehearsed:  {StateDeploying},
	EventBaking:     {StateDeploying},
	EventLooked:     {StateBaking, StateRollingBack},
	EventPassed:     {StateBaking},
	EventConfirming: {StateBaking},
	EventConfirmed:  {StateBaking},
	EventPromoted:   {StateBaking, StateHalted},
	EventHalted:     {StatePending, StateDeploying, StateBaking},
	EventResumed:    {StateHalted, StateRollbackFailed},
	EventRollingBack: {StatePending, StateDeploying, StateBaking, StateHalted, StateRollbackFailed,
		StateRolledBack, StateAborted, StateSucceeded},
	EventReverting: {StateRollingBack},
	EventReverted:  {StateRollingBack},
	EventVerified:  {StateRollingBack},
	EventEnded:     {StatePending, StateDeploying, StateBaking, StateHalted, StateRollingBack, StateRollbackFailed},
}

// Allowed reports whether the state machine lets an event of this type happen in a state; "" is before the start.
func Allowed(t EventType, s State) bool { return slices.Contains(moves[t], s) }

// Fits reports why an event cannot be the next one. It changes nothing.
func (r *Rollout) Fits(e Event) error {
	if err := r.fits(e); err != nil {
		return fmt.Errorf("event %d (%s) of %s: %w", e.Seq, e.Type, r.Line, err)
	}
	return nil
}

func (r *Rollout) fits(e Event) error {
	switch _, known := moves[e.Type]; {
	case !known:
		return errors.New("this version of Breakwater does not know such an event; use a newer version")
	case !Allowed(e.Type, r.State):
		return fmt.Errorf("cannot happen while the rollout is %q", r.State)
	case e.Type != EventStarted && e.Seq != r.Seq+1:
		return fmt.Errorf("follows event %d: the ledger has a gap", r.Seq)
	case e.Type != EventStarted && e.Rollout != r.ID:
		return fmt.Errorf("is of rollout %q, not of %q", e.Rollout, r.ID)
	}
	switch e.Type {
	case EventStarted:
		if e.Start == nil || len(e.Start.Waves) == 0 {
			return errors.New("has no waves")
		}
	case EventQueued:
		if e.Newer == nil || e.Newer.Version == "" {
			return errors.New("names no version")
		}
	case EventClaimed, EventRenewed:
		if e.Lease == nil {
			return errors.New("has no lease")
		}
	case EventRehearsing, EventRehearsed:
		if r.Wave != 0 {
			return errors.New("rehearses after the first wave")
		}
	case EventBlocked, EventDeploying, EventDeployed, EventBaking, EventPassed, EventConfirming, EventConfirmed:
		if e.Wave != r.Waves[r.Wave].Name {
			return fmt.Errorf("is about wave %q while %q is at work", e.Wave, r.Waves[r.Wave].Name)
		}
	case EventExpedited:
		if e.Override == nil {
			return errors.New("does not say who asked for it")
		}
	case EventPromoted:
		return r.mayPromote(e)
	case EventRollingBack:
		if e.Override == nil && r.State.Over() {
			return fmt.Errorf("cannot happen by itself once the rollout is %q", r.State)
		}
	case EventEnded:
		return r.mayEnd(e.State)
	}
	if err := r.knows(e); err != nil {
		return err
	}
	return r.ordered(e)
}

// ordered checks that an intent comes before its outcome, that no finished target is repeated, and that no wave bakes
// before it is out.
func (r *Rollout) ordered(e Event) error {
	for _, name := range e.Targets {
		t := r.Target(name)
		switch {
		case e.Type == EventDeploying && t.State == TargetDeployed:
			return fmt.Errorf("would deploy target %q again, which is finished", name)
		case e.Type == EventDeploying && (t.State == TargetRollingBack || t.State == TargetRollbackFailed):
			return fmt.Errorf("would deploy target %q, which is not back from its rehearsal", name)
		case e.Type == EventRehearsing && t.State != TargetDeployed && t.State != TargetRollingBack:
			return fmt.Errorf("would rehearse the rollback of target %q, which is %s", name, t.State)
		case e.Type == EventReverting && (!t.InScope || t.State == TargetRolledBack):
			return fmt.Errorf("would roll back target %q, which is %s and not in scope", name, t.State)
		case e.Type == EventConfirming && !r.confirms(t):
			return fmt.Errorf("would tell target %q that its wave has passed, which does not wait for that", name)
		}
	}
	for _, res := range e.Results {
		t := r.Target(res.Target)
		if e.Type == EventDeployed && t.State != TargetDeploying || (e.Type == EventReverted || e.Type == EventRehearsed) && t.State != TargetRollingBack {
			return fmt.Errorf("is an outcome for target %q, which is %s", res.Target, t.State)
		}
		if e.Type == EventConfirmed && !r.confirms(t) {
			return fmt.Errorf("is an outcome for target %q, which does not wait to be told that its wave has passed", res.Target)
		}
	}
	if e.Type == EventBlocked && !r.Waiting() {
		return fmt.Errorf("holds up wave %q, which has begun", e.Wave)
	}
	if e.Type == EventBaking {
		for _, t := range r.Waves[r.Wave].Targets {
			if t.State != TargetDeployed && t.State != TargetFailed {
				return fmt.Errorf("starts the bake of wave %q while target %q is %s", e.Wave, t.Name, t.State)
			}
		}
	}
	return nil
}

// mayPromote checks that a human asks for it, and that there is something which a human can pass.
func (r *Rollout) mayPromote(e Event) error {
	switch why := r.Unpromotable(); {
	case e.Override == nil:
		return errors.New("does not say who asked for it")
	case e.Wave != r.Waves[r.Wave].Name:
		return fmt.Errorf("is about wave %q while %q is at work", e.Wave, r.Waves[r.Wave].Name)
	case why != "":
		return errors.New("cannot happen: " + why)
	}
	return nil
}

// mayEnd checks that what an end claims is so.
func (r *Rollout) mayEnd(as State) error {
	switch {
	case as == StateSucceeded:
		for _, w := range r.Waves {
			if w.State != WavePassed {
				return fmt.Errorf("cannot have succeeded: wave %q is %s", w.Name, w.State)
			}
			if w.Held() {
				return fmt.Errorf("cannot have succeeded: targets of wave %q wait to be told that it has passed", w.Name)
			}
		}
		return nil
	case (as == StateRolledBack || as == StateRollbackFailed) && r.State == StateRollingBack:
		if left := r.left(); (len(left) == 0) != (as == StateRolledBack) {
			return fmt.Errorf("cannot be %s with %d targets left", as, len(left))
		}
		return nil
	case as == StateAborted && r.State != StateRollingBack:
		return nil
	}
	return fmt.Errorf("cannot end as %q while it is %q", as, r.State)
}

// knows checks that every target that an event names is one of the rollout's, in the wave that it names.
func (r *Rollout) knows(e Event) error {
	check := func(name string) error {
		p, ok := r.index[name]
		switch {
		case !ok:
			return fmt.Errorf("names target %q, which the rollout does not have", name)
		case e.Wave != "" && r.Waves[p.wave].Name != e.Wave:
			return fmt.Errorf("names target %q, which is not in wave %q", name, e.Wave)
		}
		return nil
	}
	for _, t := range e.Targets {
		if err := check(t); err != nil {
			return err
		}
	}
	for _, res := range e.Results {
		if err := check(res.Target); err != nil {
			return err
		}
	}
	return nil
}
