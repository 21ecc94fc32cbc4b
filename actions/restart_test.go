package actions

import (
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core/github/githubtest"
)

func TestRestart(t *testing.T) {
	forge := githubtest.New(t)
	now := time.Now()
	forge.Look(func(all *githubtest.State) {
		all.Runs = []githubtest.Run{
			{ID: 1, Workflow: "release.yml", Attempt: 1, Event: "push", Status: "completed", Conclusion: "success", Created: now},
			{ID: 2, Workflow: "release.yml", Attempt: 1, Event: "push", Status: "in_progress", Created: now},
			{ID: 3, Workflow: "release.yml", Attempt: 51, Event: "push", Status: "completed", Conclusion: "success", Created: now},
			{ID: 4, Workflow: "release.yml", Attempt: 1, Event: "push", Status: "completed", Conclusion: "success", Created: now.Add(-31 * 24 * time.Hour)},
		}
	})
	f := onGitHub(t, forge)
	if err := f.Restart(t.Context(), "octo/shop/actions/runs/1"); err != nil {
		t.Error(err)
	}
	forge.Look(func(all *githubtest.State) {
		if run := all.Runs[0]; run.Attempt != 2 || run.Status != "queued" {
			t.Errorf("%+v", run)
		}
	})
	for run, want := range map[string]string{
		"octo/shop/actions/runs/1":  "is still queued; the next tick tries again",
		"octo/shop/actions/runs/2":  "is still in_progress",
		"octo/shop/actions/runs/3":  "of which 51 attempts have been: This workflow run cannot be retried",
		"octo/shop/actions/runs/4":  "created over a month ago (403); the job needs permissions: {actions: write}",
		"octo/shop/actions/runs/5":  "does not show run octo/shop/actions/runs/5: Not Found (404)",
		"octo/other/actions/runs/1": `run "octo/other/actions/runs/1" is none of octo/shop`,
		"octo/shop/actions/runs/x":  "is none of octo/shop",
	} {
		if err := f.Restart(t.Context(), run); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", run, err, want)
		}
	}
}
