package report

import (
	"encoding/json"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Status is a rollout as `status --json` prints it. Lists are never null. It carries text as it is in the ledger:
// who shows it must make it safe for where it is shown.
type Status struct {
	Rollout  string       `json:"rollout"`
	Line     string       `json:"line"`
	Version  string       `json:"version"`
	Previous string       `json:"previous"` // empty on a first release, or where each target has its own
	State    core.State   `json:"state"`
	Wave     string       `json:"wave"` // at work, or the last that was
	Reason   string       `json:"reason"`
	NextAt   *time.Time   `json:"next_at"` // null: nothing is due
	Waves    []WaveStatus `json:"waves"`

	Overrides []core.Override `json:"overrides"`           // what humans did to it, oldest first
	Newer     *core.Newer     `json:"newer,omitempty"`     // the version that waits for the line, or that went out instead
	Emergency bool            `json:"emergency,omitempty"` // it takes the plan's fast lane
	Accepted  bool            `json:"accepted,omitempty"`  // a human accepted a precheck that did not pass
	To        string          `json:"to,omitempty"`        // the version that a human had put on every target
	Policy    *core.Obeyed    `json:"policy,omitempty"`    // that it kept to when it started
}

// WaveStatus is one wave of a [Status].
type WaveStatus struct {
	Name     string          `json:"name"`
	State    core.WaveState  `json:"state"`
	Targets  []TargetStatus  `json:"targets"`
	Verdicts []VerdictStatus `json:"verdicts"`
	Promoted bool            `json:"promoted,omitempty"` // a human passed it before it had passed its bake
}

// TargetStatus is one target of a [WaveStatus].
type TargetStatus struct {
	Name     string           `json:"name"`
	State    core.TargetState `json:"state"`
	Version  string           `json:"version"` // what it runs; empty if that is not known
	Attempts int              `json:"attempts"`
}

// VerdictStatus is the newest verdict of one check, without what only the check itself needs.
type VerdictStatus struct {
	Check    string           `json:"check"`
	Verdict  core.VerdictKind `json:"verdict"`
	Reason   string           `json:"reason"`
	Shadow   bool             `json:"shadow"`
	At       time.Time        `json:"at"`
	Query    string           `json:"query,omitempty"`
	Window   string           `json:"window,omitempty"`
	Value    *float64         `json:"value,omitempty"`
	Evidence json.RawMessage  `json:"evidence,omitempty"` // the numbers behind the reason
}

// NewVerdicts returns verdicts as JSON has them.
func NewVerdicts(verdicts []core.Verdict) []VerdictStatus {
	all := make([]VerdictStatus, 0, len(verdicts))
	for _, v := range verdicts {
		all = append(all, VerdictStatus{v.Check, v.Verdict, v.Reason, v.Shadow, v.At.UTC(), v.Query, v.Window, v.Value, v.Evidence})
	}
	return all
}

// NewStatus returns the status of a rollout. next is when something is due; the zero time says that nothing is but, in a
// rollout that waits for a window, its opening.
func NewStatus(r *core.Rollout, next time.Time) Status {
	s := Status{
		Rollout: r.ID, Line: r.Line.String(), Version: r.Start.Version, Previous: r.Start.Previous,
		State: r.State, Reason: why(r), Waves: make([]WaveStatus, 0, len(r.Waves)),
		Overrides: inUTC(r.Overrides), Newer: r.Newer, Emergency: r.Emergency, Accepted: r.Accepted, To: r.To, Policy: r.Start.Policy,
	}
	if w := atWork(r); w != nil {
		s.Wave = w.Name
	}
	if next = due(r, next); !next.IsZero() {
		s.NextAt = new(next.UTC())
	}
	for i := range r.Waves {
		w := &r.Waves[i]
		ws := WaveStatus{Name: w.Name, State: w.State, Promoted: w.Promoted,
			Targets: make([]TargetStatus, 0, len(w.Targets)), Verdicts: NewVerdicts(w.Verdicts)}
		for _, t := range w.Targets {
			ws.Targets = append(ws.Targets, TargetStatus{t.Name, t.State, t.Version, t.Attempts})
		}
		s.Waves = append(s.Waves, ws)
	}
	return s
}

// inUTC is what humans did, as JSON has it.
func inUTC(all []core.Override) []core.Override {
	list := append([]core.Override{}, all...)
	for i := range list {
		list[i].At = list[i].At.UTC()
	}
	return list
}

// atWork is the wave that is at work, or the last that was; nil if the rollout has none.
func atWork(r *core.Rollout) *core.Wave {
	if r.Wave < 0 || r.Wave >= len(r.Waves) {
		return nil
	}
	return &r.Waves[r.Wave]
}
