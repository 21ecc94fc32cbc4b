package engine

import (
	"cmp"
	"context"

	"github.com/breakwater-ci/breakwater/core"
)

// previous is the version to go back to: the one that was asked for, else the ledger's last good one. Only where there is
// neither, somebody else is asked.
func (req Request) previous(ctx context.Context, last *core.Rollout) string {
	known := cmp.Or(req.Previous, last.LastGood())
	if known != "" || req.FirstRelease || req.Elsewhere == nil {
		return known
	}
	return req.Elsewhere(ctx)
}
