package check

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/judge"
)

const (
	beforeLooks = 60   // looks before the wave at which the arms are compared while both run the old version
	backLooks   = 5    // looks after a rollback without a sign of harm that show that it helped
	backSign    = 3    // evidence that is such a sign
	mostPast    = 5000 // looks of its own past that are asked for at most
	week        = 7 * 24 * time.Hour
)

// A budget is what the tests of one bake may spend of the plan's false alarms.
type budget struct {
	alpha float64 // of the bake
	tests int     // that share it
}

// A compare asks whether the wave is worse than its control. Its looks do not overlap: each judges the events of one
// window, once. In between it says what it said before.
type compare struct {
	figures
	spec    core.Compare
	name    string
	source  source
	scope   core.Asked
	step    time.Duration // the window of a look, and the least time between two
	budget  budget
	control arm
	against core.ControlKind // what the control is, in the end
	options judge.Options
	trial   trial
	kept    compareMemory

	judged judge.Verdict // newest
	last   core.Verdict
}

// compareMemory is what a comparison needs to go on in another process.
type compareMemory struct {
	At      time.Time       `json:"at"`                 // the newest look that was judged
	OwnPast bool            `json:"own_past,omitempty"` // a level is compared with the past of its own series
	Broken  string          `json:"broken,omitempty"`   // why nothing can be told: it was broken before the wave
	Jointly string          `json:"jointly,omitempty"`  // why it failed together with others
	Test    json.RawMessage `json:"test,omitempty"`
}

func newCompare(c core.Check, from source, scope core.Asked, b budget) *compare {
	q := &compare{
		figures: figuresOf(*c.Compare), spec: *c.Compare, name: c.Name, source: from, scope: scope, budget: b,
		step: max(scope.Bake.Every, from.shortest()), against: c.Compare.Control.Kind,
	}
	if q.against == core.ControlPending && len(scope.Control) == 0 {
		q.against = core.ControlBefore
	}
	switch q.against {
	case core.ControlPending:
		q.control = arm{scope.Control, []time.Duration{0}}
	case core.ControlWeeks:
		q.control = arm{targets: scope.Targets}
		for i := range q.spec.Control.Weeks {
			q.control.lags = append(q.control.lags, time.Duration(i+1)*week)
		}
	default:
		// So long ago that no look of the bake can reach back to after the wave began.
		lag := scope.Since.Add(scope.Bake.Max).Sub(scope.Began)
		q.control = arm{scope.Targets, []time.Duration{(lag + q.step - 1).Truncate(q.step)}}
	}
	q.options = judge.Options{
		Name: c.Name, FalseAlarms: b.alpha / float64(b.tests), Quantile: q.spec.Quantile, Direction: q.spec.Direction,
	}
	q.setMargin()
	q.kept.At = scope.Since
	for _, v := range scope.Known {
		if v.Check == c.Name && len(v.Memory) > 0 {
			q.restore(v.Memory)
		}
	}
	return q
}

// setMargin says what a plan's margin means: points of a share for counts, else a relative change.
func (c *compare) setMargin() {
	if c.spec.Margin == nil {
		return
	}
	margin := float64(*c.spec.Margin)
	if margin == 0 {
		margin = -1 // none, and not the default
	}
	if c.spec.Errors != "" {
		c.options.Floor = margin
	} else {
		c.options.Margin = margin
	}
}

// restore goes on where another process was. What cannot be read starts anew: the bake asks again what it knew.
func (c *compare) restore(memory json.RawMessage) {
	var kept compareMemory
	if json.Unmarshal(memory, &kept) != nil {
		return
	}
	t := c.newTrial(kept.OwnPast)
	if json.Unmarshal(kept.Test, t.memory()) != nil {
		return
	}
	c.kept, c.trial = kept, t
	if kept.OwnPast {
		c.step = c.pastStep()
	}
}

func (c *compare) newTrial(ownPast bool) trial {
	switch {
	case c.spec.Histogram != "":
		return &bucketTrial{options: c.options}
	case ownPast:
		return pastTrial{judge.NewHistory(c.options, int(24*time.Hour/c.pastStep()))}
	case c.spec.Method == core.MethodMannWhitney:
		return rankTrial{judge.NewRanks(c.options, judge.MannWhitney{})}
	case c.spec.Gauge != "":
		return gaugeTrial{judge.NewGauge(c.options)}
	default:
		return countTrial{judge.NewCounts(c.options)}
	}
}

// delay is how long after the start of the bake the first look is of use. In a precheck the past counts, if the source
// knows it.
func (c *compare) delay() time.Duration {
	if c.scope.Wave == "" && !c.source.watches() {
		return 0
	}
	return c.step
}

// answer looks once.
func (c *compare) answer(ctx context.Context, at time.Time, _ time.Duration) core.Verdict {
	if c.scope.Wave == "" {
		return c.precheck(ctx, at)
	}
	if c.trial == nil {
		if err := c.begin(ctx); err != nil {
			return core.Verdict{Verdict: core.Error, Reason: "before the wave: " + err.Error(), At: at}
		}
	}
	if next := c.kept.At.Add(c.step); at.Before(next) {
		if c.last.Verdict != "" {
			return c.last
		}
		return core.Verdict{Verdict: core.Inconclusive, Reason: "the next look is at " + next.UTC().Format(time.TimeOnly), At: at, Memory: c.memory()}
	}
	control, _, err := c.ask(ctx, c.control, at)
	if err != nil {
		return core.Verdict{Verdict: core.Error, Reason: err.Error(), At: at, Memory: c.memory()}
	}
	candidate, sent, err := c.ask(ctx, arm{c.scope.Targets, []time.Duration{0}}, at)
	if err != nil {
		return core.Verdict{Verdict: core.Error, Reason: err.Error(), At: at, Query: sent, Memory: c.memory()}
	}
	c.kept.At = at
	c.judged = c.trial.look(control, candidate)
	c.last = c.verdict(at, sent)
	return c.last
}

// begin compares the arms before the wave, when both ran the old version.
func (c *compare) begin(ctx context.Context) error {
	if ownPast, err := c.beginWithOwnPast(ctx); err != nil || ownPast {
		return err
	}
	t := c.newTrial(false)
	control, err := c.recall(ctx, c.control, c.scope.Began, beforeLooks)
	if err != nil {
		return err
	}
	candidate, err := c.recall(ctx, arm{c.scope.Targets, []time.Duration{0}}, c.scope.Began, beforeLooks)
	if err != nil {
		return err
	}
	for i := range control {
		t.before(control[i], candidate[i])
	}
	c.trial = t
	past, options := t.past()
	c.kept.Broken, _ = past.Broken(options) // no reason: it was not
	return nil
}

// beginWithOwnPast compares a level with the past of its own series where there is enough of that: it promises more than
// a comparison with one other time. It reports whether it does.
func (c *compare) beginWithOwnPast(ctx context.Context) (bool, error) {
	if _, ok := c.source.Source.(core.Ranger); !ok || c.against != core.ControlBefore || c.spec.Gauge == "" || c.spec.Method == core.MethodMannWhitney {
		return false, nil
	}
	needed := judge.HistoryNeeds(c.options.FalseAlarms)
	if needed > mostPast {
		return false, nil
	}
	step := c.step
	c.step = c.pastStep()
	past, err := c.recall(ctx, arm{c.scope.Targets, []time.Duration{0}}, c.scope.Began, min(needed+needed/4, mostPast))
	known := 0
	for _, r := range past {
		if r.known() {
			known++
		}
	}
	if err != nil || known < needed {
		c.step = step
		return false, err
	}
	c.trial, c.kept.OwnPast = c.newTrial(true), true
	for _, r := range past {
		c.trial.before(reading{}, r)
	}
	return true, nil
}

// pastStep spreads the looks of a comparison with the own past over the shortest bake.
func (c *compare) pastStep() time.Duration {
	every := max(c.scope.Bake.Every, time.Second)
	spread := c.scope.Bake.Min / judge.HistoryLooks
	return max(c.step, (spread + every - 1).Truncate(every))
}

// precheck asks about the targets as they are: there is no wave yet to compare. It shows that the queries work, and what
// is broken already.
func (c *compare) precheck(ctx context.Context, at time.Time) core.Verdict {
	r, sent, err := c.ask(ctx, arm{c.scope.Targets, []time.Duration{0}}, at)
	v := core.Verdict{At: at, Query: sent, Window: core.Brief(c.step)}
	switch {
	case err != nil:
		v.Verdict, v.Reason = core.Error, err.Error()
	case !r.known() || c.spec.Errors != "" && r.total == 0:
		v.Verdict, v.Reason = core.Inconclusive, "no data: the queries returned nothing to compare"
	case c.spec.Errors != "" && r.bad > r.total/2:
		v.Verdict, v.Reason = core.Fail, c.saw(r)
	default:
		v.Verdict, v.Reason = core.Pass, c.saw(r)+"; there is no wave yet to compare"
	}
	return v
}

// verdict is what the judge said, in the terms of the plan.
func (c *compare) verdict(at time.Time, sent string) core.Verdict {
	j := c.judged
	v := core.Verdict{Verdict: j.Verdict, At: at, Query: sent, Window: core.Brief(c.step), Reason: strings.TrimSuffix(j.Reason, ".")}
	switch level := j.Evidence.Candidate; {
	case j.Evidence.Latency != nil:
		v.Value = &j.Evidence.Latency.Candidate
	case j.Evidence.Looks > 0:
		v.Value = &level
	}
	switch {
	case c.kept.Broken != "":
		v.Verdict, v.Reason = core.Inconclusive, strings.TrimSuffix(c.kept.Broken, ".")
	case c.kept.Jointly != "":
		v.Verdict, v.Reason = core.Fail, c.kept.Jointly
	case c.scope.Back && v.Verdict == core.Inconclusive && j.Evidence.Looks >= backLooks && j.Evidence.E < backSign:
		v.Verdict, v.Reason = core.Pass, v.Reason+"; no sign of harm in "+fmt.Sprint(j.Evidence.Looks)+" looks since the rollback"
	}
	v.Reason += c.notes(v.Verdict)
	v.Evidence, _ = json.Marshal(c.proof())
	v.Memory = c.memory()
	return v
}

// notes are what a reader must know of the control and of the budget.
func (c *compare) notes(k core.VerdictKind) string {
	notes := ""
	switch {
	case c.kept.OwnPast:
		notes = "; compared with its own past"
	case c.against == core.ControlBefore:
		notes = "; compared with the same targets " + core.Brief(c.control.lags[0]) + " earlier"
	case c.against == core.ControlWeeks:
		notes = fmt.Sprintf("; compared with the same hours of %d past weeks", len(c.control.lags))
	}
	if c.against != c.spec.Control.Kind {
		notes += ", for no target is pending"
	}
	if k == core.Fail && c.scope.Nth > 1 {
		notes += fmt.Sprintf("; bake %d of the rollout may spend %.2g%% of false alarms", c.scope.Nth, 100*c.budget.alpha)
	}
	return notes
}

// A proof is the evidence of a comparison.
type proof struct {
	judge.Evidence
	Against core.ControlKind `json:"against"`
	Past    judge.Past       `json:"past,omitzero"`
	Bake    int              `json:"bake"`   // which of the rollout
	Budget  float64          `json:"budget"` // chance of a false alarm that the bake may spend
	Tests   int              `json:"tests"`  // that share it
}

func (c *compare) proof() proof {
	past, _ := c.trial.past()
	return proof{c.judged.Evidence, c.against, past, c.scope.Nth, c.budget.alpha, c.budget.tests}
}

func (c *compare) memory() json.RawMessage {
	kept := c.kept
	var err error
	if kept.Test, err = json.Marshal(c.trial.memory()); err != nil {
		return nil // not reached: the states of the judge are finite numbers
	}
	memory, _ := json.Marshal(kept)
	return memory
}

// counts reports whether the newest look may be judged together with those of other checks.
func (c *compare) counts() bool {
	return c.trial != nil && c.judged.Verdict != "" && c.kept.Broken == "" && !c.scope.Back && c.spec.Method != core.MethodMannWhitney
}

// failTogether makes the check fail because all that the checks of the bake have seen is too much for a healthy release.
func (c *compare) failTogether(checks int) core.Verdict {
	c.kept.Jointly = fmt.Sprintf("%s; with what %d other checks have seen, too much for a healthy release",
		strings.TrimSuffix(c.judged.Reason, "."), checks-1)
	c.last = c.verdict(c.last.At, c.last.Query)
	return c.last
}
