package gitlab

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
)

const name = "breakwater/shop/test"

// TestSetStatus: what a rollout shows as it goes is one status in the job's own pipeline.
func TestSetStatus(t *testing.T) {
	forge := gitlabtest.New(t)
	f, _ := in(t, forge)
	for _, s := range []core.Status{{State: core.StatusPending, Description: "one"}, {State: core.StatusPending, Description: "two"},
		{State: core.StatusFailure, Description: "halted"}, {State: core.StatusPending, Description: "again"}, {State: core.StatusSuccess, Description: "out"},
		{State: core.StatusSuccess, Description: "out"}} {
		s.Name = name
		if err := f.SetStatus(t.Context(), forge.Main(), s); err != nil {
			t.Fatal(err)
		}
	}
	forge.Look(func(s *gitlabtest.State) {
		want := gitlabtest.Status{SHA: forge.Main(), Name: name, State: "success", Description: "out", URL: f.job.Actor.URL, Pipeline: 77}
		if len(s.Statuses) != 1 || s.Statuses[0] != want {
			t.Errorf("the statuses are %+v", s.Statuses)
		}
	})
	f, _ = in(t, forge, "CI_MERGE_REQUEST_IID=12", "CI_COMMIT_REF_NAME=topic")
	if err := f.SetStatus(t.Context(), forge.Main(), core.Status{Name: "gate", State: core.StatusSuccess}); err != nil {
		t.Error("in a pipeline of a merge request: ", err)
	}
	if f.Requests() == 0 {
		t.Error("requests are not counted")
	}
}

// TestStatusWithoutAToken: the job's own token may not; that is said once, and nothing fails.
func TestStatusWithoutAToken(t *testing.T) {
	forge := gitlabtest.New(t)
	f, log := job(t, forge.JobEnviron()...)
	for range 3 {
		if err := f.SetStatus(t.Context(), forge.Main(), core.Status{Name: name, State: core.StatusSuccess}); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(log.String(), "BREAKWATER_TOKEN") != 1 || len(forge.Asked()) != 0 {
		t.Errorf("the log says %q, and GitLab was asked %v", log, forge.Asked())
	}
	_, err := f.Statuses(t.Context(), forge.Main())
	wantError(t, err, "the job's own token may not do that. Set BREAKWATER_TOKEN to a project access token with the scope read_api")
	wantError(t, f.Comment(t.Context(), forge.Main(), "x", "y"), "the job's own token")
	wantError(t, f.Restart(t.Context(), f.job.Actor.Run), "the job's own token")
	_, err = job1(t, forge).Changes(t.Context(), true)
	wantError(t, err, "the job's own token")
}

func job1(t *testing.T, forge *gitlabtest.Server) *Forge {
	f, _ := job(t, append(forge.JobEnviron(), "CI_COMMIT_BRANCH=main")...)
	return f
}

// TestStatusFaults: what passes is waited out, what stays says what it was and what to do.
func TestStatusFaults(t *testing.T) {
	answers := func(times, status int, header ...string) gitlabtest.Meddler {
		return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			if times--; times < 0 {
				serve(w, r)
				return
			}
			for _, h := range header {
				key, value, _ := strings.Cut(h, ": ")
				w.Header().Set(key, value)
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"message":"as the test wants it"}`))
		}
	}
	for _, c := range []struct {
		name string
		with gitlabtest.Meddler
		want []string // empty: it works in the end
	}{
		{"429", answers(2, 429, "Retry-After: 60"), nil},
		{"500", answers(3, 500), nil},
		{"409, somebody is at work on it", answers(2, 409), nil},
		{"409 and it stays so", answers(99, 409), []string{"set the status of commit", "as the test wants it (409)"}},
		{"401", answers(99, 401), []string{"BREAKWATER_TOKEN is wrong or has expired"}},
		{"403", answers(99, 403), []string{"(403)", "needs the scope api and the role Developer"}},
		{"404", answers(99, 404), []string{"(404)", "needs the scope api"}},
		{"400", answers(99, 400), []string{"as the test wants it (400)"}},
		{"503", answers(99, 503), []string{"(503)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			forge := gitlabtest.New(t)
			f, _ := in(t, forge)
			forge.Meddle(c.with)
			err := f.SetStatus(t.Context(), forge.Main(), core.Status{Name: name, State: core.StatusSuccess})
			if c.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, c.want...)
		})
	}
	forge := gitlabtest.New(t)
	f, _ := in(t, forge)
	forge.Meddle(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) { _, _ = w.Write([]byte(`[{"name":`)) })
	_, err := f.Statuses(t.Context(), forge.Main())
	wantError(t, err, "GitLab could not be asked to show the statuses")
	forge.Meddle(func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) })
	if _, err = f.Statuses(t.Context(), forge.Main()); err == nil || errors.Is(err, core.ErrConflict) {
		t.Errorf("the connection is lost, and it says %v", err)
	}
}

// TestStatuses: of one ref the newest pipeline counts, of several the worst, and the job's own pipeline is none.
func TestStatuses(t *testing.T) {
	forge := gitlabtest.New(t)
	f, _ := in(t, forge)
	sha := forge.Main()
	forge.Look(func(s *gitlabtest.State) {
		s.Pipelines = append(s.Pipelines, gitlabtest.Pipeline{ID: 70, SHA: sha, Ref: "main", Source: "push", Status: "failed"},
			gitlabtest.Pipeline{ID: 71, SHA: sha, Ref: "main", Source: "push", Status: "success"},
			gitlabtest.Pipeline{ID: 72, SHA: sha, Ref: "main", Source: "schedule", Status: "canceled"})
		s.Statuses = []gitlabtest.Status{
			{SHA: sha, Name: "build", State: "failed", Ref: "main", Pipeline: 70}, {SHA: sha, Name: "build", State: "success", Ref: "main", Pipeline: 71},
			{SHA: sha, Name: "lint", State: "success", Ref: "main", Pipeline: 71}, {SHA: sha, Name: "lint", State: "failed", Ref: "v1", Pipeline: 60},
			{SHA: sha, Name: "e2e", State: "manual", Ref: "main", Pipeline: 71}, {SHA: sha, Name: "docs", State: "skipped", Ref: "main", Pipeline: 71},
		}
		for range 200 {
			s.Statuses = append(s.Statuses, gitlabtest.Status{SHA: sha, Name: "many", State: "success"})
		}
		s.Statuses = append(s.Statuses, gitlabtest.Status{SHA: sha, Name: "last", State: "running"})
	})
	got, err := f.Statuses(t.Context(), sha)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]core.StatusState{"build": core.StatusSuccess, "lint": core.StatusFailure, "e2e": core.StatusPending,
		"docs": core.StatusFailure, "many": core.StatusSuccess, "last": core.StatusPending, "pipeline push": core.StatusSuccess, "pipeline schedule": core.StatusFailure} {
		if i := slices.IndexFunc(got, func(s core.Status) bool { return s.Name == name }); i < 0 || got[i].State != want {
			t.Errorf("%s is not %s in %v", name, want, got)
		}
	}
	if len(got) != 8 {
		t.Errorf("%d statuses: %v", len(got), got)
	}
}
