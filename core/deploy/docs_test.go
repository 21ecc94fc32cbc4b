package deploy_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/config"
	"github.com/breakwater-ci/breakwater/core/deploy"
)

// TestDocs takes docs/drivers.md at its word: its plans load, its workflow can be started, and its jobs know what they
// are told.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/drivers.md")
	if err != nil {
		t.Fatal(err)
	}
	catalog := config.Catalog{Drivers: make(map[string]any)}
	for _, d := range deploy.Drivers {
		catalog.Drivers[d.Name] = d.Options
		if !strings.Contains(string(text), "| `"+d.Name+"` |") {
			t.Errorf("docs/drivers.md does not know the driver %s", d.Name)
		}
	}
	const plan = "version: 1\nservice: shop\nenvironment: test\ntargets: [{name: a}]\nwaves: [{name: all, select: all}]\n"
	plans, workflows, jobs := 0, 0, 0
	for _, block := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		switch {
		case strings.Contains(block[1], "BREAKWATER_"):
			jobs++
			told(t, block[1])
		case strings.HasPrefix(block[1], "deploy:"):
			plans++
			if _, err := config.Load("docs/drivers.md", []byte(plan+block[1]), nil, catalog); err != nil {
				t.Error(err)
			}
		default:
			workflows++
			startable(t, block[1])
		}
	}
	aws, err := os.ReadFile("../../docs/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?ms)^```yaml\n(deploy:\n.*?)^```$").FindAllStringSubmatch(string(aws), -1)
	if len(example) != 1 {
		t.Errorf("docs/aws.md has %d plans", len(example))
	}
	for _, block := range example {
		if _, err := config.Load("docs/aws.md", []byte(plan+block[1]), nil, catalog); err != nil {
			t.Error(err)
		}
	}
	if plans == 0 || workflows == 0 || jobs != 2 {
		t.Errorf("%d plans, %d workflows, %d files of jobs", plans, workflows, jobs)
	}
	for _, name := range core.PipelineVariables {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/drivers.md does not know the variable %s", name)
		}
	}
}

// told reports what a job of GitLab's uses that it is not told.
func told(t *testing.T, text string) {
	t.Helper()
	var file map[string]struct {
		Script []string `yaml:"script"`
		Group  string   `yaml:"resource_group"`
	}
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	if job := file["deploy"]; len(job.Script) == 0 || !strings.HasPrefix(job.Group, "deploy-$") {
		t.Errorf("it has the jobs %v", file)
	}
	for _, name := range regexp.MustCompile(`BREAKWATER_[A-Z]+`).FindAllString(text, -1) {
		if !slices.Contains(core.PipelineVariables, name) {
			t.Errorf("it uses %s", name)
		}
	}
}

// startable reports what a workflow lacks that the driver is to start.
func startable(t *testing.T, text string) {
	t.Helper()
	var workflow struct {
		RunName string `yaml:"run-name"`
		On      struct {
			Dispatch struct {
				Inputs map[string]any `yaml:"inputs"`
			} `yaml:"workflow_dispatch"`
		} `yaml:"on"`
	}
	if err := yaml.Unmarshal([]byte(text), &workflow); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(workflow.On.Dispatch.Inputs)); !slices.Equal(got, core.WorkflowInputs) {
		t.Errorf("it declares %v; want %v", got, core.WorkflowInputs)
	}
	if !strings.Contains(workflow.RunName, "${{ inputs.breakwater }}") {
		t.Errorf("its run-name is %q", workflow.RunName)
	}
}
