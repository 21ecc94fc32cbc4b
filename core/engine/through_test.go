package engine_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
)

// TestThrough takes a rollout on by jobs of one pipeline that stop behind a wave. Each gives the line back there, so that
// the next may have it although GitLab numbered it earlier, and one that comes late disturbs nobody.
func TestThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		job := func(id int, through string) (*core.Rollout, error) {
			e := s.engine()
			e.Actor = core.Actor{ID: string(rune('a' + id)), Run: "7", Attempt: id}
			req := s.request("v2")
			req.Through = through
			return e.Run(t.Context(), req)
		}
		r, err := job(9, "1")
		if err != nil || r.State != core.StateDeploying || r.Wave != 1 || r.Waves[0].State != core.WavePassed {
			t.Fatalf("through the first wave: %v, %+v", err, r)
		}
		if r.Lease.Holder.ID != "" {
			t.Errorf("%s still has the line", r.Lease.Holder.ID)
		}
		deployed := len(s.deploys.names())
		if deployed != len(r.Waves[0].Targets) {
			t.Errorf("deployed to %v; want the first wave", s.deploys.names())
		}

		// Somebody works on the second wave: the lease is fresh.
		e := s.engine()
		events := s.events(t)
		claimed := core.Event{Seq: events[len(events)-1].Seq + 1, Rollout: r.ID, Type: core.EventClaimed, At: time.Now(),
			Actor: "x", Lease: &core.Lease{Holder: core.Actor{ID: "x", Run: "7", Attempt: 2}, Until: time.Now().Add(e.Lease)}}
		if err := s.book.Append(t.Context(), s.plan.Line(), claimed.Seq-1, []core.Event{claimed}); err != nil {
			t.Fatal(err)
		}
		if r, err = job(11, r.Waves[0].Name); err != nil || r.Lease.Holder.ID != "x" || len(s.events(t)) != len(events)+1 {
			t.Errorf("a late job for a wave that has passed: %v, the line is %s's", err, r.Lease.Holder.ID)
		}
		if _, err = job(3, "nowhere"); !errors.As(err, new(engine.Refused)) {
			t.Errorf("a wave that there is not: %v", err)
		}
		if r, err = job(4, ""); err != nil || r.State != core.StateSucceeded {
			t.Errorf("to the end: %v, %s", err, r.State)
		}
	})
}
