package core

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// A Rollout is one version going down one line. It is a fold over its events, see [Rollout.Apply]; nothing else is
// stored. The zero value has not started.
type Rollout struct {
	ID         string
	Line       Line
	Start      Start // as it started; Start.Waves is the order of Waves
	State      State
	Cause      Cause  // of a halt or a rollback
	Reason     string // one sentence for people: why it is in this state
	Wave       int    // index of the wave that is at work
	Waves      []Wave
	Seq        int64 // of the newest event
	Began      time.Time
	Changed    time.Time // when State last changed
	Ended      time.Time // zero until it is over
	Lease      Lease     // zero: nobody holds it
	Bakes      int       // begun, those that were begun afresh after a halt included
	Precheck   []Verdict
	Why        string    // why it goes, or went, back: one sentence
	Turned     time.Time // when that was decided
	Restored   time.Time // newest outcome of a rollback
	Verified   []Verdict // verdicts after the rollback
	Rehearsing bool      // a rehearsal of the rollback is under way
	Rehearsed  time.Time // when it was over and all was back; zero: it was not, or there is none
	Unwell     bool      // the checks had not recovered after the rollback
	Blocked    *Block    // nil: no window is known to hold the wave at work up

	Overrides []Override // what humans did to it, oldest first
	Emergency bool       // it takes the plan's fast lane, see [Plan.For]
	Accepted  bool       // a human accepted a precheck that did not pass
	Newer     *Newer     // waits for the line; or, once it is over, goes out instead
	To        string     // the version that a human had put on all targets; empty: each has, or gets, its own previous one

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
	Promoted bool      // a human passed it before it had passed its bake
	Verdicts []Verdict // newest that were written down
}

// A TargetRecord is what is known of one target of a rollout.
type TargetRecord struct {
	Target
	State    TargetState
	Version  string // what it runs as far as the ledger knows; empty if that is not known
	Previous string // what goes back on it
	Attempts int    // of the deploy; above zero, something was or may have been done to it
	By       string // [Actor.ID] of who announced the newest act on it; empty if it goes back and nobody has announced that
	Left     bool   // a rollout that gave way to this one had touched it: it goes back with the others
	InScope  bool   // of a rollback that was decided
	Held     bool   // it waits to be told that its wave has passed, see [Confirmer]
	Error    string
	Tail     string
	Took     time.Duration
}

// A Block says that the wave at work waits for its window.
type Block struct {
	Until  time.Time // when it may start; zero: not within a year, or nobody knows
	Reason string    // one sentence
}

type place struct{ wave, target int }

// haltedBake is what a resumed rollout needs to know of a bake that was halted.
type haltedBake struct {
	by     string
	from   State
	served time.Duration
}

// HaltedBy is the [Actor.ID] of who halted it; empty if it is not halted.
func (r *Rollout) HaltedBy() string {
	if r.State != StateHalted {
		return ""
	}
	return r.halted.by
}

// Clone returns a copy that later events of r do not change.
func (r *Rollout) Clone() *Rollout {
	c := *r
	c.Waves = slices.Clone(r.Waves)
	c.Overrides = slices.Clone(r.Overrides)
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

// Waiting reports whether the wave at work has not begun: nothing was or may have been done to any of its targets.
func (r *Rollout) Waiting() bool {
	return (r.State == StatePending || r.State == StateDeploying) &&
		!slices.ContainsFunc(r.Waves[r.Wave].Targets, func(t TargetRecord) bool { return t.Attempts > 0 })
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

// GaveWay reports whether the rollout ended because a newer version goes out instead.
func (r *Rollout) GaveWay() bool { return r.State == StateAborted && r.Newer != nil }

// LastGood is the version to go back to for whatever comes after this rollout: its own if it succeeded, else the one
// that a human named to go back to, or that was good before it. It is empty if there never was one.
func (r *Rollout) LastGood() string {
	if r.State == StateSucceeded {
		return r.Start.Version
	}
	return cmp.Or(r.To, r.Start.Previous)
}
