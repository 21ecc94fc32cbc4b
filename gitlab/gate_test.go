package gitlab

import (
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
)

func TestChanges(t *testing.T) {
	forge := gitlabtest.New(t)
	sha := forge.Main()
	f, _ := in(t, forge, "CI_MERGE_REQUEST_IID=12", "CI_MERGE_REQUEST_LABELS=bug,breakwater-answer")
	mine, err := f.Changes(t.Context(), false)
	if err != nil || len(mine) != 1 || mine[0].Name != "!12" || mine[0].Commit != sha || !slices.Equal(mine[0].Labels, []string{"bug", "breakwater-answer"}) {
		t.Errorf("the job's change is %+v (%v)", mine, err)
	}
	f, _ = in(t, forge)
	if none, err := f.Changes(t.Context(), false); err != nil || len(none) != 0 {
		t.Errorf("a job of a branch is about %v (%v)", none, err)
	}
	forge.Look(func(s *gitlabtest.State) {
		s.Pipelines = append(s.Pipelines, gitlabtest.Pipeline{ID: 90, SHA: sha, Ref: "refs/merge-requests/13/head", Source: "merge_request_event"})
		s.Merges = []gitlabtest.MergeRequest{{IID: 13, SHA: sha, Into: "main", Labels: []string{"x"}, Pipeline: 90}, {IID: 14, SHA: sha, Into: "next"},
			{IID: 15, SHA: sha, Into: "main", Merged: sha}}
		s.Statuses = []gitlabtest.Status{{SHA: sha, Name: "breakwater/gate/shop/test", State: "failed", Description: "shut", Pipeline: 90}}
	})
	all, err := f.Changes(t.Context(), true)
	if err != nil || len(all) != 1 || all[0].Name != "!13" || !slices.Equal(all[0].Labels, []string{"x"}) ||
		!slices.Contains(all[0].Shows, core.Status{Name: "breakwater/gate/shop/test", State: core.StatusFailure, Description: "shut"}) {
		t.Fatalf("the open changes are %+v (%v)", all, err)
	}
	if err := f.SetStatus(t.Context(), all[0].Commit, core.Status{Name: "breakwater/gate/shop/test", State: core.StatusSuccess, Description: "open"}); err != nil {
		t.Fatal(err)
	}
	forge.Look(func(s *gitlabtest.State) {
		if len(s.Statuses) != 1 || s.Statuses[0].State != "success" || s.Statuses[0].Pipeline != 90 {
			t.Errorf("the statuses are %+v", s.Statuses)
		}
	})
	f, _ = in(t, forge, "CI_COMMIT_BRANCH=")
	_, err = f.Changes(t.Context(), true)
	wantError(t, err, "CI_COMMIT_BRANCH names no branch")
}

func TestComment(t *testing.T) {
	forge := gitlabtest.New(t)
	f, _ := in(t, forge)
	sha := forge.Main()
	if err := f.Comment(t.Context(), sha, "shop/test", "nobody asked"); err != nil {
		t.Fatal(err)
	}
	forge.Look(func(s *gitlabtest.State) {
		s.Merges = []gitlabtest.MergeRequest{{IID: 13, SHA: "topic", Into: "main", Merged: sha}}
		s.Notes = []gitlabtest.Note{{ID: 1, IID: 13, Author: 99, Body: "<!-- breakwater shop/test -->\nforged"}}
		for i := range 120 {
			s.Notes = append(s.Notes, gitlabtest.Note{ID: 2 + i, IID: 13, Author: 99, Body: "talk"})
		}
	})
	for _, text := range []string{"# baking\n", "# halted\n/merge\r/close\n   /approve @all\n" + strings.Repeat("a long story\n", 100_000)} {
		if err := f.Comment(t.Context(), sha, "shop/test", text); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Comment(t.Context(), sha, "shop/other", "# other\n"); err != nil {
		t.Fatal(err)
	}
	forge.Look(func(s *gitlabtest.State) {
		mine := slices.DeleteFunc(slices.Clone(s.Notes), func(n gitlabtest.Note) bool { return n.Author != gitlabtest.Me })
		if len(mine) != 2 || !strings.Contains(mine[0].Body, "# halted\n") || strings.Contains(mine[0].Body, "baking") || strings.Contains(mine[0].Body, "@all") {
			t.Errorf("there are %d notes; the first is %.300q", len(mine), mine[0].Body)
		}
		if s.Notes[0].Body != "<!-- breakwater shop/test -->\nforged" {
			t.Error("the note of somebody else was changed")
		}
	})
}

func TestRestart(t *testing.T) {
	forge := gitlabtest.New(t)
	f, _ := in(t, forge)
	forge.Look(func(s *gitlabtest.State) {
		s.Jobs = []gitlabtest.Job{{ID: 1, Pipeline: 77, Name: "build", Status: "success"}, {ID: 2, Pipeline: 77, Name: "deploy: [eu/1]", Status: "success"}}
	})
	const run = "acme/shop/-/pipelines/77/deploy: [eu/1]"
	if err := f.Restart(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	forge.Look(func(s *gitlabtest.State) {
		if len(s.Jobs) != 3 || s.Jobs[2].Name != "deploy: [eu/1]" || !s.Jobs[1].Retried {
			t.Errorf("the jobs are %+v", s.Jobs)
		}
	})
	wantError(t, f.Restart(t.Context(), run), "is still pending; the next tick tries again")
	wantError(t, f.Restart(t.Context(), "acme/shop/-/pipelines/77/gone"), `has no job "gone" any more`)
	for _, other := range []string{"acme/other/-/pipelines/77/deploy", "acme/shop/-/pipelines/x/deploy", "acme/shop/-/pipelines/77", "octo/shop/actions/runs/7"} {
		wantError(t, f.Restart(t.Context(), other), "is none of acme/shop")
	}
}
