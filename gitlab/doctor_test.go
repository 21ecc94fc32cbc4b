package gitlab

import (
	"net/http"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
)

func TestExamine(t *testing.T) {
	token := func(body string) gitlabtest.Meddler {
		return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			if !strings.HasSuffix(r.URL.Path, "/self") {
				serve(w, r)
				return
			}
			_, _ = w.Write([]byte(body))
		}
	}
	requires := &core.Plan{Requires: &core.Requires{Statuses: []string{"build"}}}
	for _, c := range []struct {
		name   string
		plan   *core.Plan
		byJob  bool
		meddle gitlabtest.Meddler
		health core.Health
		what   string
	}{
		{name: "well", health: core.HealthOK, what: "until 2027-06-30"},
		{name: "no end", meddle: token(`{"scopes":["api"]}`), health: core.HealthOK, what: "has the scope api."},
		{name: "ends soon", meddle: token(`{"scopes":["api"],"expires_at":"2026-11-30"}`), health: core.HealthWarning, what: "ends on 2026-11-30"},
		{name: "may only read", meddle: token(`{"scopes":["read_api"]}`), health: core.HealthProblem, what: "has not the scope api, but read_api"},
		{name: "revoked", meddle: func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) { w.WriteHeader(401) }, health: core.HealthProblem, what: "is wrong or has expired"},
		{name: "the job's", byJob: true, health: core.HealthWarning, what: "only the job's own token"},
		{name: "the job's, and the plan needs more", byJob: true, plan: requires, health: core.HealthProblem, what: "The plan requires statuses: build."},
	} {
		t.Run(c.name, func(t *testing.T) {
			forge := gitlabtest.New(t)
			forge.Meddle(c.meddle)
			environ := forge.Environ()
			if c.byJob {
				environ = forge.JobEnviron()
			}
			f, _ := job(t, environ...)
			found := f.Examine(t.Context(), c.plan)
			if found[0].Health != c.health || !strings.Contains(found[0].What, c.what) || (found[0].Do == "") != (c.health == core.HealthOK) {
				t.Errorf("it finds %+v", found[0])
			}
			if !c.byJob && (len(found) != 2 || found[1].About != "clock") {
				t.Errorf("it finds %+v; want a word about the clock", found)
			}
		})
	}
	f, _ := job(t)
	if found := f.Examine(t.Context(), nil); len(found) != 1 || !strings.Contains(found[0].What, "there is no token for GitLab") {
		t.Errorf("without any token it finds %+v", found)
	}
}

// TestExamineJobs: a plan that leaves the deploys to jobs needs somebody who can list them.
func TestExamineJobs(t *testing.T) {
	plan := &core.Plan{Deploy: core.Deploy{Driver: core.DriverJobs}}
	forge := gitlabtest.New(t)
	for _, c := range []struct {
		environ []string
		health  core.Health
		what    string
	}{
		{forge.Environ(), core.HealthOK, "can be listed"},
		{forge.JobEnviron(), core.HealthProblem, "the job's own token may not do that"},
	} {
		f, _ := job(t, c.environ...)
		if d := f.Examine(t.Context(), plan)[0]; d.About != "jobs" || d.Health != c.health || !strings.Contains(d.What, c.what) {
			t.Errorf("it finds %+v", d)
		}
	}
}
