package core

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"
)

// A Rollout is one version going down one line. It is a fold over its events, see [Rollout.Apply]; nothing else is
// stored. The zero value has not started.
type Rollout struct {
	ID       string
	Line     Line
	Start    Start // as it started; Start.Waves is the order of Waves
	State    State
	Cause    Cause  // of a halt or a rollback
	Reason   string // one sentence for people: why it is in this state
	Wave     int    // index of the wave that is at work
	Waves    []Wave
	Seq      int64 // of the newest event
	Began    time.Time
	Changed  time.Time // when State last changed
	Ended    time.Time // zero until it is over
	Lease    Lease     // zero: nobody holds it
	Precheck []Verdict
	Why      string    // why it goes, or went, back: one sentence
	Turned   time.Time // when that was decided
	Restored time.Time // newest outcome of a rollback
	Verified []Verdict // verdicts after the rollback
	Unwell   bool      // the checks had not recovered after the rollback
	Override *Override

	halted haltedBake
	index  map[string]place
}

// A Wave is a set of targets that are deployed together, then baked together.
type Wave struct {
	Name     string
	Rule     int // index into [Plan.Waves]
	State    WaveState
	Targets  []TargetRecord
	Began    time.Time // when its first target was announced; zero before it
	Out      time.Time // when all of it was deployed; zero before it
	Since    time.Time // start of the bake, moved by a halt that keeps what was served; zero before it
	Looked   time.Time // newest instant that is known to be judged
	Passed   time.Time
	Verdicts []Verdict // newest that were written down
}

// A TargetRecord is what is known of one target of a rollout.
type TargetRecord struct {
	Target
	State    TargetState
	Version  string // what it runs as far as the ledger knows; empty if that is not known
	Previous string // what goes back on it
	Attempts int    // of the deploy; above zero, something was or may have been done to it
	InScope  bool   // of a rollback that was decided
	Error    string
	Tail     string
	Took     time.Duration
}

type place struct{ wave, target int }

// haltedBake is what a resumed rollout needs to know of a bake that was halted.
type haltedBake struct {
	from   State
	served time.Duration
}

// moves is the state machine: the states in which an event may happen. Everything else is refused, see Apply.
var moves = map[EventType][]State{
	EventStarted: {""},
	EventClaimed: {StatePending, StateDeploying, StateBaking, StateHalted, StateRollingBack, StateRollbackFailed},
	EventRenewed: {StatePending, StateDeploying, StateBaking, StateHalted, StateRollingBack, StateRollbackFailed},
	EventReleased: {StatePending, StateDeploying, StateBaking, StateHalted, StateRollingBack, StateRollbackFailed,
		StateRolledBack, StateAborted, StateSucceeded},
	EventPrechecked:  {StatePending},
	EventDeploying:   {StatePending, StateDeploying},
	EventDeployed:    {StateDeploying},
	EventBaking:      {StateDeploying},
	EventLooked:      {StateBaking, StateRollingBack},
	EventPassed:      {StateBaking},
	EventHalted:      {StatePending, StateDeploying, StateBaking},
	EventResumed:     {StateHalted, StateRollbackFailed},
	EventRollingBack: {StatePending, StateDeploying, StateBaking, StateHalted, StateRollbackFailed},
	EventReverting:   {StateRollingBack},
	EventReverted:    {StateRollingBack},
	EventVerified:    {StateRollingBack},
	EventEnded:       {StatePending, StateDeploying, StateBaking, StateHalted, StateRollingBack, StateRollbackFailed},
}

// Allowed reports whether the state machine lets an event of this type happen in a state; "" is before the start.
func Allowed(t EventType, s State) bool { return slices.Contains(moves[t], s) }

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
	case EventClaimed, EventRenewed:
		r.Lease = *e.Lease
	case EventReleased:
		r.Lease = Lease{}
	case EventPrechecked:
		r.Precheck = e.Verdicts
	case EventDeploying:
		r.deploying(e)
	case EventDeployed:
		r.deployed(e)
	case EventBaking:
		r.State = StateBaking
		w := &r.Waves[r.Wave]
		w.State, w.Out, w.Since = WaveBaking, e.At, e.At
	case EventLooked:
		r.looked(e)
	case EventPassed:
		r.passed(e)
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
	r.Seq = e.Seq
	if r.State != before {
		r.Changed = e.At
	}
	return nil
}

// Fits reports why an event cannot be the next one. It changes nothing.
func (r *Rollout) Fits(e Event) error {
	if err := r.fits(e); err != nil {
		return fmt.Errorf("event %d (%s) of %s: %w", e.Seq, e.Type, r.Line, err)
	}
	return nil
}

func (r *Rollout) fits(e Event) error {
	states, known := moves[e.Type]
	switch {
	case !known:
		return errors.New("this version of Breakwater does not know such an event; use a newer version")
	case !slices.Contains(states, r.State):
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
	case EventClaimed, EventRenewed:
		if e.Lease == nil {
			return errors.New("has no lease")
		}
	case EventDeploying, EventDeployed, EventBaking, EventPassed:
		if e.Wave != r.Waves[r.Wave].Name {
			return fmt.Errorf("is about wave %q while %q is at work", e.Wave, r.Waves[r.Wave].Name)
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
		case e.Type == EventReverting && (!t.InScope || t.State == TargetRolledBack):
			return fmt.Errorf("would roll back target %q, which is %s and not in scope", name, t.State)
		}
	}
	for _, res := range e.Results {
		t := r.Target(res.Target)
		if e.Type == EventDeployed && t.State != TargetDeploying || e.Type == EventReverted && t.State != TargetRollingBack {
			return fmt.Errorf("is an outcome for target %q, which is %s", res.Target, t.State)
		}
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

// mayEnd checks that what an end claims is so.
func (r *Rollout) mayEnd(as State) error {
	switch {
	case as == StateSucceeded:
		for _, w := range r.Waves {
			if w.State != WavePassed {
				return fmt.Errorf("cannot have succeeded: wave %q is %s", w.Name, w.State)
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

func (r *Rollout) start(e Event) {
	*r = Rollout{ID: e.Rollout, Line: r.Line, Start: *e.Start, State: StatePending, Began: e.At, Changed: e.At}
	if e.Lease != nil {
		r.Lease = *e.Lease
	}
	r.index = make(map[string]place)
	r.Waves = make([]Wave, len(e.Start.Waves))
	for i, w := range e.Start.Waves {
		r.Waves[i] = Wave{Name: w.Name, Rule: w.Rule, State: WavePending, Targets: make([]TargetRecord, len(w.Targets))}
		for j, t := range w.Targets {
			previous := cmp.Or(t.Previous, e.Start.Previous)
			r.Waves[i].Targets[j] = TargetRecord{Target: t.Target, State: TargetPending, Version: t.runs(previous), Previous: previous}
			r.index[t.Name] = place{i, j}
		}
	}
}

// runs is the version that a target ran when the rollout started, empty if that is not known.
func (t StartTarget) runs(previous string) string {
	if t.Unknown {
		return ""
	}
	return cmp.Or(t.Runs, previous)
}

func (r *Rollout) deploying(e Event) {
	r.State = StateDeploying
	w := &r.Waves[r.Wave]
	w.State = WaveDeploying
	if w.Began.IsZero() {
		w.Began = e.At
	}
	for _, name := range e.Targets {
		t := r.Target(name)
		t.State, t.Version, t.Error, t.Tail = TargetDeploying, "", "", ""
		t.Attempts++
	}
}

func (r *Rollout) deployed(e Event) {
	for _, res := range e.Results {
		t := r.Target(res.Target)
		t.Error, t.Tail, t.Took = res.Error, res.Tail, res.Took
		switch res.Outcome {
		case OutcomeDone:
			t.State, t.Version = TargetDeployed, r.Start.Version
		case OutcomeUntouched:
			t.Attempts--
			t.State = TargetPending
			if t.Attempts == 0 {
				p := r.index[t.Name]
				t.Version = r.Start.Waves[p.wave].Targets[p.target].runs(t.Previous)
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
	if r.Wave+1 < len(r.Waves) {
		r.Wave++
		r.State = StateDeploying
	}
}

func (r *Rollout) halt(e Event) {
	w := &r.Waves[r.Wave]
	r.halted = haltedBake{from: r.State}
	if r.State == StateBaking {
		r.halted.served = e.At.Sub(w.Since)
		w.Verdicts = e.Verdicts
	}
	if r.State != StatePending {
		w.State = WaveHalted
	}
	r.State, r.Cause, r.Reason = StateHalted, e.Cause, e.Reason
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
				t.State = TargetRollingBack
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
			if t := &w.Targets[i]; t.State == TargetFailed {
				t.State = TargetPending
			}
		}
	case StateBaking:
		w.State, w.Since, w.Looked, w.Verdicts = WaveBaking, e.At, time.Time{}, nil
		if cause == CauseUnasked || cause == CauseInterrupted {
			w.Since, w.Looked = e.At.Add(-r.halted.served), e.At
		}
	}
}

func (r *Rollout) rollBack(e Event) {
	if r.State == StateBaking {
		r.Waves[r.Wave].Verdicts = e.Verdicts
	}
	r.State, r.Cause, r.Reason, r.Override = StateRollingBack, e.Cause, e.Reason, e.Override
	r.Why, r.Turned = e.Reason, e.At
	for _, name := range e.Targets {
		p := r.index[name]
		t := &r.Waves[p.wave].Targets[p.target]
		t.InScope = true
		if t.State == TargetRollbackFailed {
			t.State = TargetRollingBack
		}
		r.Waves[p.wave].State = WaveRollingBack
	}
}

func (r *Rollout) reverting(e Event) {
	for _, name := range e.Targets {
		t := r.Target(name)
		t.State, t.Version = TargetRollingBack, ""
	}
}

func (r *Rollout) reverted(e Event) {
	r.Restored = e.At
	for _, res := range e.Results {
		t := r.Target(res.Target)
		t.Error, t.Tail, t.Took = res.Error, res.Tail, res.Took
		switch res.Outcome {
		case OutcomeDone:
			t.State, t.Version = TargetRolledBack, t.Previous
		case OutcomeFailed:
			t.State = TargetRollbackFailed
		default: // cut or untouched: it is still to be done
			t.State = TargetRollingBack
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
	r.State = e.State
	if w := &r.Waves[r.Wave]; e.State == StateAborted && w.State != WavePending {
		w.State = WaveHalted
	}
	if e.Override != nil {
		r.Override = e.Override
	}
	if e.Reason != "" {
		r.Reason = e.Reason
	}
	if e.State.Over() {
		r.Ended = e.At
	}
	if e.State.Resting() {
		r.Lease = Lease{}
	}
}

// Clone returns a copy that later events of r do not change.
func (r *Rollout) Clone() *Rollout {
	c := *r
	c.Waves = slices.Clone(r.Waves)
	for i := range c.Waves {
		c.Waves[i].Targets = slices.Clone(c.Waves[i].Targets)
	}
	return &c
}

// Target returns the record of a target, nil if the rollout does not have it.
func (r *Rollout) Target(name string) *TargetRecord {
	p, ok := r.index[name]
	if !ok {
		return nil
	}
	return &r.Waves[p.wave].Targets[p.target]
}

// targets yields every target in the order of the waves.
func (r *Rollout) targets() iter.Seq2[place, *TargetRecord] {
	return func(yield func(place, *TargetRecord) bool) {
		for i := range r.Waves {
			for j := range r.Waves[i].Targets {
				if !yield(place{i, j}, &r.Waves[i].Targets[j]) {
					return
				}
			}
		}
	}
}

// left names the targets in scope of a rollback that are not back.
func (r *Rollout) left() []string {
	var names []string
	for _, t := range r.targets() {
		if t.InScope && t.State != TargetRolledBack {
			names = append(names, t.Name)
		}
	}
	return names
}

// LastGood is the version to go back to for whatever comes after this rollout: its own if it succeeded, else the one
// that was good before it. It is empty if there never was one.
func (r *Rollout) LastGood() string {
	if r.State == StateSucceeded {
		return r.Start.Version
	}
	return r.Start.Previous
}
