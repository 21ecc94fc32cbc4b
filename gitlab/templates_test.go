package gitlab_test

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core/command"
)

// A template is a component: what it takes, and the jobs that it adds.
type template struct {
	inputs map[string]map[string]any
	jobs   map[string]map[string]any
	header any
	text   string // of the jobs
}

// components are the templates with the command that each runs, and what its environment is for: only who deploys may
// create a deployment.
var components = map[string]struct{ command, action, flags string }{
	"bake":     {"run", "verify", " --resume"},
	"check":    {"check", "verify", ""},
	"gate":     {"gate", "", ""},
	"pipeline": {"plan", "", ""},
	"plan":     {"plan", "", ""},
	"rollback": {"rollback", "start", ""},
	"rollout":  {"run", "start", ""},
	"tick":     {"tick", "verify", ""},
}

func load(t *testing.T, name string) template {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("templates", name+".yml"))
	if err != nil {
		t.Fatal(err)
	}
	header, jobs, ok := strings.Cut(string(text), "\n---\n")
	if !ok {
		t.Fatalf("%s has no header", name)
	}
	var h struct {
		Spec struct {
			Inputs map[string]map[string]any
		}
	}
	c := template{text: jobs}
	for document, into := range map[string][]any{header: {&h, &c.header}, jobs: {&c.jobs}} {
		for _, v := range into {
			if err := yaml.Unmarshal([]byte(document), v); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	c.inputs = h.Spec.Inputs
	return c
}

// TestTemplates are all there are.
func TestTemplates(t *testing.T) {
	files, err := filepath.Glob("templates/*")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, name := range slices.Sorted(maps.Keys(components)) {
		want = append(want, filepath.Join("templates", name+".yml"))
	}
	if !slices.Equal(files, want) {
		t.Errorf("the templates are %v; want %v", files, want)
	}
}

// TestTemplatesMatchTheSchema asks GitLab's own schema about both documents of each template, the jobs with the defaults
// of their inputs.
func TestTemplatesMatchTheSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../testdata/schemas/gitlab-ci.json")
	if err != nil {
		t.Fatal(err)
	}
	for name := range components {
		c := load(t, name)
		if err := schema.Validate(c.header); err != nil {
			t.Errorf("%s, the header: %v", name, err)
		}
		if err := schema.Validate(filled(c, nil)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// input is where the value of an input goes.
var input = regexp.MustCompile(`\$\[\[ inputs\.([a-z-]+) \]\]`)

// filled are the jobs of a template with its inputs filled in, those that are not given by their defaults.
func filled(c template, given map[string]any) map[string]any {
	value := func(name string) any {
		if v, ok := given[name]; ok {
			return v
		}
		return c.inputs[name]["default"]
	}
	var fill func(v any) any
	fill = func(v any) any {
		switch v := v.(type) {
		case string:
			if m := input.FindStringSubmatch(v); m != nil && m[0] == v {
				return value(m[1])
			}
			return input.ReplaceAllStringFunc(v, func(s string) string {
				text, _ := yaml.Marshal(value(input.FindStringSubmatch(s)[1]))
				return strings.Trim(strings.TrimSpace(string(text)), `"'`)
			})
		case []any:
			all := make([]any, len(v))
			for i := range v {
				all[i] = fill(v[i])
			}
			return all
		case map[string]any:
			all := make(map[string]any, len(v))
			for k := range v {
				all[fill(k).(string)] = fill(v[k])
			}
			return all
		default:
			return v
		}
	}
	jobs := make(map[string]any)
	for name, job := range c.jobs {
		jobs[fill(name).(string)] = fill(job)
	}
	for _, job := range jobs { // a variable is text, also where an input is all of it
		variables, _ := job.(map[string]any)["variables"].(map[string]any)
		for k, v := range variables {
			if b, ok := v.(bool); ok {
				variables[k] = map[bool]string{true: "true", false: "false"}[b]
			}
		}
	}
	return jobs
}

// TestTemplatesOfJobsOnly keeps global keywords out: they would change the jobs of whoever includes the component.
func TestTemplatesOfJobsOnly(t *testing.T) {
	for name := range components {
		for key := range load(t, name).jobs {
			if !strings.HasPrefix(key, "$[[ inputs.job-prefix ]]") {
				t.Errorf("%s has the key %s, which is no job with the prefix", name, key)
			}
		}
	}
}

// TestTemplatesRunTheirCommand keeps each script one command without a single input in it, and each variable a flag of that
// command with the input of the same name.
func TestTemplatesRunTheirCommand(t *testing.T) {
	for name, want := range components {
		c := load(t, name)
		known := flags(t, want.command)
		for key, job := range c.jobs {
			if job["trigger"] != nil {
				continue
			}
			if script := job["script"]; !reflect.DeepEqual(script, []any{"breakwater " + want.command + want.flags}) {
				t.Errorf("%s runs %v; want breakwater %s%s", key, script, want.command, want.flags)
			}
			for _, hook := range []string{"before_script", "after_script", "hooks"} {
				if job[hook] != nil {
					t.Errorf("%s: %s has %s", name, key, hook)
				}
			}
			variables, _ := job["variables"].(map[string]any)
			for variable, value := range variables {
				flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, "BREAKWATER_"), "_", "-"))
				flag, down := strings.CutPrefix(flag, "child-")
				if !known[flag] && !(down && flags(t, "run")[flag]) {
					t.Errorf("%s: %s is no flag of breakwater %s", name, variable, want.command)
				}
				if m := input.FindStringSubmatch(value.(string)); m != nil && m[1] != flag {
					t.Errorf("%s: %s has the input %s", name, variable, m[1])
				}
			}
		}
	}
}

// flagName is a flag in a help text.
var flagName = regexp.MustCompile(`(?m)^\s{2,8}--([a-z-]+)`)

func flags(t *testing.T, verb string) map[string]bool {
	t.Helper()
	var help strings.Builder
	command.Main(context.WithoutCancel(t.Context()), []string{verb, "--help"}, command.Env{Stdout: &help, Stderr: io.Discard})
	all := make(map[string]bool)
	for _, m := range flagName.FindAllStringSubmatch(help.String(), -1) {
		all[m[1]] = true
	}
	return all
}

// TestTemplateInputs keeps every input described and used, and every one that is used there.
func TestTemplateInputs(t *testing.T) {
	for name := range components {
		c := load(t, name)
		used := make(map[string]bool)
		for _, m := range input.FindAllStringSubmatch(c.text, -1) {
			used[m[1]] = true
		}
		if got, want := slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(c.inputs)); !slices.Equal(got, want) {
			t.Errorf("%s uses the inputs %v, and has %v", name, got, want)
		}
		for in, spec := range c.inputs {
			if spec["description"] == nil {
				t.Errorf("%s: nothing describes %s", name, in)
			}
			if _, ok := spec["default"]; !ok {
				t.Errorf("%s: %s must be given; there is a default that does for most", name, in)
			}
			if form, ok := spec["regex"].(string); ok && !regexp.MustCompile(form).MatchString(spec["default"].(string)) {
				t.Errorf("%s: the default of %s is not of its form", name, in)
			}
		}
	}
}

// TestTemplateInputsAgree keeps an input the same in every component, but for what it is by default.
func TestTemplateInputsAgree(t *testing.T) {
	forms := make(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(components)) {
		for in, spec := range load(t, name).inputs {
			form := spec["regex"]
			if before, ok := forms[in]; ok && !reflect.DeepEqual(before, form) && in != "reason" {
				t.Errorf("%s of %s is of the form %v; elsewhere it is %v", in, name, form, before)
			}
			forms[in] = form
		}
	}
}

// TestTemplatesDeploy keeps deployments, the lock and the timeout where something is deployed, and lets GitLab cancel none
// of those jobs for a newer commit.
func TestTemplatesDeploy(t *testing.T) {
	for name, want := range components {
		for key, job := range load(t, name).jobs {
			environment, _ := job["environment"].(map[string]any)
			if action, _ := environment["action"].(string); action != want.action {
				t.Errorf("%s: %s has an environment to %q; want %q", name, key, action, want.action)
			}
			if acts := want.command == "run" || want.command == "rollback" || want.command == "tick" || name == "pipeline"; acts && job["interruptible"] != false {
				t.Errorf("%s: %s may be cancelled for a newer commit", name, key)
			}
		}
	}
	if job := load(t, "pipeline").jobs["$[[ inputs.job-prefix ]]waves"]; !reflect.DeepEqual(job["trigger"], map[string]any{
		"include":  []any{map[string]any{"artifact": "breakwater-pipeline.yml", "job": "$[[ inputs.job-prefix ]]plan"}},
		"strategy": "depend", // the lock is held, and the pipeline waits, until the child has ended
		"forward":  map[string]any{"yaml_variables": false, "pipeline_variables": true},
	}) || job["resource_group"] == nil {
		t.Errorf("the trigger is %v", job)
	}
}
