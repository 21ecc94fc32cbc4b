package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	mostWaves     = 50 // that a summary shows; the one at work is always among them
	mostOverrides = 25 // the same of what humans did, the newest
)

// Summary is the Markdown of a rollout for a job's summary. It shows as intended on GitHub and GitLab, is well under
// their limit of 1 MiB whatever the size of the rollout, and depends on nothing but its arguments. looks may be nil: then
// there are no charts of what the checks saw.
func Summary(r *core.Rollout, looks *Looks, now time.Time) string {
	var b strings.Builder
	emergency := ""
	if r.Emergency {
		emergency = ", EMERGENCY"
	}
	fmt.Fprintf(&b, "## %s %s: %s%s\n\n", markdown(r.Line.String(), 120), markdown(r.Start.Version, 80), markdown(string(r.State), 20), emergency)
	fmt.Fprintf(&b, "**Why:** %s\n\n", cmp.Or(markdown(why(r), 1000), r.State.Meaning()))
	overrideSummary(&b, r.Overrides)
	if said := newer(r.Newer, markdown); said != "" {
		fmt.Fprintf(&b, "**Newer:** %s\n\n", said)
	}
	if obeyed := policy(r.Start.Policy, markdown); obeyed != "" {
		fmt.Fprintf(&b, "**Policy:** %s\n\n", obeyed)
	}
	fmt.Fprintf(&b, "Rollout %s, previous version %s, started %s UTC.\n\n", markdown(r.ID, 80),
		markdown(previous(r), 80), instant(r.Began))
	b.WriteString("**What to do next**\n\n")
	for _, sentence := range advice(r, due(r, time.Time{}), func(s string) string { return markdown(s, 80) }) {
		fmt.Fprintf(&b, "- %s\n", sentence)
	}
	waveSummary(&b, r, now)
	for _, a := range asked(r) {
		verdictSummary(&b, a)
	}
	failureSummary(&b, r)
	b.WriteString("\n### Timeline\n\n")
	b.WriteString(gantt(r, now))
	chartSummary(&b, r, looks)
	return b.String()
}

// Unseen is the Markdown of a line that a tick could not look at.
func Unseen(l core.Line, why string) string {
	return fmt.Sprintf("## %s was not looked at\n\n**Why:** %s\n", markdown(l.String(), 120), markdown(why, 1000))
}

// overrideSummary shows what humans did, the newest if it is very much.
func overrideSummary(b *strings.Builder, all []core.Override) {
	hidden := max(0, len(all)-mostOverrides)
	for _, said := range overrides(all[hidden:], func(s string) string { return markdown(s, 300) }) {
		fmt.Fprintf(b, "**Override:** %s\n\n", said)
	}
	if hidden > 0 {
		fmt.Fprintf(b, "**Overrides before these:** %d. `breakwater report` shows all of them.\n\n", hidden)
	}
}

// Refusal is the Markdown of a job that was not let in. until is when it may come again; zero: that is not known.
func Refusal(reason string, until time.Time) string {
	text := fmt.Sprintf("## Blocked\n\n**Why:** %s\n", markdown(reason, 1000))
	if !until.IsZero() {
		text += fmt.Sprintf("\n**What to do next**\n\n- Re-run this job at %s UTC or later.\n", instant(until))
	}
	return text
}

func waveSummary(b *strings.Builder, r *core.Rollout, now time.Time) {
	b.WriteString("\n### Waves\n\n")
	b.WriteString("| Wave | State | Targets | Share | Deployed at (UTC) | Baked | Checks |\n")
	b.WriteString("|:--|:--|--:|--:|:--|--:|:--|\n")
	from, to := window(r)
	share := shares(r)
	for i := from; i < to; i++ {
		w := &r.Waves[i]
		bake := "-"
		if d, started := baked(r, w, now); started {
			bake = lasting(d)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", markdown(w.Name, 60), markdown(waveState(w), 20), progress(w),
			percent(share[i]), instant(w.Out), bake, tally(w.Verdicts))
	}
	if hidden := len(r.Waves) - (to - from); hidden > 0 {
		fmt.Fprintf(b, "\nWaves %d to %d of %d are shown.\n", from+1, to, len(r.Waves))
	}
}

// window is the stretch of waves that is shown: the one at work with a few after it, and what came before.
func window(r *core.Rollout) (from, to int) {
	to = min(len(r.Waves), max(mostWaves, r.Wave+mostWaves/5))
	return max(0, to-mostWaves), to
}

func verdictSummary(b *strings.Builder, a asking) {
	fmt.Fprintf(b, "\n### Checks %s\n\n", markdown(a.about, 80))
	b.WriteString("| Check | Verdict | Value | Held against | Why | At (UTC) |\n")
	b.WriteString("|:--|:--|--:|--:|:--|:--|\n")
	shown := a.verdicts[:min(len(a.verdicts), mostVerdicts)]
	for _, v := range shown {
		kind := markdown(string(v.Verdict), 20)
		if v.Verdict != core.Pass {
			kind = "**" + kind + "**"
		}
		if v.Shadow {
			kind += " (shadow)"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", markdown(v.Check, 60), kind, number(v.Value)+ratio(v), against(v),
			markdown(v.Reason, 300), instant(v.At))
	}
	if more := len(a.verdicts) - len(shown); more > 0 {
		fmt.Fprintf(b, "\nAnd %s more.\n", plural(more, "check"))
	}
	querySummary(b, shown)
}

// querySummary shows what was asked, folded: a query in a row of the table would leave no room for the answer.
func querySummary(b *strings.Builder, verdicts []core.Verdict) {
	open := false
	for _, v := range verdicts {
		if v.Query == "" {
			continue
		}
		if !open {
			b.WriteString("\n<details><summary>The queries as they were sent</summary>\n\n")
			open = true
		}
		over := ""
		if v.Window != "" {
			over = ", over " + markdown(v.Window, 60)
		}
		fmt.Fprintf(b, "- **%s**%s: <code>%s</code>\n", markdown(v.Check, 60), over, markdown(v.Query, 400))
	}
	if open {
		b.WriteString("\n</details>\n")
	}
}

// against is what a value is held against: "control 0.0007", "max 0.9"; "-" if the verdict does not say.
func against(v core.Verdict) string {
	l := newLook(v)
	var parts []string
	for _, each := range []struct {
		name  string
		value *float64
	}{{"control", l.control}, {"min", l.min}, {"max", l.max}} {
		if each.value != nil {
			parts = append(parts, each.name+" "+number(each.value))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}

// ratio says how a comparison's arms compare, with the interval of that at 95%; empty where the evidence has none.
func ratio(v core.Verdict) string {
	var seen struct {
		Ratio    float64    `json:"ratio"`
		Interval [2]float64 `json:"interval"`
	}
	if json.Unmarshal(v.Evidence, &seen) != nil || seen.Ratio == 0 || seen.Interval[1] == 0 {
		return ""
	}
	short := func(x float64) string { return strconv.FormatFloat(x, 'g', 3, 64) }
	if seen.Interval[1] > 1e6 { // no bound
		return fmt.Sprintf(", %s times the control (at least %s)", short(seen.Ratio), short(seen.Interval[0]))
	}
	return fmt.Sprintf(", %s times the control (%s to %s)", short(seen.Ratio), short(seen.Interval[0]), short(seen.Interval[1]))
}

func failureSummary(b *strings.Builder, r *core.Rollout) {
	failed := failures(r)
	if len(failed) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### %s\n", plural(len(failed), "failed target"))
	for _, f := range failed[:min(len(failed), mostFailures)] {
		t := f.target
		fmt.Fprintf(b, "\n**%s** (wave %s, %s, %s): %s\n", markdown(t.Name, 80), markdown(f.wave, 60), markdown(string(t.State), 20),
			plural(t.Attempts, "attempt"), cmp.Or(markdown(t.Error, 500), "no error was recorded"))
		if tail := lines(t.Tail, mostTail, 200); len(tail) > 0 {
			b.WriteString("\n" + fence(tail))
		}
	}
	if len(failed) > mostFailures {
		var more []string
		for _, f := range failed[mostFailures:] {
			more = append(more, f.target.Name)
		}
		fmt.Fprintf(b, "\nAlso: %s.\n", names(more, func(s string) string { return markdown(s, 80) }))
	}
}
