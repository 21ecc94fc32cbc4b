package core

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// EventType names what happened.
type EventType string

// The events of a rollout. Those marked intent are written before the act.
const (
	EventStarted     EventType = "started"      // the rollout exists; nothing has been touched
	EventExpedited   EventType = "expedited"    // an emergency: the plan's fast lane from now on
	EventClaimed     EventType = "claimed"      // an actor took the lease
	EventRenewed     EventType = "renewed"      // the actor that holds the lease goes on holding it
	EventQueued      EventType = "queued"       // a newer version waits for the line
	EventReleased    EventType = "released"     // the actor gave the lease back
	EventPrechecked  EventType = "prechecked"   // the checks were asked before the first wave
	EventBlocked     EventType = "blocked"      // the wave at work may not start before an instant
	EventDeploying   EventType = "deploying"    // intent: these targets of a wave get the new version
	EventDeployed    EventType = "deployed"     // outcomes of some of them
	EventRehearsing  EventType = "rehearsing"   // intent: these targets of the first wave get the previous version, for a try
	EventRehearsed   EventType = "rehearsed"    // outcomes of some of them
	EventBaking      EventType = "baking"       // the wave is out; its bake starts
	EventLooked      EventType = "looked"       // verdicts that differ from those before
	EventPassed      EventType = "passed"       // the wave has passed its bake
	EventConfirming  EventType = "confirming"   // intent: these targets of a wave that has passed are told so
	EventConfirmed   EventType = "confirmed"    // outcomes of some of them
	EventPromoted    EventType = "promoted"     // a human passed the wave, or the precheck
	EventHalted      EventType = "halted"       // nothing more is done until a human re-runs
	EventResumed     EventType = "resumed"      // a human re-ran
	EventRollingBack EventType = "rolling-back" // decision: these targets go back
	EventReverting   EventType = "reverting"    // intent: these targets of a wave get the previous version
	EventReverted    EventType = "reverted"     // outcomes of some of them
	EventVerified    EventType = "verified"     // the checks were asked after the rollback
	EventEnded       EventType = "ended"        // nothing is left to do
)

// EventTypes lists every event in the order in which a rollout can first meet it.
var EventTypes = []EventType{
	EventStarted, EventExpedited, EventClaimed, EventRenewed, EventQueued, EventReleased, EventPrechecked, EventBlocked, EventDeploying, EventDeployed,
	EventRehearsing, EventRehearsed, EventBaking,
	EventLooked, EventPassed, EventConfirming, EventConfirmed, EventPromoted, EventHalted, EventResumed, EventRollingBack, EventReverting, EventReverted, EventVerified, EventEnded,
}

// An Event is one line of a ledger. Which of the optional fields are set depends on the type.
type Event struct {
	Seq     int64     `json:"seq"` // 1 for the first event of a line, then without gaps
	At      time.Time `json:"at"`
	Type    EventType `json:"type"`
	Rollout string    `json:"rollout"`
	Actor   string    `json:"actor"` // [Actor.ID] of the writer

	Start    *Start     `json:"start,omitempty"`    // started
	Lease    *Lease     `json:"lease,omitempty"`    // started, claimed, renewed
	Wave     string     `json:"wave,omitempty"`     // blocked to confirmed, promoted, halted, reverting, reverted
	Targets  []string   `json:"targets,omitempty"`  // deploying, confirming, rolling-back, reverting
	Results  []Result   `json:"results,omitempty"`  // deployed, confirmed, reverted
	Verdicts []Verdict  `json:"verdicts,omitempty"` // prechecked, looked, passed, halted, rolling-back, verified
	State    State      `json:"state,omitempty"`    // ended
	Newer    *Newer     `json:"newer,omitempty"`    // queued; ended: it goes out instead
	Cause    Cause      `json:"cause,omitempty"`    // halted, rolling-back
	Reason   string     `json:"reason,omitempty"`   // one sentence for people
	Override *Override  `json:"override,omitempty"` // a human asked for it
	To       string     `json:"to,omitempty"`       // rolling-back: what all of the targets get, instead of what each had before
	Due      *time.Time `json:"due,omitempty"`      // looked: the instant that the verdicts are about; blocked: when it may start
}

// Start is what a rollout is: everything that a later job needs to go on with it.
type Start struct {
	Number   int         `json:"number"` // counts the rollouts of a line from 1
	Version  string      `json:"version"`
	Previous string      `json:"previous,omitempty"` // last good version; empty on a first release
	Plan     string      `json:"plan"`               // the YAML as written, before ${...} is filled in
	PlanFile string      `json:"plan_file"`
	Waves    []StartWave `json:"waves"`
	By       Actor       `json:"by"`

	// Activated is the version that this rollout must not be rolled back across: its own, if its plan says activate, or
	// that of an activation before it which did not end well.
	Activated string  `json:"activated,omitempty"`
	OnNewer   OnNewer `json:"on_newer,omitempty"` // empty: queue
	Policy    *Obeyed `json:"policy,omitempty"`   // nil: none was asked for
}

// A StartWave is one wave as it was cut when the rollout started.
type StartWave struct {
	Name    string        `json:"name"`
	Rule    int           `json:"rule"` // index into [Plan.Waves]
	Targets []StartTarget `json:"targets"`
}

// FindWave finds a wave by its name, or by its number from 1; -1 if there is none.
func FindWave(waves []StartWave, wave string) int {
	if i := slices.IndexFunc(waves, func(w StartWave) bool { return w.Name == wave }); i >= 0 {
		return i
	}
	if n, err := strconv.Atoi(wave); err == nil && n >= 1 && n <= len(waves) {
		return n - 1
	}
	return -1
}

// Weight adds up the weights of targets. A target without one counts 1.
func Weight(targets []StartTarget) float64 {
	sum := 0.0
	for _, t := range targets {
		sum += cmp.Or(t.Weight, 1)
	}
	return sum
}

// A StartTarget is a target with what is known of it when the rollout started.
type StartTarget struct {
	Target
	Previous string `json:"previous,omitempty"` // what goes back on it; empty: as the rollout's
	Runs     string `json:"runs,omitempty"`     // what it runs; empty: what goes back on it
	Unknown  bool   `json:"unknown,omitempty"`  // the rollout before left it half-way: what it runs is not known
	Left     bool   `json:"left,omitempty"`     // a rollout that gave way to this one had touched it
	Found    string `json:"found,omitempty"`    // what it said that it runs, before the first wave; empty: it was not asked
}

// Outcome is how an act on a target ended.
type Outcome string

// The outcomes.
const (
	OutcomeDone      Outcome = "done"
	OutcomeFailed    Outcome = "failed"
	OutcomeCut       Outcome = "cut"       // stopped half-way: what the target runs is not known
	OutcomeUntouched Outcome = "untouched" // announced, but never started
)

// A Result is how an act on one target ended.
type Result struct {
	Target  string        `json:"target"`
	Outcome Outcome       `json:"outcome"`
	Error   string        `json:"error,omitempty"`
	Tail    string        `json:"tail,omitempty"` // last lines of its output, when it failed
	Took    time.Duration `json:"took,omitempty"` // nanoseconds
	Held    bool          `json:"held,omitempty"` // deployed: the target waits to be told that its wave has passed, see [Confirmer]
}

// Cause is why a rollout halted or goes back. It decides what a resumed rollout keeps.
type Cause string

// The causes.
const (
	CauseDeploy       Cause = "deploy"       // more targets failed than the plan tolerates
	CauseCheck        Cause = "check"        // a check failed
	CauseInconclusive Cause = "inconclusive" // the bake reached max without an answer
	CauseUnasked      Cause = "unasked"      // a source could not be asked
	CauseRehearsal    Cause = "rehearsal"    // the rehearsal of the rollback failed
	CauseConfirm      Cause = "confirm"      // a target did not take it that its wave has passed
	CausePrecheck     Cause = "precheck"     // a check failed before the first wave
	CauseWindow       Cause = "window"       // the window of the next wave does not open within a year
	CauseInterrupted  Cause = "interrupted"  // the job was cancelled
	CauseOverride     Cause = "override"     // a human asked for it
)

// An Actor is one process that works on a rollout.
type Actor struct {
	ID      string `json:"id"`                // unique for each process
	Name    string `json:"name,omitempty"`    // the person or bot who started it
	Run     string `json:"run,omitempty"`     // id of the CI run; empty outside CI
	Attempt int    `json:"attempt,omitempty"` // of the CI run, from 1
	URL     string `json:"url,omitempty"`     // of the CI run
	Host    string `json:"host,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Space   string `json:"space,omitempty"` // where the PID means something: a boot of a machine and a PID namespace
	Birth   string `json:"birth,omitempty"` // when the process started, in the host's own terms: tells a reused PID
}

// A Lease says who may act on a line, and until when if it is not renewed.
type Lease struct {
	Holder Actor     `json:"holder"`
	Until  time.Time `json:"until"`
}

// YieldsTo reports whether an actor may take the lease at now. dead reports that a holder's process is known to be
// gone. A later attempt of the same CI run takes over at once: the CI system starts it only when the earlier one is
// over, whatever is left of it.
func (l Lease) YieldsTo(a Actor, now time.Time, dead func(Actor) bool) bool {
	h := l.Holder
	switch {
	case h.ID == "" || h.ID == a.ID:
		return true
	case h.Run != "" && h.Run == a.Run && a.Attempt > h.Attempt:
		return true
	case !now.Before(l.Until):
		return true
	default:
		return dead(h)
	}
}
