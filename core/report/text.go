package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// View is what a text needs to know besides the rollout.
type View struct {
	Plan  *core.Plan // of the rollout; nil: a bake shows without how long it must be
	Now   time.Time
	Next  time.Time // when something is due; zero: nothing is
	Color bool
}

// columns is how wide the text is at most, where its parts can be broken.
const columns = 96

// Text prints where a rollout stands, for a terminal or a job's log: a headline, a row for each wave, what the checks
// say, what failed, and what to do next.
func Text(w io.Writer, r *core.Rollout, v View) error {
	p := &page{w: w, color: v.Color}
	headline(p, r, v.Now)
	p.print("\n")
	p.table(waveTable(r, v))
	for _, a := range asked(r) {
		verdictText(p, a)
	}
	failureText(p, r)
	p.title("What to do next")
	for _, sentence := range advice(r, due(r, v.Next), func(s string) string { return line(s, 60) }) {
		p.paragraph("  ", sentence)
	}
	return p.err
}

func headline(p *page, r *core.Rollout, now time.Time) {
	version := line(r.Start.Version, 40)
	if r.Start.Previous != "" {
		version = line(r.Start.Previous, 40) + " -> " + version
	}
	state := strings.ToUpper(line(string(r.State), 20))
	if r.Blocked != nil {
		state += ", BLOCKED"
	}
	if r.Emergency {
		state += ", EMERGENCY"
	}
	p.print("%s  %s  %s\n", bold.on(line(r.Line.String(), 60), p.color), version, statePaint(string(r.State)).on(state, p.color))
	p.paragraph("  ", cmp.Or(line(why(r), 600), r.State.Meaning()))
	for _, said := range overrides(r.Overrides, func(s string) string { return line(s, 300) }) {
		p.paragraph("  ", "Override: "+said)
	}
	if said := newer(r.Newer, line); said != "" {
		p.paragraph("  ", "Newer: "+said)
	}
	if obeyed := policy(r.Start.Policy, line); obeyed != "" {
		p.paragraph("  ", "Policy: "+obeyed)
	}
	age := lasting(now.Sub(r.Changed))
	if r.State.Over() {
		age = "ended " + age + " ago"
	} else {
		age = line(string(r.State), 20) + " for " + age
	}
	p.paragraph("  ", fmt.Sprintf("Rollout %s, started %s UTC, %s.", line(r.ID, 40), minute(r.Began), age))
}

func waveTable(r *core.Rollout, v View) *table {
	t := &table{heads: []string{"WAVE", "STATE", "TARGETS", "BAKE", "CHECKS"}, right: []bool{false, false, true, true, false}}
	for i := range r.Waves {
		w := &r.Waves[i]
		name := cell{text: line(w.Name, 32)}
		if i == r.Wave && !r.State.Over() {
			name.paint = bold
		}
		t.rows = append(t.rows, []cell{
			name,
			{line(waveState(w), 16), statePaint(waveState(w))},
			{text: progress(w)},
			{text: bakeText(r, w, v)},
			{tally(w.Verdicts), verdictPaint(w.Verdicts)},
		})
	}
	return t
}

// bakeText says how long a wave has baked, and of how long at least: "12m of 30m".
func bakeText(r *core.Rollout, w *core.Wave, v View) string {
	least := time.Duration(-1)
	if v.Plan != nil && w.Rule < len(v.Plan.Waves) {
		least = v.Plan.For(r).Waves[w.Rule].Bake.Min
	}
	switch d, started := baked(r, w, v.Now); {
	case started && least >= 0:
		return lasting(d) + " of " + lasting(least)
	case started:
		return lasting(d)
	case least >= 0:
		return lasting(least)
	default:
		return "-"
	}
}

// verdictText prints what each check says, and why.
func verdictText(p *page, a asking) {
	t := &table{heads: []string{"VERDICT", "CHECK", "WHY"}, right: make([]bool, 3)}
	shown := a.verdicts[:min(len(a.verdicts), mostVerdicts)]
	for _, v := range shown {
		kind := line(string(v.Verdict), 16)
		if v.Shadow {
			kind += " (shadow)"
		}
		first := []cell{{kind, verdictPaint([]core.Verdict{v})}, {text: line(v.Check, 32)}}
		for _, why := range wrap(line(v.Reason, 400), columns-40) {
			t.rows = append(t.rows, append(first, cell{text: why}))
			first = []cell{{}, {}}
		}
	}
	p.title("Checks " + line(a.about, 60))
	p.table(t)
	p.more(len(a.verdicts)-len(shown), "check")
}

const (
	mostVerdicts = 50 // rows of verdicts in a text or a summary
	mostFailures = 10 // failed targets that are shown with their output
	mostTail     = 20 // lines of output of a failed target
)

func failureText(p *page, r *core.Rollout) {
	failed := failures(r)
	if len(failed) == 0 {
		return
	}
	p.title(plural(len(failed), "failed target"))
	for _, f := range failed[:min(len(failed), mostFailures)] {
		t := f.target
		p.paragraph("  ", fmt.Sprintf("%s (wave %s, %s, %s): %s", line(t.Name, 60), line(f.wave, 32),
			line(string(t.State), 20), plural(t.Attempts, "attempt"), cmp.Or(line(t.Error, 300), "no error was recorded")))
		for _, l := range lines(t.Tail, mostTail, 200) {
			p.print("    | %s\n", l)
		}
	}
	p.more(len(failed)-mostFailures, "target")
}

func statePaint(state string) paint {
	switch state {
	case string(core.StateSucceeded), string(core.WavePassed):
		return green
	case promoted, string(core.StateHalted), string(core.StateAborted), string(core.StateRolledBack), string(core.StateRollingBack):
		return yellow
	case string(core.StateRollbackFailed):
		return red
	case string(core.StateDeploying), string(core.StateBaking):
		return cyan
	default:
		return none
	}
}

// verdictPaint is the colour of the worst verdict that counts.
func verdictPaint(verdicts []core.Verdict) paint {
	paints := map[core.VerdictKind]paint{core.Fail: red, core.Error: red, core.Inconclusive: yellow, core.Pass: green}
	for _, kind := range verdictKinds {
		for _, v := range verdicts {
			if v.Verdict == kind && !v.Shadow {
				return paints[kind]
			}
		}
	}
	return none
}

// A page prints until the first error, and keeps it.
type page struct {
	w     io.Writer
	color bool
	err   error
}

func (p *page) print(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *page) title(text string) { p.print("\n%s\n", bold.on(text, p.color)) }

func (p *page) table(t *table) {
	if p.err == nil {
		p.err = t.write(p.w, p.color)
	}
}

// paragraph prints text, broken between words; what follows the first line stands two further in.
func (p *page) paragraph(indent, text string) {
	for i, l := range wrap(text, columns-len(indent)-2) {
		if i == 1 {
			indent += "  "
		}
		p.print("%s%s\n", indent, l)
	}
}

func (p *page) more(n int, noun string) {
	if n > 0 {
		p.print("  and %s more\n", plural(n, noun))
	}
}
