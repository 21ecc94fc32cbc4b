package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Verdicts prints what checks say: a row for each, and the reasons below.
func Verdicts(w io.Writer, verdicts []core.Verdict) error {
	p := &page{w: w}
	t := &table{heads: []string{"CHECK", "VERDICT", "VALUE"}, right: []bool{false, false, true}}
	for _, v := range verdicts {
		t.rows = append(t.rows, []cell{{text: line(v.Check, 32)}, {text: line(string(v.Verdict), 16)}, {text: number(v.Value)}})
	}
	p.table(t)
	p.print("\n")
	for _, v := range verdicts {
		p.paragraph("  ", line(v.Check, 32)+": "+line(v.Reason, 400))
	}
	return p.err
}

// Timeline prints the events of one rollout, each with the time since the start.
func Timeline(w io.Writer, r *core.Rollout, events []core.Event, attempts int) error {
	p := &page{w: w}
	t := &table{heads: []string{"TIME", "WAVE", "EVENT", "WHAT"}, right: []bool{true, false, false, false}}
	actor := ""
	for _, e := range condensed(events) {
		if e.Actor != actor && actor != "" {
			t.rows = append(t.rows, []cell{{text: since(r, e)}, {text: "-"}, {text: "killed"}, {text: "the process died; a later attempt goes on"}})
		}
		actor = e.Actor
		t.rows = append(t.rows, []cell{{text: since(r, e)}, {text: cmp.Or(line(e.Wave, 24), "-")}, {text: line(string(e.Type), 16)}, {text: happened(e)}})
	}
	p.table(t)
	p.print("\n  %s after %s in %s: %s\n", line(string(r.State), 16), lasting(r.Changed.Sub(r.Began)), plural(attempts, "attempt"), line(r.Reason, 400))
	return p.err
}

// condensed joins outcomes that follow each other in one wave, at the time of the last, and leaves leases out.
func condensed(events []core.Event) []core.Event {
	var out []core.Event
	for _, e := range events {
		if e.Type == core.EventRenewed {
			continue
		}
		if n := len(out); n > 0 && len(e.Results) > 0 {
			if last := &out[n-1]; last.Type == e.Type && last.Wave == e.Wave && last.Actor == e.Actor {
				last.At, last.Results = e.At, slices.Concat(last.Results, e.Results)
				continue
			}
		}
		out = append(out, e)
	}
	return out
}

func since(r *core.Rollout, e core.Event) string {
	d := e.At.Sub(r.Began).Round(time.Second)
	return fmt.Sprintf("%d:%02d:%02d", d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second)
}

// happened says in short what an event tells.
func happened(e core.Event) string {
	switch {
	case e.Start != nil:
		targets := 0
		for _, w := range e.Start.Waves {
			targets += len(w.Targets)
		}
		return fmt.Sprintf("%s in %s", plural(targets, "target"), plural(len(e.Start.Waves), "wave"))
	case len(e.Results) > 0:
		counts := make(map[core.Outcome]int)
		for _, res := range e.Results {
			counts[res.Outcome]++
		}
		text := ""
		for _, o := range []core.Outcome{core.OutcomeDone, core.OutcomeFailed, core.OutcomeCut, core.OutcomeUntouched} {
			if counts[o] > 0 {
				text += fmt.Sprintf(", %d %s", counts[o], o)
			}
		}
		return text[2:]
	case len(e.Targets) > 0:
		return plural(len(e.Targets), "target") + reason(e)
	case len(e.Verdicts) > 0 && e.Reason == "":
		return tally(e.Verdicts)
	case e.Type == core.EventClaimed:
		return "took the line over"
	case e.Type == core.EventBaking:
		return "the wave is out"
	default:
		return line(e.Reason, 200)
	}
}

func reason(e core.Event) string {
	if e.Reason == "" {
		return ""
	}
	return ": " + line(e.Reason, 200)
}
