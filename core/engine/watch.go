package engine

import (
	"context"

	"github.com/breakwater-ci/breakwater/core"
)

// watch calls lost once another actor has taken the line over. Every write would show that too, but a long act writes
// nothing for as long as it lasts, and what a killed job has left running must not go on beside the attempt that came
// after it. A ledger that cannot be read tells nothing: the next write will.
func (s *session) watch(ctx context.Context, lost func()) {
	for s.Clock.Wait(ctx, s.Clock.Now().Add(s.Watch)) == nil {
		events, err := s.Ledger.Read(ctx, s.Line)
		if err != nil {
			continue
		}
		if r, err := core.Replay(s.Line, events); err == nil && r.Lease.Holder.ID != s.Actor.ID {
			lost()
			return
		}
	}
}
