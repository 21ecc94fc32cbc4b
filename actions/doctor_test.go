package actions

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
)

// examined is what a job in the repository finds, of which all that is not well says what to do.
func examined(t *testing.T, forge *githubtest.Server, p *core.Plan, environ ...string) (found []core.Diagnosis) {
	t.Helper()
	sha := commit(forge, "v1")
	forge.Look(func(s *githubtest.State) {
		s.Runs = []githubtest.Run{{ID: 7, Attempt: 1, Event: "push"}}
	})
	environ = append(append(forge.Environ(), "GITHUB_ACTIONS=true", "GITHUB_SHA="+sha, "GITHUB_RUN_ID=7", "GITHUB_RUN_ATTEMPT=1"), environ...)
	f, ok := New(environ, io.Discard, io.Discard, later{})
	if !ok || f.Err() != nil {
		t.Fatal(f.Err())
	}
	found = f.Examine(t.Context(), p)
	for _, d := range found {
		if (d.Do == "") != (d.Health == core.HealthOK) {
			t.Errorf("nothing to do, or too much: %+v", d)
		}
	}
	return found
}

// said are diagnoses in short, but for the clock.
func said(found []core.Diagnosis) (all []string) {
	for _, d := range found {
		if d.About != "clock" {
			all = append(all, fmt.Sprintf("%s %s: %s", d.Health, d.About, d.What))
		}
	}
	return all
}

// heads adds headers to what the repository is shown with.
func heads(with map[string]string) githubtest.Meddler {
	return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if r.URL.Path == "/repos/"+githubtest.Repository {
			for name, value := range with {
				w.Header().Set(name, value)
			}
		}
		serve(w, r)
	}
}

// full asks for everything.
var full = []string{"BREAKWATER_CHECK_RUN=true", "BREAKWATER_DEPLOYMENTS=true", "BREAKWATER_COMMENT=true"}

// TestExamine: what is asked for depends on the plan and the flags, and the permissions that are named are what README says.
func TestExamine(t *testing.T) {
	jobs := &core.Plan{Deploy: core.Deploy{Options: new(core.Jobs)}}
	for _, c := range []struct {
		name    string
		plan    *core.Plan
		environ []string
		reads   string
		writes  string
		grant   string
	}{
		{name: "no plan", reads: "statuses", writes: "statuses: write", grant: "contents: write, statuses: write"},
		{name: "requires", plan: &core.Plan{Requires: &core.Requires{Statuses: []string{"build"}}}, reads: "statuses, checks", writes: "statuses: write", grant: "checks: read, contents: write, statuses: write"},
		{name: "matrix", plan: jobs, reads: "statuses, actions", writes: "statuses: write", grant: "actions: read, contents: write, statuses: write"},
		{name: "a workflow", plan: &core.Plan{Rollback: core.Rollback{Options: new(core.Workflow)}}, reads: "statuses, actions", writes: "statuses: write, actions: write", grant: "actions: write, contents: write, statuses: write"},
		{name: "a workflow elsewhere", plan: &core.Plan{Deploy: core.Deploy{Options: &core.Workflow{Repository: "octo/infra"}}}, reads: "statuses", writes: "statuses: write", grant: "contents: write, statuses: write"},
		{name: "everything", plan: jobs, environ: full, reads: "statuses, checks, deployments, pull-requests, actions", writes: "statuses: write, checks: write, deployments: write, pull-requests: write",
			grant: "actions: read, checks: write, contents: write, deployments: write, pull-requests: write, statuses: write"},
		{name: "a ledger in a bucket", environ: []string{"BREAKWATER_LEDGER=s3://ledgers/shop", "BREAKWATER_CHECK_RUN=false"}, reads: "statuses", writes: "statuses: write", grant: "contents: read, statuses: write"},
		{name: "a ledger of another repository", environ: []string{"BREAKWATER_LEDGER=github:octo/ledgers"}, reads: "statuses", writes: "statuses: write", grant: "contents: write, statuses: write"},
	} {
		t.Run(c.name, func(t *testing.T) {
			forge := githubtest.New(t)
			found := examined(t, forge, c.plan, c.environ...)
			want := []string{"ok token: GITHUB_TOKEN is a token; it shows the repository octo/shop.", "ok permissions: The token may read: " + c.reads + ".",
				"untried permissions: Not tried, as people would see it: " + c.writes + "."}
			if got := said(found); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			if got, want := found[len(found)-1].Do, "The job needs permissions: {"+c.grant+"}."; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			for _, request := range forge.Asked() {
				if !strings.HasPrefix(request, "GET ") && !strings.Contains(request, " /git/") { // those of the test itself
					t.Errorf("it asks for %s", request)
				}
			}
		})
	}
}

// TestExamineRefused: each question that is refused names the permission, and does not hide the others.
func TestExamineRefused(t *testing.T) {
	jobs := &core.Plan{Deploy: core.Deploy{Options: new(core.Jobs)}}
	for path, want := range map[string]string{
		"/status":      "permissions: {statuses: write}",
		"/check-runs":  "permissions: {checks: write}",
		"/deployments": "permissions: {deployments: write}",
		"/pulls":       "permissions: {pull-requests: write}",
		"/jobs":        "permissions: {actions: read}",
	} {
		t.Run(path, func(t *testing.T) {
			forge := githubtest.New(t)
			forge.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				if strings.HasSuffix(r.URL.Path, path) {
					w.WriteHeader(http.StatusForbidden)
					_, _ = io.WriteString(w, `{"message": "Resource not accessible by integration"}`)
					return
				}
				serve(w, r)
			})
			found := examined(t, forge, jobs, full...)
			var wrong []string
			for _, d := range found {
				if d.Health == core.HealthProblem {
					wrong = append(wrong, d.What)
				}
			}
			if len(wrong) != 1 || !strings.Contains(wrong[0], "GitHub does not show ") || !strings.Contains(wrong[0], want) {
				t.Errorf("problems %q; want %q", wrong, want)
			}
			lines := strings.Join(said(found), "\n")
			if strings.Count(lines, "The token may read: ") != 1 || strings.Count(lines, "Not tried") != 1 {
				t.Errorf("the others are not there:\n%s", lines)
			}
		})
	}
}

// TestExamineToken: what the token is, of whom, and until when.
func TestExamineToken(t *testing.T) {
	now := time.Now()
	day := func(in time.Duration) map[string]string {
		return map[string]string{"GitHub-Authentication-Token-Expiration": now.Add(in).UTC().Format("2006-01-02 15:04:05 MST")}
	}
	scopes := func(s string) map[string]string { return map[string]string{"X-OAuth-Scopes": s} }
	for _, c := range []struct {
		name    string
		environ []string
		public  bool
		answer  githubtest.Meddler
		want    string
	}{
		{name: "scopes that do", answer: heads(scopes("repo, workflow")), want: "ok token: GITHUB_TOKEN is a token; it shows the repository octo/shop."},
		{name: "scopes for what is public", public: true, answer: heads(scopes("public_repo")), want: "ok token: "},
		{name: "the same where it is not", answer: heads(scopes("public_repo, gist")), want: "problem token: GITHUB_TOKEN is a token without the scope repo; it has public_repo, gist."},
		{name: "no scopes", public: true, answer: heads(scopes("")), want: "problem token: GITHUB_TOKEN is a token without the scope repo; it has none."},
		{name: "an end far away", answer: heads(day(60 * 24 * time.Hour)), want: "ok token: "},
		{name: "an end", answer: heads(day(24 * time.Hour)), want: "warning token: GITHUB_TOKEN is a token, and ends on " + now.Add(24*time.Hour).UTC().Format(time.DateOnly) + "."},
		{name: "not of this repository", answer: func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"message": "Not Found"}`)
		}, want: "problem token: GitHub does not show the repository octo/shop: Not Found (404); the job needs permissions: {contents: read}."},
		{name: "wrong", environ: []string{"GITHUB_TOKEN=ghs_secret"}, want: "problem token: GitHub does not show the repository octo/shop: Bad credentials (401); the token is wrong or has expired."},
		{name: "none", environ: []string{"GITHUB_TOKEN="}, want: "problem token: there is no token for GitHub: set GITHUB_TOKEN, in a workflow by env: {GITHUB_TOKEN: ${{ github.token }}}."},
	} {
		t.Run(c.name, func(t *testing.T) {
			forge := githubtest.New(t)
			forge.Meddle(c.answer)
			forge.Look(func(s *githubtest.State) { s.Public = c.public })
			got := said(examined(t, forge, nil, c.environ...))
			if len(got) == 0 || !strings.HasPrefix(got[0], c.want) || strings.Contains(strings.Join(got, "\n"), "secret") {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if failed := strings.Contains(c.want, "does not") || strings.Contains(c.want, "no token"); failed && len(got) != 1 {
				t.Errorf("it goes on: %q", got)
			}
		})
	}
}

// TestExamineKinds: the kind of a token shows in how it begins, and only apps make check runs.
func TestExamineKinds(t *testing.T) {
	for token, want := range map[string]string{
		"ghs_secret":        "ok token: BREAKWATER_TOKEN is a token of an app, as the job's own is; it shows",
		"ghp_secret":        "problem token: BREAKWATER_TOKEN is a person's classic token, and GitHub lets only apps make check runs.",
		"github_pat_secret": "problem token: BREAKWATER_TOKEN is a person's fine-grained token, and GitHub lets only apps make check runs.",
	} {
		forge := githubtest.New(t)
		forge.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			if r.Header.Get("Authorization") == "Bearer "+token {
				r.Header.Set("Authorization", "Bearer "+githubtest.Token)
			}
			serve(w, r)
		})
		got := said(examined(t, forge, nil, "BREAKWATER_TOKEN="+token, "BREAKWATER_CHECK_RUN=true"))
		if !strings.HasPrefix(got[0], want) || strings.Contains(strings.Join(got, "\n"), "secret") {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// TestExamineLimits: what is left of the token's requests, and the clock.
func TestExamineLimits(t *testing.T) {
	reset := time.Date(2030, 1, 2, 15, 4, 0, 0, time.UTC).Unix()
	rate := func(left int) map[string]string {
		return map[string]string{"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": fmt.Sprint(left), "X-RateLimit-Reset": fmt.Sprint(reset)}
	}
	for _, c := range []struct {
		heads map[string]string
		about string
		want  string
	}{
		{rate(300), "rate limit", "ok The token has 300 of 1000 requests left until 15:04 UTC; a long rollout may take 300."},
		{rate(299), "rate limit", "warning The token has 299 of 1000 requests left until 15:04 UTC, and a long rollout may take 300."},
		{nil, "rate limit", ""},
		{nil, "clock", "ok The clock here is within 5s of that of GitHub."},
		{map[string]string{"Date": time.Now().Add(2 * time.Hour).UTC().Format(http.TimeFormat)}, "clock", "problem The clock here is 2h... behind that of GitHub."},
	} {
		forge := githubtest.New(t)
		forge.Meddle(heads(c.heads))
		got := ""
		for _, d := range examined(t, forge, nil) {
			if d.About == c.about {
				got += string(d.Health) + " " + regexp.MustCompile(`2h\S*|1h59m\S*`).ReplaceAllString(d.What, "2h...")
			}
		}
		if got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
