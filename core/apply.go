package core

import (
	"cmp"
	"slices"
	"time"
)

// Replay folds events into the rollout that they tell of. No events give the zero Rollout.
func Replay(line Line, events []Event) (*Rollout, error) {
	r := &Rollout{Line: line}
	for _, e := range events {
		if err := r.Apply(e); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Apply moves the rollout on by one event. An event that the state machine does not allow, or that does not fit the
// rollout, is an error and leaves the rollout as it was.
func (r *Rollout) Apply(e Event) error {
	if err := r.Fits(e); err != nil {
		return err
	}
	before := r.State
	switch e.Type {
	case EventStarted:
		r.start(e)
	case EventExpedited:
		r.Emergency, r.Reason, r.Blocked = true, e.Reason, nil
	case EventClaimed, EventRenewed:
		r.Lease = *e.Lease
	case EventQueued:
		r.Newer = at(e.Newer, e.At)
	case EventReleased:
		r.Lease = Lease{}
	case EventPrechecked:
		r.Precheck = e.Verdicts
	case EventBlocked:
		r.Blocked = &Block{Reason: e.Reason}
		if e.Due != nil {
			r.Blocked.Until = *e.Due
		}
	case EventDeploying:
		r.deploying(e)
	case EventDeployed:
		r.deployed(e)
	case EventRehearsing:
		r.rehearsing(e)
	case EventRehearsed:
		r.rehearsed(e)
	case EventBaking:
		r.State = StateBaking
		w := &r.Waves[r.Wave]
		w.State, w.Out, w.Since = WaveBaking, e.At, e.At
		r.Bakes++
	case EventLooked:
		r.looked(e)
	case EventPassed:
		r.passed(e)
	case EventConfirming:
		r.confirming(e)
	case EventConfirmed:
		r.confirmed(e)
	case EventPromoted:
		r.promoted(e)
	case EventHalted:
		r.halt(e)
	case EventResumed:
		r.resume(e)
	case EventRollingBack:
		r.rollBack(e)
	case EventReverting:
		r.reverting(e)
	case EventReverted:
		r.reverted(e)
	case EventVerified:
		r.Verified = e.Verdicts
		r.Unwell = slices.ContainsFunc(e.Verdicts, func(v Verdict) bool { return v.Verdict != Pass && !v.Shadow })
	case EventEnded:
		r.end(e)
	}
	if o := e.Override; o != nil {
		r.Overrides = append(r.Overrides, Override{Kind: o.Kind, Reason: o.Reason, By: o.By, At: e.At})
	}
	r.Seq = e.Seq
	if r.State != before {
		r.Changed = e.At
	}
	return nil
}

// at is a newer version with the time of its event.
func at(n *Newer, when time.Time) *Newer {
	if n == nil {
		return nil
	}
	dated := *n
	dated.At = when
	return &dated
}

func (r *Rollout) start(e Event) {
	*r = Rollout{ID: e.Rollout, Line: r.Line, Start: *e.Start, State: StatePending, Reason: e.Reason, Began: e.At, Changed: e.At}
	if e.Lease != nil {
		r.Lease = *e.Lease
	}
	r.index = make(map[string]place)
	r.Waves = make([]Wave, len(e.Start.Waves))
	for i, w := range e.Start.Waves {
		r.Waves[i] = Wave{Name: w.Name, Rule: w.Rule, State: WavePending, Targets: make([]TargetRecord, len(w.Targets))}
		for j, t := range w.Targets {
			previous := cmp.Or(t.Previous, e.Start.Previous)
			r.Waves[i].Targets[j] = TargetRecord{Target: t.Target, State: TargetPending, Version: t.Expected(previous), Previous: previous, Left: t.Left}
			r.index[t.Name] = place{i, j}
		}
	}
}

// Expected is the version that a target runs when a rollout starts, as far as the ledger knows; empty if it does not.
// previous is the rollout's.
func (t StartTarget) Expected(previous string) string {
	if t.Unknown {
		return ""
	}
	return cmp.Or(t.Runs, t.Previous, previous)
}

func (r *Rollout) deploying(e Event) {
	r.State, r.Blocked = StateDeploying, nil
	w := &r.Waves[r.Wave]
	w.State = WaveDeploying
	if w.Began.IsZero() {
		w.Began = e.At
	}
	for _, name := range e.Targets {
		t := r.Target(name)
		t.State, t.Version, t.By, t.Error, t.Tail, t.Held = TargetDeploying, "", e.Actor, "", "", false
		t.Attempts++
	}
}

func (r *Rollout) deployed(e Event) {
	for _, res := range e.Results {
		t := r.Target(res.Target)
		t.Error, t.Tail, t.Took = res.Error, res.Tail, res.Took
		switch res.Outcome {
		case OutcomeDone:
			t.State, t.Version, t.Held = TargetDeployed, r.Start.Version, res.Held
		case OutcomeUntouched:
			t.Attempts--
			t.State = TargetPending
			if t.Attempts == 0 {
				p := r.index[t.Name]
				t.Version = r.Start.Waves[p.wave].Targets[p.target].Expected(t.Previous)
			}
		default:
			t.State = TargetFailed
		}
	}
}

func (r *Rollout) looked(e Event) {
	if r.State != StateBaking {
		return // a look after a rollback decides nothing before it is verified
	}
	w := &r.Waves[r.Wave]
	w.Verdicts = e.Verdicts
	if e.Due != nil {
		w.Looked = *e.Due
	}
}

func (r *Rollout) passed(e Event) {
	w := &r.Waves[r.Wave]
	w.State, w.Passed, w.Verdicts = WavePassed, e.At, e.Verdicts
	r.advance()
}

// advance goes on behind a wave that has passed, once all of its targets know; behind the last one only the end is left.
func (r *Rollout) advance() {
	r.State = StateBaking
	if !r.Waves[r.Wave].Held() && r.Wave+1 < len(r.Waves) {
		r.Wave++
		r.State = StateDeploying
	}
}

// promoted passes what a human accepts as it is: a wave, with what its checks said last, or the precheck.
func (r *Rollout) promoted(e Event) {
	r.Cause, r.Reason = "", e.Reason
	if r.State == StateHalted && r.halted.from == StatePending {
		r.State, r.Accepted = StatePending, true
		return
	}
	w := &r.Waves[r.Wave]
	w.State, w.Passed, w.Promoted = WavePassed, e.At, true
	r.advance()
}

func (r *Rollout) halt(e Event) {
	w := &r.Waves[r.Wave]
	r.halted = haltedBake{by: e.Actor, from: r.State}
	if r.State == StateBaking {
		r.halted.served = e.At.Sub(w.Since)
		if len(e.Verdicts) > 0 { // none: nobody had looked since the job took it over
			w.Verdicts = e.Verdicts
		}
	}
	if r.State != StatePending && w.State != WavePassed {
		w.State = WaveHalted
	}
	r.State, r.Cause, r.Reason, r.Blocked = StateHalted, e.Cause, e.Reason, nil
	r.Lease = Lease{}
}

// resume goes on where a halt or an incomplete rollback stopped: failed targets are to be tried again. A bake that was halted because nobody could be asked
// keeps the time that it had served; one that was halted by what the checks said starts afresh.
func (r *Rollout) resume(e Event) {
	cause := r.Cause
	r.Reason = e.Reason
	if r.State == StateRollbackFailed {
		r.State = StateRollingBack
		for _, t := range r.targets() {
			if t.State == TargetRollbackFailed {
				t.State, t.By = TargetRollingBack, ""
			}
		}
		return
	}
	r.Cause = ""
	r.State = r.halted.from
	w := &r.Waves[r.Wave]
	switch r.State {
	case StatePending:
		r.Precheck = nil
	case StateDeploying:
		w.State = WaveDeploying
		for i := range w.Targets {
			switch t := &w.Targets[i]; t.State {
			case TargetFailed:
				t.State = TargetPending
			case TargetRollbackFailed: // of a rehearsal
				t.State = TargetRollingBack
			}
		}
	case StateBaking:
		if w.State == WavePassed {
			w.confirmAgain()
			return
		}
		w.State = WaveBaking
		if cause == CauseUnasked || cause == CauseInterrupted {
			w.Since, w.Looked = e.At.Add(-r.halted.served), e.At
			return
		}
		w.Since, w.Looked, w.Verdicts = e.At, time.Time{}, nil
		r.Bakes++
	}
}

func (r *Rollout) rollBack(e Event) {
	if r.State == StateBaking {
		r.Waves[r.Wave].Verdicts = e.Verdicts
	}
	r.State, r.Cause, r.Reason, r.Blocked = StateRollingBack, e.Cause, e.Reason, nil
	r.Why, r.Turned, r.To = e.Reason, e.At, cmp.Or(e.To, r.To)
	r.Ended, r.Restored, r.Verified, r.Unwell = time.Time{}, time.Time{}, nil, false
	for _, name := range e.Targets {
		p := r.index[name]
		t := &r.Waves[p.wave].Targets[p.target]
		t.InScope, t.Previous, t.Held = true, cmp.Or(e.To, t.Previous), false
		if t.State == TargetRollbackFailed || t.State == TargetRolledBack {
			t.State, t.By = TargetRollingBack, ""
		}
		r.Waves[p.wave].State = WaveRollingBack
	}
}

func (r *Rollout) reverting(e Event) {
	for _, name := range e.Targets {
		t := r.Target(name)
		t.State, t.Version, t.By = TargetRollingBack, "", e.Actor
	}
}

func (r *Rollout) reverted(e Event) {
	r.Restored = e.At
	for _, res := range e.Results {
		t := r.Target(res.Target)
		t.Took = res.Took
		switch res.Outcome {
		case OutcomeDone: // why the deploy had failed stays known
			t.State, t.Version = TargetRolledBack, t.Previous
		case OutcomeFailed:
			t.State, t.Error, t.Tail = TargetRollbackFailed, res.Error, res.Tail
		default: // cut or untouched: it is still to be done
			t.State, t.By = TargetRollingBack, ""
		}
	}
	for i := range r.Waves {
		if w := &r.Waves[i]; w.State == WaveRollingBack || w.State == WaveRollbackFailed {
			w.State = w.afterRollback()
		}
	}
}

// afterRollback is the state of a wave of which targets go back.
func (w *Wave) afterRollback() WaveState {
	failed := false
	for i := range w.Targets {
		t := &w.Targets[i]
		if !t.InScope || t.State == TargetRolledBack {
			continue
		}
		if t.State != TargetRollbackFailed {
			return WaveRollingBack
		}
		failed = true
	}
	if failed {
		return WaveRollbackFailed
	}
	return WaveRolledBack
}

func (r *Rollout) end(e Event) {
	r.State, r.Blocked, r.Newer = e.State, nil, at(e.Newer, e.At)
	if w := &r.Waves[r.Wave]; e.State == StateAborted && w.State != WavePending {
		w.State = WaveHalted
	}
	if e.Reason != "" {
		r.Reason = e.Reason
	}
	for _, t := range r.targets() {
		if t.Held { // nobody tells it any more, so it will go back by itself
			t.Version = ""
		}
	}
	if e.State.Over() {
		r.Ended = e.At
	}
	if e.State.Resting() {
		r.Lease = Lease{}
	}
}
