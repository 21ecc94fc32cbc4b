package report

import (
	"cmp"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// reasonWidth is what a commit status has room for.
const reasonWidth = 140

// Reason says in one line of at most 140 characters why a rollout is in its state: for commit statuses and outputs.
func Reason(r *core.Rollout) string {
	return cmp.Or(line(why(r), reasonWidth), r.State.Meaning())
}

// why is the reason of a rollout's state: while it waits for a window, that it does.
func why(r *core.Rollout) string {
	if r.Blocked != nil {
		return r.Blocked.Reason
	}
	return r.Reason
}

// due is when something is due: next, or else the opening of the window that a rollout waits for.
func due(r *core.Rollout, next time.Time) time.Time {
	if next.IsZero() && r.Blocked != nil {
		return r.Blocked.Until
	}
	return next
}
