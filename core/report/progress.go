package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A Progress shows a rollout as it goes, a line for each thing that happened. It is a [core.Observer].
type Progress struct {
	out   io.Writer
	clock core.Clock
	plan  *core.Plan
	log   core.Log // for what commands print
	live  bool     // out is a terminal: the last line may be written over

	open  bool      // the last line is one that may be written over
	spoke time.Time // of the last line about a bake
	kinds string    // what the checks said in that line, without the reasons
	began time.Time // when the act on the wave began

	telling bool // the newest acts tell targets that their wave has passed
}

// NewProgress returns a Progress that writes to out. With live, a bake is one line that changes; without, it is a line
// whenever the checks say something else, and at most one a minute otherwise.
func NewProgress(out io.Writer, clock core.Clock, plan *core.Plan, log core.Log, live bool) *Progress {
	return &Progress{out: out, clock: clock, plan: plan, log: log, live: live}
}

// Adopt takes another plan for the rollout that is shown.
func (p *Progress) Adopt(plan *core.Plan) { p.plan = plan }

// Say prints a line about something that is no event.
func (p *Progress) Say(format string, args ...any) {
	p.print("%s  %s", p.clock.Now().UTC().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// print ends a line that may be written over and prints another.
func (p *Progress) print(format string, args ...any) {
	p.Done()
	fmt.Fprintf(p.out, format+"\n", args...)
}

// Done ends the line that may be written over.
func (p *Progress) Done() {
	if p.open {
		fmt.Fprintln(p.out)
		p.open = false
	}
}

// Recorded shows an event that is in the ledger.
func (p *Progress) Recorded(r *core.Rollout, e core.Event) {
	wave := fmt.Sprintf("%-14s", line(e.Wave, 24))
	switch e.Type {
	case core.EventStarted:
		p.started(r)
		if e.Reason != "" {
			p.Say("%s", line(e.Reason, 400))
		}
	case core.EventExpedited:
		p.Adopt(p.plan.For(r))
		p.Say("%s", line(e.Reason, 400))
	case core.EventQueued:
		p.Say("NEWER. %s", line(e.Reason, 400))
	case core.EventClaimed:
		p.Adopt(p.plan.For(r))
		is := "is"
		if r.State == core.StateSucceeded {
			is = "has"
		}
		p.Say("Going on with rollout %s of version %s: it %s %s.", line(r.ID, 60), line(r.Start.Version, 40), is, r.State)
	case core.EventResumed:
		p.Say("RESUMED. %s", line(e.Reason, 400))
	case core.EventPrechecked:
		p.Say("%-14s  asked before the first wave: %s", "precheck", p.verdicts(e.Verdicts))
	case core.EventBlocked:
		p.Say("%s  %s", wave, line(e.Reason, 400))
	case core.EventDeploying:
		p.began, p.telling = e.At, false
		p.Say("%s  deploying %s to %s: %s", wave, line(r.Start.Version, 40), plural(len(e.Targets), "target"), few(e.Targets))
	case core.EventRehearsing:
		p.Say("%s  rehearsing a rollback: putting the previous version back on %s: %s", wave, plural(len(e.Targets), "target"), few(e.Targets))
	case core.EventConfirming:
		p.telling = true
		p.Say("%s  telling %s that the wave has passed: %s", wave, plural(len(e.Targets), "target"), few(e.Targets))
	case core.EventDeployed, core.EventConfirmed, core.EventReverted, core.EventRehearsed:
		p.outcomes(e)
		if e.Type == core.EventRehearsed && !r.Rehearsed.IsZero() {
			p.Say("%s  REHEARSED: a rollback works here. What went back is deployed again.", wave)
		}
	case core.EventBaking:
		p.baking(r, wave)
	case core.EventPassed:
		p.Say("%s  PASSED its bake: %s", wave, cmp.Or(p.verdicts(e.Verdicts), "no checks were asked"))
	case core.EventPromoted:
		p.Say("%s  PROMOTED. %s", wave, line(e.Reason, 400))
	case core.EventHalted:
		p.Say("%s  HALTED. %s", wave, line(e.Reason, 400))
	case core.EventRollingBack:
		p.Say("%s  ROLLING BACK %s. %s", fmt.Sprintf("%-14s", line(r.Waves[r.Wave].Name, 24)), plural(len(e.Targets), "target"), line(e.Reason, 400))
	case core.EventReverting:
		p.began = e.At
		version := "the previous version"
		if r.To != "" {
			version = "version " + line(r.To, 40)
		}
		p.Say("%s  putting %s back on %s: %s", wave, version, plural(len(e.Targets), "target"), few(e.Targets))
	case core.EventVerified:
		if r.Unwell {
			p.Say("%-14s  NOT RECOVERED: %s", "verify", p.verdicts(e.Verdicts))
		}
	case core.EventEnded:
		p.Say("%s. %s", strings.ToUpper(string(r.State)), line(r.Reason, 400))
	case core.EventLooked, core.EventRenewed, core.EventReleased:
		// A look is shown when it comes, see Looked; a lease is nobody's concern.
	}
}

func (p *Progress) started(r *core.Rollout) {
	targets := 0
	for _, w := range r.Waves {
		targets += len(w.Targets)
	}
	p.Say("Rollout %s: version %s to %s, %s in %s. Previous version: %s.", line(r.ID, 60), line(r.Start.Version, 40), line(r.Line.String(), 60),
		plural(targets, "target"), plural(len(r.Waves), "wave"), line(previous(r), 40))
	if obeyed := policy(r.Start.Policy, line); obeyed != "" {
		p.Say("The plan keeps to the policy %s.", obeyed)
	}
}

// outcomes shows the targets on which something failed; the rest is counted when the wave is out.
func (p *Progress) outcomes(e core.Event) {
	for _, res := range e.Results {
		switch res.Outcome {
		case core.OutcomeFailed:
			what := "the rollback FAILED on"
			switch e.Type {
			case core.EventDeployed:
				what = "FAILED on"
			case core.EventConfirmed:
				what = "FAILED to tell"
			}
			p.Say("%s  %s target %s: %s", fmt.Sprintf("%-14s", line(e.Wave, 24)), what, line(res.Target, 60), line(res.Error, 300))
		case core.OutcomeCut:
			p.Say("%s  cut off on target %s", fmt.Sprintf("%-14s", line(e.Wave, 24)), line(res.Target, 60))
		}
	}
}

func (p *Progress) baking(r *core.Rollout, wave string) {
	w := r.Waves[r.Wave]
	done := 0
	for _, t := range w.Targets {
		if t.State == core.TargetDeployed {
			done++
		}
	}
	bake := p.plan.Waves[w.Rule].Bake
	began, until := p.began, ""
	if began.IsZero() { // another process announced it
		began = w.Began
	}
	if bake.Max > bake.Min {
		until = ", at most " + lasting(bake.Max)
	}
	p.Say("%s  deployed to %s in %s; baking for at least %s%s", wave, plural(done, "target"), brief(w.Since.Sub(began)), brief(bake.Min), until)
	p.spoke, p.kinds = p.clock.Now(), ""
}

// Looked shows a look of a bake.
func (p *Progress) Looked(r *core.Rollout, seen core.Evidence) {
	now := p.clock.Now()
	kinds := ""
	for _, v := range seen.Verdicts {
		kinds += v.Check + " " + string(v.Verdict) + "\n"
	}
	if !p.live && kinds == p.kinds && now.Sub(p.spoke) < time.Minute {
		return
	}
	p.spoke, p.kinds = now, kinds
	said := p.verdicts(seen.Verdicts)
	w := r.Waves[r.Wave]
	name, about := line(w.Name, 24), ""
	if r.State != core.StateBaking {
		name, about = "verify", "asked after the rollback: "
	}
	text := fmt.Sprintf("%s  %-14s  %s", now.UTC().Format(time.TimeOnly), name, about)
	if r.State == core.StateBaking {
		bake := p.plan.Waves[w.Rule].Bake
		baked := seen.At.Sub(w.Since)
		text += "baking for " + brief(baked)
		if baked < bake.Min {
			text += ", at least " + brief(bake.Min-baked) + " left"
		} else if baked < bake.Max && undecided(seen) {
			text += ", goes on until " + w.Since.Add(bake.Max).UTC().Format(time.TimeOnly) + " at the latest"
		}
		text += "; "
	}
	text += cmp.Or(said, "no checks")
	if !seen.Enough && seen.Seen != "" {
		text += "; traffic: " + line(seen.Seen, 80)
	}
	if !p.live {
		fmt.Fprintln(p.out, text)
		return
	}
	fmt.Fprint(p.out, "\r\x1b[K", cut(text, 150))
	p.open = true
}

// undecided reports whether a bake cannot end with what was seen.
func undecided(seen core.Evidence) bool {
	return !seen.Enough || slices.ContainsFunc(seen.Verdicts, func(v core.Verdict) bool { return v.Verdict != core.Pass && !v.Shadow })
}

// Acted shows what a command printed, folded away where the log can fold.
func (p *Progress) Acted(act core.Act, result core.Result, output string) {
	if strings.TrimSpace(output) == "" {
		return
	}
	p.Done()
	verb := "deploy of"
	switch {
	case act.Rollback:
		verb = "rollback of"
	case p.telling:
		verb = "end of the bake of"
	}
	p.log.Group(fmt.Sprintf("%s %s: %s after %s", verb, line(act.Target.Name, 60), result.Outcome, brief(result.Took)), output)
}

// verdicts lists what checks say; those other than pass with their reason.
func (p *Progress) verdicts(verdicts []core.Verdict) string {
	const most = 6
	var parts []string
	for i, v := range verdicts {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more", len(verdicts)-most))
			break
		}
		part := fmt.Sprintf("%s %s", line(v.Check, 32), v.Verdict)
		if v.Verdict != core.Pass {
			part += " (" + line(v.Reason, 100) + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// few names some targets and counts the rest.
func few(names []string) string {
	const most = 4
	var parts []string
	for _, n := range names[:min(len(names), most)] {
		parts = append(parts, line(n, 40))
	}
	if len(names) > most {
		parts = append(parts, fmt.Sprintf("%d more", len(names)-most))
	}
	return strings.Join(parts, ", ")
}

// brief is a short duration with one digit below ten seconds, where whole seconds would say too little.
func brief(d time.Duration) string {
	if d = max(d, 0); d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return lasting(d)
}
