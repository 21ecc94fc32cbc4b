package gitlab_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core/gitlab"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
)

// A clock does not wait; it notes until when it was to.
type clock struct{ until *time.Time }

func (clock) Now() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }

func (c clock) Wait(ctx context.Context, until time.Time) error {
	if c.until != nil {
		*c.until = until
	}
	return ctx.Err()
}

func lookup(environ []string) func(string) string {
	return func(name string) (value string) {
		for _, entry := range environ {
			if v, ok := strings.CutPrefix(entry, name+"="); ok {
				value = v
			}
		}
		return value
	}
}

func TestNew(t *testing.T) {
	for _, c := range []struct {
		project string
		environ []string
		want    string
	}{
		{"", nil, "which project?"},
		{"a b", nil, "is no project"},
		{"acme/shop", nil, "there is no token for GitLab"},
		{"acme/shop", []string{"BREAKWATER_TOKEN=x", "CI_API_V4_URL=nowhere"}, `CI_API_V4_URL is "nowhere"`},
	} {
		if _, err := gitlab.New(c.project, gitlab.Env{Lookup: lookup(c.environ), Clock: clock{}}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q with %v: %v; want %q", c.project, c.environ, err, c.want)
		}
	}
	for name, user := range map[string]string{"BREAKWATER_TOKEN=x": "breakwater", "CI_JOB_TOKEN=x": "gitlab-ci-token", "NONE=x": ""} {
		if got, _ := gitlab.Login(lookup([]string{name})); got != user {
			t.Errorf("with %s git is %q; want %q", name, got, user)
		}
	}
}

// TestPatience: a limit is waited out for as long as GitLab says, and somebody is told.
func TestPatience(t *testing.T) {
	forge := gitlabtest.New(t)
	var until time.Time
	var told []string
	env := gitlab.Env{Lookup: lookup(forge.Environ()), Clock: clock{&until}, Waits: func(why string, _ time.Time) { told = append(told, why) }}
	c, err := gitlab.New("", env)
	if err != nil {
		t.Fatal(err)
	}
	times := 2
	forge.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if times--; times >= 0 {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		serve(w, r)
	})
	if head, err := c.Head(t.Context(), "main"); err != nil || head != forge.Main() {
		t.Errorf("the head is %q (%v)", head, err)
	}
	if !until.Equal(clock{}.Now().Add(90*time.Second)) || len(told) != 2 || c.Requests() != 3 {
		t.Errorf("it waited until %s, told %q and counted %d", until, told, c.Requests())
	}
	if head, err := c.Head(t.Context(), "mai"); err != nil || head != "" {
		t.Errorf("a branch that is not there is at %q (%v)", head, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Head(ctx, "main"); err == nil || ctx.Err() == nil {
		t.Errorf("after the end: %v", err)
	}
}

// TestNeverTwice: a note is not written again when nobody knows what became of it.
func TestNeverTwice(t *testing.T) {
	forge := gitlabtest.New(t)
	c, err := gitlab.New("", gitlab.Env{Lookup: lookup(forge.Environ()), Clock: clock{}})
	if err != nil {
		t.Fatal(err)
	}
	forge.Meddle(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) { w.WriteHeader(http.StatusBadGateway) })
	if err := c.AddNote(t.Context(), 7, "hello"); gitlab.Code(err) != http.StatusBadGateway || c.Requests() != 1 {
		t.Errorf("%v after %d requests", err, c.Requests())
	}
}

// TestRuns: all jobs of a pipeline, those that were retried as well, in the order in which they were created.
func TestRuns(t *testing.T) {
	forge := gitlabtest.New(t)
	c, err := gitlab.New("", gitlab.Env{Lookup: lookup(forge.Environ()), Clock: clock{}})
	if err != nil {
		t.Fatal(err)
	}
	began := clock{}.Now().Add(1500 * time.Millisecond)
	forge.Look(func(s *gitlabtest.State) {
		for i := range 230 {
			s.Jobs = append(s.Jobs, gitlabtest.Job{ID: 1230 - i, Pipeline: 7, Name: "deploy", Status: "success", Retried: i > 0, Began: began})
		}
		s.Jobs = append(s.Jobs, gitlabtest.Job{ID: 2000, Pipeline: 7, Status: "failed"}, gitlabtest.Job{ID: 2001, Pipeline: 7, Status: "canceled"},
			gitlabtest.Job{ID: 3000, Pipeline: 8, Status: "failed"})
	})
	all, err := c.Runs(t.Context(), 7)
	if err != nil || len(all) != 232 || all[0].ID != 1001 || all[231].ID != 2001 || !all[0].Began.Equal(began) || !all[0].Created.IsZero() {
		t.Errorf("%d jobs (%v), from %+v", len(all), err, all[0])
	}
	if wrong, err := c.Runs(t.Context(), 7, "failed", "canceled"); err != nil || len(wrong) != 2 || wrong[0].ID != 2000 {
		t.Errorf("what went wrong: %+v (%v)", wrong, err)
	}
	if _, err := c.Runs(t.Context(), 7, "broken"); gitlab.Code(err) != http.StatusBadRequest {
		t.Errorf("a status that there is not: %v", err)
	}
	if newest, err := c.Jobs(t.Context(), 7); err != nil || len(newest) != 3 {
		t.Errorf("the newest of each name: %d (%v)", len(newest), err)
	}
}
