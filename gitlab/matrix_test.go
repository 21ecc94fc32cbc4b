package gitlab_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core"
	cli "github.com/breakwater-ci/breakwater/core/command"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
	"github.com/breakwater-ci/breakwater/gitlab"
)

// twelve has three waves of 1, 4 and 7 targets, which jobs deploy.
const twelve = `version: 1
service: shop
environment: production
targets:
  - {name: a1, labels: {tier: onebox}}
  - {name: b1, labels: {tier: some}}
  - {name: b2, labels: {tier: some}}
  - {name: b3, labels: {tier: some}}
  - {name: b4, labels: {tier: some}}
  - {name: c1}
  - {name: c2}
  - {name: c3}
  - {name: c4}
  - {name: c5}
  - {name: c6}
  - {name: c7}
waves:
  - {name: one-box, select: {tier: onebox}}
  - {name: some, select: {tier: some}}
  - {name: rest, select: all}
deploy: {jobs: {}, parallel: 3}
bake: {min: 0s, every: 10s}
checks: [{name: smoke, run: "test ! -e sick"}]
`

// jobsIn are the names of the jobs in a pipeline that was written, in order, as GitLab gives them: without those that trigger
// others.
func jobsIn(t testing.TB, pipeline string) (all []string) {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(pipeline), &root); err != nil {
		t.Fatal(err)
	}
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
		if job.Parallel.Matrix == nil {
			all = append(all, name)
		}
		for _, m := range job.Parallel.Matrix {
			for _, target := range m["BREAKWATER_TARGET"] {
				all = append(all, fmt.Sprintf("%s: [%s]", name, target))
			}
		}
	}
	return all
}

// A matrix is a project of a fake GitLab with a child pipeline of jobs around Breakwater. Its jobs are this process.
type matrix struct {
	*testing.T
	forge    *gitlabtest.Server
	dir      string
	sha      string
	version  string // that the pipeline says; empty: it is the commit
	pipeline int
	now      time.Time // of the pipelines
	said     string    // by the last command
	did      []string  // deploys and rollbacks, in order
}

func newMatrix(t *testing.T, plan string) *matrix {
	m := &matrix{T: t, forge: gitlabtest.New(t), dir: t.TempDir(), pipeline: 69, now: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)}
	m.write("breakwater.yaml", plan)
	m.release("v1")
	return m
}

func (m *matrix) write(name, text string) {
	m.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o644); err != nil {
		m.Fatal(err)
	}
}

func (m *matrix) read(name string) string {
	m.Helper()
	text, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		m.Fatal(err)
	}
	return string(text)
}

// release writes the child pipeline of a new version, and begins it.
func (m *matrix) release(version string) {
	m.Helper()
	m.sha = strings.TrimSpace(m.forge.Git("commit-tree", "-p", "main", "-m", version, "main^{tree}"))
	m.breakwater(core.ExitDone, 1, "plan", "plan", "--format", "gitlab", "--include", "jobs.yml", "--output", "child.yml")
	m.begin(m.read("child.yml"))
}

// begin creates a pipeline with all its jobs.
func (m *matrix) begin(text string) {
	m.Helper()
	var common struct {
		Base struct {
			Variables map[string]struct{ Value string }
		} `yaml:".breakwater"`
	}
	if err := yaml.Unmarshal([]byte(text), &common); err != nil {
		m.Fatal(err)
	}
	m.pipeline++
	m.did, m.version = nil, common.Base.Variables["BREAKWATER_VERSION"].Value
	m.forge.Look(func(all *gitlabtest.State) {
		all.Pipelines = append(all.Pipelines, gitlabtest.Pipeline{ID: m.pipeline, SHA: m.sha, Ref: "main", Source: "parent_pipeline", Status: "running"})
		for _, name := range jobsIn(m, text) {
			m.create(all, name)
		}
	})
}

func (m *matrix) tick() time.Time {
	m.now = m.now.Add(time.Second)
	return m.now
}

func (m *matrix) create(all *gitlabtest.State, name string) {
	all.Jobs = append(all.Jobs, gitlabtest.Job{ID: 1000*m.pipeline + len(all.Jobs), Pipeline: m.pipeline, Name: name, Status: "created", Created: m.tick()})
}

// job changes the newest job of a name.
func (m *matrix) job(name string, do func(*gitlabtest.Job)) {
	m.Helper()
	m.forge.Look(func(all *gitlabtest.State) {
		for i := range slices.Backward(all.Jobs) {
			if j := &all.Jobs[i]; j.Pipeline == m.pipeline && j.Name == name {
				do(j)
				return
			}
		}
		m.Fatalf("pipeline %d has no job %q", m.pipeline, name)
	})
}

// retry creates jobs anew, at one go.
func (m *matrix) retry(names ...string) {
	m.Helper()
	m.did = nil
	for _, name := range names {
		m.job(name, func(j *gitlabtest.Job) { j.Retried = true })
		m.forge.Look(func(all *gitlabtest.State) { m.create(all, name) })
	}
}

// begins has a job begin, and returns its id.
func (m *matrix) begins(name string) (id int) {
	m.Helper()
	m.job(name, func(j *gitlabtest.Job) { j.Status, j.Began, id = "running", m.tick(), j.ID })
	return id
}

func (m *matrix) ends(name, status string) {
	m.Helper()
	m.job(name, func(j *gitlabtest.Job) {
		j.Status, j.Ended = status, m.tick()
		if status == "dropped" { // it never got a runner
			j.Status, j.Began = "canceled", time.Time{}
		}
	})
}

// run has a job run a command, and end as that does. It returns its outputs.
func (m *matrix) run(code int, name string, args ...string) map[string]string {
	m.Helper()
	id := m.begins(name)
	got := m.breakwater(code, id, name, args...)
	m.ends(name, map[bool]string{true: "success", false: "failed"}[code == core.ExitDone])
	return got
}

// breakwater runs a command as a job, and returns its outputs.
func (m *matrix) breakwater(code, id int, job string, args ...string) map[string]string {
	m.Helper()
	file := filepath.Join(m.T.TempDir(), "breakwater.env")
	environ := append(m.forge.Environ(), "GITLAB_CI=true", "GITLAB_USER_LOGIN=ada", "CI_COMMIT_SHA="+m.sha, "CI_COMMIT_REF_NAME=main",
		fmt.Sprint("CI_PIPELINE_ID=", m.pipeline), fmt.Sprint("CI_JOB_ID=", id), "CI_JOB_NAME="+job, "BREAKWATER_DOTENV="+file, "BREAKWATER_VERSION="+m.version,
		"BREAKWATER_LEDGER=file:"+filepath.Join(m.dir, "ledger"), "PATH="+os.Getenv("PATH"))
	var out bytes.Buffer
	forge, ok := gitlab.New(environ, &out, &out, cli.WallClock{})
	if !ok || forge.Err() != nil {
		m.Fatal(ok, forge.Err())
	}
	got := cli.Main(m.Context(), args, cli.Env{Stdout: &out, Stderr: &out, Environ: environ, Dir: m.dir, Forge: forge, Clock: cli.WallClock{}})
	m.said = out.String()
	if got != code {
		m.Fatalf("pipeline %d: breakwater %s: exit %d; want %d\n%s", m.pipeline, strings.Join(args, " "), got, code, m.said)
	}
	outputs := make(map[string]string)
	if text, err := os.ReadFile(file); err == nil {
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			outputs[strings.TrimPrefix(name, "BREAKWATER_")] = value
		}
	}
	return outputs
}

// acts are what a start or an announcement has left to jobs, by target; and the newest job that it knew of.
func (m *matrix) acts() (newest int, told map[string]map[string]string) {
	m.Helper()
	first, rest, _ := strings.Cut(m.read("acts.txt"), "\n")
	newest, err := strconv.Atoi(first)
	if err != nil {
		m.Fatal(err)
	}
	told = make(map[string]map[string]string)
	for line := range strings.Lines(rest) {
		target, set, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		name, value, _ := strings.Cut(set, "=")
		if told[target] == nil {
			told[target] = make(map[string]string)
		}
		told[target][strings.TrimPrefix(name, "BREAKWATER_")] = value
	}
	return newest, told
}

// act has the jobs of a stage do what they find in the file, and end as success, or with another status.
func (m *matrix) act(again string, statuses map[string]string) {
	m.Helper()
	for _, name := range m.ready() {
		target := name[strings.Index(name, "[")+1 : len(name)-1]
		id := m.begins(name)
		if newest, _ := m.acts(); id > newest {
			m.breakwater(core.ExitDone, id, name, strings.Split(again, " ")...)
		}
		if _, told := m.acts(); told[target] != nil {
			m.did = append(m.did, told[target]["ACTION"]+" "+target)
		}
		status := "success"
		if s := statuses[target]; s != "" {
			status = s
		}
		m.ends(name, status)
	}
}

// ready are the jobs for targets that could begin: of the wave that is announced, or created anew.
func (m *matrix) ready() (names []string) {
	_, told := m.acts()
	m.forge.Look(func(all *gitlabtest.State) {
		again := make(map[string]bool)
		for _, j := range all.Jobs {
			if target, ok := strings.CutSuffix(j.Name, "]"); ok && j.Pipeline == m.pipeline {
				_, target, _ = strings.Cut(target, "[")
				if j.Status == "created" && (told[target] != nil || again[j.Name]) {
					names = append(names, j.Name)
				}
				again[j.Name] = true
			}
		}
	})
	return names
}

const (
	startAgain = "start --resume --acts acts.txt"
	backAgain  = "rollback --acts acts.txt"
)

// wave takes one wave out as its jobs do.
func (m *matrix) wave(code int, wave string, statuses map[string]string, flags ...string) map[string]string {
	m.Helper()
	m.run(core.ExitDone, wave+": start", append([]string{"start", "--wave", wave, "--acts", "acts.txt"}, flags...)...)
	m.act(startAgain, statuses)
	return m.run(code, wave+": verdict", "bake", "--wave", wave, "--wait", "inline")
}

// first is a good release of version 1, wave by wave.
func (m *matrix) first() {
	m.Helper()
	m.wave(core.ExitDone, "one-box", nil, "--first-release")
	m.wave(core.ExitDone, "some", nil, "--resume")
	m.wave(core.ExitDone, "rest", nil, "--resume")
	if len(m.did) != 12 || !strings.Contains(m.said, "SUCCEEDED") {
		m.Fatalf("done: %v\n%s", m.did, m.said)
	}
}

// back runs the pipeline of what goes back.
func (m *matrix) back(code int, statuses map[string]string) {
	m.Helper()
	m.run(core.ExitDone, "rollback", "rollback", "--child", "back.yml", "--include", "jobs.yml")
	m.begin(m.read("back.yml"))
	m.run(core.ExitDone, "announce", "rollback", "--acts", "acts.txt")
	m.act(backAgain, statuses)
	m.run(code, "rolled-back", "bake", "--wait", "inline")
}

// TestMatrix takes a good release out over twelve jobs in three waves. What each is told is what a command would be.
func TestMatrix(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, twelve)
	m.first()
	m.release("v2")
	m.run(core.ExitDone, "one-box: start", "start", "--wave", "1", "--acts", "acts.txt")
	newest, told := m.acts()
	want := map[string]string{"ACTION": "deploy", "ROLLOUT": "shop-production-2", "WAVE": "one-box", "VERSION": m.sha, "ATTEMPT": "1", "TARGET": "a1", "LABEL_TIER": "onebox"}
	for name, value := range want {
		if told["a1"][name] != value {
			t.Errorf("a1 is told that %s is %q; want %q", name, told["a1"][name], value)
		}
	}
	if len(told) != 1 || told["a1"]["PREVIOUS"] == "" {
		t.Errorf("told: %v", told)
	}
	m.job("rollback", func(j *gitlabtest.Job) {
		if j.ID != newest {
			t.Errorf("the newest job is %d; want %d", newest, j.ID)
		}
	})
}

// TestMatrixResumes: a job fails, which halts the rollout. Whatever is retried, in one go or one by one, does what is left.
func TestMatrixResumes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"at one go", "one by one", "start first"} {
		t.Run(name, func(t *testing.T) {
			m := newMatrix(t, twelve+"rollback: {when: []}\n")
			m.first()
			m.release("v2")
			m.wave(core.ExitDone, "one-box", nil)
			m.wave(core.ExitHalted, "some", map[string]string{"b3": "failed", "b4": "failed"}, "--resume")
			jobs := []string{"some 3: deploy: [b3]", "some 1: deploy: [b4]", "some: verdict"}
			switch name {
			case "at one go":
				m.retry(jobs...)
				m.act(startAgain, nil)
			case "one by one":
				var did []string
				for _, job := range jobs[:2] {
					m.retry(job)
					m.act(startAgain, nil)
					did = append(did, m.did...)
				}
				m.retry(jobs[2])
				m.did = did
			case "start first":
				m.retry("some: start")
				m.run(core.ExitDone, "some: start", "start", "--wave", "2", "--acts", "acts.txt", "--resume")
				m.retry(jobs...)
				m.act(startAgain, nil)
			}
			if len(m.did) != 2 || !slices.Contains(m.did, "deploy b3") || !slices.Contains(m.did, "deploy b4") {
				t.Errorf("done again: %v", m.did)
			}
			m.run(core.ExitDone, "some: verdict", "bake", "--wave", "2", "--wait", "inline")
			if m.wave(core.ExitDone, "rest", nil, "--resume"); !strings.Contains(m.said, "SUCCEEDED") { // its jobs are as old as the pipeline
				t.Error(m.said)
			}
		})
	}
}

// TestMatrixRetriesByItself: a job that GitLab runs again while others of the wave still run, or before anybody has learned what
// became of it, does what was announced once.
func TestMatrixRetriesByItself(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, twelve)
	m.first()
	m.release("v2")
	m.wave(core.ExitDone, "one-box", nil)
	m.run(core.ExitDone, "some: start", "start", "--wave", "2", "--acts", "acts.txt", "--resume")
	m.begins("some 2: deploy: [b2]") // and goes on
	m.begins("some 1: deploy: [b1]")
	m.ends("some 1: deploy: [b1]", "failed")
	m.retry("some 1: deploy: [b1]")
	m.act(startAgain, nil)
	if want := []string{"deploy b3", "deploy b4", "deploy b1"}; len(m.did) != 3 || !slices.Contains(m.did, "deploy b1") {
		t.Errorf("done: %v; want %v", m.did, want)
	}
	m.ends("some 2: deploy: [b2]", "success")
	m.run(core.ExitDone, "some: verdict", "bake", "--wave", "2", "--wait", "inline")
	if !strings.Contains(m.said, "deployed to 4 targets") {
		t.Error(m.said)
	}

	m.write("sick", "") // and the same on the way back
	m.wave(core.ExitRollbackIncomplete, "rest", nil, "--resume")
	m.run(core.ExitDone, "rollback", "rollback", "--child", "back.yml", "--include", "jobs.yml")
	m.begin(m.read("back.yml"))
	m.run(core.ExitDone, "announce", "rollback", "--acts", "acts.txt")
	m.begins("one-box: rollback: [a1]")
	m.begins("some 1: rollback: [b4]")
	m.ends("some 1: rollback: [b4]", "failed")
	m.retry("some 1: rollback: [b4]")
	m.act(backAgain, nil)
	m.ends("one-box: rollback: [a1]", "success")
	m.run(core.ExitRolledBack, "rolled-back", "bake", "--wait", "inline")
	if len(m.did) != 11 || !slices.Contains(m.did, "rollback b4") {
		t.Errorf("done: %v", m.did)
	}
}

// TestMatrixRollsBack: what the checks do not like goes back by a pipeline of its own, newest wave first; what did not go back is
// retried there, or by another pipeline. Whatever is put back is announced before.
func TestMatrixRollsBack(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"in that pipeline", "in another one"} {
		t.Run(name, func(t *testing.T) {
			m := newMatrix(t, twelve)
			m.first()
			m.release("v2")
			m.wave(core.ExitDone, "one-box", nil)
			m.write("sick", "")
			m.wave(core.ExitRollbackIncomplete, "some", nil, "--resume")
			child := m.pipeline
			m.back(core.ExitRollbackIncomplete, map[string]string{"b2": "failed"})
			if got := strings.Join(m.did, ", "); got != "rollback b4, rollback b1, rollback b3, rollback b2, rollback a1" {
				t.Errorf("done: %s", got)
			}
			switch name {
			case "in that pipeline":
				m.retry("some 3: rollback: [b2]", "rolled-back")
				m.act(backAgain, nil)
				m.run(core.ExitRolledBack, "rolled-back", "bake", "--wait", "inline")
			default:
				m.pipeline = child
				m.retry("rollback")
				m.back(core.ExitRolledBack, nil)
			}
			if got := strings.Join(m.did, ", "); got != "rollback b2" {
				t.Errorf("done again: %s", got)
			}
		})
	}
}

// TestMatrixNothingGoesBack: the jobs behind a failure find nothing to do after a halt, or where another version is at work; the
// pipeline that they write has one job, which says so.
func TestMatrixNothingGoesBack(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, twelve+"rollback: {when: [check]}\n")
	m.run(core.ExitDone, "rollback", "rollback", "--child", "back.yml", "--include", "jobs.yml") // before there is a rollout at all
	m.first()
	m.release("v2")
	m.wave(core.ExitHalted, "one-box", map[string]string{"a1": "failed"})
	for _, version := range []string{"", "v3"} {
		if version != "" {
			m.release(version)
		}
		m.run(core.ExitDone, "rollback", "rollback", "--child", "back.yml", "--include", "jobs.yml")
		if got := jobsIn(t, m.read("back.yml")); !slices.Equal(got, []string{"nothing-goes-back"}) || !strings.Contains(m.said, "Nothing of version "+m.sha+" goes back") {
			t.Errorf("jobs: %q\n%s", got, m.said)
		}
	}
}

// TestMatrixByHand rolls a good release back by jobs, because somebody has a reason.
func TestMatrixByHand(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, twelve)
	m.first()
	m.release("v2")
	m.wave(core.ExitDone, "one-box", nil)
	m.wave(core.ExitDone, "some", nil, "--resume")
	m.wave(core.ExitDone, "rest", nil, "--resume")
	m.release("v3") // whichever pipeline it is in
	m.run(core.ExitDone, "rollback", "rollback", "--child", "back.yml", "--include", "jobs.yml", "--reason", "wrong prices")
	m.begin(m.read("back.yml"))
	m.run(core.ExitDone, "announce", "rollback", "--acts", "acts.txt")
	m.act(backAgain, nil)
	m.run(core.ExitRolledBack, "rolled-back", "bake", "--wait", "inline")
	if len(m.did) != 12 || !strings.Contains(m.said, "wrong prices") {
		t.Errorf("done: %v\n%s", m.did, m.said)
	}
}

// TestMatrixCut: the job that was to learn the outcomes never ran, and jobs were cancelled. A retry knows from the list of jobs
// what is done.
func TestMatrixCut(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, twelve)
	m.first()
	m.release("v2")
	m.wave(core.ExitDone, "one-box", nil)
	m.run(core.ExitDone, "some: start", "start", "--wave", "2", "--acts", "acts.txt", "--resume")
	m.act(startAgain, map[string]string{"b2": "dropped", "b3": "skipped"})
	m.run(core.ExitHalted, "some: verdict", "bake", "--wave", "2", "--wait", "inline")
	if !strings.Contains(m.said, "No job deployed b2, b3 of wave some") {
		t.Error(m.said)
	}
	m.retry("some 2: deploy: [b2]", "some 3: deploy: [b3]", "some: verdict")
	m.act(startAgain, map[string]string{"b3": "canceled"})
	m.run(core.ExitRollbackIncomplete, "some: verdict", "bake", "--wave", "2", "--wait", "inline")
	m.back(core.ExitRollbackIncomplete, map[string]string{"b1": "canceled"})
	if !slices.Contains(m.did, "rollback b3") {
		t.Errorf("done: %v", m.did)
	}
	m.retry("rolled-back") // alone: nobody has announced what is left
	m.run(core.ExitRollbackIncomplete, "rolled-back", "bake", "--wait", "inline")
	m.retry("some 1: rollback: [b1]", "rolled-back")
	m.act(backAgain, nil)
	m.run(core.ExitRolledBack, "rolled-back", "bake", "--wait", "inline")
}

// TestMatrixRetriesThatNeverBegan: what a job has done to its target is not undone by another that was cancelled before it had a
// runner, whether or not that begins an attempt.
func TestMatrixRetriesThatNeverBegan(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"failed", "canceled", "success"} {
		m := newMatrix(t, twelve+"rollback: {when: []}\n")
		m.first()
		m.release("v2")
		m.run(core.ExitDone, "one-box: start", "start", "--wave", "1", "--acts", "acts.txt")
		m.act(startAgain, map[string]string{"a1": first})
		m.retry("one-box: deploy: [a1]")
		m.ends("one-box: deploy: [a1]", "dropped")
		if first == "success" {
			m.run(core.ExitDone, "one-box: verdict", "bake", "--wave", "1", "--wait", "inline")
			continue
		}
		m.run(core.ExitHalted, "one-box: verdict", "bake", "--wave", "1", "--wait", "inline")
		if !strings.Contains(m.said, "The deploy failed on a1 of wave one-box.") {
			t.Errorf("after one that %s: %s", first, m.said)
		}
	}
}

// TestMatrixKnowsItsJobs: an outcome that is not known for sure is none.
func TestMatrixKnowsItsJobs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		job  func(*gitlabtest.Job)
		code int
		says string
	}{
		{"it still runs", func(j *gitlabtest.Job) { j.Status, j.Began = "running", j.Created }, core.ExitBlocked, `Job "deploy (a1)" has not ended`},
		{"it waits", func(j *gitlabtest.Job) { j.Status = "pending" }, core.ExitBlocked, `Job "deploy (a1)" has not ended`},
		{"it is manual", func(j *gitlabtest.Job) { j.Status = "manual" }, core.ExitBlocked, `Job "deploy (a1)" has not ended`},
		{"it is one more state", func(j *gitlabtest.Job) { j.Status = "waiting_for_callback" }, core.ExitBlocked, "has not ended"},
		{"it is called otherwise", func(j *gitlabtest.Job) { j.Name = "one-box: ship: [a1]" }, core.ExitUnexpected, `No job is named "deploy (a1)"`},
		{"it is gone", func(j *gitlabtest.Job) { j.Pipeline = 0 }, core.ExitUnexpected, `No job is named "deploy (a1)"`},
		{"it did not get a runner", func(j *gitlabtest.Job) { j.Status = "failed" }, core.ExitHalted, "No job deployed a1"},
		{"it failed", func(j *gitlabtest.Job) {
			j.Status, j.Began, j.Ended, j.Reason = "failed", j.Created, j.Created, "script_failure"
		}, core.ExitHalted, "its job ended as failed (script_failure): "},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMatrix(t, twelve)
			m.run(core.ExitDone, "one-box: start", "start", "--first-release", "--acts", "acts.txt")
			m.job("one-box: deploy: [a1]", c.job)
			m.run(c.code, "one-box: verdict", "bake", "--wave", "one-box")
			if !strings.Contains(m.said, c.says) {
				t.Errorf("said: %s", m.said)
			}
		})
	}
}

// TestMatrixThrift takes a release out over 2,000 jobs in five waves: what GitLab is asked does not grow with their number,
// but for the pages of the list of jobs.
func TestMatrixThrift(t *testing.T) {
	t.Parallel()
	const waves, each = 5, 400
	plan := "version: 1\nservice: shop\nenvironment: production\nwaves:\n"
	targets := "targets:\n"
	for w := range waves {
		plan += fmt.Sprintf("  - {name: w%d, select: {wave: w%d}}\n", w, w)
		for i := range each {
			targets += fmt.Sprintf("  - {name: t%d-%d, labels: {wave: w%d}}\n", w, i, w)
		}
	}
	m := newMatrix(t, plan+targets+"deploy: {jobs: {}, parallel: 100%}\nbake: {min: 0s, every: 10s}\nrollback: {when: [check]}\nchecks: [{name: smoke, run: 'true'}]\n")
	for w := range waves {
		flags := []string{"--resume"}
		if w == 0 {
			flags = []string{"--first-release"}
		}
		m.wave(core.ExitDone, fmt.Sprint("w", w), nil, flags...)
		for range 4 { // as many looks as there are at a bake of 4 hours
			m.breakwater(core.ExitDone, 1, "look", "bake", "--wave", fmt.Sprint("w", w), "--wait", "leave")
		}
	}
	n := len(m.forge.Asked())
	t.Logf("requests: %d", n)
	if len(m.did) != waves*each || n > 300 {
		t.Errorf("%d requests for %d jobs", n, len(m.did))
	}
}

// TestMatrixRefuses what cannot be, and says what would be right.
func TestMatrixRefuses(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, twelve)
	for _, c := range []struct {
		plan, says string
		code       int
		args       []string
	}{
		{twelve, ".breakwater-deploy:\n      script:\n", core.ExitUsage, []string{"plan", "--format", "gitlab"}},
		{strings.Replace(twelve, "jobs: {}", `jobs: {deploy: "{target} now"}`, 1), "call it NAME ({target})", core.ExitUsage, []string{"plan", "--format", "gitlab", "--include", "x.yml"}},
		{strings.Replace(twelve, "jobs: {}", `jobs: {rollback: "a: b ({target})"}`, 1), "call it NAME ({target})", core.ExitUsage, []string{"plan", "--format", "gitlab", "--include", "x.yml"}},
		{twelve, "use breakwater start before those jobs", core.ExitUsage, []string{"run", "--first-release"}},
		{twelve, "no tick can start the jobs of acme/shop/-/pipelines/70 again", core.ExitUsage, []string{"bake", "--wait", "park"}},
		{strings.Replace(twelve, "min: 0s,", "min: 0s, wait: park,", 1), "pass --wait leave", core.ExitUsage, []string{"bake"}},
		{strings.Replace(twelve, "min: 0s,", "min: 0s, wait: park,", 1), "No rollout of version", core.ExitBlocked, []string{"bake", "--wait", "leave"}},
		{twelve, "This job only goes on with one", core.ExitBlocked, []string{"start", "--resume", "--acts", "acts.txt"}},
		{strings.Replace(twelve, "jobs: {}", "run: ./deploy.sh", 1), "does not leave rollbacks to jobs", core.ExitUsage, []string{"rollback", "--child", "x.yml", "--reason", "r"}},
	} {
		m.write("breakwater.yaml", c.plan)
		if m.breakwater(c.code, 1, "x", c.args...); !strings.Contains(m.said, c.says) {
			t.Errorf("%s: %s", c.args, m.said)
		}
	}
	m.write("breakwater.yaml", twelve)
	m.forge.Meddle(nil)
	for token, says := range map[string]string{"": "Set BREAKWATER_TOKEN to a project access token with the scope api", "glpat-old": "BREAKWATER_TOKEN is wrong or has expired"} {
		environ := append(m.forge.JobEnviron(), "GITLAB_CI=true", "CI_COMMIT_SHA="+m.sha, "CI_PIPELINE_ID=70", "CI_JOB_ID=1", "CI_JOB_NAME=x", "BREAKWATER_TOKEN="+token)
		var out bytes.Buffer
		forge, _ := gitlab.New(environ, &out, &out, cli.WallClock{})
		_, _, err := forge.Crew(context.WithoutCancel(t.Context()))
		if err == nil || !strings.Contains(err.Error(), "show the jobs of pipeline 70, by which it is known what became of them") || !strings.Contains(err.Error(), says) {
			t.Errorf("with token %q: %v", token, err)
		}
	}
}
