package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/breakwater-ci/breakwater/core"
)

// TestOldRunAgain: a run of an older commit that somebody runs again is a new rollout of that version, and says so.
func TestOldRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		release := func(run, version string, attempt int) *core.Rollout {
			t.Helper()
			s.actor = core.Actor{ID: run + version, Run: run, Attempt: attempt}
			r, err := s.run(t.Context(), version)
			if err != nil || r.State != core.StateSucceeded {
				t.Fatalf("%+v, %v", r, err)
			}
			return r
		}
		for _, c := range []struct {
			run, version string
			attempt      int
			says         string
		}{
			{"octo/shop/actions/runs/99", "v2", 1, ""},
			{"octo/shop/actions/runs/100", "v3", 1, ""},
			{"octo/shop/actions/runs/99", "v2", 2, "older than the one that released version v3 (rollout shop-test-2), so this is a new rollout of an older version: v2."},
			{"octo/shop/actions/runs/100", "v3", 2, ""}, // newer than the one that v2 is from
			{"octo/site/actions/runs/7", "v4", 1, ""},
			{"octo/shop/-/pipelines/8/rollout", "v6", 1, ""},
			{"octo/shop/-/pipelines/9/rollout", "v7", 2, ""},
			{"octo/shop/-/pipelines/8/rollout", "v6", 3, "older than the one that released version v7"},
			{"", "v5", 0, ""},
		} {
			r := release(c.run, c.version, c.attempt)
			events := s.events(t)
			if got := events[0].Reason; c.says == "" && got != "" || !strings.Contains(got, c.says) {
				t.Errorf("%s of %s: rollout %s says %q; want %q", c.version, c.run, r.ID, got, c.says)
			}
		}
	})
}
