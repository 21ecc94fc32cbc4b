package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/breakwater-ci/breakwater/core"
)

// TestRehearsal: the first wave is deployed, goes back, and is deployed again before it bakes; no other wave is.
func TestRehearsal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.plan.Rollback.Rehearse = core.RehearseFirst
		s.plan.Deploy.Parallel = core.Amount{Count: 1, Set: true}
		r, err := s.run(t.Context(), "v2")
		if err != nil || r.State != core.StateSucceeded || r.Rehearsed.IsZero() {
			t.Fatalf("%v, %v", r, err)
		}
		first := []string{"w0-0", "w0-1", "w0-2", "w0-3"}
		var want []string
		for _, version := range []string{"v2", "v1", "v2"} {
			for _, target := range first {
				want = append(want, target+"="+version)
			}
		}
		for _, target := range []string{"w1-0", "w1-1", "w1-2", "w1-3"} {
			want = append(want, target+"=v2")
		}
		if got := s.deploys.names(); !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
		if !r.Waves[0].Since.After(r.Rehearsed) {
			t.Error("the bake began before the rehearsal was over")
		}
	})
}

// TestFailedRehearsal halts with the first wave out, says that a rollback does not work, and is tried again by a re-run.
func TestFailedRehearsal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.plan.Rollback.Rehearse = core.RehearseFirst
		broken := true
		s.deploys.fail = func(a core.Act) error {
			if a.Rollback && a.Target.Name == "w0-2" && broken {
				return errors.New("no such image")
			}
			return nil
		}
		r, err := s.run(t.Context(), "v2")
		if err != nil || r.State != core.StateHalted || r.Cause != core.CauseRehearsal {
			t.Fatalf("%v, %v", r, err)
		}
		if want := "The rehearsal of the rollback failed on w0-2: a rollback of this release would not work there. Nothing else was touched."; r.Reason != want {
			t.Errorf("%q", r.Reason)
		}
		if why := r.Unpromotable(); !strings.Contains(why, "is not out") {
			t.Errorf("%q", why)
		}
		for _, act := range s.deploys.acts {
			if strings.HasPrefix(act.Target.Name, "w1") {
				t.Errorf("%s was touched", act.Target.Name)
			}
		}
		broken, s.deploys.acts = false, nil
		s.actor.ID, s.actor.Attempt = "second", 2
		if r, err = s.run(t.Context(), "v2"); err != nil || r.State != core.StateSucceeded {
			t.Fatalf("%v, %v", r, err)
		}
		if got := s.deploys.names(); got[0] != "w0-2=v1" || strings.Count(strings.Join(got, " "), "=v1") != 1 {
			t.Errorf("what was back already went back again: %v", got)
		}
	})
}

// TestNothingToRehearse: a first release has no version to put back.
func TestNothingToRehearse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.plan.Rollback.Rehearse = core.RehearseFirst
		req := s.request("v1")
		req.Previous, req.FirstRelease = "", true
		r, err := s.engine().Run(t.Context(), req)
		if err != nil || r.State != core.StateSucceeded || len(s.deploys.acts) != 8 {
			t.Errorf("%v, %v, %d acts", r.State, err, len(s.deploys.acts))
		}
	})
}
