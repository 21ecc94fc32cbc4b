package command_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/command"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
)

// TestWorkflowDriver rolls out by a workflow on GitHub: a good version, a bad one, and back.
func TestWorkflowDriver(t *testing.T) {
	site := githubtest.New(t)
	tree := strings.TrimSpace(site.Git("mktree"))
	site.Git("update-ref", "refs/heads/main", strings.TrimSpace(site.Git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit-tree", "-m", "first", tree)))
	site.Look(func(all *githubtest.State) {
		all.Workflows = []githubtest.Workflow{{File: "deploy.yml", Inputs: core.WorkflowInputs, RunName: "${{ inputs.breakwater }}", Starts: func(run *githubtest.Run) {
			run.Status, run.Conclusion = "completed", "success"
			if run.Inputs["version"] == "v2" && run.Inputs["target"] == "b" {
				run.Conclusion = "failure"
			}
		}}}
	})
	dir := t.TempDir()
	const plan = `
version: 1
service: shop
environment: production
targets: [{name: a}, {name: b}]
waves: [{name: all, select: all}]
deploy: {github-workflow: {workflow: deploy.yml, ref: main}}
bake: {min: 0s}
`
	if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte(plan), 0o644); err != nil {
		t.Fatal(err)
	}
	clock := new(jumping)
	run := func(args ...string) (int, string) {
		var out strings.Builder
		code := command.Main(t.Context(), append([]string{"run"}, args...), command.Env{Stdout: &out, Stderr: &out, Dir: dir, Clock: clock,
			Environ: append(site.Environ(), "PATH="+os.Getenv("PATH"))})
		return code, out.String()
	}
	code, out := run("--version", "v1", "--first-release")
	if code != core.ExitDone || !strings.Contains(out, "Requests to the API: 4.") { // a start and a look for each
		t.Errorf("exit code %d:\n%s", code, out)
	}
	code, out = run("--version", "v2")
	if code != core.ExitRolledBack || !regexp.MustCompile(`its run ended with failure: https://github.com/octo/shop/actions/runs/\d+`).MatchString(out) {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	var done []string
	site.Look(func(all *githubtest.State) {
		for _, run := range all.Runs {
			done = append(done, strings.Join([]string{run.Inputs["target"], run.Inputs["version"], run.Inputs["previous"], run.Inputs["rollback"]}, " "))
		}
	})
	if got := strings.Join(done, ", "); got != "a v1  false, b v1  false, a v2 v1 false, b v2 v1 false, b v1 v2 true, a v1 v2 true" {
		t.Errorf("the runs were %s", got)
	}
	site.Meddle(func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) { w.WriteHeader(http.StatusForbidden) })
	if code, out = run("--version", "v3"); code == core.ExitDone || !strings.Contains(out, "permissions: {actions: write}") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}
