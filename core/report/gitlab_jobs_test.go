package report

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core"
)

// byJobs is a pipeline for waves of one size that jobs deploy, so many at a time.
func byJobs(waves, targets, parallel int, bake core.Bake) Child {
	c := child(waves, targets, bake)
	c.Plan.Deploy.Driver, c.Plan.Deploy.Options = core.DriverJobs, &core.Jobs{Deploy: "deploy ({target})", Rollback: "undo ({target})"}
	c.Plan.Deploy.Parallel, c.Plan.Rollback.Parallel = core.Amount{Set: true, Count: parallel}, core.Amount{Set: true, Count: parallel}
	c.Plan.Rollback.When = []core.Trigger{core.TriggerCheck}
	c.Include = ".gitlab/jobs.yml"
	return c
}

// goingBack is a rollout that rolls back some of the waves of a pipeline.
func goingBack(c Child, waves int) *core.Rollout {
	r := &core.Rollout{Start: core.Start{Version: "v2"}}
	for i, w := range c.Waves {
		wave := core.Wave{Name: w.Name}
		for j, t := range w.Targets {
			rec := core.TargetRecord{Target: t.Target, InScope: i < waves, State: core.TargetDeployed}
			if i == 0 && j == 0 {
				rec.State = core.TargetRolledBack
			}
			wave.Targets = append(wave.Targets, rec)
		}
		r.Waves = append(r.Waves, wave)
	}
	return r
}

// writtenBack is the pipeline that puts back.
func writtenBack(t *testing.T, c Child, r *core.Rollout) (string, map[string]map[string]any) {
	t.Helper()
	var out bytes.Buffer
	if err := GitLabBack(&out, c, r); err != nil {
		t.Fatal(err)
	}
	return out.String(), parsed(t, out.Bytes())
}

func parsed(t *testing.T, text []byte) map[string]map[string]any {
	t.Helper()
	all := make(map[string]any)
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	jobs := make(map[string]map[string]any)
	for name, v := range all {
		if job, ok := v.(map[string]any); ok && name[0] != '.' {
			jobs[name] = job
		}
	}
	return jobs
}

// targetsOf are the targets of the jobs, and how many jobs act at the same time at most.
func targetsOf(t *testing.T, jobs map[string]map[string]any) (all []string, beside int) {
	t.Helper()
	groups := make(map[any]int)
	for name, job := range jobs {
		parallel, ok := job["parallel"].(map[string]any)
		if !ok {
			continue
		}
		matrix := parallel["matrix"].([]any)
		some := matrix[0].(map[string]any)["BREAKWATER_TARGET"].([]any)
		if len(matrix) != 1 || len(some) == 0 || len(some) > 200 {
			t.Errorf("%s has %d permutations of %d targets", name, len(matrix), len(some))
		}
		for _, target := range some {
			all = append(all, target.(string))
		}
		if group := job["resource_group"]; group != nil {
			groups[group] = 1
		} else {
			groups[name] = len(some)
		}
	}
	for _, n := range groups {
		beside += n
	}
	slices.Sort(all)
	return all, beside
}

func TestGitLabJobsMatchTheSchema(t *testing.T) {
	schema, err := validator.NewCompiler().Compile("../../testdata/schemas/gitlab-ci.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, min := range []time.Duration{0, 90 * time.Second, 36 * time.Hour} {
		for _, parallel := range []int{1, 3, 100} {
			c := byJobs(3, 5, parallel, core.Bake{Min: min, Max: 4 * min, Every: time.Minute})
			c.Variables = map[string]string{"BREAKWATER_REASON": "it's $HOME: \"now\"\n- x"}
			text, _ := written(t, c)
			back, _ := writtenBack(t, c, goingBack(c, 2))
			nothing, _ := writtenBack(t, c, nil)
			for _, text := range []string{text, back, nothing} {
				var all any
				if err := yaml.Unmarshal([]byte(text), &all); err != nil {
					t.Fatal(err)
				}
				if err := schema.Validate(all); err != nil {
					t.Errorf("a bake of %s: %v\n%s", min, err, text)
				}
			}
		}
	}
}

// TestGitLabJobsAreSmall keeps the pipelines of 2,000 targets below what GitLab takes of an artifact.
func TestGitLabJobsAreSmall(t *testing.T) {
	for _, waves := range []int{1, 8, 40, 200} {
		for _, parallel := range []int{1, 7, 5000} {
			c := byJobs(waves, 2000/waves, parallel, core.Bake{Min: 4 * time.Hour, Max: 16 * time.Hour, Every: time.Minute})
			text, jobs := written(t, c)
			back, putBack := writtenBack(t, c, goingBack(c, waves))
			t.Logf("waves: %d, at a time: %d, jobs: %d, bytes: %d and %d", waves, parallel, len(jobs), len(text), len(back))
			if len(text) > 2e6 || len(back) > 2e6 {
				t.Errorf("%d waves of a fleet of 2,000 are %d and %d bytes", waves, len(text), len(back))
			}
			for want, of := range map[int]map[string]map[string]any{2000: jobs, 1999: putBack} {
				if all, _ := targetsOf(t, of); len(slices.Compact(all)) != want {
					t.Errorf("%d targets have a job; want %d", len(all), want)
				}
			}
		}
	}
}

// TestGitLabJobsAtATime: of a wave no more jobs act beside each other than the plan says.
func TestGitLabJobsAtATime(t *testing.T) {
	for _, test := range []struct{ targets, parallel, want int }{
		{5, 1, 1}, {5, 2, 2}, {5, 4, 4}, {5, 5, 5}, {5, 9, 5}, {1, 1, 1}, {450, 1, 1}, {450, 2, 2}, {450, 450, 450}, {450, 500, 450},
	} {
		c := byJobs(1, test.targets, test.parallel, core.Bake{Every: time.Minute})
		_, jobs := written(t, c)
		if all, beside := targetsOf(t, jobs); len(all) != test.targets || beside != test.want {
			t.Errorf("%d of %d at a time: %d targets, %d beside each other", test.parallel, test.targets, len(all), beside)
		}
		_, jobs = writtenBack(t, c, goingBack(c, 1))
		if _, beside := targetsOf(t, jobs); beside > test.want {
			t.Errorf("%d of %d at a time go back: %d beside each other", test.parallel, test.targets, beside)
		}
	}
}

// TestGitLabJobsChain: a wave is announced, deployed by the user's job behind ours, and judged; a job that has failed on its
// target does not hold that up, and only what has failed itself leads to a rollback. No job needs more than one other: GitLab
// lets one need 50, and counts each of a matrix.
func TestGitLabJobsChain(t *testing.T) {
	bake := core.Bake{Min: 50 * time.Minute, Max: 3 * time.Hour, Every: time.Minute}
	c := byJobs(2, 3, 3, bake)
	text, jobs := written(t, c)
	for name, want := range map[string]string{
		"wave-1: start":    "stage=wave-1 needs=[] script=[breakwater start --wave 1 --max-waves 2 --acts breakwater-acts.txt]",
		"wave-1: deploy":   "stage=wave-1 needs=[map[artifacts:true job:wave-1: start]] script=[[.breakwater-acts script] [.breakwater-deploy script]] allow_failure=true extends=[.breakwater-acts .breakwater-deploy]",
		"wave-1: bake":     "stage=wave-1: bake dependencies=[] script=[breakwater bake --wave 1 --wait leave]",
		"wave-1: look 6m":  "stage=wave-1: bake needs=[map[artifacts:false job:wave-1: bake]] when=delayed start_in=6 minutes script=[breakwater bake --wave 1 --wait leave]",
		"wave-1: look 12m": "stage=wave-1: bake needs=[map[artifacts:false job:wave-1: look 6m]] when=delayed start_in=6 minutes script=[breakwater bake --wave 1 --wait leave]",
		"wave-1: look 25m": "stage=wave-1: bake needs=[map[artifacts:false job:wave-1: look 12m]] when=delayed start_in=13 minutes script=[breakwater bake --wave 1 --wait leave]",
		"wave-1: verdict":  "stage=wave-1: bake needs=[map[artifacts:false job:wave-1: look 25m]] when=delayed start_in=25 minutes script=[breakwater bake --wave 1 --wait inline]",
		"wave-2: start":    "stage=wave-2 needs=[map[artifacts:false job:wave-1: verdict]] script=[breakwater start --wave 2 --max-waves 2 --acts breakwater-acts.txt --resume]",
		"rollback":         "stage=roll back dependencies=[] when=on_failure script=[breakwater rollback --child breakwater-rollback.yml]",
		"put-back":         "stage=roll back needs=[rollback]",
	} {
		if got := order(jobs[name]); got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
	if len(jobs) != 16 || !strings.Contains(text, "script: [!reference [.breakwater-acts, script], !reference [.breakwater-deploy, script]]") {
		t.Errorf("jobs: %d\n%s", len(jobs), text)
	}
	if got := fmt.Sprint(jobs["put-back"]["trigger"]); got != "map[forward:map[pipeline_variables:true yaml_variables:false] include:[map[artifact:breakwater-rollback.yml job:rollback]] strategy:depend]" {
		t.Errorf("it triggers %s", got)
	}
	for name, job := range jobs {
		if job["environment"] != nil && fmt.Sprint(job["environment"]) != "map[action:verify name:production]" {
			t.Errorf("%s has the environment %v", name, job["environment"])
		}
	}
}

// TestGitLabJobsBack: what goes back is announced in its own pipeline, goes back newest wave first, and is learned there.
func TestGitLabJobsBack(t *testing.T) {
	c := byJobs(3, 2, 2, core.Bake{Every: time.Minute})
	text, jobs := writtenBack(t, c, goingBack(c, 2))
	var stages struct{ Stages []string }
	if err := yaml.Unmarshal([]byte(text), &stages); err != nil || !slices.Equal(stages.Stages, []string{"roll back", "wave-2", "wave-1", "rolled back"}) {
		t.Errorf("stages: %q (%v)", stages.Stages, err)
	}
	for name, want := range map[string]string{
		"announce":     "stage=roll back script=[breakwater rollback --acts breakwater-acts.txt]",
		"wave-2: undo": "stage=wave-2 dependencies=[announce] script=[[.breakwater-acts script] [.breakwater-deploy script]] allow_failure=true extends=[.breakwater-acts .breakwater-deploy]",
		"wave-1: undo": "stage=wave-1 dependencies=[announce] script=[[.breakwater-acts script] [.breakwater-deploy script]] allow_failure=true extends=[.breakwater-acts .breakwater-deploy]",
		"rolled-back":  "stage=rolled back dependencies=[] script=[breakwater bake --wait inline]",
	} {
		if got := order(jobs[name]); got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
	if all, _ := targetsOf(t, jobs); !slices.Equal(all, []string{"target-0-1", "target-1-0", "target-1-1"}) {
		t.Errorf("targets: %q", all)
	}
	if !strings.Contains(text, "breakwater rollback --acts breakwater-acts.txt || exit $?") {
		t.Errorf("a job that is run again announces nothing:\n%s", text)
	}
	for _, r := range []*core.Rollout{nil, goingBack(c, 0)} {
		if _, jobs := writtenBack(t, c, r); len(jobs) != 1 || jobs["nothing-goes-back"] == nil {
			t.Errorf("jobs if nothing goes back: %v", jobs)
		}
	}
}

// order is what the order of jobs depends on.
func order(job map[string]any) string {
	var all []string
	for _, key := range []string{"stage", "needs", "dependencies", "when", "start_in", "script", "allow_failure"} {
		if v, ok := job[key]; ok {
			all = append(all, fmt.Sprintf("%s=%v", key, v))
		}
	}
	if v, ok := job["extends"].([]any); ok {
		all = append(all, fmt.Sprintf("extends=%v", v))
	}
	return strings.Join(all, " ")
}

// TestGitLabJobsGolden shows what both pipelines are like as a whole.
func TestGitLabJobsGolden(t *testing.T) {
	c := byJobs(2, 3, 2, core.Bake{Min: 2 * time.Minute, Max: 4 * time.Minute, Every: time.Minute})
	c.Variables = map[string]string{"BREAKWATER_VERSION": "v2"}
	text, _ := written(t, c)
	back, _ := writtenBack(t, c, goingBack(c, 2))
	for name, got := range map[string]string{"gitlab-jobs.yml": text, "gitlab-jobs-back.yml": back} {
		golden(t, name, got)
	}
}

// TestGitLabJobsGuard runs what a job begins with: nothing is done to a target that the file does not name, and a job that was
// run again announces itself, or ends. What a target is told is data, whatever it holds.
func TestGitLabJobsGuard(t *testing.T) {
	const acts = "100\na BREAKWATER_ACTION=deploy\na BREAKWATER_VERSION=v2 $(touch pwned) `touch pwned`; 'x\" \\\\ \na BREAKWATER_LABEL_X=\nab BREAKWATER_VERSION=v9\n"
	guard := byJobs(1, 1, 1, core.Bake{}).guard("breakwater again").Script[0]
	for _, test := range []struct {
		name, target, id, acts string
		again                  string // what breakwater does
		code                   int
		says                   string
	}{
		{"as announced", "a", "100", acts, "exit 9", 0, "does deploy v2 $(touch pwned) `touch pwned`; 'x\" \\\\  to a, X is set"},
		{"not in the file", "c", "99", acts, "exit 9", 0, "Nothing to do"},
		{"a name that is the end of another", "b", "99", acts, "exit 9", 0, "Nothing to do"},
		{"a name that is a pattern", "?", "99", acts, "exit 9", 0, "Nothing to do"},
		{"run again", "a", "101", acts, `[ "$*" = "again --acts breakwater-acts.txt" ] && printf '200\na BREAKWATER_VERSION=v3\n' >breakwater-acts.txt`, 0, "does  v3 to a"},
		{"run again with nothing left", "a", "101", acts, "echo 200 >breakwater-acts.txt", 0, "Nothing to do"},
		{"run again and refused", "a", "101", acts, "exit 3", 3, ""},
		{"run again without the binary", "a", "101", acts, "", 127, ""},
		{"no file", "a", "99", "", "exit 9", -1, ""},
		{"no number", "a", "99", "x\na BREAKWATER_VERSION=v2\n", "exit 9", -1, ""},
	} {
		for _, shell := range []string{"sh -e", "bash -eo pipefail"} {
			dir := t.TempDir()
			write := func(name, text string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if test.acts != "" {
				write("breakwater-acts.txt", test.acts)
			}
			if test.again != "" {
				write("breakwater", "#!/bin/sh\n"+test.again+"\n")
			}
			write("job", guard+`printf 'does %s %s to %s%s' "${BREAKWATER_ACTION:-}" "$BREAKWATER_VERSION" "$BREAKWATER_TARGET" "${BREAKWATER_LABEL_X+, X is set}"`+"\n")
			args := append(strings.Fields(shell), "job")
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Dir, cmd.Env = dir, []string{"PATH=" + dir + ":/usr/bin:/bin", "CI_JOB_ID=" + test.id, "BREAKWATER_TARGET=" + test.target}
			out, _ := cmd.Output() // its code is looked at
			code := cmd.ProcessState.ExitCode()
			if code != test.code && (test.code >= 0 || code == 0) || !strings.Contains(string(out), test.says) || test.says == "" && len(out) > 0 {
				t.Errorf("%s, %s: exit %d\n%s", test.name, shell, code, out)
			}
			if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
				t.Errorf("%s: a value was run", test.name)
			}
		}
	}
}

// TestGitLabJobsThatDoNotGoBack: where a command puts the version back, or nothing does, no job waits for a failure.
func TestGitLabJobsThatDoNotGoBack(t *testing.T) {
	byCommand, never := byJobs(1, 2, 1, core.Bake{}), byJobs(1, 2, 1, core.Bake{})
	byCommand.Plan.Rollback.Driver = "run"
	never.Plan.Rollback.When = nil
	for _, c := range []Child{byCommand, never} {
		if text, jobs := written(t, c); jobs["rollback"] != nil || jobs["put-back"] != nil || strings.Contains(text, stageBack) {
			t.Errorf("jobs: %v", jobs)
		}
	}
}
