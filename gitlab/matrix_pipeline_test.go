//go:build e2e

package gitlab_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
)

// The tests below also need curl, and do not run what the engine would never reach: the job rollback comes after some that were
// skipped, for which the engine waits for ever, so it is run by itself, and then the pipeline that put-back would trigger.

// A clerk tells GitLab's API which jobs there are and how they ended, as GitLab does: all of a pipeline are there from its
// start. The local engine does not, so each job of a child pipeline reports at its beginning and its end, and is told its id.
type clerk struct {
	s     *shop
	forge *gitlabtest.Server
	url   string

	mu     sync.Mutex
	runs   int         // the pipeline that does
	newest int         // id
	backs  map[int]int // the pipeline that puts back, of each that there is
}

// newClerk makes the shop one whose jobs deploy, and that has such a clerk.
func newClerk(t *testing.T) *clerk {
	t.Helper()
	c := &clerk{s: newShop(t, "matrix.yml"), forge: gitlabtest.New(t), newest: 5000, backs: make(map[int]int)}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	const report = `curl -sSfG --data-urlencode "name=$CI_JOB_NAME" -d "code=$code" `
	jobs, err := yaml.Marshal(map[string]any{"default": map[string]any{"before_script": []string{ // the engine forgets artifacts for an after_script
		`trap 'code=$?; ` + report + c.url + `/ended' EXIT`,
		`reported=$(` + report + c.url + `/began) && eval "$reported"`,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	c.s.write(filepath.Join(c.s.source, ".gitlab", "breakwater-jobs.yml"), c.s.read(filepath.Join(e2e, "matrix-jobs.yml"))+string(jobs))
	plan := filepath.Join(c.s.source, "breakwater.yaml")
	c.s.write(plan, regexp.MustCompile(`(?m)^deploy: .*$`).ReplaceAllString(c.s.read(plan), "deploy: {jobs: {}, timeout: 1m, parallel: 2}"))
	return c
}

// commit makes a version, which the forge knows as well.
func (c *clerk) commit(page string) string {
	c.s.t.Helper()
	version := c.s.commit(page)
	c.s.git(c.s.source, "push", "-q", "--force", c.forge.Dir, "main")
	return version
}

// run has GitLab run a pipeline, or one job of it.
func (c *clerk) run(j job) *result {
	c.s.t.Helper()
	c.mu.Lock()
	c.runs, j.id = j.pipeline, 10*j.pipeline
	c.mu.Unlock()
	if j.only != "" {
		j.file = waves
	}
	return c.s.run(j)
}

// wasDeployed checks to which servers a version was ever deployed, in whichever order jobs did that at the same time.
func (c *clerk) wasDeployed(version string, servers ...string) {
	c.s.t.Helper()
	log := filepath.Join(c.s.home, "deploys.log")
	lines := strings.Split(strings.TrimSpace(c.s.read(log)), "\n")
	slices.Sort(lines)
	c.s.write(log, strings.Join(lines, "\n")+"\n")
	c.s.wasDeployed(version, servers...)
}

// back runs the jobs that come after a failure. The engine would wait for ever for those in between, which were skipped, and
// runs none of these by itself.
func (c *clerk) back(pipeline int) *result {
	c.s.t.Helper()
	file := filepath.Join(c.s.source, waves)
	c.s.write(file, strings.Replace(c.s.read(file), "when: on_failure", "when: on_success", 1))
	c.run(job{pipeline: pipeline, only: "rollback"}).ended(c.s.t, []string{"rollback=pass"})
	return c.run(job{pipeline: pipeline, file: ".gitlab-ci-local/artifacts/rollback/breakwater-rollback.yml"}) // as put-back does
}

// ServeHTTP takes a report.
func (c *clerk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forge.Look(func(all *gitlabtest.State) {
		switch r.URL.Path {
		case "/began":
			j := c.began(all, c.runs, r.FormValue("name"))
			fmt.Fprintf(w, "export GITLAB_CI=true CI_JOB_ID=%d CI_PIPELINE_ID=%d CI_API_V4_URL=%s CI_PROJECT_PATH=%s BREAKWATER_TOKEN=%s\n",
				j.ID, j.Pipeline, c.forge.URL, gitlabtest.Project, gitlabtest.Token)
		case "/ended":
			j := c.find(all, c.runs, r.FormValue("name"))
			j.Status, j.Ended = "success", time.Now()
			if r.FormValue("code") != "0" {
				j.Status = "failed"
			}
		}
	})
}

// find is the newest job of a name in a pipeline, or in the newest one that puts back what that has done.
func (c *clerk) find(all *gitlabtest.State, pipeline int, name string) *gitlabtest.Job {
	for i := range slices.Backward(all.Jobs) {
		if j := &all.Jobs[i]; j.Name == name && !j.Retried && (j.Pipeline == pipeline || j.Pipeline == c.backs[pipeline]) {
			return j
		}
	}
	return nil
}

func (c *clerk) began(all *gitlabtest.State, pipeline int, name string) *gitlabtest.Job {
	if !slices.ContainsFunc(all.Jobs, func(j gitlabtest.Job) bool { return j.Pipeline == pipeline }) {
		c.creates(all, pipeline, c.s.artifact("breakwater-plan", "breakwater-pipeline.yml"))
	}
	if name == "announce" || name == "nothing-goes-back" {
		c.newest++
		c.backs[pipeline] = c.newest
		c.creates(all, c.newest, c.s.artifact("rollback", "breakwater-rollback.yml"))
	}
	j := c.find(all, pipeline, name)
	if j == nil {
		c.s.t.Errorf("job %q is none of pipeline %d", name, pipeline)
		return new(gitlabtest.Job)
	}
	if !j.Ended.IsZero() {
		j.Retried = true
		again := c.create(j.Pipeline, name)
		all.Jobs = append(all.Jobs, again)
		j = &all.Jobs[len(all.Jobs)-1]
	}
	j.Status, j.Began = "running", time.Now()
	return j
}

func (c *clerk) create(pipeline int, name string) gitlabtest.Job {
	c.newest++
	return gitlabtest.Job{ID: c.newest, Pipeline: pipeline, Name: name, Status: "created", Created: time.Now()}
}

// creates makes a pipeline with all jobs of a file.
func (c *clerk) creates(all *gitlabtest.State, pipeline int, file string) {
	all.Pipelines = append(all.Pipelines, gitlabtest.Pipeline{ID: pipeline, SHA: c.s.git(c.s.source, "rev-parse", "HEAD"), Ref: "main", Source: "parent_pipeline", Status: "running"})
	for _, name := range jobsIn(c.s.t, c.s.read(file)) {
		all.Jobs = append(all.Jobs, c.create(pipeline, name))
	}
}

// waves is where the engine keeps the child pipeline.
const waves = ".gitlab-ci-local/includes/triggers/breakwater-waves.yml"

func child(names ...string) (all []string) {
	for _, name := range names {
		all = append(all, "[breakwater-waves] -> "+name)
	}
	return all
}

// matrixWhole are the jobs of a release that is good.
var matrixWhole = append(child("one-box: start=pass", "one-box: deploy: [shop-1]=pass", "one-box: bake=pass", "one-box: look 1s=pass", "one-box: verdict=pass",
	"rest: start=pass", "rest: deploy: [shop-2]=pass", "rest: deploy: [shop-3]=pass", "rest: bake=pass", "rest: look 1s=pass", "rest: verdict=pass"),
	"breakwater-plan=pass", "breakwater-waves=pass", "announce=pass")

// TestPipelineMatrix releases by jobs of its own, one for each target: a good version over two waves, and one that its checks
// do not like, which goes back by jobs of a pipeline of their own.
func TestPipelineMatrix(t *testing.T) {
	c := newClerk(t)
	v1 := c.commit("welcome")
	c.run(job{pipeline: 60, variables: []string{"BREAKWATER_CHILD_FIRST_RELEASE=true"}}).ended(t, matrixWhole, "deploy "+v1+" in place of", "SUCCEEDED")
	c.s.shows(v1, "shop-1", "shop-2", "shop-3")
	c.wasDeployed(v1, "shop-1", "shop-2", "shop-3")

	v2 := c.commit("error 500")
	bad := c.run(job{pipeline: 61})
	look := child("one-box: look 1s=pass")[0]
	if slices.Contains(bad.jobs, "one-box: look 1s=fail") { // which job sees it first is for the machine to say
		look = "one-box: look 1s=fail"
	}
	bad.ended(t, append(child("one-box: start=pass", "one-box: deploy: [shop-1]=pass", "one-box: bake=pass"), look, "one-box: verdict=fail",
		"breakwater-plan=pass", "breakwater-waves=pass", "announce=pass"), "ROLLING BACK")
	c.back(61).ended(t, []string{"announce=pass", "one-box: rollback: [shop-1]=pass", "rolled-back=fail"}, "rollback "+v1+" in place of "+v2, "ROLLED-BACK")
	c.s.shows(v1, "shop-1", "shop-2", "shop-3")
	c.wasDeployed(v2, "shop-1")
}

// TestPipelineMatrixRetry: a job fails, which halts the rollout, and nothing goes back. Its retry announces what it does before
// it does it, and those that learn and judge it go on. A job that has nothing left to do does nothing.
func TestPipelineMatrixRetry(t *testing.T) {
	c := newClerk(t)
	v1 := c.commit("welcome")
	c.run(job{pipeline: 62, variables: []string{"BREAKWATER_CHILD_FIRST_RELEASE=true"}}).ended(t, matrixWhole, "SUCCEEDED")

	v2 := c.commit("welcome back")
	c.s.takeDown("shop-3")
	half := c.run(job{pipeline: 63})
	if !strings.Contains(half.log, "The deploy failed on shop-3 of wave rest.") || slices.Contains(half.jobs, "[breakwater-waves] -> rest: verdict=pass") {
		t.Errorf("it was not halted:\n%s", half.log)
	}
	c.s.shows(v2, "shop-1", "shop-2")
	c.s.shows(v1, "shop-3")
	c.back(63).ended(t, []string{"nothing-goes-back=pass"})

	c.s.bringUp("shop-3")
	c.run(job{pipeline: 63, only: "rest: deploy: [shop-3]"}).
		ended(t, []string{"rest: deploy: [shop-3]=pass"}, "resumed it", "Jobs to deploy: 1.", "deploy "+v2+" in place of "+v1)
	for _, name := range []string{"rest: bake", "rest: look 1s", "rest: verdict"} {
		c.run(job{pipeline: 63, only: name}).ended(t, []string{name + "=pass"})
	}
	c.s.shows(v2, "shop-1", "shop-2", "shop-3")
	c.wasDeployed(v2, "shop-1", "shop-2", "shop-3", "shop-3")

	c.run(job{pipeline: 63, only: "rest: deploy: [shop-2]"}).ended(t, []string{"rest: deploy: [shop-2]=pass"}, "Nothing to do:")
	c.run(job{pipeline: 64}).ended(t, matrixWhole, "SUCCEEDED", "Nothing to do:") // the same version once more
	c.wasDeployed(v2, "shop-1", "shop-2", "shop-3", "shop-3")
}

// TestPipelineMatrixIncludes keeps what GitLab makes of a child pipeline with jobs of the project's own: what these have beside a
// script is theirs.
func TestPipelineMatrixIncludes(t *testing.T) {
	c := newClerk(t)
	jobs := filepath.Join(c.s.source, ".gitlab", "breakwater-jobs.yml")
	c.s.write(jobs, c.s.read(filepath.Join(e2e, "matrix-jobs.yml"))+"  image: deploy:2\n  tags: [production]\n  before_script: [./login.sh]\n  variables: {SITE: eu}\n")
	plan := exec.Command(binary(t), "plan", "--format", "gitlab", "--include", ".gitlab/breakwater-jobs.yml", "--output", ".gitlab-ci.yml", "--image", "deploy:1")
	plan.Dir, plan.Env = c.s.source, c.s.environ()
	if out, err := plan.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c.commit("welcome")
	got, err := c.s.engine("--preview")
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	golden(t, filepath.Join("testdata", "matrix.yml"), got)
}
