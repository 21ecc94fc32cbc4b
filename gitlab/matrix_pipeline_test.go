//go:build e2e

package gitlab_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
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

// A clerk tells GitLab's API which jobs there are and how they ended, as GitLab does: all of a pipeline are there from its
// start. The local engine does not, so each job of a child pipeline reports at its beginning and its end, and is told its id.
type clerk struct {
	s     *shop
	forge *gitlabtest.Server
	url   string

	mu     sync.Mutex
	runs   int         // the pipeline that does
	newest int         // id
	back   map[int]int // the pipeline that puts back, of each that there is
}

// newClerk makes the shop one whose jobs deploy, and that has such a clerk.
func newClerk(t *testing.T) *clerk {
	t.Helper()
	c := &clerk{s: newShop(t, "matrix.yml"), forge: gitlabtest.New(t), newest: 5000, back: make(map[int]int)}
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
		j.file = ".gitlab-ci-local/includes/triggers/breakwater-waves.yml"
	}
	return c.s.run(j)
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
		if j := &all.Jobs[i]; j.Name == name && !j.Retried && (j.Pipeline == pipeline || j.Pipeline == c.back[pipeline]) {
			return j
		}
	}
	return nil
}

func (c *clerk) began(all *gitlabtest.State, pipeline int, name string) *gitlabtest.Job {
	if !slices.ContainsFunc(all.Jobs, func(j gitlabtest.Job) bool { return j.Pipeline == pipeline }) {
		c.creates(all, pipeline, c.s.artifact("breakwater-plan", "breakwater-pipeline.yml"))
	}
	if name == "announce" || name == "nothing goes back" {
		c.newest++
		c.back[pipeline] = c.newest
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
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(c.s.read(file)), &root); err != nil {
		c.s.t.Error(err)
		return
	}
	all.Pipelines = append(all.Pipelines, gitlabtest.Pipeline{ID: pipeline, SHA: c.s.git(c.s.source, "rev-parse", "HEAD"), Ref: "main", Source: "parent_pipeline", Status: "running"})
	keys := root.Content[0].Content
	for i := 0; i < len(keys); i += 2 {
		var job struct {
			Script   any
			Parallel struct {
				Matrix []map[string][]string
			}
		}
		name := keys[i].Value
		if keys[i+1].Kind != yaml.MappingNode || name[0] == '.' || keys[i+1].Decode(&job) != nil || job.Script == nil {
			continue
		}
		names := []string{name}
		for _, m := range job.Parallel.Matrix {
			names = nil
			for _, target := range m["BREAKWATER_TARGET"] {
				names = append(names, fmt.Sprintf("%s: [%s]", name, target))
			}
		}
		for _, name := range names {
			all.Jobs = append(all.Jobs, c.create(pipeline, name))
		}
	}
}

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
	c.s.wasDeployed(v1, "shop-1", "shop-2", "shop-3")

	v2 := c.commit("error 500")
	bad := c.run(job{pipeline: 61})
	for _, want := range []string{"one-box: bake", "-> rollback", "-> announce", "rollback " + v1 + " in place of " + v2, "-> rolled back", "ROLLED-BACK"} {
		if !strings.Contains(bad.log, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if strings.Contains(bad.log, "-> rest: start") || t.Failed() {
		t.Errorf("the log:\n%s", bad.log)
	}
	c.s.shows(v1, "shop-1", "shop-2", "shop-3")
	c.s.wasDeployed(v2, "shop-1")
}
