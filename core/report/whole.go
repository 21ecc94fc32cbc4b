package report

import (
	"cmp"
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Whole is all that is to be shown of a rollout. next is when the bake can end at the earliest; zero: that is not known.
func Whole(r *core.Rollout, looks *Looks, next, now time.Time, notes []core.Annotation) core.Report {
	whole := core.Report{
		Rollout: r.ID, Line: r.Line, State: r.State, Title: Mark(r, next).Description, Text: Summary(r, looks, now), Notes: notes, Began: r.Began,
	}
	if r.State.Resting() {
		whole.Ended = r.Changed
	}
	return whole
}

// NoteFinding is what a plan shows where lint found something.
func NoteFinding(f core.Finding) core.Annotation {
	return core.Annotation{Title: line(f.Rule+" "+f.Name, 100), Message: line(f.What+" "+f.Do, 2000), File: f.File, Line: f.Line, Column: f.Column}
}

// NoteVerdict is what a plan shows beside a check that stopped a rollout.
func NoteVerdict(v core.Verdict, file string, at, column int) core.Annotation {
	return core.Annotation{
		Error: v.Verdict == core.Fail, Title: line(fmt.Sprintf("Check %s: %s", v.Check, v.Verdict), 100),
		Message: cmp.Or(line(v.Reason, 2000), "It gave no reason."), File: file, Line: at, Column: column,
	}
}
