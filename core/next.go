package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Verb is what to do next.
type Verb string

// The verbs of a [Step].
const (
	DoPrecheck Verb = "precheck" // ask every check before the first wave
	DoBlock    Verb = "block"    // say that Wave may not start before At; zero: it is not known when
	DoDeploy   Verb = "deploy"   // put the version on Targets of Wave
	DoRehearse Verb = "rehearse" // put the previous version back on Targets of the first wave, for a try
	DoBake     Verb = "bake"     // start the bake of Wave
	DoLook     Verb = "look"     // ask every check what was true at At
	DoWait     Verb = "wait"     // nothing to do before At
	DoPass     Verb = "pass"     // Wave has passed its bake
	DoConfirm  Verb = "confirm"  // tell Targets of Wave that it has passed
	DoHalt     Verb = "halt"     // stop and keep what is out
	DoRollBack Verb = "rollback" // decide that Targets go back
	DoRevert   Verb = "revert"   // put the previous version back on Targets of Wave
	DoVerify   Verb = "verify"   // ask the checks whether they have recovered
	DoEnd      Verb = "end"      // the rollout is over, as State
	DoNothing  Verb = "nothing"  // the rollout rests
)

// A Step is what to do next, and why.
type Step struct {
	Do      Verb
	Wave    int
	Targets []string
	At      time.Time // look, wait and block: the instant
	State   State     // end: as what
	Cause   Cause
	Reason  string
	Newer   *Newer // end: the version that goes out instead
}

// Next says what to do now. It is pure: the same plan, record, instant and evidence always give the same step. The
// evidence is that of the bake, or of the verification, that the rollout is in, zero if nobody has looked yet; and that of
// the windows, if the wave at work has not begun.
func Next(p *Plan, r *Rollout, now time.Time, seen Evidence) Step {
	if step, now := GivesWay(r); now {
		return step
	}
	if step, shut := atWindow(r, seen.Window); shut {
		return step
	}
	switch r.State {
	case StatePending:
		if p.Precheck && len(p.Checks) > 0 && r.Precheck == nil {
			return Step{Do: DoPrecheck}
		}
		if step, stop := afterPrecheck(p, r); stop && !r.Accepted {
			return step
		}
		return nextDeploy(p, r)
	case StateDeploying:
		return nextDeploy(p, r)
	case StateBaking:
		return nextInBake(p, r, now, seen)
	case StateRollingBack:
		return nextInRollback(p, r, now, seen)
	default:
		return Step{Do: DoNothing}
	}
}

// atWindow holds a wave up that has not begun while its window is shut. One that has begun goes on whatever the hour: to
// finish it is safer than to leave it half out.
func atWindow(r *Rollout, window *Opening) (Step, bool) {
	if window == nil || window.Open || !r.Waiting() {
		return Step{}, false
	}
	step := Step{Do: DoBlock, Wave: r.Wave, At: window.Until, Reason: Shut(r.Waves[r.Wave].Name, *window)}
	switch b := r.Blocked; {
	case r.State == StatePending:
	case window.Until.IsZero():
		step.Do, step.Cause = DoHalt, CauseWindow
		if window.Unknown {
			step.Cause = CauseUnasked
		}
	case b != nil && b.Until.Equal(window.Until):
		step.Do = DoWait
	}
	return step, true
}

// Shut says in words that a window holds a wave up.
func Shut(wave string, o Opening) string {
	switch {
	case o.Unknown:
		return fmt.Sprintf("Blocked: nobody knows whether wave %s may start: %s.", wave, o.Why)
	case o.Until.IsZero():
		return fmt.Sprintf("Blocked: wave %s may not start within a year: %s.", wave, o.Why)
	default:
		return fmt.Sprintf("Blocked: wave %s may not start before %s: %s.", wave, Zoned(o.Until), o.Why)
	}
}

// afterPrecheck stops a rollout whose checks fail before anything was touched. Too little data is no reason: a first
// release has none.
func afterPrecheck(p *Plan, r *Rollout) (Step, bool) {
	for _, v := range r.Precheck {
		c := p.Check(v.Check)
		if c == nil || v.Shadow || c.React.To(v.Verdict) == ReactNotify {
			continue
		}
		switch v.Verdict {
		case Fail:
			return Step{Do: DoHalt, Cause: CausePrecheck, Reason: "Already broken before us: " + said(v) + " No target was touched."}, true
		case Error:
			return Step{Do: DoHalt, Cause: CauseUnasked, Reason: "Before the first wave nobody could be asked: " + said(v) + " No target was touched."}, true
		}
	}
	return Step{}, false
}

// nextDeploy deploys what is left of the wave. A wave with more failed targets than tolerated stops.
func nextDeploy(p *Plan, r *Rollout) Step {
	if step, due := nextRehearsal(p, r); due {
		return step
	}
	w := &r.Waves[r.Wave]
	var todo, failed []string
	for i := range w.Targets {
		switch t := &w.Targets[i]; {
		case t.State == TargetFailed:
			failed = append(failed, t.Name)
		case t.State != TargetDeployed:
			todo = append(todo, t.Name)
		}
	}
	if len(failed) > p.Deploy.Tolerate.Of(len(w.Targets), 0) {
		return undeployed(p, r, CauseDeploy, fmt.Sprintf("The deploy failed on %s of wave %s.", listed(failed), w.Name))
	}
	if len(todo) > 0 {
		return Step{Do: DoDeploy, Wave: r.Wave, Targets: todo}
	}
	return Step{Do: DoBake, Wave: r.Wave}
}

// undeployed is what the plan says of a deploy that has failed.
func undeployed(p *Plan, r *Rollout, cause Cause, reason string) Step {
	if slices.Contains(p.Rollback.When, TriggerDeploy) {
		return rollBack(p, r, cause, reason)
	}
	return Step{Do: DoHalt, Wave: r.Wave, Cause: cause, Reason: reason}
}

// nextInBake goes through the looks of a bake in order, so that what happened while nobody was looking is judged
// before anything is decided.
func nextInBake(p *Plan, r *Rollout, now time.Time, seen Evidence) Step {
	if step, done := Finish(r); done {
		return step
	}
	w := &r.Waves[r.Wave]
	if w.State == WavePassed {
		return nextConfirm(p, r)
	}
	bake := p.Waves[w.Rule].Bake
	asks := len(p.Checks) > 0 || bake.Until != nil
	over := w.Since.Add(bake.Min)
	if !asks {
		if now.Before(over) {
			return Step{Do: DoWait, Wave: r.Wave, At: over}
		}
		return Step{Do: DoPass, Wave: r.Wave}
	}
	if step, stop := react(p, r, seen, Fail, Error); stop {
		return step
	}
	due := nextLook(w, bake, now, seen)
	// A look that came late is one of those that were missed: what came after it must be judged as well. A look that was
	// in time decides, however long its answers took.
	if !seen.At.IsZero() && !seen.At.Before(over) && seen.Late < bake.Every {
		switch {
		case seen.Enough && !undecided(p, seen):
			return Step{Do: DoPass, Wave: r.Wave}
		case !seen.At.Before(w.Since.Add(bake.Max)):
			return atMax(p, r, bake, seen)
		}
	}
	if now.Before(due) {
		return Step{Do: DoWait, Wave: r.Wave, At: due}
	}
	return Step{Do: DoLook, Wave: r.Wave, At: due}
}

// Finish is the step that ends a rollout of which every wave has passed; false if something is left to do.
func Finish(r *Rollout) (Step, bool) {
	if w := &r.Waves[r.Wave]; r.State != StateBaking || w.State != WavePassed || w.Held() {
		return Step{}, false
	}
	return Step{Do: DoEnd, State: StateSucceeded, Reason: success(r)}, true
}

// success says what came out, which waves a human passed, and which targets the plan's tolerance left behind.
func success(r *Rollout) string {
	reason := fmt.Sprintf("Version %s is out on every wave and has passed every bake.", r.Start.Version)
	var failed, promoted []string
	for i := range r.Waves {
		if r.Waves[i].Promoted {
			promoted = append(promoted, r.Waves[i].Name)
		}
	}
	if len(promoted) > 0 {
		reason = fmt.Sprintf("Version %s is out on every wave. Promoted by hand, without a bake that had passed: %s.", r.Start.Version, listed(promoted))
	}
	for _, t := range r.targets() {
		if t.State == TargetFailed {
			failed = append(failed, t.Name)
		}
	}
	if r.Emergency {
		reason += " It was an emergency: bakes may have been shorter than the plan's."
	}
	if len(failed) > 0 {
		reason += fmt.Sprintf(" The plan tolerated failed deploys on %s.", listed(failed))
	}
	return reason
}

// nextLook is the instant of the next look: every so often from the start of the bake, exactly at its shortest end,
// and exactly at its longest.
func nextLook(w *Wave, bake Bake, now time.Time, seen Evidence) time.Time {
	last := w.Since
	if w.Looked.After(last) {
		last = w.Looked
	}
	if seen.At.After(last) {
		last = seen.At
	}
	due := last.Add(bake.Every)
	if bake.Min == 0 && last.Equal(w.Since) && seen.At.IsZero() {
		due = w.Since // it may end at once, but not unseen
	}
	for _, edge := range []time.Time{w.Since.Add(bake.Min), w.Since.Add(bake.Max)} {
		if last.Before(edge) && edge.Before(due) {
			due = edge
		}
	}
	if due.Before(seen.First) {
		return seen.First
	}
	return gaining(due, bake.Every, now, seen)
}

// gaining leaves looks out where the answers take longer than there is between two looks: those would only come later
// and later. Missed looks that are made up for, each in a moment, are not left out.
func gaining(due time.Time, every time.Duration, now time.Time, seen Evidence) time.Time {
	lag := now.Sub(due)
	if lag < every || seen.Took < every {
		return due
	}
	return due.Add(lag.Truncate(every))
}

// react finds the strongest reaction that verdicts of these kinds call for.
func react(p *Plan, r *Rollout, seen Evidence, kinds ...VerdictKind) (Step, bool) {
	var halt *Verdict
	for i := range seen.Verdicts {
		v := &seen.Verdicts[i]
		c := p.Check(v.Check)
		if c == nil || v.Shadow || !slices.Contains(kinds, v.Verdict) {
			continue
		}
		switch c.React.To(v.Verdict) {
		case ReactRollback:
			if slices.Contains(p.Rollback.When, TriggerCheck) {
				return rollBack(p, r, causeOf(v.Verdict), said(*v)), true
			}
			halt = v
		case ReactHalt:
			if halt == nil {
				halt = v
			}
		}
	}
	if halt == nil {
		return Step{}, false
	}
	return Step{Do: DoHalt, Wave: r.Wave, Cause: causeOf(halt.Verdict), Reason: said(*halt)}, true
}

func causeOf(k VerdictKind) Cause {
	switch k {
	case Error:
		return CauseUnasked
	case Inconclusive:
		return CauseInconclusive
	default:
		return CauseCheck
	}
}

// undecided reports whether a verdict that counts is not a pass.
func undecided(p *Plan, seen Evidence) bool {
	return slices.ContainsFunc(seen.Verdicts, func(v Verdict) bool {
		c := p.Check(v.Check)
		return c != nil && !v.Shadow && v.Verdict != Pass && c.React.To(v.Verdict) != ReactNotify
	})
}

// atMax ends a bake that could not extend itself any further.
func atMax(p *Plan, r *Rollout, bake Bake, seen Evidence) Step {
	if step, stop := react(p, r, seen, Inconclusive); stop {
		step.Reason = fmt.Sprintf("The bake reached its longest time, %s, without an answer. %s", Brief(bake.Max), step.Reason)
		return step
	}
	reason := fmt.Sprintf("The bake reached its longest time, %s, with too little traffic: %s.", Brief(bake.Max), seen.Seen)
	switch p.React.Inconclusive {
	case ReactRollback:
		if slices.Contains(p.Rollback.When, TriggerCheck) {
			return rollBack(p, r, CauseInconclusive, reason)
		}
	case ReactNotify:
		return Step{Do: DoPass, Wave: r.Wave, Reason: reason}
	}
	return Step{Do: DoHalt, Wave: r.Wave, Cause: CauseInconclusive, Reason: reason}
}

// rollBack decides a rollback, or a halt where there is nothing to go back to, or no way.
func rollBack(p *Plan, r *Rollout, cause Cause, reason string) Step {
	if r.Start.Activated != "" {
		return Step{Do: DoHalt, Wave: r.Wave, Cause: cause, Reason: reason + " " + r.Start.activation()}
	}
	var scope []string
	for at, t := range r.targets() {
		if t.Attempts == 0 && !t.Left || p.Rollback.Scope == ScopeWave && at.wave != r.Wave {
			continue
		}
		if t.Previous == "" {
			return Step{Do: DoHalt, Wave: r.Wave, Cause: cause, Reason: reason + " There is no previous version to go back to."}
		}
		scope = append(scope, t.Name)
	}
	return Step{Do: DoRollBack, Wave: r.Wave, Targets: scope, Cause: cause, Reason: reason}
}

// nextInRollback goes through the waves newest first, and goes on past failures.
func nextInRollback(p *Plan, r *Rollout, now time.Time, seen Evidence) Step {
	var failed []string
	for i := len(r.Waves) - 1; i >= 0; i-- {
		var todo []string
		for _, t := range slices.Backward(r.Waves[i].Targets) {
			switch {
			case !t.InScope || t.State == TargetRolledBack:
			case t.State == TargetRollbackFailed:
				failed = append(failed, t.Name)
			default:
				todo = append(todo, t.Name)
			}
		}
		if len(todo) > 0 {
			return Step{Do: DoRevert, Wave: i, Targets: todo}
		}
	}
	if len(failed) > 0 {
		return Step{Do: DoEnd, State: StateRollbackFailed,
			Reason: fmt.Sprintf("The rollback failed on %s. It began because: %s", listed(failed), r.Why)}
	}
	return nextInVerify(p, r, now, seen)
}

// nextInVerify asks the checks after a rollback until all pass, or until the time for that is over.
func nextInVerify(p *Plan, r *Rollout, now time.Time, seen Evidence) Step {
	end := Step{Do: DoEnd, State: StateRolledBack, Reason: r.Why}
	switch {
	case p.Rollback.Verify == 0 || len(p.Checks) == 0 || r.Restored.IsZero(): // nothing had to go back, or nobody asks
		return end
	case r.Verified != nil:
		if r.Unwell {
			end.Reason = "NOT RECOVERED: the checks do not pass after the rollback either. It began because: " + r.Why
		}
		return end
	case !seen.At.IsZero() && !undecided(p, seen), !seen.At.IsZero() && !seen.At.Before(r.Restored.Add(p.Rollback.Verify)):
		return Step{Do: DoVerify, Wave: r.Wave}
	}
	due := now
	if !seen.At.IsZero() {
		every := p.Waves[r.Waves[r.Wave].Rule].Bake.Every
		due = gaining(seen.At.Add(every), every, now, seen)
	}
	if due.Before(seen.First) {
		due = seen.First
	}
	if now.Before(due) {
		return Step{Do: DoWait, Wave: r.Wave, At: due}
	}
	return Step{Do: DoLook, Wave: r.Wave, At: due}
}

// Check returns the check of a name, nil if the plan does not have it.
func (p *Plan) Check(name string) *Check {
	for i := range p.Checks {
		if p.Checks[i].Name == name {
			return &p.Checks[i]
		}
	}
	return nil
}

// said is a verdict as a sentence.
func said(v Verdict) string {
	reason := strings.TrimRight(v.Reason, ". ")
	return fmt.Sprintf("Check %s: %s.", v.Check, reason)
}

// listed names a few things and counts the rest.
func listed(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
