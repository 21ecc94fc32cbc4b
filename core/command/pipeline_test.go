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
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
)

// TestGitLabDrivers rolls out by pipelines and by manual jobs on GitLab: a good version, a bad one, and back.
func TestGitLabDrivers(t *testing.T) {
	for driver, requests := range map[string]string{
		`gitlab-pipeline: {ref: main}`:         "Requests to the API: 4.", // a start and a look for each
		`gitlab-job: {job: "ship {{target}}"}`: "Requests to the API: 6.", // and a list before
	} {
		t.Run(driver, func(t *testing.T) { testGitLabDriver(t, driver, requests) })
	}
}

func testGitLabDriver(t *testing.T, driver, requests string) {
	site := gitlabtest.New(t)
	var done []string
	does := func(variables map[string]string) string {
		var words []string
		for _, name := range []string{"TARGET", "VERSION", "PREVIOUS", "ACTION"} {
			words = append(words, variables["BREAKWATER_"+name])
		}
		done = append(done, strings.Join(words, " "))
		if words[0] == "b" && words[1] == "v2" {
			return "failed"
		}
		return "success"
	}
	site.Look(func(s *gitlabtest.State) {
		s.Jobs = []gitlabtest.Job{{ID: 1, Pipeline: 77, Name: "ship a", Status: "manual"}, {ID: 2, Pipeline: 77, Name: "ship b", Status: "manual"}}
		s.Starts = func(p *gitlabtest.Pipeline) { p.Status = does(p.Variables) }
		s.Plays = func(j *gitlabtest.Job) { j.Status = does(j.Variables) }
	})
	dir := t.TempDir()
	plan := `
version: 1
service: shop
environment: production
targets: [{name: a}, {name: b}]
waves: [{name: all, select: all}]
deploy: {` + driver + `}
bake: {min: 0s}
`
	if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte(plan), 0o644); err != nil {
		t.Fatal(err)
	}
	clock := new(jumping)
	run := func(args ...string) (int, string) {
		var out strings.Builder
		code := command.Main(t.Context(), append([]string{"run"}, args...), command.Env{Stdout: &out, Stderr: &out, Dir: dir, Clock: clock,
			Environ: append(site.Environ(), "CI_PIPELINE_ID=77", "PATH="+os.Getenv("PATH"))})
		return code, out.String()
	}
	code, out := run("--version", "v1", "--first-release")
	if code != core.ExitDone || !strings.Contains(out, requests) {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	code, out = run("--version", "v2")
	if code != core.ExitRolledBack || !regexp.MustCompile(`its (job|pipeline) ended as failed: http://\S+/acme/shop/-/(jobs|pipelines)/\d+`).MatchString(out) {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if got := strings.Join(done, ", "); got != "a v1  deploy, b v1  deploy, a v2 v1 deploy, b v2 v1 deploy, b v1 v2 rollback, a v1 v2 rollback" {
		t.Errorf("it did %s", got)
	}
	site.Meddle(func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) { w.WriteHeader(http.StatusForbidden) })
	if code, out = run("--version", "v3"); code == core.ExitDone || !strings.Contains(out, "the scope api and the role Developer in acme/shop") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}
