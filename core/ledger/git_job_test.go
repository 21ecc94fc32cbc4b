package ledger

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
	"github.com/breakwater-ci/breakwater/core/ledger/ledgertest"
)

// inJob is a job of GitLab that has no clone.
func inJob(t *testing.T, environ []string) Env {
	return Env{Dir: t.TempDir(), Environ: append(os.Environ(), environ...), Clock: clock{}}
}

// TestGitOfTheJob: git: alone is the repository of the job, reached with what the job may use.
func TestGitOfTheJob(t *testing.T) {
	t.Parallel()
	forge := gitlabtest.New(t)
	events := ledgertest.Rollout("r1", 0, 3)
	byToken := open(t, "git:", inJob(t, forge.Environ()))
	add(t, byToken, 0, events[0])

	byJob := open(t, "git:", inJob(t, forge.JobEnviron()))
	if n := length(t, byJob); n != 1 {
		t.Errorf("the job sees %d events; want 1", n)
	}
	err := byJob.Append(t.Context(), line, 1, events[1:2])
	wantError(t, err, "cannot write refs/breakwater/checkout/production on "+forge.Web+".git", "403", "GitLab: let the job token push, or use a project token")
	if strings.Contains(err.Error(), gitlabtest.JobToken) {
		t.Errorf("the error tells the token: %v", err)
	}
	forge.Look(func(s *gitlabtest.State) { s.JobsMayPush = true })
	add(t, byJob, 1, events[1:]...)
	if n := length(t, byToken); n != 3 {
		t.Errorf("the line has %d events; want 3", n)
	}
	if asked := forge.Asked(); len(asked) != 0 {
		t.Errorf("the API was asked: %v", asked)
	}
	if refs := forge.Git("for-each-ref", "--format=%(refname)"); refs != "refs/breakwater/checkout/production\nrefs/heads/main\n" {
		t.Errorf("the refs are\n%s", refs)
	}
	if err := byJob.Park(t.Context(), core.Marker{Line: line}, time.Unix(1, 0)); err != nil { // a marker is another ref
		t.Fatal(err)
	}
	for _, m := range ledgertest.Parked(t, byToken) {
		if err := byJob.Park(t.Context(), m, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if left := ledgertest.Parked(t, byToken); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

func TestGitWithoutAPlace(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), "git:", env(t.TempDir()))
	wantError(t, err, `ledger "git:": it says no place`)
	wrong := inJob(t, append(gitlabtest.New(t).JobEnviron(), "BREAKWATER_TOKEN=no such token"))
	_, err = open(t, "git:", wrong).Read(t.Context(), line)
	wantError(t, err, "cannot read refs/breakwater/checkout/production on ", "could not read Username")
	if strings.Contains(err.Error(), "no such token") {
		t.Errorf("the error tells the token: %v", err)
	}
}
