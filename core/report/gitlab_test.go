package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core"
)

// child is a pipeline for waves of one size.
func child(waves, targets int, bake core.Bake) Child {
	c := Child{
		Plan: &core.Plan{
			Service: "shop", Environment: "production", Waves: []core.WaveRule{{Bake: bake}},
			Deploy:   core.Deploy{Timeout: 30 * time.Minute},
			Rollback: core.Rollback{Timeout: 30 * time.Minute},
		},
		File: "breakwater.yaml", Environment: "production", Image: "example.com/breakwater:v1.0.0",
	}
	for i := range waves {
		w := core.StartWave{Name: fmt.Sprintf("wave-%d", i+1)}
		for j := range targets {
			w.Targets = append(w.Targets, core.StartTarget{Target: core.Target{Name: fmt.Sprintf("target-%d-%d", i, j)}})
		}
		c.Waves = append(c.Waves, w)
	}
	return c
}

func written(t *testing.T, c Child) (string, map[string]map[string]any) {
	t.Helper()
	var out bytes.Buffer
	if err := GitLab(&out, c); err != nil {
		t.Fatal(err)
	}
	return out.String(), parsed(t, out.Bytes())
}

func TestGitLabMatchesTheSchema(t *testing.T) {
	schema, err := validator.NewCompiler().Compile("../../testdata/schemas/gitlab-ci.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, min := range []time.Duration{0, time.Second, 90 * time.Second, 30 * time.Minute, 36 * time.Hour, 60 * 24 * time.Hour} {
		c := child(3, 2, core.Bake{Min: min, Max: 4 * min, Every: time.Minute})
		c.Include, c.Variables = ".gitlab/jobs.yml", map[string]string{"BREAKWATER_REASON": "it's $HOME: \"now\"\n- x"}
		text, _ := written(t, c)
		var all any
		if err := yaml.Unmarshal([]byte(text), &all); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(all); err != nil {
			t.Errorf("a bake of %s: %v\n%s", min, err, text)
		}
	}
}

// TestGitLabIsSmall keeps the pipeline of a large fleet below what GitLab reads, 5 MB as an artifact, and by default 2 MB
// of a file: targets are not in it.
func TestGitLabIsSmall(t *testing.T) {
	for _, waves := range []int{1, 8, 40, 200, 2000} {
		text, jobs := written(t, child(waves, 2000/waves, core.Bake{Min: 4 * time.Hour, Max: 16 * time.Hour, Every: time.Minute}))
		t.Logf("waves: %d, jobs: %d, bytes: %d", waves, len(jobs), len(text))
		if most := 2000 * (waves + 1); len(text) > most || len(text) > 5e6 {
			t.Errorf("%d waves of a fleet of 2,000 are %d bytes", waves, len(text))
		}
	}
}

// TestGitLabLooks: the looks of a bake are before its shortest end, rising, an hour apart at most in a day, and as often as
// the plan looks at most.
func TestGitLabLooks(t *testing.T) {
	for _, test := range []struct {
		min, every time.Duration
		want       string
	}{
		{time.Second, time.Second, "[]"},
		{2 * time.Second, time.Second, "[1s]"},
		{30 * time.Minute, time.Minute, "[3m0s 7m0s 15m0s]"},
		{30 * time.Minute, 10 * time.Minute, "[15m0s]"},
		{4 * time.Hour, time.Minute, "[30m0s 1h0m0s 2h0m0s 3h0m0s]"},
		{4 * time.Hour, 5 * time.Hour, "[]"},
	} {
		if got := fmt.Sprint(looks(core.Bake{Min: test.min, Every: test.every})); got != test.want {
			t.Errorf("looks at a bake of %s, every %s: %s; want %s", test.min, test.every, got, test.want)
		}
	}
	for _, min := range []time.Duration{17 * time.Minute, 25 * time.Hour, 27 * 24 * time.Hour} {
		all, last := looks(core.Bake{Min: min, Every: time.Minute}), time.Duration(0)
		for _, at := range append(all, min) {
			if at <= last || at-last > max(time.Hour, min/gitlabLooks)+time.Minute && last > 0 {
				t.Errorf("looks at a bake of %s: %v", min, all)
			}
			last = at
		}
		if len(all) > gitlabLooks+4 {
			t.Errorf("a bake of %s is looked at %d times", min, len(all))
		}
	}
}

// TestGitLabChain: every job needs the one before and none of its outputs, and the delays of a wave add up to its shortest
// bake. Only who deploys has a deployment. The jobs of the last wave do not stop.
func TestGitLabChain(t *testing.T) {
	bake := core.Bake{Min: 50*time.Minute + 30*time.Second, Max: 3 * time.Hour, Every: time.Minute}
	text, jobs := written(t, child(3, 2, bake))
	var order []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "'wave-") {
			order = append(order, strings.Trim(strings.TrimSpace(line), "':"))
		}
	}
	if strings.Contains(text, "resource_group") {
		t.Error("a job waits for the lock that the trigger of its own pipeline holds")
	}
	if len(order) != len(jobs) {
		t.Fatalf("jobs: %q", order)
	}
	var waited time.Duration
	for i, name := range order {
		job := jobs[name]
		want := "[]"
		if i > 0 {
			want = fmt.Sprintf("[map[artifacts:false job:%s]]", order[i-1])
		}
		if got := fmt.Sprint(job["needs"]); got != want {
			t.Errorf("%s needs %s; want %s", name, got, want)
		}
		wave, what, _ := strings.Cut(name, ": ")
		if job["stage"] != wave {
			t.Errorf("%s is in the stage %s", name, job["stage"])
		}
		action, wait := "verify", "leave"
		if what == "deploy" {
			action, waited = "start", 0
		}
		if got := fmt.Sprint(job["environment"]); got != "map[action:"+action+" name:production]" {
			t.Errorf("%s has the environment %s", name, got)
		}
		if what != "deploy" {
			in, err := time.ParseDuration(strings.NewReplacer(" minutes", "m", " seconds", "s").Replace(job["start_in"].(string)))
			if err != nil || job["when"] != "delayed" {
				t.Errorf("%s starts %v in %v", name, job["when"], job["start_in"])
			}
			waited += in
		}
		if what == "verdict" {
			wait = "inline"
			if waited != bake.Min {
				t.Errorf("%s comes after %s; want %s", name, waited, bake.Min)
			}
			if got := job["timeout"]; got != map[string]string{"wave-1": "200 minutes", "wave-2": "260 minutes", "wave-3": "320 minutes"}[wave] {
				t.Errorf("%s is cut off after %s", name, got)
			}
		}
		command := "breakwater run --wait " + wait
		if i > 0 {
			command += " --resume"
		}
		if wave != "wave-3" {
			command += " --through " + wave[len("wave-"):]
		}
		if got := fmt.Sprint(job["script"]); got != "["+command+"]" {
			t.Errorf("%s runs %s; want %s", name, got, command)
		}
	}
}
