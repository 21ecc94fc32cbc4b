package actions

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// metadata is what the tests need of an action.yml.
type metadata struct {
	Inputs map[string]struct {
		Description string `yaml:"description"`
		Default     string `yaml:"default"`
	} `yaml:"inputs"`
	Outputs map[string]struct {
		Description string `yaml:"description"`
	} `yaml:"outputs"`
}

// rollout are the outputs of an action that works on one.
var rollout = []string{"next-at", "reason", "rollout", "state", "targets", "wave"}

// with are the outputs of an action that works on a rollout and has more to say.
func with(more ...string) []string { return slices.Sorted(slices.Values(slices.Concat(rollout, more))) }

// files are the actions with their outputs.
var files = map[string][]string{
	"../action.yml":       rollout,
	"bake/action.yml":     with("next"),
	"check/action.yml":    {"reason"},
	"gate/action.yml":     {"next-at", "reason"},
	"plan/action.yml":     {"matrix", "reason", "waves"},
	"promote/action.yml":  rollout,
	"report/action.yml":   with("report"),
	"rollback/action.yml": with("attempt", "jobs", "matrix", "parallel"),
	"start/action.yml":    with("attempt", "jobs", "matrix", "parallel"),
	"tick/action.yml":     with("lines"),
}

func TestActionMatchesTheSchema(t *testing.T) {
	there, err := filepath.Glob("*/action.yml")
	if err != nil || len(there) != len(files)-1 {
		t.Errorf("the actions are %v, %v; want those that are tested", there, err)
	}
	schema, err := jsonschema.NewCompiler().Compile("../testdata/schemas/github-action.json")
	if err != nil {
		t.Fatal(err)
	}
	for file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var action any
		if err := yaml.Unmarshal(text, &action); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(action); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		action.(map[string]any)["runs"].(map[string]any)["using"] = "podman"
		if schema.Validate(action) == nil {
			t.Error("the schema takes an action that GitHub does not know how to run")
		}
	}
}

func TestActionSaysWhatItIs(t *testing.T) {
	for file, want := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var action metadata
		if err := yaml.Unmarshal(text, &action); err != nil {
			t.Fatal(err)
		}
		for name, input := range action.Inputs {
			if input.Default != "" && name != "token" {
				t.Errorf("%s: input %s has a default, which would hide the workflow's env", file, name)
			}
		}
		if got := slices.Sorted(maps.Keys(action.Outputs)); !slices.Equal(got, want) {
			t.Errorf("%s: outputs %q; want %q", file, got, want)
		}
		for name := range action.Outputs {
			if !outputName.MatchString(name) {
				t.Errorf("%s: output %q can never be set", file, name)
			}
		}
	}
}
