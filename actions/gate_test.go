package actions

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
)

// onGitHub is a job in the repository of a fake GitHub.
func onGitHub(t *testing.T, forge *githubtest.Server, more ...string) *Forge {
	t.Helper()
	f, ok := New(append(append(jobEnviron(), forge.Environ()...), more...), io.Discard, io.Discard, clock{})
	if !ok || f.Err() != nil {
		t.Fatal(ok, f.Err())
	}
	return f
}

// commit makes one in the repository.
func commit(forge *githubtest.Server, message string) string {
	tree := strings.TrimSpace(forge.GitIn("", "mktree"))
	return strings.TrimSpace(forge.Git("-c", "user.name=x", "-c", "user.email=x@example.com", "commit-tree", "-m", message, tree))
}

func TestSetStatus(t *testing.T) {
	forge := githubtest.New(t)
	at := commit(forge, "one")
	f := onGitHub(t, forge)
	s := core.Status{Name: "breakwater/shop/prod", State: core.StatusPending, Description: strings.Repeat("é", 140)}
	if err := f.SetStatus(t.Context(), at, s); err != nil {
		t.Fatal(err)
	}
	s.State = core.StatusSuccess
	if err := f.SetStatus(t.Context(), at, s); err != nil {
		t.Fatal(err)
	}
	have, err := f.Statuses(t.Context(), at)
	if err != nil || !slices.Equal(have, []core.Status{s}) {
		t.Errorf("%+v, %v; want the newest of the name", have, err)
	}
	forge.Look(func(all *githubtest.State) {
		if got, want := all.Statuses[0].URL, "https://ghe.example/octo/shop/actions/runs/77/attempts/2"; got != want {
			t.Errorf("it links to %q; want %q", got, want)
		}
	})
	if err := f.SetStatus(t.Context(), strings.Repeat("0", 40), s); err == nil || !strings.Contains(err.Error(), "No commit found") {
		t.Errorf("a status of no commit: %v", err)
	}
}

func TestChangesOfTheJob(t *testing.T) {
	forge := githubtest.New(t)
	forge.Look(func(all *githubtest.State) {
		all.Pulls = []githubtest.Pull{{Number: 12, SHA: "a1", Base: "main", Labels: []string{"answer"}}, {Number: 1, SHA: "a2", Base: "main"}}
	})
	for name, c := range map[string]struct {
		event string
		want  []core.Change
	}{
		"a pull request": {`{"pull_request":{"number":12,"head":{"sha":"a1"},"labels":[{"name":"x"},{"name":"y"}]}}`, []core.Change{{Name: "#12", Commit: "a1", Labels: []string{"x", "y"}}}},
		"a merge group": {`{"merge_group":{"head_sha":"b1","head_ref":"refs/heads/gh-readonly-queue/main/pr-12-9f","base_ref":"refs/heads/main"}}`,
			[]core.Change{{Name: "gh-readonly-queue/main/pr-12-9f", Commit: "b1", Labels: []string{"answer"}}}},
		"a push": {`{"after":"c1"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "event.json")
			if err := os.WriteFile(path, []byte(c.event), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := onGitHub(t, forge, "GITHUB_EVENT_PATH="+path).Changes(t.Context(), false)
			if err != nil || !slices.EqualFunc(got, c.want, sameChange) {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func sameChange(a, b core.Change) bool {
	return a.Name == b.Name && a.Commit == b.Commit && slices.Equal(a.Labels, b.Labels)
}

// TestOpenChanges: all that are to enter the branch, the merge queue too, with what they show.
func TestOpenChanges(t *testing.T) {
	forge := githubtest.New(t)
	one, two, other, group := commit(forge, "1"), commit(forge, "2"), commit(forge, "3"), commit(forge, "4")
	forge.Git("update-ref", "refs/heads/gh-readonly-queue/main/pr-2-9f", group)
	forge.Git("update-ref", "refs/heads/gh-readonly-queue/next/pr-3-9f", other)
	s := core.Status{Name: "breakwater/gate/shop/prod", State: core.StatusFailure, Description: "halted"}
	forge.Look(func(all *githubtest.State) {
		all.Pulls = []githubtest.Pull{{Number: 1, SHA: one, Base: "main"}, {Number: 2, SHA: two, Base: "main", Labels: []string{"answer"}}, {Number: 3, SHA: other, Base: "next"}}
		all.Statuses = []githubtest.Status{{SHA: one, Context: s.Name, State: "failure", Description: "halted"}, {SHA: two, Context: s.Name, State: "success", Description: "halted"}}
	})
	f := onGitHub(t, forge, "GITHUB_REF_NAME=main")
	got, err := f.Changes(t.Context(), true)
	want := []core.Change{{Name: "#1", Commit: one}, {Name: "#2", Commit: two, Labels: []string{"answer"}},
		{Name: "gh-readonly-queue/main/pr-2-9f", Commit: group, Labels: []string{"answer"}}}
	if err != nil || !slices.EqualFunc(got, want, sameChange) {
		t.Fatalf("%+v, %v; want %+v", got, err, want)
	}
	for i, shows := range [][]core.Status{{s}, {{Name: s.Name, State: core.StatusSuccess, Description: "halted"}}, nil} {
		if !slices.Equal(got[i].Shows, shows) {
			t.Errorf("%s shows %+v; want %+v", got[i].Name, got[i].Shows, shows)
		}
	}
	if _, err := onGitHub(t, forge, "GITHUB_REF_NAME=v1", "GITHUB_REF_TYPE=tag").Changes(t.Context(), true); err == nil {
		t.Error("a tag is taken for a branch")
	}
}
