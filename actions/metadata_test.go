package actions

import (
	"maps"
	"os"
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

func TestActionMatchesTheSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../testdata/schemas/github-action.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var action any
	if err := yaml.Unmarshal(text, &action); err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(action); err != nil {
		t.Error(err)
	}
	action.(map[string]any)["runs"].(map[string]any)["using"] = "podman"
	if schema.Validate(action) == nil {
		t.Error("the schema takes an action that GitHub does not know how to run")
	}
}

func TestActionSaysWhatItIs(t *testing.T) {
	text, err := os.ReadFile("../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var action metadata
	if err := yaml.Unmarshal(text, &action); err != nil {
		t.Fatal(err)
	}
	for name, input := range action.Inputs {
		if input.Default != "" && name != "token" {
			t.Errorf("input %s has a default, which would hide the workflow's env", name)
		}
	}
	want := []string{"next-at", "reason", "rollout", "state", "targets", "wave"}
	if got := slices.Sorted(maps.Keys(action.Outputs)); !slices.Equal(got, want) {
		t.Errorf("outputs %q; want %q", got, want)
	}
	for name := range action.Outputs {
		if !outputName.MatchString(name) {
			t.Errorf("output %q can never be set", name)
		}
	}
}
