package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// What the text and the summary both say of a rollout, before it is made safe for either.

// verdictKinds are the verdicts, the worst first.
var verdictKinds = []core.VerdictKind{core.Fail, core.Error, core.Inconclusive, core.Pass}

// tally counts verdicts, the worst first: "1 fail, 2 pass". Shadows count apart.
func tally(verdicts []core.Verdict) string {
	count := map[core.VerdictKind]int{}
	shadows := 0
	for _, v := range verdicts {
		if v.Shadow {
			shadows++
			continue
		}
		count[v.Verdict]++
	}
	var parts []string
	for _, kind := range verdictKinds {
		if count[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[kind], kind))
		}
	}
	if shadows > 0 {
		parts = append(parts, fmt.Sprintf("%d shadow", shadows))
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}

// progress says how far a wave has come: "3/4, 1 failed", or "2/3 back".
func progress(w *core.Wave) string {
	var done, failed, inScope, back, stuck int
	for i := range w.Targets {
		switch w.Targets[i].State {
		case core.TargetDeployed:
			done++
		case core.TargetFailed:
			failed++
		case core.TargetRolledBack:
			back++
		case core.TargetRollbackFailed:
			stuck++
		}
		if w.Targets[i].InScope {
			inScope++
		}
	}
	text := fmt.Sprintf("%d/%d", done, len(w.Targets))
	if inScope > 0 {
		text, failed = fmt.Sprintf("%d/%d back", back, inScope), stuck
	}
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	return text
}

// baked is how long a wave has baked; false if its bake has not started.
func baked(r *core.Rollout, w *core.Wave, now time.Time) (time.Duration, bool) {
	if w.Since.IsZero() {
		return 0, false
	}
	return max(0, bakeEnd(r, w, now).Sub(w.Since)), true
}

// bakeEnd is when the bake of a wave ended, as far as the ledger tells: now if it goes on.
func bakeEnd(r *core.Rollout, w *core.Wave, now time.Time) time.Time {
	switch {
	case !w.Passed.IsZero():
		return w.Passed
	case w.State == core.WaveBaking:
		return now
	case w.State == core.WaveHalted && r.State == core.StateHalted:
		return r.Changed
	case r.Turned.After(w.Since):
		return r.Turned
	default:
		return r.Changed // it was ended by hand
	}
}

// An asking is a set of verdicts and what it is about.
type asking struct {
	about    string // untrusted: it may name a wave
	verdicts []core.Verdict
}

// asked are the newest verdicts: those that stopped the rollout stay beside those after a rollback. None: no check was
// asked yet.
func asked(r *core.Rollout) []asking {
	var all []asking
	for i := min(r.Wave, len(r.Waves)-1); i >= 0 && len(all) == 0; i-- {
		if w := &r.Waves[i]; len(w.Verdicts) > 0 {
			all = append(all, asking{"of wave " + w.Name, w.Verdicts})
		}
	}
	if len(all) == 0 && len(r.Precheck) > 0 {
		all = append(all, asking{"before the first wave", r.Precheck})
	}
	if len(r.Verified) > 0 {
		all = append(all, asking{"after the rollback", r.Verified})
	}
	return all
}

// A failure is a target that failed, with its wave.
type failure struct {
	wave   string
	target *core.TargetRecord
}

// failures are the targets that failed on the way out or back.
func failures(r *core.Rollout) []failure {
	var found []failure
	for i := range r.Waves {
		w := &r.Waves[i]
		for j := range w.Targets {
			t := &w.Targets[j]
			if t.State == core.TargetFailed || t.State == core.TargetRollbackFailed || t.Error != "" {
				found = append(found, failure{w.Name, t})
			}
		}
	}
	return found
}

// shares is the share of weight in each wave. A target without a weight counts 1.
func shares(r *core.Rollout) []float64 {
	mine := make([]float64, len(r.Waves))
	total := 0.0
	for i := range r.Waves {
		for j := range r.Waves[i].Targets {
			mine[i] += cmp.Or(r.Waves[i].Targets[j].Weight, 1)
		}
		total += mine[i]
	}
	for i := range mine {
		mine[i] /= total
	}
	return mine
}

// previous is the version that a rollout replaces, for people.
func previous(r *core.Rollout) string {
	if r.Start.Previous != "" {
		return r.Start.Previous
	}
	for i := range r.Waves {
		for j := range r.Waves[i].Targets {
			if r.Waves[i].Targets[j].Previous != "" {
				return "as each target says"
			}
		}
	}
	return "none"
}

// out counts the targets that run the new version, or may.
func out(r *core.Rollout) (n, of int) {
	for i := range r.Waves {
		of += len(r.Waves[i].Targets)
		for j := range r.Waves[i].Targets {
			if t := &r.Waves[i].Targets[j]; t.Attempts > 0 && t.State != core.TargetRolledBack {
				n++
			}
		}
	}
	return n, of
}

// advice says what to do next, sentence by sentence. safe makes a target's name safe for the medium.
func advice(r *core.Rollout, next time.Time, safe func(string) string) []string {
	switch r.State {
	case core.StateSucceeded:
		return []string{"Nothing: the line is free for the next version."}
	case core.StateHalted:
		does := []string{"Run the same command, or re-run the CI job, to resume. " + kept(r.Cause)}
		if touched, _ := out(r); touched > 0 && previous(r) != "none" && r.Start.Activated == "" {
			does = append(does, `To put the previous version back instead: breakwater rollback --reason "..."`)
		}
		if r.Start.Activated != "" {
			does = append(does, `To roll forward: breakwater abort --reason "...", then run the version that mends it.`)
		}
		if r.Unpromotable() == "" && r.Cause != core.CauseCheck && r.Cause != core.CauseInterrupted {
			does = append(does, `To accept it as it is and then go on: breakwater promote --reason "..."`)
		}
		does = append(does, `To leave it as it is and free the line: breakwater abort --reason "..."`)
		if held(r) && r.Cause != core.CauseConfirm {
			does = append(does, "Do it soon: targets that wait for the end of their bake go back by themselves when their time is over.")
		}
		return does
	case core.StateRolledBack:
		return append(unwell(r), "Mend the release and run it as a new version: the line is free.")
	case core.StateRollbackFailed:
		return append(unwell(r), "Run the same command, or re-run the CI job: it tries again what did not go back: "+
			names(left(r), safe)+".")
	case core.StateAborted:
		n, of := out(r)
		does := fmt.Sprintf("The line is free. %d of %s may run version %s: they stay as they are.", n, plural(of, "target"), safe(r.Start.Version))
		if held(r) {
			does += " Those that wait for the end of their bake go back by themselves."
		}
		return []string{does}
	}
	if r.State == core.StatePending && r.Blocked != nil {
		does := "Run the same command, or re-run the CI job, once its window is open"
		if !next.IsZero() {
			does += ": at " + instant(next) + " UTC or later"
		}
		return []string{does + ".", `To free the line for another version: breakwater abort --reason "..."`}
	}
	if r.Lease.Holder.ID == "" && (r.State == core.StatePending || r.State == core.StateDeploying) && next.IsZero() {
		return []string{"No job is at work on it. Run the same command, or re-run the CI job: it goes on where it stopped."}
	}
	if r.Lease.Holder.ID == "" && r.State == core.StateBaking && r.Waves[r.Wave].State == core.WavePassed {
		return []string{"The wave has passed, and no job is at work on what comes next. Run the same command, or re-run the CI job: it goes on where it stopped."}
	}
	if r.Lease.Holder.ID == "" && r.State == core.StateBaking {
		return []string{"No job waits for the bake. A later job of the pipeline looks at it, or breakwater tick, which starts the CI run again when there is " +
			"something to do. The same command, or a re-run of the CI job, looks at it at once."}
	}
	if next.IsZero() {
		return []string{"Nothing while its job runs. If the job is gone, run the same command, or re-run the CI job: " +
			"it goes on where it stopped."}
	}
	return []string{"Nothing before " + instant(next) + " UTC. If the job is gone, run the same command, or re-run the CI job: " +
		"it goes on where it stopped."}
}

// held reports whether targets wait to be told that their wave has passed.
func held(r *core.Rollout) bool {
	return slices.ContainsFunc(r.Waves, func(w core.Wave) bool { return w.Held() })
}

// kept says what a resumed rollout keeps of what it did, by the cause of the halt.
func kept(c core.Cause) string {
	switch c {
	case core.CauseDeploy:
		return "Failed targets are deployed again; the others stay as they are."
	case core.CauseCheck, core.CauseInconclusive:
		return "What is out stays out; the wave gets a fresh bake."
	case core.CauseConfirm:
		return "The targets are told once more; one that went back by itself does not come forward again: roll back, or run a newer version."
	case core.CausePrecheck:
		return "The checks are asked again before anything is touched."
	default:
		return "It goes on where it stopped; a bake keeps the time that it has served."
	}
}

func unwell(r *core.Rollout) []string {
	if !r.Unwell {
		return nil
	}
	return []string{"Look at the service now: the checks have not recovered, so the release may not be the cause."}
}

// left are the targets in scope of a rollback that are not back.
func left(r *core.Rollout) []string {
	var names []string
	for i := range r.Waves {
		for _, t := range r.Waves[i].Targets {
			if t.InScope && t.State != core.TargetRolledBack {
				names = append(names, t.Name)
			}
		}
	}
	return names
}

// names joins names for people, twenty of them at most.
func names(all []string, safe func(string) string) string {
	const most = 20
	shown := slices.Clone(all[:min(len(all), most)])
	for i := range shown {
		shown[i] = safe(shown[i])
	}
	text := strings.Join(shown, ", ")
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// newer says which version waits for the line, or went out instead; "" if there is none.
func newer(n *core.Newer, safe func(string, int) string) string {
	if n == nil {
		return ""
	}
	who := cmp.Or(n.By.Name, n.By.Host, n.By.ID, "somebody")
	return fmt.Sprintf("version %s, by %s at %s UTC", safe(n.Version, 80), safe(who, 80), minute(n.At))
}

// policy names the policy that a rollout keeps to, and which text of it: "git:main:policy.yaml, commit 1a2b3c4d5e6f"; ""
// if there is none.
func policy(o *core.Obeyed, safe func(string, int) string) string {
	switch {
	case o == nil:
		return ""
	case o.Commit != "":
		return fmt.Sprintf("%s, commit %s", safe(o.Name, 200), safe(o.Commit[:min(len(o.Commit), 12)], 12))
	default:
		return fmt.Sprintf("%s, %s", safe(o.Name, 200), safe(o.Digest[:min(len(o.Digest), 19)], 19))
	}
}

// overrides say who did what, when, and why, oldest first.
func overrides(all []core.Override, safe func(string) string) []string {
	said := make([]string, len(all))
	for i, o := range all {
		who := cmp.Or(o.By.Name, o.By.Host, o.By.ID, "somebody")
		said[i] = fmt.Sprintf("%s by %s at %s UTC, who said: %s", safe(string(o.Kind)), safe(who), minute(o.At), safe(o.Reason))
	}
	return said
}

// promoted is the state of a wave that a human passed, for people.
const promoted = "promoted"

// waveState is how a wave stands, for people: one that a human passed did not pass by itself.
func waveState(w *core.Wave) string {
	if w.Promoted && w.State == core.WavePassed {
		return promoted
	}
	return string(w.State)
}
