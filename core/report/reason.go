package report

import (
	"cmp"

	"github.com/breakwater-ci/breakwater/core"
)

// reasonWidth is what a commit status has room for.
const reasonWidth = 140

// Reason says in one line of at most 140 characters why a rollout is in its state: for commit statuses and outputs.
func Reason(r *core.Rollout) string {
	return cmp.Or(line(r.Reason, reasonWidth), r.State.Meaning())
}
