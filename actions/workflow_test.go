//go:build e2e

package actions_test

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
)

// image is what a release puts into action.yml in place of the Dockerfile.
var image = flag.String("image", "breakwater", "the action's image")

// TestWorkflow runs the README's workflow, word for word, under act with a container engine: a good release, a bad one,
// one that halts half-way, and the second attempt that finishes it. It needs act, git, docker, and the images of the
// action and of the jobs:
//
//	docker build -t breakwater . && go test -tags e2e ./actions
func TestWorkflow(t *testing.T) {
	s := newShop(t)

	v1 := s.commit("welcome")
	s.run(attempt{run: 70, number: 1, event: "workflow_dispatch", input: "first-release=true"}).
		succeeds("succeeded", v1, "one-box", "rest", "smoke", "mermaid")
	s.shows(v1, "shop-1", "shop-2", "shop-3")
	s.wasDeployed(v1, "shop-1", "shop-2", "shop-3")

	s.marked(v1, "breakwater/shop/production", "success", "is out on every wave")

	v2 := s.commit("error 500")
	s.run(attempt{run: 71, number: 1, event: "push"}).
		fails(core.ExitRolledBack, "rolled-back", v2, "one-box", "smoke")
	s.shows(v1, "shop-1", "shop-2", "shop-3")
	s.wasDeployed(v2, "shop-1")

	s.marked(v2, "breakwater/shop/production", "failure", "rolled-back: Check smoke: ")

	v3 := s.commit("welcome back")
	s.takeDown("shop-3")
	half := s.run(attempt{run: 72, number: 1, event: "push"})
	half.fails(core.ExitHalted, "halted", v3, "shop-3")
	s.marked(v3, "breakwater/shop/production", "failure", "halted: The deploy failed on shop-3")
	if !strings.Contains(half.log, "re-run the CI job, to resume. Failed targets are deployed again") {
		t.Error("no annotation says what a re-run will do")
	}
	s.shows(v3, "shop-1", "shop-2")
	s.shows(v1, "shop-3")
	s.wasDeployed(v3, "shop-1", "shop-2", "shop-3")

	s.bringUp("shop-3")
	rest := s.run(attempt{run: 72, number: 2, event: "push"})
	rest.succeeds("succeeded", v3, "one-box", "rest")
	s.shows(v3, "shop-1", "shop-2", "shop-3")
	s.wasDeployed(v3, "shop-1", "shop-2", "shop-3", "shop-3")
	s.marked(v3, "breakwater/shop/production", "success", "is out on every wave")
	if half.outputs["rollout"][0] != rest.outputs["rollout"][0] {
		t.Errorf("attempt 2 is rollout %s; want it to go on with %s", rest.outputs["rollout"], half.outputs["rollout"])
	}
	if s.git(s.source, "ls-remote", "origin", "refs/breakwater/shop/production") == "" {
		t.Error("the ledger is not in the repository")
	}
}

// TestWorkflowRequires releases with a plan that requires a status: nothing is touched before it is green.
func TestWorkflowRequires(t *testing.T) {
	s := newShop(t)
	plan := filepath.Join(s.source, "breakwater.yaml")
	s.write(plan, s.read(plan)+"\nrequires: {statuses: [unit]}\n")

	v1 := s.commit("welcome")
	first := attempt{run: 70, number: 1, event: "workflow_dispatch", input: "first-release=true"}
	early := s.run(first)
	if early.jobs["release"] != "failure" || !strings.Contains(early.log, fmt.Sprintf("exit with `FAILURE`: %d\n", core.ExitBlocked)) ||
		!strings.Contains(early.log, "unit    missing  -") {
		early.fatalf("it was not blocked: %v", early.jobs)
	}
	if _, err := os.Stat(filepath.Join(s.workspace, "deploys.log")); err == nil {
		t.Error("something was deployed before the status was green")
	}

	s.marked(v1, "breakwater/shop/production", "failure", "Not started: The plan requires statuses that are not green")

	s.forge.Look(func(all *githubtest.State) {
		all.Checks = append(all.Checks, githubtest.Check{ID: 1, SHA: v1, Name: "unit", Status: "completed", Conclusion: "success"})
	})
	first.number = 2
	s.run(first).succeeds("succeeded", v1, "one-box")
	s.shows(v1, "shop-1", "shop-2", "shop-3")
}

// TestWorkflowGate runs the README's gate for a pull request, for a merge group, and for all that is open once a rollout
// has halted.
func TestWorkflowGate(t *testing.T) {
	const name = "breakwater/gate/shop/production"
	s := newShop(t)
	v1 := s.commit("welcome")
	s.git(s.source, "push", "-q", "origin", "main:refs/heads/gh-readonly-queue/main/pr-1-9f")
	topic := s.git(s.source, "commit-tree", "-m", "topic", "HEAD^{tree}")
	mends := s.git(s.source, "commit-tree", "-m", "mends", "HEAD^{tree}")
	s.git(s.source, "push", "-q", "origin", topic+":refs/heads/topic", mends+":refs/heads/mends")
	s.forge.Look(func(all *githubtest.State) {
		all.Pulls = []githubtest.Pull{{Number: 1, SHA: topic, Base: "main"}, {Number: 2, SHA: mends, Base: "main", Labels: []string{"breakwater-answer"}}}
	})
	pull := attempt{run: 80, number: 1, event: "pull_request", workflow: "gate.yml",
		payload: fmt.Sprintf(`{"pull_request":{"number":1,"head":{"sha":"%s","ref":"topic"},"base":{"ref":"main"},"labels":[]}}`, topic)}
	if r := s.run(pull); r.jobs["gate"] != "success" {
		r.fatalf("jobs: %v", r.jobs)
	}
	s.marked(topic, name, "success", "A change may enter.")

	s.run(attempt{run: 81, number: 1, event: "workflow_dispatch", input: "first-release=true"}).succeeds("succeeded", v1)
	v2 := s.commit("welcome back")
	s.takeDown("shop-3")
	s.run(attempt{run: 82, number: 1, event: "push"}).fails(core.ExitHalted, "halted", v2)

	if r := s.run(attempt{run: 83, number: 1, event: "workflow_dispatch", workflow: "gate.yml"}); r.jobs["gate"] != "success" {
		r.fatalf("jobs: %v", r.jobs)
	}
	s.marked(topic, name, "failure", "Rollout shop-production-2 is halted.")
	s.marked(mends, name, "success", "This change answers it: Rollout shop-production-2 is halted.")
	s.marked(v1, name, "failure", "is halted") // in the merge queue

	pull.run = 84
	if r := s.run(pull); r.jobs["gate"] != "failure" || !strings.Contains(r.log, fmt.Sprintf("exit with `FAILURE`: %d\n", core.ExitBlocked)) {
		r.fatalf("jobs: %v", r.jobs)
	}
	queued := attempt{run: 85, number: 1, event: "merge_group", workflow: "gate.yml",
		payload: fmt.Sprintf(`{"merge_group":{"head_sha":"%s","head_ref":"refs/heads/gh-readonly-queue/main/pr-2-9f","base_ref":"refs/heads/main"}}`, v1)}
	if r := s.run(queued); r.jobs["gate"] != "success" {
		r.fatalf("jobs: %v", r.jobs)
	}
	s.marked(v1, name, "success", "answers it")
}

// TestWorkflowParked takes a release out and another one back with bakes that no job waits for: each attempt ends when a
// bake begins, and a tick starts the next one.
func TestWorkflowParked(t *testing.T) {
	s := newShop(t)
	plan := filepath.Join(s.source, "breakwater.yaml")
	parked := regexp.MustCompile(`(?m)^bake: .*$`).ReplaceAllString(s.read(plan), "bake: {min: 1s, max: 1h, every: 1s}")
	s.write(plan, parked)
	runs := func(id int64, do func(*githubtest.Run)) {
		s.forge.Look(func(all *githubtest.State) {
			i := slices.IndexFunc(all.Runs, func(r githubtest.Run) bool { return r.ID == id })
			if i < 0 {
				i = len(all.Runs)
				all.Runs = append(all.Runs, githubtest.Run{ID: id, Workflow: "park.yml", Attempt: 1, Event: "push", Created: time.Now()})
			}
			do(&all.Runs[i])
		})
	}
	// go on runs an attempt as GitHub would, and a tick after it; it returns what they left.
	ticks := 100
	goOn := func(a attempt) (*result, *result) {
		a.workflow = "park.yml"
		ran := s.run(a)
		runs(int64(a.run), func(r *githubtest.Run) { r.Attempt, r.Status = a.number, "completed" })
		for { // a tick that comes before the look is due leaves it to the next
			ticks++
			tick := s.run(attempt{run: ticks, number: 1, event: "workflow_dispatch", workflow: "tick.yml"})
			if !slices.Equal(tick.outputs["lines"], []string{"[]"}) || ran.outputs["state"][0] != "baking" {
				return ran, tick
			}
		}
	}
	wants := func(r *result, state string, jobs ...string) {
		t.Helper()
		if !slices.Equal(r.outputs["state"], []string{state}) {
			r.fatalf("state is %q; want %s", r.outputs["state"], state)
		}
		for _, job := range jobs {
			name, ended, _ := strings.Cut(job, "=")
			if r.jobs[name] != ended {
				r.fatalf("job %s ended as %q; want %q", name, r.jobs[name], ended)
			}
		}
	}
	woken := func(id int64, attempt int) {
		t.Helper()
		runs(id, func(r *githubtest.Run) {
			if r.Attempt != attempt || r.Status != "queued" {
				t.Errorf("run %d is at attempt %d, %s; want attempt %d to be queued", id, r.Attempt, r.Status, attempt)
			}
		})
	}

	v1 := s.commit("welcome")
	a := attempt{run: 90, number: 1, event: "workflow_dispatch", input: "first-release=true"}
	ran, tick := goOn(a)
	wants(ran, "baking", "release=success", "announce=")
	s.shows(v1, "shop-1")
	wants(tick, "deploying", "tick=success")
	woken(90, 2)

	a.number = 2
	ran, tick = goOn(a)
	wants(ran, "baking", "release=success", "announce=")
	s.shows(v1, "shop-1", "shop-2", "shop-3")
	wants(tick, "succeeded", "tick=success")
	s.marked(v1, "breakwater/shop/production", "success", "is out on every wave")
	woken(90, 3)

	a.number = 3
	ran, _ = goOn(a)
	wants(ran, "succeeded", "release=success", "announce=success")
	s.wasDeployed(v1, "shop-1", "shop-2", "shop-3")

	before := len(s.forge.Asked())
	idle := s.run(attempt{run: 99, number: 1, event: "workflow_dispatch", workflow: "tick.yml"})
	if got := idle.outputs["lines"]; !slices.Equal(got, []string{"[]"}) || idle.jobs["tick"] != "success" {
		idle.fatalf("lines are %q; want none", got)
	}
	if asked := s.forge.Asked()[before:]; !slices.Equal(asked, []string{"GET /git/matching-refs/breakwater-parked/"}) {
		t.Errorf("a tick with nothing to do asks for %q; want one look at the markers", asked)
	}

	v2 := s.commit("error 500")
	a = attempt{run: 91, number: 1, event: "push"}
	ran, tick = goOn(a)
	wants(ran, "baking", "release=success", "announce=")
	s.shows(v2, "shop-1")
	wants(tick, "rolling-back", "tick=success")
	s.marked(v2, "breakwater/shop/production", "failure", "rolling-back: Check smoke: ")
	woken(91, 2)

	a.number = 2
	ran, _ = goOn(a)
	wants(ran, "rolled-back", "release=failure", "announce=")
	s.shows(v1, "shop-1", "shop-2", "shop-3")
	s.marked(v2, "breakwater/shop/production", "failure", "rolled-back: Check smoke: ")
}

// fleet gives the shop twelve servers, in waves that jobs deploy.
func (s *shop) fleet(waves string) (servers []string) {
	s.t.Helper()
	plan := filepath.Join(s.source, "breakwater.yaml")
	text := s.read(plan)
	before, _, _ := strings.Cut(text, "targets:")
	_, after, _ := strings.Cut(text, "rollback:")
	targets := "targets:\n"
	for i := range 12 {
		servers = append(servers, fmt.Sprintf("shop-%02d", i+1))
		tier := "rest"
		if i == 0 {
			tier = "onebox"
		} else if i < 5 {
			tier = "some"
		}
		targets += fmt.Sprintf("  - {name: %s, labels: {tier: %s}}\n", servers[i], tier)
	}
	s.write(plan, before+targets+"waves: "+waves+"\ndeploy: {jobs: {}, timeout: 1m, parallel: 12}\nrollback:"+after)
	return servers
}

// trusted lets git in a job's own steps read the checkout, which another user owns here.
var trusted = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}

// ended checks how jobs ended; a job that did not run has no result.
func (r *result) ended(want map[string]string) {
	r.t.Helper()
	for job, result := range want {
		if r.jobs[job] != result {
			r.fatalf("job %s ended as %q; want %q", job, r.jobs[job], result)
		}
	}
}

// TestWorkflowMatrix runs the workflow around jobs of one's own over twelve of them: a good release, one that goes back after
// its first wave, and one of which a job fails, with the attempt that finishes it.
func TestWorkflowMatrix(t *testing.T) {
	s := newShop(t)
	servers := s.fleet("[{name: one-box, select: {tier: onebox}}, {name: rest, select: all}]")

	v1 := s.commit("welcome")
	a := attempt{run: 60, number: 1, event: "workflow_dispatch", input: "first-release=true", workflow: "matrix.yml", env: trusted}
	s.run(a).ended(map[string]string{"bake-1": "success", "bake-2": "success", "rollback": ""})
	s.shows(v1, servers...)
	s.deployed(v1, servers...)
	s.marked(v1, "breakwater/shop/production", "success", "is out on every wave")

	v2 := s.commit("error 500")
	a = attempt{run: 61, number: 1, event: "push", workflow: "matrix.yml", env: trusted}
	s.run(a).ended(map[string]string{"bake-1": "failure", "start-2": "", "rollback": "success", "put-back": "success", "rolled-back": "failure"})
	s.shows(v1, servers...)
	s.deployed(v2, servers[0])
	s.marked(v2, "breakwater/shop/production", "failure", "rolled-back: Check smoke: ")

	v3 := s.commit("welcome back")
	s.takeDown(servers[6])
	a = attempt{run: 62, number: 1, event: "push", workflow: "matrix.yml", env: trusted}
	s.run(a).ended(map[string]string{"bake-1": "success", "deploy-2": "failure", "bake-2": "failure", "rollback": "success", "put-back": ""})
	s.marked(v3, "breakwater/shop/production", "failure", "halted: The deploy failed on "+servers[6])
	s.bringUp(servers[6])
	a.number = 2
	s.run(a).ended(map[string]string{"start-1": "success", "deploy-1": "", "bake-1": "success", "deploy-2": "success", "bake-2": "success", "rollback": ""})
	s.shows(v3, servers...)
	s.deployed(v3, append(slices.Clone(servers), servers[6])...)
	s.marked(v3, "breakwater/shop/production", "success", "is out on every wave")
}

// credentials stands for AWS's own action, for which there is no AWS here: it leaves behind what that one does.
const credentials = `name: credentials
description: A stand-in.
inputs: {role-to-assume: {required: true}, aws-region: {required: true}, role-duration-seconds: {}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {ROLE: "${{ inputs.role-to-assume }}", REGION: "${{ inputs.aws-region }}"}
      run: printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=a-secret-key\nAWS_REGION=%s\n' "key-of-${ROLE##*/}" "$REGION" >>"$GITHUB_ENV"
`

// TestWorkflowCredentials: what an earlier step puts into the environment reaches the plan's commands in the container, and
// what looks like a secret is in no log.
func TestWorkflowCredentials(t *testing.T) {
	s := newShop(t)
	deploy := filepath.Join(s.source, "deploy.sh")
	s.write(deploy, s.read(deploy)+"\necho \"$AWS_ACCESS_KEY_ID in $AWS_REGION; $AWS_SECRET_ACCESS_KEY\"; test \"$AWS_SECRET_ACCESS_KEY\" = a-secret-key\n")
	v1 := s.commit("welcome")
	r := s.run(attempt{run: 50, number: 1, event: "workflow_dispatch", input: "first-release=true", workflow: "oidc.yml"})
	r.ended(map[string]string{"release": "success"})
	s.shows(v1, "shop-1", "shop-2", "shop-3")
	if !strings.Contains(r.log, "in eu-west-1") || strings.Contains(r.log, "; a-secret-key") {
		r.fatalf("the log")
	}
}

// TestWorkflowTwoAtATime: while one run takes a version out, another one comes with a newer version, by a plan that lets none
// wait. It does nothing, says why, and is red; its next attempt goes out.
func TestWorkflowTwoAtATime(t *testing.T) {
	s := newShop(t)
	plan := filepath.Join(s.source, "breakwater.yaml")
	s.write(plan, regexp.MustCompile(`(?m)^bake: .*$`).ReplaceAllString(s.read(plan), "on_newer: reject\nbake: {min: 4s, max: 20s, every: 1s}"))
	again := strings.Replace(s.read(filepath.Join(e2e, "readme.yml")), "name: release", "name: again", 1) // act names containers by that
	s.write(filepath.Join(s.source, ".github", "workflows", "again.yml"), again)
	v1 := s.commit("welcome")
	other := *s // the same repository, checked out on another machine
	other.workspace, other.home = t.TempDir(), t.TempDir()
	s.write(filepath.Join(other.home, "act", "actrc"), "")

	first := make(chan *result)
	go func() {
		first <- s.run(attempt{run: 40, number: 1, event: "workflow_dispatch", input: "first-release=true"})
	}()
	for !s.isMarked(v1, "Wave one-box") {
		if t.Context().Err() != nil {
			t.Fatal("the first run never began")
		}
		runtime.Gosched()
	}
	v2 := s.commit("welcome back")
	a := attempt{run: 41, number: 1, event: "push", workflow: "again.yml"}
	early := other.run(a)
	(<-first).succeeds("succeeded", v1)
	if early.jobs["release"] != "failure" || !strings.Contains(early.log, fmt.Sprintf("exit with `FAILURE`: %d\n", core.ExitBlocked)) ||
		!strings.Contains(early.log, "shop/production is busy: rollout shop-production-1 of version "+v1) {
		early.fatalf("jobs: %v", early.jobs)
	}
	if _, err := os.Stat(filepath.Join(other.workspace, "deploys.log")); err == nil {
		t.Error("something was deployed beside the other run")
	}
	s.marked(v2, "breakwater/shop/production", "failure", "Not started: shop/production is busy")
	a.number = 2
	other.run(a).succeeds("succeeded", v2)
	s.wasDeployed(v1, "shop-1", "shop-2", "shop-3")
	other.wasDeployed(v2, "shop-1", "shop-2", "shop-3")
	other.wasDeployed(v1)
	s.marked(v2, "breakwater/shop/production", "success", "is out on every wave")
}

// isMarked reports whether a commit shows a status that says something.
func (s *shop) isMarked(commit, says string) (is bool) {
	s.forge.Look(func(all *githubtest.State) {
		is = slices.ContainsFunc(all.Statuses, func(st githubtest.Status) bool { return st.SHA == commit && strings.Contains(st.Description, says) })
	})
	return is
}

// TestWorkflowWaves calls the workflow for up to ten waves, with three.
func TestWorkflowWaves(t *testing.T) {
	s := newShop(t)
	servers := s.fleet("[{name: one-box, select: {tier: onebox}}, {name: some, select: {tier: some}}, {name: rest, select: all}]")

	v1 := s.commit("welcome")
	a := attempt{run: 65, number: 1, event: "workflow_dispatch", input: "first-release=true", workflow: "waves.yml", env: trusted}
	s.run(a).ended(map[string]string{"end": "success"})
	s.shows(v1, servers...)
	s.deployed(v1, servers...)

	v2 := s.commit("error 500")
	a = attempt{run: 66, number: 1, event: "push", workflow: "waves.yml", env: trusted}
	s.run(a).ended(map[string]string{"put-back": "success", "end": "failure"})
	s.shows(v1, servers...)
	s.deployed(v2, servers[0])
	s.marked(v2, "breakwater/shop/production", "failure", "rolled-back: Check smoke: ")
}

// deployed checks to which servers a version was ever deployed, in any order.
func (s *shop) deployed(version string, servers ...string) {
	s.t.Helper()
	var got []string
	for line := range strings.Lines(s.read(filepath.Join(s.workspace, "deploys.log"))) {
		if server, v, _ := strings.Cut(strings.TrimSpace(line), " "); v == version {
			got = append(got, server)
		}
	}
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(servers)); !slices.Equal(got, want) {
		s.t.Errorf("%.7s was deployed to %q; want %q", version, got, want)
	}
}

// marked checks the newest status of a name on a commit.
func (s *shop) marked(commit, name, state, says string) {
	s.t.Helper()
	s.forge.Look(func(all *githubtest.State) {
		for _, st := range slices.Backward(all.Statuses) {
			if st.SHA != commit || st.Context != name {
				continue
			}
			if st.State != state || !strings.Contains(st.Description, says) {
				s.t.Errorf("%.7s shows %s %s: %q; want %s with %q", commit, name, st.State, st.Description, state, says)
			}
			return
		}
		s.t.Errorf("%.7s shows no %s", commit, name)
	})
}

// A shop is a service with a repository, servers and a workflow.
type shop struct {
	t         *testing.T
	source    string // where its people work
	workspace string // where the job works; the servers are in there too, because nothing else is mounted
	home      string // of act
	action    string // what the workflow's uses: stands for
	remote    string // URL of the repository
	token     string // header that lets in
	forge     *githubtest.Server
}

const (
	e2e    = "../testdata/e2e/github"
	remote = "octo/shop.git"

	// owner is the user of GitHub's runners, who owns the workspace while the action runs as root.
	owner = 1001
)

func newShop(t *testing.T) *shop {
	s := &shop{
		t: t, source: t.TempDir(), workspace: t.TempDir(), home: t.TempDir(), action: t.TempDir(),
		token: "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:secret")),
	}
	s.release()
	s.write(filepath.Join(s.home, "act", "actrc"), "") // without it act asks questions

	root := t.TempDir()
	s.git(root, "init", "-q", "--bare", remote)
	s.git(filepath.Join(root, remote), "config", "uploadpack.allowAnySHA1InWant", "true") // as forges do
	s.forge = githubtest.Serve(t, filepath.Join(root, remote))
	s.remote = serveGit(t, root, s.token) + "/" + remote

	s.git(s.source, "init", "-q", "-b", "main")
	s.git(s.source, "remote", "add", "origin", filepath.Join(root, remote))
	if err := os.CopyFS(s.source, os.DirFS(filepath.Join(e2e, "shop"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"release.yml", "gate.yml", "park.yml", "tick.yml", "matrix.yml", "waves.yml", "oidc.yml"} {
		file := strings.Replace(name, "release.yml", "readme.yml", 1)
		s.write(filepath.Join(s.source, ".github", "workflows", name), s.read(filepath.Join(e2e, file)))
	}
	return s
}

// release makes the folder of what a release has: every action with the image, and the workflows that others call.
func (s *shop) release() {
	s.t.Helper()
	files, err := filepath.Glob("*/action.yml")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range append(files, "../action.yml") {
		dockerfile := "../../Dockerfile"
		if file == "../action.yml" {
			dockerfile = "Dockerfile"
		}
		metadata := s.read(file)
		released := strings.Replace(metadata, "image: "+dockerfile, "image: docker://"+*image, 1)
		if released == metadata {
			s.t.Fatalf("%s does not name its Dockerfile as releases expect it", file)
		}
		s.write(filepath.Join(s.action, "actions", file), released)
	}
	s.write(filepath.Join(s.action, ".github", "workflows", "rollout.yml"), s.read("../.github/workflows/rollout.yml"))
	s.write(filepath.Join(s.action, "credentials", "action.yml"), credentials)
}

// serveGit serves the repositories under root to who has the token, as a forge does.
func serveGit(t *testing.T, root, token string) (url string) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{
		Path: git, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x-access-token"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// checkOut makes the workspace what actions/checkout makes it on a fresh machine: one commit and no history, with the
// token in a file that git includes for this one repository, and owned by another user.
func (s *shop) checkOut() {
	s.t.Helper()
	repository := filepath.Join(s.workspace, ".git")
	if err := os.RemoveAll(repository); err != nil {
		s.t.Fatal(err)
	}
	s.git(s.workspace, "init", "-q")
	s.git(s.workspace, "remote", "add", "origin", s.remote)
	credentials := filepath.Join(repository, "credentials.config")
	s.git(s.workspace, "config", "--file", credentials, "http."+s.remote+".extraheader", "AUTHORIZATION: "+s.token)
	s.git(s.workspace, "config", "includeIf.gitdir:"+repository+".path", credentials)
	s.git(s.workspace, "fetch", "-q", "--depth=1", "origin", "main")
	s.git(s.workspace, "checkout", "-q", "-f", "-B", "main", "FETCH_HEAD")
	err := filepath.WalkDir(s.workspace, func(name string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(name, owner, owner))
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func (s *shop) write(name, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) git(dir string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "safe.directory=*"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=o", "GIT_AUTHOR_EMAIL=o@example.com",
		"GIT_COMMITTER_NAME=o", "GIT_COMMITTER_EMAIL=o@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit makes a version of the shop and returns it.
func (s *shop) commit(page string) (version string) {
	s.t.Helper()
	s.write(filepath.Join(s.source, "page"), page+"\n")
	s.git(s.source, "add", "--all")
	s.git(s.source, "commit", "-q", "-m", page)
	s.git(s.source, "push", "-q", "origin", "main")
	return s.git(s.source, "rev-parse", "HEAD")
}

// takeDown makes deploys to a server fail, bringUp makes them work again.
func (s *shop) takeDown(server string) { s.write(filepath.Join(s.workspace, "broken", server), "") }

func (s *shop) bringUp(server string) {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.workspace, "broken", server)); err != nil {
		s.t.Fatal(err)
	}
}

// shows checks that the servers show the page of a version.
func (s *shop) shows(version string, servers ...string) {
	s.t.Helper()
	want := s.git(s.source, "show", version+":page")
	for _, server := range servers {
		if got := strings.TrimSpace(s.read(filepath.Join(s.workspace, "servers", server))); got != want {
			s.t.Errorf("%s shows %q; want %q", server, got, want)
		}
	}
}

// wasDeployed checks to which servers a version was ever deployed: one that is named twice, twice.
func (s *shop) wasDeployed(version string, servers ...string) {
	s.t.Helper()
	var got []string
	for line := range strings.Lines(s.read(filepath.Join(s.workspace, "deploys.log"))) {
		if server, v, _ := strings.Cut(strings.TrimSpace(line), " "); v == version {
			got = append(got, server)
		}
	}
	if !slices.Equal(got, servers) {
		s.t.Errorf("%.7s was deployed to %q; want %q", version, got, servers)
	}
}

// An attempt is one of a workflow run.
type attempt struct {
	run, number int
	event       string
	input       string // of the event
	workflow    string // file name; empty: release.yml
	payload     string // of the event, as JSON
	env         []string
}

// A result is what act saw of an attempt.
type result struct {
	t       *testing.T
	log     string
	jobs    map[string]string   // how each job that ran ended
	outputs map[string][]string // of the action, each time that they were set
	summary string
}

func (s *shop) run(a attempt) *result {
	s.t.Helper()
	s.checkOut()
	args := []string{
		a.event, "--json", "--rm", "--bind", "--pull=false", "--action-cache-path", filepath.Join(s.home, "actions"),
		"--container-daemon-socket", "-", "-P", "ubuntu-latest=debian:bookworm-slim", "-s", "GITHUB_TOKEN=" + githubtest.Token,
		"--local-repository", "breakwater-ci/breakwater@v1=" + s.action,
		"--local-repository", "aws-actions/configure-aws-credentials@v6=" + filepath.Join(s.action, "credentials"),
		"--env", "GITHUB_REPOSITORY=" + githubtest.Repository, "--env", "GITHUB_API_URL=" + s.forge.URL,
		"--env", "GITHUB_RUN_ID=" + strconv.Itoa(a.run), "--env", "GITHUB_RUN_ATTEMPT=" + strconv.Itoa(a.number),
	}
	if a.input != "" {
		args = append(args, "--input", a.input)
	}
	for _, env := range a.env {
		args = append(args, "--env", env)
	}
	args = append(args, "-W", ".github/workflows/"+cmp.Or(a.workflow, "release.yml"))
	if a.payload != "" {
		event := filepath.Join(s.home, "event.json")
		s.write(event, a.payload)
		args = append(args, "-e", event)
	}
	cmd := exec.CommandContext(s.t.Context(), "act", args...)
	cmd.Dir = s.workspace
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+s.home, "XDG_CACHE_HOME="+s.home)
	seen := &clerk{forge: s.forge, attempt: a}
	cmd.Stdout, cmd.Stderr = seen, seen
	err := cmd.Run()
	if err != nil && cmd.ProcessState.ExitCode() != 1 {
		s.t.Fatalf("act: %v\n%s", err, seen.log)
	}
	return parseRun(s.t, string(seen.log))
}

// A clerk keeps act's log, and tells the forge of every job in there that ends, as GitHub's own runner does: later jobs of the
// run ask about it.
type clerk struct {
	forge   *githubtest.Server
	attempt attempt
	log     []byte
	read    int
	failed  []string // jobs that had a step which failed
}

func (c *clerk) Write(more []byte) (int, error) {
	c.log = append(c.log, more...)
	for {
		end := bytes.IndexByte(c.log[c.read:], '\n')
		if end < 0 {
			return len(more), nil
		}
		var e struct {
			JobID, JobResult, StepResult string
			Matrix                       map[string]any
		}
		switch err := json.Unmarshal(c.log[c.read:c.read+end], &e); {
		case err != nil:
		case e.StepResult == "failure":
			c.failed = append(c.failed, nameOf(e.JobID, e.Matrix))
		case e.JobResult != "":
			c.ended(nameOf(e.JobID, e.Matrix), e.JobResult, len(e.Matrix) > 0)
		}
		c.read += end + 1
	}
}

// nameOf is the name that the workflows give a job: by its target, if it has one.
func nameOf(id string, matrix map[string]any) string {
	target, ok := matrix["target"].(string)
	switch {
	case !ok:
		return id
	case id == "put-back":
		return fmt.Sprintf("rollback (%s)", target)
	default:
		return fmt.Sprintf("deploy (%s)", target)
	}
}

// ended notes how a job ended. Of the jobs of a matrix act says only how all of them did so far; their steps tell.
func (c *clerk) ended(name, result string, matrix bool) {
	if matrix {
		result = "success"
		if slices.Contains(c.failed, name) {
			result = "failure"
		}
	}
	c.forge.Look(func(all *githubtest.State) {
		run := slices.IndexFunc(all.Runs, func(r githubtest.Run) bool { return r.ID == int64(c.attempt.run) })
		if run < 0 {
			run = len(all.Runs)
			all.Runs = append(all.Runs, githubtest.Run{ID: int64(c.attempt.run), Attempt: 1, Event: c.attempt.event, Created: time.Now()})
		}
		all.Runs[run].Jobs = append(all.Runs[run].Jobs, githubtest.Job{
			Attempt: c.attempt.number, Name: name, Conclusion: result, Steps: []githubtest.Step{{Name: "Deploy", Conclusion: result}},
		})
	})
}

// parseRun reads act's log, one JSON object a line.
func parseRun(t *testing.T, log string) *result {
	r := &result{t: t, jobs: make(map[string]string), outputs: make(map[string][]string)}
	for line := range strings.Lines(log) {
		var e struct{ JobID, JobResult, Command, Name, Arg, Content, Msg string }
		if json.Unmarshal([]byte(line), &e) != nil {
			e.Msg = line
		}
		r.log += strings.TrimSuffix(e.Msg, "\n") + "\n"
		if e.JobResult != "" {
			r.jobs[e.JobID] = e.JobResult
		}
		switch e.Command {
		case "set-output":
			r.outputs[e.Name] = append(r.outputs[e.Name], e.Arg)
		case "summary":
			r.summary += e.Content
		}
	}
	return r
}

// succeeds checks that the release went well and that the job after it ran.
func (r *result) succeeds(state string, summary ...string) {
	r.t.Helper()
	if r.jobs["release"] != "success" || r.jobs["announce"] != "success" {
		r.fatalf("jobs ended as %v; want both as success", r.jobs)
	}
	r.published(state, summary...)
}

// fails checks that the release failed with an exit code and that the job after it never ran.
func (r *result) fails(code int, state string, summary ...string) {
	r.t.Helper()
	if r.jobs["release"] != "failure" {
		r.fatalf("jobs ended as %v; want release as failure", r.jobs)
	}
	if ended, ran := r.jobs["announce"]; ran {
		r.t.Errorf("the job after the release ran, and ended as %s", ended)
	}
	if !strings.Contains(r.log, fmt.Sprintf("exit with `FAILURE`: %d\n", code)) {
		r.fatalf("the action did not exit with %d", code)
	}
	r.published(state, summary...)
}

// published checks the outputs and the summary. An output that was set twice was forged by something in the log.
func (r *result) published(state string, summary ...string) {
	r.t.Helper()
	if got := r.outputs["state"]; !slices.Equal(got, []string{state}) {
		r.fatalf("the output state was set to %q; want %q, once", got, state)
	}
	for _, name := range []string{"rollout", "wave", "next-at", "reason", "targets"} {
		if len(r.outputs[name]) != 1 {
			r.t.Errorf("the output %s was set %d times; want once", name, len(r.outputs[name]))
		}
	}
	for _, want := range append(summary, state) {
		if !strings.Contains(r.summary, want) {
			r.t.Errorf("the summary does not say %q:\n%s", want, r.summary)
		}
	}
}

func (r *result) fatalf(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf(format+"\n%s", append(args, r.log)...)
}
