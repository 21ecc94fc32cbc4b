package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// HistoryText prints the past of a line, for a terminal or a job's log: a row for each rollout, the figures, and the
// scores of the checks.
func HistoryText(w io.Writer, h History, color bool) error {
	p := &page{w: w, color: color}
	p.print("%s  %s\n\n", bold.on(line(h.Line, 60), color), plural(len(h.Rollouts), "rollout"))
	p.table(pastTable(h.Rollouts))
	p.title("Figures of these rollouts")
	for _, f := range figureLines(h.Figures) {
		p.paragraph("  ", f)
	}
	if len(h.Checks) == 0 {
		return p.err
	}
	p.title("Checks in the bakes of these rollouts")
	t := &table{heads: []string{"CHECK", "MODE", "ROLLOUTS", "SCORE"}, right: []bool{false, false, true, false}}
	for _, s := range h.Checks {
		t.rows = append(t.rows, []cell{{text: line(s.Check, 32)}, {text: mode(s)}, {text: fmt.Sprint(s.Rollouts)}, {text: scoreText(s)}})
	}
	p.table(t)
	return p.err
}

func pastTable(rollouts []PastRollout) *table {
	t := &table{
		heads: []string{"#", "VERSION", "STATE", "STARTED (UTC)", "TOOK", "WAVES", "WHY"},
		right: []bool{true, false, false, false, true, true, false},
	}
	for _, r := range rollouts {
		took := lasting(time.Duration(r.Took))
		if r.Ended == nil {
			took += " so far"
		}
		row := []cell{
			{text: fmt.Sprint(r.Number)}, {text: line(r.Version, 20)}, {line(string(r.State), 20), statePaint(string(r.State))},
			{text: minute(r.Started)}, {text: took}, {text: fmt.Sprintf("%d/%d", r.Passed, r.Waves)},
		}
		for _, why := range wrap(ended(r), columns/2) {
			t.rows = append(t.rows, append(row, cell{text: why}))
			row = make([]cell, len(row))
		}
	}
	return t
}

// ended says why a rollout is in its state. What a human did is part of it.
func ended(r PastRollout) string {
	reason := line(r.Reason, 240)
	if reason == "" {
		reason = r.State.Meaning()
	}
	said := overrides(r.Overrides, func(s string) string { return line(s, 160) })
	if len(said) == 0 {
		return reason
	}
	text := "Override: " + strings.Join(said, "; ")
	if r.Cause == core.CauseOverride || r.State == core.StateAborted {
		return text
	}
	return reason + " " + text
}

// figureLines says what each figure counts, so that nobody has to guess.
func figureLines(f Figures) []string {
	frequency := fmt.Sprintf("Deployment frequency: %d in %s", f.Deployments, lasting(time.Duration(f.Period)))
	if f.PerWeek != nil {
		frequency += fmt.Sprintf(", %.1f a week", *f.PerWeek)
	}
	failures := "Change failure rate: not known, none is over"
	if f.FailureRate != nil {
		failures = fmt.Sprintf("Change failure rate: %s, %d of %d", percent(*f.FailureRate), f.Failed, f.Decided)
	}
	restores := "Time to restore: nothing had to go back"
	if f.FromDeploy != nil {
		restores = fmt.Sprintf("Time to restore: %s, the median of %s from the start of the failing wave's deploy to the end of "+
			"the rollback; %s from the decision", lasting(time.Duration(*f.FromDeploy)), plural(f.Restored, "rollback"),
			lasting(time.Duration(*f.FromDecision)))
	}
	return []string{
		frequency + ". A deployment is a rollout that touched a target.",
		failures + ". Failed is what was rolled back or aborted, or is halted by a deploy or a check.",
		restores + ".",
		"Lead time: not known. The ledger does not say when a change was committed.",
	}
}

// scoreText puts a score into words: "would have stopped 3, right 2 times, wrong 1 time".
func scoreText(s Score) string {
	var parts []string
	if s.Stopped > 0 || !s.Shadow {
		parts = append(parts, fmt.Sprintf("stopped %d", s.Stopped))
	}
	if s.WouldHave > 0 || s.Shadow {
		parts = append(parts, fmt.Sprintf("would have stopped %d", s.WouldHave))
	}
	if s.Stopped+s.WouldHave > 0 {
		parts = append(parts, "right "+plural(s.Right, "time"))
	}
	if s.Wrong > 0 {
		parts = append(parts, "wrong "+plural(s.Wrong, "time"))
	}
	if s.Open > 0 {
		parts = append(parts, fmt.Sprintf("open %d", s.Open))
	}
	if s.Missed > 0 {
		parts = append(parts, fmt.Sprintf("missed %d", s.Missed))
	}
	return strings.Join(parts, ", ")
}
