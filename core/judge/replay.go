package judge

import "github.com/breakwater-ci/breakwater/core"

// A Decision is a verdict, and the row of a file at which it was reached.
type Decision struct {
	Verdict
	Row int    // counts from 0; the last row if nothing was decided before; -1 if there is none after the deploy
	At  string // timestamp of the row
}

// Replay judges rows of a file as they would have been judged live, and stops at the first look that decides. The rows
// before deploy are those on the old version.
func Replay[L any](t Test[L], rows []Row[L], deploy int) Decision {
	d := Decision{Row: -1, Verdict: Verdict{Verdict: core.Inconclusive, Reason: "There is no look after the deploy."}}
	for i, r := range rows {
		if i < deploy {
			t.Before(r.Look)
			continue
		}
		d = Decision{Verdict: t.Look(r.Look), Row: i, At: r.At}
		if d.Verdict.Verdict == core.Fail || d.Early {
			break
		}
	}
	return d
}
