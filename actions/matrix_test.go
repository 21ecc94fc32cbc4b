package actions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	cli "github.com/breakwater-ci/breakwater/core/command"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
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
deploy: {jobs: {}, parallel: 4}
bake: {min: 0s, every: 10s}
checks: [{name: smoke, run: "test ! -e sick"}]
`

// A matrix is a workflow of jobs around Breakwater, in the repository of a fake GitHub. Its jobs are this process.
type matrix struct {
	*testing.T
	forge   *githubtest.Server
	dir     string
	sha     string
	run     int
	attempt int
	ahead   time.Duration // of the wall clock
	said    string        // by the last command
	did     []string      // deploys and rollbacks, in order
}

func newMatrix(t *testing.T, plan string) *matrix {
	m := &matrix{T: t, forge: githubtest.New(t), dir: t.TempDir(), run: 69}
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

// release begins the next run, of a new version.
func (m *matrix) release(version string) {
	m.run++
	m.attempt, m.sha, m.did = 1, commit(m.forge, version), nil
	m.forge.Look(func(all *githubtest.State) {
		all.Runs = append(all.Runs, githubtest.Run{ID: int64(m.run), Attempt: 1, Event: "push"})
	})
}

// again begins the next attempt. What has not failed is part of it.
func (m *matrix) again() {
	m.attempt++
	m.did = nil
}

// breakwater runs a command as a job, and returns its outputs.
func (m *matrix) breakwater(code int, args ...string) map[string]string {
	m.Helper()
	file := filepath.Join(m.T.TempDir(), "outputs")
	environ := append(m.forge.Environ(), "GITHUB_ACTIONS=true", "GITHUB_ACTOR=ada", "GITHUB_SHA="+m.sha, fmt.Sprint("GITHUB_RUN_ID=", m.run),
		"GITHUB_REF_NAME=main", fmt.Sprint("GITHUB_RUN_ATTEMPT=", m.attempt), "GITHUB_OUTPUT="+file, "GITHUB_STEP_SUMMARY="+file+".md", "PATH="+os.Getenv("PATH"))
	var out bytes.Buffer
	forge, ok := New(environ, &out, &out, later{m.ahead})
	if !ok || forge.Err() != nil {
		m.Fatal(ok, forge.Err())
	}
	got := cli.Main(m.Context(), args, cli.Env{Stdout: &out, Stderr: &out, Environ: environ, Dir: m.dir, Forge: forge, Clock: later{m.ahead}})
	m.said = out.String()
	if got != code {
		m.Fatalf("attempt %d: breakwater %s: exit %d; want %d\n%s", m.attempt, strings.Join(args, " "), got, code, m.said)
	}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.Fatal(err)
	}
	return readOutputs(string(text))
}

// later is the wall clock, ahead of time.
type later struct{ ahead time.Duration }

func (c later) Now() time.Time { return cli.WallClock{}.Now().Add(c.ahead) }

func (c later) Wait(ctx context.Context, until time.Time) error {
	return cli.WallClock{}.Wait(ctx, until.Add(-c.ahead))
}

// readOutputs reads the file that a step leaves its outputs in.
func readOutputs(text string) map[string]string {
	const end = "_GitHubActionsFileCommandDelimeter_"
	all := make(map[string]string)
	for text != "" {
		name, rest, ok := strings.Cut(text, "<<"+end+"\n")
		if !ok {
			break
		}
		value, rest, _ := strings.Cut(rest, "\n"+end+"\n")
		all[name], text = value, rest
	}
	return all
}

// legs are the jobs of a matrix that a start or a rollback gave.
func (m *matrix) legs(outputs map[string]string) []string {
	m.Helper()
	var matrix struct {
		Include []struct{ Target, Version, Wave string }
	}
	if err := json.Unmarshal([]byte(outputs["matrix"]), &matrix); err != nil || fmt.Sprint(len(matrix.Include)) != outputs["jobs"] {
		m.Fatalf("matrix %s, jobs %s: %v", outputs["matrix"], outputs["jobs"], err)
	}
	var all []string
	for _, l := range matrix.Include {
		all = append(all, l.Target)
	}
	return all
}

// ends has jobs end: a conclusion for those whose name has one, else success.
func (m *matrix) ends(kind string, targets []string, conclusions map[string]string) {
	for _, target := range targets {
		m.did = append(m.did, kind+" "+target)
		j := githubtest.Job{Attempt: m.attempt, Name: fmt.Sprintf("%s (%s)", kind, target), Status: "completed", Conclusion: "success",
			Steps: []githubtest.Step{{Name: kind}}, Began: time.Now(), Ended: time.Now()}
		switch c := conclusions[target]; c {
		case "":
		case "in_progress":
			j.Status, j.Conclusion = c, ""
		case "dropped":
			j.Conclusion, j.Steps = "cancelled", nil
		default:
			j.Conclusion = c
		}
		m.jobs(func(all *[]githubtest.Job) { *all = append(*all, j) })
	}
}

// jobs are those of the run.
func (m *matrix) jobs(do func(*[]githubtest.Job)) {
	m.forge.Look(func(all *githubtest.State) {
		i := slices.IndexFunc(all.Runs, func(r githubtest.Run) bool { return r.ID == int64(m.run) })
		do(&all.Runs[i].Jobs)
	})
}

// wave takes one wave out as a workflow does. It returns the outputs of its bake.
func (m *matrix) wave(code int, wave string, conclusions map[string]string, flags ...string) map[string]string {
	m.Helper()
	started := m.breakwater(core.ExitDone, append([]string{"start", "--wave", wave}, flags...)...)
	if started["jobs"] != "0" {
		m.ends("deploy", m.legs(started), conclusions)
	}
	return m.breakwater(code, "bake", "--wave", wave)
}

// back does what is to go back.
func (m *matrix) back(code int, conclusions map[string]string) map[string]string {
	m.Helper()
	m.ends("rollback", m.legs(m.breakwater(core.ExitDone, "rollback")), conclusions)
	return m.breakwater(code, "bake")
}

// first is a good release of version 1, wave by wave.
func (m *matrix) first() {
	m.Helper()
	next := "1"
	for i, want := range []string{"some", "rest", ""} {
		flags := []string{"--first-release"}
		if i > 0 {
			flags = nil
		}
		next = m.wave(core.ExitDone, next, nil, flags...)["next"]
		if next != want {
			m.Fatalf("after wave %d the next is %q; want %q\n%s", i+1, next, want, m.said)
		}
	}
	if len(m.did) != 12 || !slices.IsSorted(m.did) {
		m.Fatalf("done: %v", m.did)
	}
}

// TestMatrix takes a good release out over twelve jobs in three waves, and writes to the ledger by wave, not by job.
func TestMatrix(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, twelve)
	m.first()
	if !regexp.MustCompile(`deployed to 7 targets in [0-9.]+s; `).MatchString(m.said) {
		t.Errorf("said: %s", m.said)
	}
	if got := m.breakwater(core.ExitDone, "bake")["state"]; got != "succeeded" {
		t.Errorf("it is %s", got)
	}
	writes := 0
	for _, asked := range m.forge.Asked() {
		if strings.HasPrefix(asked, "PATCH /git/refs") || strings.HasPrefix(asked, "POST /git/refs") {
			writes++
		}
	}
	t.Logf("requests: %d, writes to the ledger: %d", len(m.forge.Asked()), writes)
	if writes > 20 {
		t.Errorf("%d writes to the ledger for 3 waves, %v", writes, m.forge.Asked())
	}
	m.again() // to run all jobs again does nothing
	for _, wave := range []string{"one-box", "2", "rest"} {
		if got := m.breakwater(core.ExitDone, "start", "--wave", wave); got["jobs"] != "0" || got["state"] != "succeeded" {
			t.Errorf("start again: %v", got)
		}
		m.breakwater(core.ExitDone, "bake", "--wave", wave)
	}
}

// TestMatrixResumes: a job fails, which halts the rollout; the next attempt does what is left, whichever jobs it has.
func TestMatrixResumes(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		t.Run(fmt.Sprint("all jobs ", all), func(t *testing.T) {
			m := newMatrix(t, twelve+"rollback: {when: []}\n")
			m.first()
			m.release("v2")
			m.wave(core.ExitDone, "1", nil)
			if got := m.wave(core.ExitHalted, "2", map[string]string{"b3": "failure"}); got["state"] != "halted" || got["next"] != "" || !strings.Contains(got["reason"], "b3") {
				t.Fatalf("%v", got)
			}
			m.breakwater(core.ExitBlocked, "start", "--wave", "2") // not by the attempt that halted it
			if !strings.Contains(m.said, "halted by this very attempt") {
				t.Error(m.said)
			}
			m.again()
			if all {
				m.wave(core.ExitDone, "1", nil)
				m.wave(core.ExitDone, "2", nil)
			} else {
				m.breakwater(core.ExitHalted, "bake", "--wave", "2") // without start nobody has announced the deploy
				if !strings.Contains(m.said, "No job deployed b3 of wave some") {
					t.Error(m.said)
				}
				m.again()
				for range 2 { // the first step of each job that runs again
					if legs := m.legs(m.breakwater(core.ExitDone, "start", "--wave", "2")); !slices.Equal(legs, []string{"b3"}) {
						t.Fatalf("to be deployed: %v", legs)
					}
				}
				m.ends("deploy", []string{"b3"}, nil)
				if got := m.breakwater(core.ExitDone, "bake", "--wave", "2")["next"]; got != "rest" {
					t.Fatalf("next is %q", got)
				}
			}
			if !slices.Equal(m.did, []string{"deploy b3"}) {
				t.Errorf("attempt %d did %v", m.attempt, m.did)
			}
			if got := m.wave(core.ExitDone, "3", nil)["state"]; got != "succeeded" {
				t.Errorf("it is %s", got)
			}
		})
	}
}

// TestMatrixRollsBack: what the checks do not like goes back by jobs, newest wave first, and what did not go back is tried
// again by the next attempt.
func TestMatrixRollsBack(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, twelve)
	m.first()
	m.release("v2")
	m.wave(core.ExitDone, "1", nil)
	if got := m.breakwater(core.ExitDone, "rollback"); got["jobs"] != "0" || got["state"] != "deploying" { // nobody decided that
		t.Errorf("%v", got)
	}
	m.write("sick", "")
	if got := m.wave(core.ExitRollbackIncomplete, "2", nil); got["state"] != "rolling-back" || got["next"] != "" {
		t.Fatalf("%v", got)
	}
	m.breakwater(core.ExitRollbackIncomplete, "start", "--wave", "3")
	m.did = nil
	if got := m.back(core.ExitRollbackIncomplete, map[string]string{"b2": "failure"}); got["state"] != "rollback-failed" {
		t.Fatalf("%v", got)
	}
	if want := []string{"rollback b4", "rollback b3", "rollback b2", "rollback b1", "rollback a1"}; !slices.Equal(m.did, want) {
		t.Errorf("%v; want %v", m.did, want)
	}
	m.again()
	if got := m.back(core.ExitRolledBack, nil); got["state"] != "rolled-back" || !slices.Equal(m.did, []string{"rollback b2"}) {
		t.Errorf("%v, done: %v", got, m.did)
	}
	m.release("v3")
	m.breakwater(core.ExitUsage, "rollback")
	if !strings.Contains(m.said, "does not go back by itself") {
		t.Error(m.said)
	}
}

// TestMatrixCut: the job that was to learn the outcomes never ran. The next attempt knows from the list of jobs what is done.
func TestMatrixCut(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, twelve)
	m.first()
	m.release("v2")
	m.wave(core.ExitDone, "1", nil)
	m.ends("deploy", m.legs(m.breakwater(core.ExitDone, "start", "--wave", "2")), map[string]string{"b1": "cancelled", "b2": "dropped"})
	m.again()
	if legs := m.legs(m.breakwater(core.ExitRollbackIncomplete, "start", "--wave", "2")); len(legs) > 0 {
		t.Errorf("to be deployed: %v", legs)
	}
	m.back(core.ExitRolledBack, nil)
	if !slices.Contains(m.did, "rollback b1") || slices.Contains(m.did, "rollback b2") { // it never began
		t.Errorf("done: %v", m.did)
	}

	m.release("v3")
	m.wave(core.ExitDone, "1", nil)
	m.ends("deploy", m.legs(m.breakwater(core.ExitDone, "start", "--wave", "2"))[:2], nil)
	m.again()
	if legs := m.legs(m.breakwater(core.ExitDone, "start", "--wave", "2")); !slices.Equal(legs, []string{"b3", "b4"}) {
		t.Errorf("to be deployed: %v", legs)
	}
	m.ends("deploy", []string{"b3", "b4"}, map[string]string{"b4": "skipped"})
	if got := m.breakwater(core.ExitHalted, "bake", "--wave", "2"); !strings.Contains(got["reason"], "No job deployed b4 of wave some") {
		t.Error(got["reason"])
	}
	m.again()
	m.wave(core.ExitDone, "2", nil)
}

// TestMatrixKnowsItsJobs: an outcome that is not known for sure is none.
func TestMatrixKnowsItsJobs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		jobs []string
		ends map[string]string
		code int
		says string
	}{
		{"one still runs", []string{"deploy (a1)"}, map[string]string{"a1": "in_progress"}, core.ExitBlocked, `Job "deploy (a1)" has not ended`},
		{"another name", []string{"ship (a1)"}, nil, core.ExitUnexpected, `No job is named "deploy (a1)", so nobody knows what became of a1. The jobs of the run: ship (a1).`},
		{"two of a name", []string{"deploy (a1)", "web / deploy (a1)"}, nil, core.ExitUsage, `2 jobs of the run are named "deploy (a1)"`},
		{"of a called workflow", []string{"web / deploy (a1)"}, nil, core.ExitDone, ""},
		{"none at all", nil, nil, core.ExitUnexpected, `No job is named "deploy (a1)"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMatrix(t, twelve)
			m.breakwater(core.ExitDone, "start", "--first-release")
			for i, name := range c.jobs {
				m.ends("x", []string{"a1"}, c.ends)
				m.jobs(func(all *[]githubtest.Job) { (*all)[i].Name = name })
			}
			m.breakwater(c.code, "bake", "--wave", "one-box")
			if !strings.Contains(m.said, c.says) {
				t.Errorf("said: %s", m.said)
			}
		})
	}
}

// TestMatrixStale: a job that is run again after the rollout has ended does nothing.
func TestMatrixStale(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, twelve+"rollback: {when: []}\n")
	m.first()
	m.release("v2")
	m.wave(core.ExitHalted, "1", map[string]string{"a1": "failure"})
	m.breakwater(core.ExitUsage, "abort", "--reason", "it is no good", "--rollback")
	m.breakwater(core.ExitDone, "abort", "--reason", "it is no good")
	stale := *m
	m.release("v3")
	m.wave(core.ExitDone, "1", nil)
	stale.again()
	stale.breakwater(core.ExitBlocked, "start", "--wave", "2")
	stale.breakwater(core.ExitBlocked, "bake", "--wave", "1")
	if !strings.Contains(stale.said, "No rollout of version "+stale.sha+" is under way") {
		t.Error(stale.said)
	}
}

// TestMatrixPlan: a plan deploys by jobs or by itself, and a command that does not fit says so.
func TestMatrixPlan(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, twelve)
	m.breakwater(core.ExitUsage, "run", "--first-release")
	if !strings.Contains(m.said, "use breakwater start before those jobs") {
		t.Error(m.said)
	}
	m.breakwater(core.ExitBlocked, "start", "--first-release", "--wave", "2")
	if !strings.Contains(m.said, "the first wave goes first") {
		t.Error(m.said)
	}
	m.breakwater(core.ExitBlocked, "bake")
	m.write("breakwater.yaml", strings.ReplaceAll(twelve, "jobs: {}", "run: ./deploy.sh"))
	m.breakwater(core.ExitUsage, "start", "--first-release")
	if !strings.Contains(m.said, "say deploy: {jobs: {}} in the plan") {
		t.Error(m.said)
	}
}

// TestMatrixProves: a job that ended well has not deployed before the target says so.
func TestMatrixProves(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, twelve+"current: {run: cat $BREAKWATER_TARGET, timeout: 1s}\nrollback: {when: []}\n")
	for _, target := range []string{"a1", "b1", "b2", "b3", "b4", "c1", "c2", "c3", "c4", "c5", "c6", "c7"} {
		m.write(target, m.sha+"\n")
	}
	m.first()
	m.release("v2")
	m.ends("deploy", m.legs(m.breakwater(core.ExitDone, "start", "--wave", "1")), nil)
	m.write("a1", m.sha+"\n")
	m.breakwater(core.ExitDone, "bake", "--wave", "1")
	m.ends("deploy", m.legs(m.breakwater(core.ExitDone, "start", "--wave", "2")), nil)
	for _, target := range []string{"b1", "b2", "b4"} {
		m.write(target, m.sha+"\n")
	}
	if got := m.breakwater(core.ExitHalted, "bake", "--wave", "2"); !strings.Contains(got["reason"], "The deploy failed on b3 of wave some") {
		t.Error(got["reason"])
	}
}
