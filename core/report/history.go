package report

import (
	"slices"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// History is the past of a line, as `history --json` prints it. Lists are never null. It carries text as it is in the
// ledger: who shows it must make it safe for where it is shown.
type History struct {
	Line     string        `json:"line"`
	Rollouts []PastRollout `json:"rollouts"` // newest first
	Figures  Figures       `json:"figures"`  // of these rollouts
	Checks   []Score       `json:"checks"`   // of these rollouts
}

// A PastRollout is one rollout of a [History].
type PastRollout struct {
	Number   int        `json:"number"`
	Rollout  string     `json:"rollout"`
	Version  string     `json:"version"`
	Previous string     `json:"previous"`
	State    core.State `json:"state"`
	Cause    core.Cause `json:"cause,omitempty"` // of a halt or a rollback
	Started  time.Time  `json:"started"`
	Ended    *time.Time `json:"ended"` // null: it is not over
	Took     Duration   `json:"took"`  // so far, if it is not over
	Waves    int        `json:"waves"`
	Passed   int        `json:"passed"` // waves that passed their bake
	Touched  bool       `json:"touched"`
	Failed   bool       `json:"failed"`  // counts as a failed change, see [Figures]
	Restore  *Restore   `json:"restore"` // null: nothing was put back, or the service had not recovered
	Reason   string     `json:"reason"`

	Overrides []core.Override `json:"overrides"`
	Emergency bool            `json:"emergency,omitempty"`

	opinions map[question]opinion
	stops    stops
}

// Restore is how long it took until the previous version was back on every target in scope.
type Restore struct {
	FromDeploy   Duration `json:"from_deploy"`   // since the wave that failed began to be deployed
	FromDecision Duration `json:"from_decision"` // since the rollback was decided
}

// A Chronicle folds the events of a line into its history. It holds one rollout at a time, and a row for each that is
// shown.
type Chronicle struct {
	line    core.Line
	last    int
	since   time.Time
	now     time.Time
	rollout *core.Rollout
	hearing hearing
	rows    []PastRollout // oldest first
}

// NewChronicle begins the history of a line at now: of the rollouts that started at since or later, the last ones. A
// last of 0 and a zero since set no bound.
func NewChronicle(line core.Line, last int, since, now time.Time) *Chronicle {
	return &Chronicle{line: line, last: last, since: since, now: now}
}

// Add takes the next event, oldest first.
func (c *Chronicle) Add(e core.Event) error {
	if e.Type == core.EventStarted {
		c.close()
		c.rollout, c.hearing = &core.Rollout{Line: c.line}, hearing{}
	}
	if c.rollout == nil {
		c.rollout = &core.Rollout{Line: c.line} // which says what is wrong with an event before the first start
	}
	before := c.rollout.State
	if err := c.rollout.Apply(e); err != nil {
		return err
	}
	c.hearing.hear(before, c.rollout, e)
	return nil
}

// close makes a row of the rollout that the chronicle is at.
func (c *Chronicle) close() {
	r := c.rollout
	if r == nil || r.Began.Before(c.since) {
		return
	}
	c.rows = append(c.rows, newPastRollout(r, c.hearing, c.now))
	if c.last > 0 && len(c.rows) > c.last {
		c.rows = slices.Delete(c.rows, 0, 1)
	}
}

// History returns what the events told. No event can be added after it.
func (c *Chronicle) History() History {
	c.close()
	c.rollout = nil
	h := History{Line: c.line.String(), Rollouts: append([]PastRollout{}, c.rows...), Checks: scores(c.rows)}
	slices.Reverse(h.Rollouts)
	h.Figures = newFigures(c.rows, c.since, c.now)
	return h
}

func newPastRollout(r *core.Rollout, h hearing, now time.Time) PastRollout {
	p := PastRollout{
		Number: r.Start.Number, Rollout: r.ID, Version: r.Start.Version, Previous: r.Start.Previous, State: r.State, Cause: r.Cause,
		Started: r.Began.UTC(), Took: Duration(now.Sub(r.Began)), Waves: len(r.Waves), Reason: r.Reason,
		Overrides: inUTC(r.Overrides), Emergency: r.Emergency,
		Restore: restore(r), opinions: h.opinions, stops: h.stops,
	}
	if !r.Ended.IsZero() {
		p.Ended, p.Took = new(r.Ended.UTC()), Duration(r.Ended.Sub(r.Began))
	}
	for i := range r.Waves {
		if !r.Waves[i].Passed.IsZero() {
			p.Passed++
		}
		for j := range r.Waves[i].Targets {
			p.Touched = p.Touched || r.Waves[i].Targets[j].Attempts > 0
		}
	}
	p.Failed = p.Touched && failed(r)
	return p
}

// failed reports whether a change failed: it goes or went back, it was aborted, or it is halted by a deploy, by a target that
// had gone back when its wave had passed, or by a check.
// One that went on after a halt and succeeded did not.
func failed(r *core.Rollout) bool {
	switch r.State {
	case core.StateRollingBack, core.StateRolledBack, core.StateRollbackFailed, core.StateAborted:
		return true
	case core.StateHalted:
		return r.Cause == core.CauseCheck || r.Cause == core.CauseDeploy || r.Cause == core.CauseConfirm
	default:
		return false
	}
}

// restore is how long users had to wait for the previous version, nil if it is not back or did not help.
func restore(r *core.Rollout) *Restore {
	if r.State != core.StateRolledBack || r.Unwell || r.Restored.IsZero() {
		return nil
	}
	for i := r.Wave; i >= 0; i-- {
		if w := &r.Waves[i]; !w.Began.IsZero() {
			return &Restore{FromDeploy: Duration(r.Restored.Sub(w.Began)), FromDecision: Duration(r.Restored.Sub(r.Turned))}
		}
	}
	return nil
}

// Figures are what DORA measures, as far as a ledger can tell. A deployment is a rollout that touched a target. A
// failed one goes or went back, was aborted, or is halted by a deploy or a check; what is not over in one way or the
// other is left out of the rate.
type Figures struct {
	From         time.Time `json:"from"`
	Period       Duration  `json:"period"`
	Deployments  int       `json:"deployments"`
	PerWeek      *float64  `json:"per_week"` // null: the period is shorter than a week
	Failed       int       `json:"failed"`
	Decided      int       `json:"decided"`               // deployments that failed or succeeded
	FailureRate  *float64  `json:"failure_rate"`          // 0 to 1; null: none is decided
	Restored     int       `json:"restored"`              // rollbacks after which the service was well, as far as checks were asked
	FromDeploy   *Duration `json:"restore_from_deploy"`   // median, since the failing wave began to be deployed
	FromDecision *Duration `json:"restore_from_decision"` // median, since the rollback was decided
	LeadTime     *Duration `json:"lead_time"`             // always null: a ledger does not know when a change was committed
}

func newFigures(rows []PastRollout, since, now time.Time) Figures {
	f := Figures{From: since.UTC()}
	if since.IsZero() {
		f.From = now.UTC()
		if len(rows) > 0 {
			f.From = rows[0].Started
		}
	}
	f.Period = Duration(now.Sub(f.From))
	var deploy, decision []Duration
	for _, r := range rows {
		if !r.Touched {
			continue
		}
		f.Deployments++
		switch {
		case r.Failed:
			f.Failed++
			f.Decided++
		case r.State == core.StateSucceeded:
			f.Decided++
		}
		if r.Restore != nil {
			f.Restored++
			deploy, decision = append(deploy, r.Restore.FromDeploy), append(decision, r.Restore.FromDecision)
		}
	}
	if week := Duration(7 * 24 * time.Hour); f.Period >= week {
		f.PerWeek = new(float64(f.Deployments) * float64(week) / float64(f.Period))
	}
	if f.Decided > 0 {
		f.FailureRate = new(float64(f.Failed) / float64(f.Decided))
	}
	f.FromDeploy, f.FromDecision = median(deploy), median(decision)
	return f
}

// median is the middle one, the mean of the two in the middle, or nil.
func median(all []Duration) *Duration {
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return new((all[(len(all)-1)/2] + all[len(all)/2]) / 2)
}
