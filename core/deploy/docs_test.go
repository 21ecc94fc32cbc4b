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

// TestDocs takes docs/drivers.md at its word: its plan loads, and its workflow can be started by it.
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
	plans, workflows := 0, 0
	for _, block := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		switch {
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
	if plans == 0 || workflows == 0 {
		t.Errorf("%d plans, %d workflows", plans, workflows)
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
