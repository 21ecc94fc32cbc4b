package gitlab

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
)

// A clock does not wait.
type clock struct{}

func (clock) Now() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }

func (clock) Wait(ctx context.Context, _ time.Time) error { return ctx.Err() }

// of is what every job has.
var of = []string{"GITLAB_CI=true", "CI_PROJECT_PATH=acme/shop", "CI_COMMIT_SHA=4ac1d2e", "CI_PIPELINE_ID=77", "CI_JOB_ID=4001", "CI_JOB_NAME=deploy",
	"CI_JOB_URL=https://gitlab.example.com/acme/shop/-/jobs/4001", "GITLAB_USER_LOGIN=ada"}

// job is a forge, and the log that it writes.
func job(t *testing.T, environ ...string) (*Forge, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	f, ok := New(append(append([]string{}, of...), environ...), io.Discard, &log, clock{})
	if !ok || f.Err() != nil {
		t.Fatalf("no job: %v", f.Err())
	}
	return f, &log
}

// in is a job of the fake's project, for the commit of its default branch, in a pipeline that is there.
func in(t *testing.T, forge *gitlabtest.Server, environ ...string) (*Forge, *bytes.Buffer) {
	t.Helper()
	forge.Look(func(s *gitlabtest.State) {
		s.Pipelines = append(s.Pipelines, gitlabtest.Pipeline{ID: 77, SHA: forge.Main(), Ref: "main", Source: "push", Status: "running"})
	})
	all := append(forge.Environ(), "CI_COMMIT_SHA="+forge.Main(), "CI_COMMIT_REF_NAME=main", "CI_COMMIT_BRANCH=main")
	return job(t, append(all, environ...)...)
}

func wantError(t *testing.T, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("it works, want an error with %q", wants)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %q, want %q in it", err, want)
		}
	}
}

func TestJob(t *testing.T) {
	f, _ := job(t)
	want := core.Job{Commit: "4ac1d2e", Ledger: "git:", Actor: core.Actor{Name: "ada", Run: "acme/shop/-/pipelines/77/deploy", Attempt: 4001,
		URL: "https://gitlab.example.com/acme/shop/-/jobs/4001"}}
	if got := f.Job(); got != want {
		t.Errorf("the job is %+v; want %+v", got, want)
	}
	if _, ok := New([]string{"GITHUB_ACTIONS=true"}, io.Discard, io.Discard, clock{}); ok {
		t.Error("a job of GitHub is taken for one of GitLab")
	}
	for _, name := range []string{"CI_PROJECT_PATH", "CI_COMMIT_SHA", "CI_PIPELINE_ID", "CI_JOB_ID", "CI_JOB_NAME"} {
		f, ok := New(append(append([]string{}, of...), name+"="), io.Discard, io.Discard, clock{})
		if !ok {
			t.Fatal("it is no job")
		}
		wantError(t, f.Err(), name+" is not set")
	}
}

// TestWhoTakesOver: a retry of a job takes over at once from the one before; another job of the same pipeline, which may
// run at the same time, does not.
func TestWhoTakesOver(t *testing.T) {
	alive := func(core.Actor) bool { return false }
	first, _ := job(t)
	lease := core.Lease{Holder: first.Job().Actor, Until: clock{}.Now().Add(time.Hour)}
	lease.Holder.ID = "first"
	for _, c := range []struct {
		name    string
		environ []string
		want    bool
	}{
		{"a retry", []string{"CI_JOB_ID=4090"}, true},
		{"another job of the pipeline", []string{"CI_JOB_ID=4091", "CI_JOB_NAME=other"}, false},
		{"the same job of another pipeline", []string{"CI_JOB_ID=4092", "CI_PIPELINE_ID=78"}, false},
		{"an earlier job", []string{"CI_JOB_ID=3999"}, false},
	} {
		f, _ := job(t, c.environ...)
		actor := f.Job().Actor
		actor.ID = "second"
		if got := lease.YieldsTo(actor, clock{}.Now(), alive); got != c.want {
			t.Errorf("%s takes over: %v", c.name, got)
		}
	}
}
