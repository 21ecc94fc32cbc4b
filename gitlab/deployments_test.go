package gitlab

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
)

var shop = core.Line{Service: "shop", Environment: "test"}

// TestRegister: a rollout is one deployment, found again by another process; a job's deployment is left alone, and so is
// that of another commit. The job's own token does.
func TestRegister(t *testing.T) {
	forge := gitlabtest.New(t)
	v1 := forge.Main()
	v2 := strings.TrimSpace(forge.Git("commit-tree", "-p", "main", "-m", "two", "main^{tree}"))
	another := func() *Forge {
		f, _ := job(t, append(forge.JobEnviron(), "CI_COMMIT_SHA="+v1, "CI_COMMIT_REF_NAME=main", "CI_DEFAULT_BRANCH=main")...)
		return f
	}
	f := another()
	for _, step := range []struct {
		another bool
		commit  string
		rollout string
		whole   core.DeploymentState
		want    string // all deployments, in order
	}{
		{false, v1, "shop-test-1", core.DeploymentRunning, "1 running"},
		{false, v1, "shop-test-1", core.DeploymentRunning, "1 running"},
		{true, v1, "shop-test-1", core.DeploymentRunning, "1 running"},
		{false, v1, "shop-test-1", core.DeploymentFailed, "1 failed"},
		{true, v1, "shop-test-1", core.DeploymentRunning, "1 failed, 1 running"},
		{false, v1, "shop-test-1", core.DeploymentDone, "1 failed, 1 success"},
		{true, v2, "shop-test-2", core.DeploymentRunning, "1 failed, 1 success, 2 running"},
		{true, v2, "shop-test-2", core.DeploymentDone, "1 failed, 1 success, 2 success"},
		{true, v2, "shop-test-2", core.DeploymentRunning, "1 failed, 1 success, 2 success"}, // goes back
		{false, v2, "shop-test-2", core.DeploymentGone, "1 failed, 1 success, 2 canceled"},
		{true, v1, "shop-test-3", core.DeploymentGone, "1 failed, 1 success, 2 canceled"},
	} {
		if step.another {
			f = another()
		}
		if err := f.Register(t.Context(), core.Deployment{Line: shop, Rollout: step.rollout, Commit: step.commit, Wave: "all", Number: 1, Of: 1, Whole: step.whole}); err != nil {
			t.Fatalf("%+v: %v", step, err)
		}
		var all []string
		forge.Look(func(s *gitlabtest.State) {
			for _, d := range s.Deployments {
				if d.Environment != "shop/test" || d.Ref != "main" || d.Tag {
					t.Errorf("%+v", d)
				}
				all = append(all, map[string]string{v1: "1 ", v2: "2 "}[d.SHA]+d.Status)
			}
		})
		if got := strings.Join(all, ", "); got != step.want {
			t.Fatalf("%+v: %s", step, got)
		}
	}
	if got, err := f.Registered(t.Context(), shop); err != nil || got.Version != v1 || !strings.HasSuffix(got.Source, " of GitLab's environment shop/test") {
		t.Errorf("out is %+v (%v)", got, err)
	}
	forge.Look(func(s *gitlabtest.State) {
		s.Deployments = []gitlabtest.Deployment{{ID: 9001, Environment: "shop/test", SHA: v1, Status: "running", Job: 3}}
	})
	if err := another().Register(t.Context(), core.Deployment{Line: shop, Rollout: "shop-test-4", Commit: v1, Whole: core.DeploymentFailed}); err != nil {
		t.Error(err)
	}
	forge.Look(func(s *gitlabtest.State) {
		if len(s.Deployments) != 2 || s.Deployments[0].Status != "running" || s.Deployments[1].Status != "failed" {
			t.Errorf("beside a job's: %+v", s.Deployments)
		}
	})
}

// TestRegisteredNothing: what is not known, or is no commit, is no version.
func TestRegisteredNothing(t *testing.T) {
	forge := gitlabtest.New(t)
	f, _ := in(t, forge)
	if got, err := f.Registered(t.Context(), shop); err != nil || got != (core.Entry{}) {
		t.Errorf("%+v (%v)", got, err)
	}
	forge.Look(func(s *gitlabtest.State) {
		s.Deployments = []gitlabtest.Deployment{{ID: 7, Environment: "shop/test", SHA: "--force\n", Status: "success"}}
	})
	_, err := f.Registered(t.Context(), shop)
	wantError(t, err, "which is no commit")
}

// TestRegisterFaults: a deployment that nobody knows of is looked for before another is made.
func TestRegisterFaults(t *testing.T) {
	d := core.Deployment{Line: shop, Rollout: "shop-test-1", Whole: core.DeploymentRunning}
	for _, status := range []int{401, 403, 404, 500} {
		forge := gitlabtest.New(t)
		f, _ := in(t, forge)
		d.Commit = forge.Main()
		forge.Meddle(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) { w.WriteHeader(status) })
		wantError(t, f.Register(t.Context(), d), "show the deployments of shop/test", fmt.Sprintf("(%d)", status))
		_, err := f.Registered(t.Context(), shop)
		wantError(t, err, fmt.Sprintf("(%d)", status))
	}
	forge := gitlabtest.New(t)
	f, _ := in(t, forge)
	d.Commit = forge.Main()
	limits := 2
	forge.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if limits--; limits >= 0 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		if r.Method != http.MethodPost {
			serve(w, r)
			return
		}
		forge.Look(func(s *gitlabtest.State) { // it is made, and the answer is lost
			s.Deployments = append(s.Deployments, gitlabtest.Deployment{ID: 7, Environment: "shop/test", SHA: d.Commit, Ref: "main", Status: "running"})
		})
		w.WriteHeader(http.StatusBadGateway)
	})
	wantError(t, f.Register(t.Context(), d), "make a deployment of commit", "(502)")
	if err := f.Register(t.Context(), d); err != nil {
		t.Error(err)
	}
	forge.Look(func(s *gitlabtest.State) {
		if len(s.Deployments) != 1 {
			t.Errorf("%+v", s.Deployments)
		}
	})
	d.Rollout, d.Commit = "shop-test-2", strings.Repeat("0", 40)
	forge.Meddle(nil)
	wantError(t, f.Register(t.Context(), d), "The commit does not exist")
}
