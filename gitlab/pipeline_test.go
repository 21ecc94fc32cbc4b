//go:build e2e

package gitlab_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The tests below run the README's .gitlab-ci.yml files, word for word, under gitlab-ci-local with the real binary. They
// need gitlab-ci-local and git:
//
//	go test -tags e2e -run '^TestPipeline' ./gitlab
//
// That engine runs a delayed job at once, also after one that has failed, knows no resource group and no retry, and takes a
// failed child pipeline for a success; what GitLab makes of those is in TestTemplates and in the tests of core/report.
const e2e = "../testdata/e2e/gitlab"

// adapted says that the binary knows GitLab's jobs: their commit, and that they leave breakwater.env behind. As long as it does
// not, the tests tell it the commit.
const adapted = true

// TestPipelineRollout releases by the job of a component from another project: a good version, a bad one that goes back, one
// that halts half-way, and the retry of its job that finishes it.
func TestPipelineRollout(t *testing.T) {
	s := newShop(t, "rollout.yml")

	v1 := s.commit("welcome")
	s.run(job{pipeline: 70, id: 700, variables: []string{"BREAKWATER_FIRST_RELEASE=true"}}).
		ended(t, []string{"breakwater-rollout=pass", "announce=pass"}, "SUCCEEDED")
	s.shows(v1, "shop-1", "shop-2", "shop-3")
	s.wasDeployed(v1, "shop-1", "shop-2", "shop-3")

	s.left("breakwater-rollout", "BREAKWATER_STATE=succeeded")

	v2 := s.commit("error 500")
	s.run(job{pipeline: 71, id: 710}).ended(t, []string{"breakwater-rollout=fail"}, "ROLLED-BACK")
	s.shows(v1, "shop-1", "shop-2", "shop-3")
	s.wasDeployed(v2, "shop-1")

	v3 := s.commit("welcome back")
	s.takeDown("shop-3")
	s.run(job{pipeline: 72, id: 720}).ended(t, []string{"breakwater-rollout=fail"}, "shop-production-3", "HALTED")
	s.shows(v3, "shop-1", "shop-2")
	s.shows(v1, "shop-3")

	s.bringUp("shop-3") // and retry, which is a new job of the same pipeline
	s.run(job{pipeline: 72, id: 721, only: "breakwater-rollout"}).
		ended(t, []string{"breakwater-rollout=pass"}, "Going on with rollout shop-production-3", "SUCCEEDED")
	s.shows(v3, "shop-1", "shop-2", "shop-3")
	s.wasDeployed(v3, "shop-1", "shop-2", "shop-3", "shop-3")
	if s.git(s.source, "ls-remote", filepath.Join(s.home, "origin.git"), "refs/breakwater/shop/production") == "" {
		t.Error("the ledger is not in the project")
	}
}

// TestPipelineChild releases by a child pipeline: its jobs, one after the other, take the rollout from wave to wave; one that
// finds a bad version puts it back, and nothing comes after it; a bake that extends itself is waited for.
func TestPipelineChild(t *testing.T) {
	s := newShop(t, "pipeline.yml")
	child := func(names ...string) (all []string) {
		for _, name := range names {
			all = append(all, "[breakwater-waves] -> "+name)
		}
		return all
	}
	whole := append(child("one-box: deploy=pass", "one-box: look 1s=pass", "one-box: verdict=pass", "rest: deploy=pass", "rest: look 1s=pass", "rest: verdict=pass"),
		"breakwater-plan=pass", "breakwater-waves=pass", "announce=pass")

	v1 := s.commit("welcome")
	good := s.run(job{pipeline: 80, id: 800, variables: []string{"BREAKWATER_CHILD_FIRST_RELEASE=true"}})
	good.ended(t, whole, "one-box: deploy  > shop/production  "+v1, "SUCCEEDED")
	s.shows(v1, "shop-1", "shop-2", "shop-3")
	s.wasDeployed(v1, "shop-1", "shop-2", "shop-3")

	v2 := s.commit("error 500")
	bad := s.run(job{pipeline: 81, id: 810})
	if strings.Contains(bad.log, "-> rest") || !strings.Contains(bad.log, "one-box: verdict exported") || !strings.Contains(bad.log, "ROLLED-BACK") {
		t.Errorf("it went on after a rollback, or there was none:\n%s", bad.log)
	}
	s.shows(v1, "shop-1", "shop-2", "shop-3")
	s.wasDeployed(v2, "shop-1")

	v3 := s.commit("welcome back")
	s.write(filepath.Join(s.home, "strange"), "3\n")
	s.run(job{pipeline: 82, id: 820}).ended(t, whole, "inconclusive", "SUCCEEDED")
	s.shows(v3, "shop-1", "shop-2", "shop-3")
	s.wasDeployed(v3, "shop-1", "shop-2", "shop-3")

	v4 := s.commit("welcome once more")
	s.takeDown("shop-3")
	if half := s.run(job{pipeline: 83, id: 830}); !strings.Contains(half.log, "rest: deploy     finished") || !strings.Contains(half.log, "HALTED") {
		t.Errorf("it was not halted:\n%s", half.log)
	}
	s.shows(v4, "shop-1", "shop-2")
	s.shows(v3, "shop-3")
	s.bringUp("shop-3") // and retry, which lets the jobs after it run
	for _, name := range []string{"rest: deploy", "rest: look 1s", "rest: verdict"} {
		s.run(job{pipeline: 83, id: 840, only: name, file: ".gitlab-ci-local/includes/triggers/breakwater-waves.yml"}).ended(t, []string{name + "=pass"})
	}
	s.shows(v4, "shop-1", "shop-2", "shop-3")
	s.wasDeployed(v4, "shop-1", "shop-2", "shop-3", "shop-3", "shop-3", "shop-3") // the engine ran the two jobs after it as well
	late := s.run(job{pipeline: 83, id: 850, only: "one-box: deploy", file: ".gitlab-ci-local/includes/triggers/breakwater-waves.yml"})
	late.ended(t, []string{"one-box: deploy=pass"}, "is already out")
}

// TestPipelineGate keeps a merge request out of a line that is halted; a job by hand puts the line back.
func TestPipelineGate(t *testing.T) {
	s := newShop(t, "gate.yml")
	v1 := s.commit("welcome")
	merge := job{pipeline: 90, id: 900, variables: []string{"CI_PIPELINE_SOURCE=merge_request_event", "CI_COMMIT_BRANCH="}}
	s.run(merge).ended(t, []string{"breakwater-plan=pass", "breakwater-gate=pass"}, "The gate of shop/production is open.")
	if text := s.read(s.artifact("breakwater-plan", "gl-code-quality-report.json")); !strings.Contains(text, `"fingerprint"`) {
		t.Errorf("the code quality is %s", text)
	}
	s.run(job{pipeline: 91, id: 910, variables: []string{"BREAKWATER_FIRST_RELEASE=true"}}).ended(t, []string{"breakwater-rollout=pass"}, "SUCCEEDED")

	v2 := s.commit("welcome back")
	s.takeDown("shop-3")
	s.run(job{pipeline: 92, id: 920}).ended(t, []string{"breakwater-rollout=fail"}, "HALTED")
	s.shows(v2, "shop-1", "shop-2")
	merge.pipeline, merge.id = 93, 930
	s.run(merge).ended(t, []string{"breakwater-plan=pass", "breakwater-gate=fail"}, "Rollout shop-production-2 is halted.")

	s.bringUp("shop-3")
	s.run(job{pipeline: 92, id: 921, only: "breakwater-rollback"}).ended(t, []string{"breakwater-rollback=pass"}, "ROLLED-BACK", "A job of GitLab was started by hand.")
	s.shows(v1, "shop-1", "shop-2", "shop-3")
}

// TestPipelineTick parks a bake, which a scheduled pipeline looks at.
func TestPipelineTick(t *testing.T) {
	s := newShop(t, "tick.yml")
	plan := filepath.Join(s.source, "breakwater.yaml")
	s.write(plan, regexp.MustCompile(`(?m)^bake: .*$`).ReplaceAllString(s.read(plan), "bake: {min: 5m, every: 1s}")) // not over when it is looked at
	v1 := s.commit("welcome")
	s.run(job{pipeline: 95, id: 950, variables: []string{"BREAKWATER_FIRST_RELEASE=true"}}).ended(t, []string{"breakwater-rollout=pass"}, "BAKING")
	s.shows(v1, "shop-1")
	s.run(job{pipeline: 96, id: 960, variables: []string{"CI_PIPELINE_SOURCE=schedule"}}).ended(t, []string{"breakwater-tick=pass"}, "Parked lines: 1")
}

// TestPipelineBake leaves a bake to a later job, which takes out the rest as well.
func TestPipelineBake(t *testing.T) {
	s := newShop(t, "bake.yml")
	v1 := s.commit("welcome")
	s.run(job{pipeline: 97, id: 970, variables: []string{"BREAKWATER_FIRST_RELEASE=true"}}).
		ended(t, []string{"breakwater-rollout=pass", "breakwater-bake=pass"}, "BAKING", "SUCCEEDED")
	s.shows(v1, "shop-1", "shop-2", "shop-3")
	s.wasDeployed(v1, "shop-1", "shop-2", "shop-3")
}

// TestPipelineLocal includes a component that was never published, as a file of the same project.
func TestPipelineLocal(t *testing.T) {
	s := newShop(t, "rollout.yml")
	s.write(filepath.Join(s.source, ".gitlab-ci.yml"), "include:\n"+
		"  - {local: components/check.yml, inputs: {rules: [{when: always}], job-prefix: 'ask: ', stage: test}}\n")
	s.copy(filepath.Join(s.source, "components"), "templates")
	s.commit("welcome")
	s.run(job{pipeline: 97, id: 970}).ended(t, []string{"ask: check=pass"}, "smoke")
}

// TestPipelineProject includes a component from a mirror of the repository.
func TestPipelineProject(t *testing.T) {
	s := newShop(t, "project.yml")
	v1 := s.commit("welcome")
	s.run(job{pipeline: 75, id: 750, variables: []string{"BREAKWATER_FIRST_RELEASE=true"}}).ended(t, []string{"breakwater-rollout=pass"}, "SUCCEEDED")
	s.shows(v1, "shop-1", "shop-2", "shop-3")
}

// TestPipelineChildIncludes gives the jobs of a child pipeline what a file of the project says that they have in common. The
// engine knows no tokens.
func TestPipelineChildIncludes(t *testing.T) {
	s := newShop(t, "rollout.yml")
	s.write(filepath.Join(s.source, ".gitlab", "breakwater-jobs.yml"), s.read(filepath.Join(e2e, "child.yml")))
	plan := exec.Command(binary(t), "plan", "--format", "gitlab", "--include", ".gitlab/breakwater-jobs.yml", "--output", ".gitlab-ci.yml", "--image", "deploy:1")
	plan.Dir, plan.Env = s.source, s.environ()
	if out, err := plan.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.commit("welcome")
	got, err := s.engine("--preview")
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	golden(t, filepath.Join("testdata", "child.yml"), got)
}

// TestPipelineOfComponents runs the pipeline of the component project itself, for a commit and for a tag.
func TestPipelineOfComponents(t *testing.T) {
	s := newShop(t, "rollout.yml")
	s.write(filepath.Join(s.source, ".gitlab-ci.yml"), s.read(".gitlab-ci.yml"))
	s.copy(filepath.Join(s.source, "templates"), "templates")
	s.copy(filepath.Join(s.source, "testdata"), "testdata")
	s.commit("welcome")
	tried := []string{"breakwater-plan=pass", "breakwater-check=pass", "breakwater-gate=pass", "breakwater-rollout=pass"}
	s.run(job{pipeline: 98, id: 980, own: true}).ended(t, tried, "SUCCEEDED")
	tag := "CI_COMMIT_TAG=" + released(t)
	s.run(job{pipeline: 99, id: 990, own: true, variables: []string{tag}}).
		ended(t, append(tried, "image-of-this-release=pass", "release=pass"), "SUCCEEDED")
	s.run(job{pipeline: 99, id: 991, own: true, only: "image-of-this-release", variables: []string{"CI_COMMIT_TAG=0.0.1"}}).
		ended(t, []string{"image-of-this-release=fail"}, "has the image of another release")
}

// released is the release whose image the components take.
func released(t *testing.T) string {
	t.Helper()
	_, version, ok := strings.Cut(load(t, "rollout").inputs["image"]["default"].(string), ":v")
	if !ok {
		t.Fatal("the image has no version")
	}
	return version
}

// TestPipelinePreviews keeps what GitLab makes of every template, with its defaults and with every input given.
func TestPipelinePreviews(t *testing.T) {
	for name := range components {
		for variant, given := range map[string]map[string]any{"defaults": nil, "given": givenInputs(t, name)} {
			s := newShop(t, "rollout.yml")
			s.copy(filepath.Join(s.source, "components"), "templates")
			s.include(name, given)
			s.commit("welcome")
			got, err := s.engine("--preview")
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, got)
			}
			golden(t, filepath.Join("testdata", name+"."+variant+".yml"), got)
		}
	}
}

// TestPipelineRefuses: what an input may not be makes no pipeline.
func TestPipelineRefuses(t *testing.T) {
	for _, test := range []struct {
		name  string
		given map[string]any
		says  string
	}{
		{"rollout", map[string]any{"wait": "forever"}, "wait"},
		{"rollout", map[string]any{"first-release": "yes"}, "first-release"},
		{"rollout", map[string]any{"plan": "plan.yaml; rm -rf /"}, "plan"},
		{"rollout", map[string]any{"image": "a b"}, "image"},
		{"rollout", map[string]any{"environment": "prod;x"}, "environment"},
		{"rollout", map[string]any{"ledger": "ftp://x"}, "ledger"},
		{"rollout", map[string]any{"through": "a b"}, "through"},
		{"rollout", map[string]any{"rules": "always"}, "rules"},
		{"bake", map[string]any{"wait": ""}, "wait"},
		{"bake", map[string]any{"timeout": "soon"}, "timeout"},
		{"check", map[string]any{"job-prefix": "$(x)"}, "job-prefix"},
		{"gate", map[string]any{"distance": "1 day"}, "distance"},
		{"gate", map[string]any{"door": "lambda://shop/live"}, "door"},
		{"plan", map[string]any{"strict": 1}, "strict"},
		{"pipeline", map[string]any{"include": "https://example.com/?x"}, "include"},
		{"rollback", map[string]any{"reason": ""}, "reason"},
		{"tick", map[string]any{"plan": "../$x"}, "plan"},
	} {
		s := newShop(t, "rollout.yml")
		s.copy(filepath.Join(s.source, "components"), "templates")
		s.include(test.name, test.given)
		s.commit("welcome")
		if got, err := s.engine("--preview"); err == nil || !strings.Contains(got, test.says) {
			t.Errorf("%s with %v: %v\n%s", test.name, test.given, err, got)
		}
	}
}

// TestPipelineAWS: the job has a token for AWS, and what its SDKs need to take a role with that. The engine knows no tokens.
func TestPipelineAWS(t *testing.T) {
	s := newShop(t, "aws.yml")
	s.commit("welcome")
	got, err := s.engine("--preview")
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	golden(t, filepath.Join("testdata", "aws.yml"), got)
}

// givenInputs gives every input of a template a value that is not its default.
func givenInputs(t *testing.T, name string) map[string]any {
	all := map[string]any{
		"answers": "mends", "dependencies": []string{"build"}, "distance": "1h30m", "door": "codepipeline://shop/Deploy?region=eu-west-1", "environment": "shop/prod", "image": "registry.example.com/deploy:3",
		"include": ".gitlab/jobs.yml", "job-name": "later", "job-prefix": "go: ", "ledger": "git:origin", "plan": "deploy/plan.yaml", "plan-stage": "test",
		"policy": "git:main:policy.yaml", "previous": "v1", "reason": `"it" is $5: #1`, "resource-group": "shop", "stage": "test", "status-check": "12", "through": "2",
		"timeout": "2 hours 30 minutes", "to": "v0", "version": "$CI_COMMIT_TAG", "wait": "park",
		"needs": []any{}, "rules": []any{map[string]any{"if": "$CI_COMMIT_TAG"}},
	}
	given := make(map[string]any)
	for in, spec := range load(t, name).inputs {
		v, ok := all[in]
		if spec["type"] == "boolean" {
			v, ok = spec["default"] != true, true
		}
		if !ok {
			t.Errorf("nothing is given for the input %s", in)
		}
		given[in] = v
	}
	return given
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what GitLab makes of it now; UPDATE=1 writes it:\n%s", file, got)
	}
}

// A shop is a service with a project, servers and a pipeline; the components are another project on the same host.
type shop struct {
	t      *testing.T
	home   string // the servers, the projects as they are at the host, and what git and the engine keep
	source string // where its people work, and the engine too
}

func newShop(t *testing.T, pipeline string) *shop {
	t.Helper()
	s := &shop{t: t, home: t.TempDir(), source: t.TempDir()}
	for _, dir := range []string{"servers", "broken", "bin", "tmp"} {
		if err := os.Mkdir(filepath.Join(s.home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(binary(t), filepath.Join(s.home, "bin", "breakwater")); err != nil {
		t.Fatal(err)
	}
	s.publish()
	s.git(s.home, "init", "-q", "--bare", "-b", "main", "origin.git")
	s.git(s.source, "init", "-q", "-b", "main")
	s.git(s.source, "remote", "add", "origin", "git@gitlab.example.com:octo/shop.git")
	s.copy(s.source, filepath.Join(e2e, "shop"))
	s.write(filepath.Join(s.source, ".gitlab-ci.yml"), s.read(filepath.Join(e2e, pipeline)))
	return s
}

// publish makes the folder of the components a project of its own, with a release, at the host.
func (s *shop) publish() {
	s.t.Helper()
	work := filepath.Join(s.home, "components")
	s.copy(filepath.Join(work, "templates"), "templates")
	s.copy(filepath.Join(work, "gitlab", "templates"), "templates") // as in a mirror of the repository
	s.git(work, "init", "-q", "-b", "main")
	s.git(work, "add", "--all")
	s.git(work, "commit", "-q", "-m", "components")
	s.git(work, "tag", "1.0.0")
	s.git(work, "tag", "v1.0.0")
	s.git(s.home, "clone", "-q", "--bare", work, "components.git")
	s.write(filepath.Join(s.home, ".gitconfig"), fmt.Sprintf(`[url "file://%[1]s/components.git"]
	insteadOf = https://gitlab.example.com/breakwater-ci/breakwater.git
	insteadOf = ssh://git@gitlab.example.com:22/breakwater-ci/breakwater.git
[user]
	name = o
	email = o@example.com
[safe]
	directory = *
[protocol "file"]
	allow = always
`, s.home))
}

// binary is Breakwater, built once.
var built = filepath.Join(os.TempDir(), "breakwater-e2e-"+strconv.Itoa(os.Getpid()))

func binary(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(built); err == nil {
		return built
	}
	build := exec.Command("go", "build", "-o", built, "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return built
}

func TestMain(m *testing.M) {
	code := m.Run()
	os.Remove(built)
	os.Exit(code)
}

func (s *shop) environ() []string {
	var environ []string
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "BREAKWATER_") && !strings.HasPrefix(name, "CI") && !strings.HasPrefix(name, "GIT") {
			environ = append(environ, v)
		}
	}
	return append(environ, "HOME="+s.home, "SHOP="+s.home, "NO_COLOR=1", "GCL_IGNORE_PREDEFINED_VARS=CI_PIPELINE_ID,CI_JOB_ID,CI_PIPELINE_SOURCE,CI_COMMIT_BRANCH", "PATH="+filepath.Join(s.home, "bin")+":"+os.Getenv("PATH"))
}

func (s *shop) git(dir string, args ...string) string {
	s.t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=o", "-c", "user.email=o@example.com"}, args...)...)
	cmd.Env = s.environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
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

func (s *shop) copy(to, from string) {
	s.t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		s.t.Fatal(err)
	}
}

// include makes the pipeline of the shop one component, from a folder of its own project.
func (s *shop) include(name string, given map[string]any) {
	s.t.Helper()
	pipeline := map[string]any{
		"stages":  []string{"build", "test", "deploy"},
		"build":   map[string]any{"stage": "build", "script": []string{"true"}},
		"include": []any{map[string]any{"local": "components/" + name + ".yml", "inputs": given}},
	}
	if name == "bake" { // which needs the job that parks
		pipeline["breakwater-rollout"] = map[string]any{"stage": "deploy", "script": []string{"true"}}
	}
	text, err := yaml.Marshal(pipeline)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(filepath.Join(s.source, ".gitlab-ci.yml"), string(text))
}

// commit makes a version of the shop and returns it.
func (s *shop) commit(page string) (version string) {
	s.t.Helper()
	s.write(filepath.Join(s.source, "page"), page+"\n")
	s.git(s.source, "add", "--all")
	s.git(s.source, "commit", "-q", "-m", page)
	s.git(s.source, "push", "-q", filepath.Join(s.home, "origin.git"), "main")
	s.git(s.source, "update-ref", "refs/remotes/origin/main", "HEAD") // as after a push to the name
	s.git(s.source, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
	return s.git(s.source, "rev-parse", "HEAD")
}

// takeDown makes deploys to a server fail, bringUp makes them work again.
func (s *shop) takeDown(server string) { s.write(filepath.Join(s.home, "broken", server), "") }

func (s *shop) bringUp(server string) {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.home, "broken", server)); err != nil {
		s.t.Fatal(err)
	}
}

// shows checks that the servers show the page of a version.
func (s *shop) shows(version string, servers ...string) {
	s.t.Helper()
	want := s.git(s.source, "show", version+":page")
	for _, server := range servers {
		if got := strings.TrimSpace(s.read(filepath.Join(s.home, "servers", server))); got != want {
			s.t.Errorf("%s shows %q; want %q", server, got, want)
		}
	}
}

// wasDeployed checks to which servers a version was ever deployed: one that is named twice, twice.
func (s *shop) wasDeployed(version string, servers ...string) {
	s.t.Helper()
	var got []string
	for line := range strings.Lines(s.read(filepath.Join(s.home, "deploys.log"))) {
		if server, v, _ := strings.Cut(strings.TrimSpace(line), " "); v == version {
			got = append(got, server)
		}
	}
	if !slices.Equal(got, servers) {
		s.t.Errorf("%.7s was deployed to %q; want %q", version, got, servers)
	}
}

// artifact is where the engine keeps one of a job.
func (s *shop) artifact(job, file string) string {
	return filepath.Join(s.source, ".gitlab-ci-local", "artifacts", job, file)
}

// left checks an output that a job has left to later ones, if it can.
func (s *shop) left(job, output string) {
	s.t.Helper()
	if !adapted {
		return
	}
	text := s.read(s.artifact(job, ".gitlab-ci-reports/dotenv/breakwater.env"))
	if !slices.Contains(strings.Split(text, "\n"), output) {
		s.t.Errorf("%s left no %s:\n%s", job, output, text)
	}
}

// engine calls gitlab-ci-local in the project.
func (s *shop) engine(args ...string) (string, error) {
	s.t.Helper()
	args = append([]string{"--force-shell-executor", "--shell-isolation", "--no-artifacts-to-source"}, args...)
	cmd := exec.CommandContext(s.t.Context(), "gitlab-ci-local", args...)
	cmd.Dir, cmd.Env = s.source, s.environ()
	var out, log strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		s.t.Fatal(err)
	}
	if err != nil || !slices.Contains(args, "--preview") {
		return out.String() + log.String(), err
	}
	return out.String(), nil
}

// A job is what GitLab is to run: a pipeline, or one job of it.
type job struct {
	pipeline, id int
	only         string   // the job; empty: the whole pipeline
	variables    []string // of the pipeline
	own          bool     // the pipeline says where the ledger is
	file         string   // of the pipeline, if it is a child
}

func (s *shop) run(j job) *result {
	s.t.Helper()
	variables := append([]string{"CI_PIPELINE_ID=" + strconv.Itoa(j.pipeline), "CI_JOB_ID=" + strconv.Itoa(j.id)}, j.variables...)
	version := s.git(s.source, "rev-parse", "HEAD")
	variables = append(variables, "BREAKWATER_CHILD_VERSION="+version)
	if adapted { // the engine says that it is not GitLab
		variables = append(variables, "GITLAB_CI=true")
	} else {
		variables = append(variables, "BREAKWATER_VERSION="+version)
	}
	if ledger := "git:file://" + filepath.Join(s.home, "origin.git"); !j.own {
		variables = append(variables, "BREAKWATER_LEDGER="+ledger, "BREAKWATER_CHILD_LEDGER="+ledger)
	}
	var args []string
	for _, v := range variables {
		args = append(args, "--variable", v)
	}
	if j.file != "" {
		args = append(args, "--file", j.file)
	}
	if j.only != "" {
		args = append(args, j.only)
	}
	log, err := s.engine(args...)
	if failed, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || failed.ExitCode() != 1) {
		s.t.Fatalf("gitlab-ci-local: %v\n%s", err, log)
	}
	r := &result{log: log}
	for _, m := range ending.FindAllStringSubmatch(log, -1) {
		r.jobs = append(r.jobs, strings.TrimSpace(m[2])+"="+strings.ToLower(m[1]))
	}
	return r
}

// ending is how the engine says that a job has ended.
var ending = regexp.MustCompile(`(?m)^\s*(PASS|FAIL) +((?:\[[a-z-]+\] -> )?[^\n]*?) *$`)

// A result is what the engine saw of a pipeline.
type result struct {
	log  string
	jobs []string // NAME=pass, NAME=fail
}

// ended checks which jobs ran and how they ended, and what was said.
func (r *result) ended(t *testing.T, jobs []string, says ...string) {
	t.Helper()
	slices.Sort(jobs)
	slices.Sort(r.jobs)
	if !slices.Equal(r.jobs, jobs) {
		t.Fatalf("jobs ended as %q; want %q\n%s", r.jobs, jobs, r.log)
	}
	for _, want := range says {
		if !strings.Contains(r.log, want) {
			t.Errorf("nothing says %q:\n%s", want, r.log)
		}
	}
}
