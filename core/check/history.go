package check

import (
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A finding is what one look found.
type finding int

const (
	unknown finding = iota // nobody answered, or there was no data
	healthy
	pending // out of limits, but not for long enough to be a breach
	breach
)

// A history judges the last looks of a threshold: it fails when m of the last n were breaches, and passes only if that
// could not be, whatever the looks without an answer would have found. With hold, a look is a breach only if every
// look was out of limits for that long; a look without an answer starts that time anew.
type history struct {
	m, n  int
	hold  time.Duration
	last  []finding // newest last, at most n
	since time.Time // when the values left their limits; zero if they are within
}

func newHistory(b core.Breaches, hold time.Duration) history {
	return history{m: max(b.M, 1), n: max(b.N, b.M, 1), hold: hold}
}

// needs is how many looks it takes to be able to answer, one each every.
func (h *history) needs(every time.Duration) int {
	return h.n + int((h.hold+every-1)/every)
}

// add takes the finding of a newer look.
func (h *history) add(at time.Time, f finding) {
	if f != breach {
		h.since = time.Time{}
	} else {
		if h.since.IsZero() {
			h.since = at
		}
		if at.Sub(h.since) < h.hold {
			f = pending
		}
	}
	if len(h.last) == h.n {
		h.last = h.last[1:]
	}
	h.last = append(h.last, f)
}

// judge gives the verdict after a look at that had an answer, and what the history adds to the reason.
func (h *history) judge(at time.Time) (core.VerdictKind, string) {
	breaches, known := 0, 0
	for _, f := range h.last {
		if f == breach {
			breaches++
		}
		if f != unknown {
			known++
		}
	}
	newest := h.last[len(h.last)-1]
	lasting := ""
	if h.hold > 0 && newest == breach {
		lasting = " for " + core.Brief(at.Sub(h.since))
	}
	tally := ""
	if h.n > 1 {
		tally = fmt.Sprintf("; %d of the last %d looks %s", breaches, len(h.last), were(breaches))
	}
	switch {
	case breaches >= h.m:
		return core.Fail, lasting + tally
	case newest == pending:
		return core.Inconclusive, fmt.Sprintf(" for %s of %s%s", core.Brief(at.Sub(h.since)), core.Brief(h.hold), tally)
	case breaches+h.n-known < h.m:
		return core.Pass, lasting + tally
	default:
		needed := h.n - h.m + breaches + 1
		lack := fmt.Sprintf("; too little data, %d of the %d looks it needs", known, needed)
		return core.Inconclusive, lasting + tally + lack
	}
}

func were(breaches int) string {
	if breaches == 1 {
		return "was a breach"
	}
	return "were breaches"
}
