package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core/command"
	"github.com/breakwater-ci/breakwater/core/lint"
)

// block is a fenced block of Markdown with a language.
var block = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

func readme(t *testing.T, language, first string) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range block.FindAllStringSubmatch(string(text), -1) {
		if b[1] == language && strings.HasPrefix(b[2], first) {
			return b[2]
		}
	}
	t.Fatalf("README.md has no %s block that begins with %q", language, first)
	return ""
}

// TestReadmeBlocks knows every block of the README: it is run here, or by the CI, or it is data that a test reads.
func TestReadmeBlocks(t *testing.T) {
	known := map[string]string{
		"sh: go run . quickstart": "TestQuickstart, and .ci/run",
		"sh: go test ./...":       ".ci/run",
		"sh: #!/bin/sh":           "TestReadmePlan",
		"sh: breakwater doctor":   "TestReadmeCommands",
		"yaml: version: 1":        "TestReadmePlan",
		"yaml: name: release":     "TestReadmeWorkflow, and .ci/run under a runner",
		"yaml: name: gate":        "TestReadmeWorkflow, and .ci/run under a runner",
		"yaml: name: park":        "TestReadmeWorkflow, and .ci/run under a runner",
		"yaml: name: tick":        "TestReadmeWorkflow, and .ci/run under a runner",
		"yaml: name: waves":       "TestReadmeWorkflow, and .ci/run under a runner",
		"yaml: # .gitlab-ci.yml":  "TestReadmeGitLab, and .ci/run under an engine for pipelines",
		"yaml: windows:":          "TestReadmeWindows",
		"yaml: # policy.yaml":     "TestReadmePolicy",
		"mermaid: stateDiagram":   "for people",
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range block.FindAllStringSubmatch(string(text), -1) {
		found := false
		for k := range known {
			found = found || strings.HasPrefix(b[1]+": "+b[2], k)
		}
		if !found {
			t.Errorf("nothing tests this block:\n%s", b[2])
		}
	}
}

// newcomer is a folder with the files that the README tells to make.
func newcomer(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"breakwater.yaml": readme(t, "yaml", "version: 1"),
		"deploy.sh":       readme(t, "sh", "#!/bin/sh"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func call(t *testing.T, dir string, args ...string) (int, string) {
	t.Helper()
	var out strings.Builder
	environ := append(os.Environ(), "GITHUB_ACTIONS=")
	code := command.Main(context.WithoutCancel(t.Context()), args, command.Env{Stdout: &out, Stderr: io.MultiWriter(&out), Environ: environ, Dir: dir})
	return code, out.String()
}

func TestReadmePlan(t *testing.T) {
	code, out := call(t, newcomer(t), "plan")
	if code != 0 || !strings.Contains(out, "3 targets in 3 waves") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// TestReadmeWindows adds the README's windows to its plan: what it says of a Friday is so.
func TestReadmeWindows(t *testing.T) {
	dir := newcomer(t)
	plan := filepath.Join(dir, "breakwater.yaml")
	text := readme(t, "yaml", "version: 1") + readme(t, "yaml", "windows:")
	if err := os.WriteFile(plan, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out := call(t, dir, "plan", "--json", "--at", "2026-11-27T10:12:00Z")
	const want = "Blocked: wave one-box may not start before 2026-11-30 09:00 Europe/Dublin: no window, as it is Fri 10:12 Europe/Dublin and only Mon-Thu 09:00-16:00 target is allowed."
	if code != 0 || !strings.Contains(out, want) {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	all, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(strings.Fields(string(all)), " "); !strings.Contains(said, want) {
		t.Error("the README says something else of a Friday")
	}
}

// TestReadmePolicy asks the README's plan to keep to its policy: what it says of that is so.
func TestReadmePolicy(t *testing.T) {
	dir := newcomer(t)
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(readme(t, "yaml", "# policy.yaml")), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out := call(t, dir, "plan", "--policy", "policy.yaml")
	all, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	said := strings.ReplaceAll("\n"+strings.TrimSpace(out), "\n", "\n    ")
	if code != 2 || !strings.Contains(string(all), said+"\n") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// TestReadmeCommands calls every command of the README in a newcomer's folder, where nothing has been released yet.
func TestReadmeCommands(t *testing.T) {
	want := map[string]struct {
		code int
		says string
	}{
		"doctor":   {2, "PROMETHEUS_URL"},
		"plan":     {0, "EARLIEST FINISH"},
		"simulate": {5, "rolled-back"},
		"status":   {0, "No rollout on checkout/production yet."},
		"gate":     {0, "The gate of checkout/production is open. A change may enter."},
		"tick":     {0, "Parked lines: 0, due: 0."},
		"history":  {0, "No rollout on checkout/production started within the last 90d."},
		"report":   {0, "No rollout on checkout/production yet."},
		"rollback": {2, "PROMETHEUS_URL"}, // it needs what the plan needs
		"promote":  {2, "PROMETHEUS_URL"},
		"abort":    {2, "PROMETHEUS_URL"},
		"check":    {2, "PROMETHEUS_URL"},
		"backtest": {2, "PROMETHEUS_URL"},
	}
	dir := newcomer(t)
	for line := range strings.Lines(readme(t, "sh", "breakwater doctor")) {
		line, _, _ = strings.Cut(line, " #")
		line = strings.TrimSpace(line)
		args := strings.Split(strings.TrimSpace(line), " ")[1:]
		if _, quoted, ok := strings.Cut(line, `"`); ok {
			args = []string{args[0], args[1], strings.Trim(strings.TrimSpace(quoted), `"`)}
		}
		w, known := want[args[0]]
		if !known {
			t.Errorf("nothing is known of %q", line)
			continue
		}
		if code, out := call(t, dir, args...); code != w.code || !strings.Contains(out, w.says) {
			t.Errorf("%s: exit code %d, want %d and ... %s ...:\n%s", line, code, w.code, w.says, out)
		}
	}
}

// TestReadmeWorkflow keeps the README's workflows those that are run under a runner.
func TestReadmeWorkflow(t *testing.T) {
	for name, file := range map[string]string{"release": "readme.yml", "gate": "gate.yml", "park": "park.yml", "tick": "tick.yml", "waves": "waves.yml"} {
		run, err := os.ReadFile("testdata/e2e/github/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if got := readme(t, "yaml", "name: "+name); got != string(run) {
			t.Errorf("the README's workflow is not testdata/e2e/github/%s:\n%s", file, got)
		}
	}
	text, err := os.ReadFile("docs/github.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := block.FindAllStringSubmatch(string(text), -1)
	for _, file := range []string{"matrix.yml", "oidc.yml"} {
		run, err := os.ReadFile("testdata/e2e/github/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(blocks, func(b []string) bool { return b[2] == string(run) }) {
			t.Errorf("docs/github.md does not have testdata/e2e/github/%s", file)
		}
	}
	if len(blocks) != 2 {
		t.Errorf("docs/github.md has %d blocks; want those of which a test knows", len(blocks))
	}
}

// TestReadmeGitLab keeps the pipelines of both READMEs those that are run by an engine.
func TestReadmeGitLab(t *testing.T) {
	files, err := filepath.Glob("testdata/e2e/gitlab/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no pipelines: %v", err)
	}
	run := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		run[string(text)] = file
	}
	for _, name := range []string{"README.md", "gitlab/README.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		shown := make(map[string]bool)
		for _, b := range block.FindAllStringSubmatch(string(text), -1) {
			if name == "README.md" && !strings.HasPrefix(b[2], "# .gitlab") {
				continue
			}
			if run[b[2]] == "" {
				t.Errorf("%s: no file of testdata/e2e/gitlab is\n%s", name, b[2])
			}
			shown[run[b[2]]] = true
		}
		if name != "README.md" && len(shown) != len(files) {
			t.Errorf("%s shows %d pipelines; there are %d", name, len(shown), len(files))
		}
	}
}

// flagName is a flag in a help text.
var flagName = regexp.MustCompile(`--([a-z-]+)`)

// TestActionInputs keeps the inputs of each action the flags of the command that it runs.
func TestActionInputs(t *testing.T) {
	for _, command := range []string{"run", "plan", "check", "tick", "gate", "promote", "report", "rollback", "start", "bake"} {
		file := filepath.Join("actions", command, "action.yml")
		if command == "run" {
			file = "action.yml"
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var action struct {
			Inputs map[string]any
			Runs   struct{ Args []string }
		}
		if err := yaml.Unmarshal(text, &action); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(action.Runs.Args, []string{command}) {
			t.Errorf("%s runs %q; want %s", file, action.Runs.Args, command)
		}
		_, help := call(t, t.TempDir(), command, "--help")
		_, help, _ = strings.Cut(help, "Flags:")
		flags := map[string]bool{"token": true} // is for GitHub and no command's
		for line := range strings.Lines(help) {
			if f := flagName.FindStringSubmatch(line); f != nil && strings.Index(line, f[0]) < 10 { // else it is prose
				flags[f[1]] = true
			}
		}
		delete(flags, "help")
		delete(flags, "json") // a step has outputs
		for _, flag := range map[string][]string{"plan": {"environment", "image", "include"}, "gate": {"status-check"}, "start": {"acts"},
			"rollback": {"acts", "child", "environment", "image", "include"}}[command] { // are for GitLab
			delete(flags, flag)
		}
		if got, want := slices.Sorted(maps.Keys(action.Inputs)), slices.Sorted(maps.Keys(flags)); !slices.Equal(got, want) {
			t.Errorf("%s: the inputs are %v, the flags are %v", file, got, want)
		}
	}
}

// TestReadmeRules keeps the README's table of rules that of the code.
func TestReadmeRules(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, p := range lint.Practices() {
		want = append(want, fmt.Sprintf("| %s | %s | %s | %s. %s | %s |", p.ID, p.Name, p.Level, p.Title, p.Why, p.From))
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| BW") {
			got = append(got, strings.TrimRight(line, "\n"))
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the table of rules should be\n%s", strings.Join(want, "\n"))
	}
}

// TestExamples takes the plans of docs/aws-examples.md: each has waves, and its rollout goes through on a virtual clock, forwards
// and back.
func TestExamples(t *testing.T) {
	text, err := os.ReadFile("docs/aws-examples.md")
	if err != nil {
		t.Fatal(err)
	}
	drivers := make(map[string]bool)
	for _, b := range block.FindAllStringSubmatch(string(text), -1) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte(b[2]), 0o644); err != nil {
			t.Fatal(err)
		}
		drivers[regexp.MustCompile(`aws-[a-z]+`).FindString(b[2])] = true
		for _, c := range []struct {
			code int
			args []string
		}{
			{0, []string{"plan", "--version", "v2", "--strict"}},
			{0, []string{"simulate"}},
			{5, []string{"simulate", "--fail", "wave=2"}},
		} {
			if code, out := call(t, dir, c.args...); code != c.code {
				t.Errorf("%v: exit code %d; want %d:\n%s\n%s", c.args, code, c.code, b[2], out)
			}
		}
	}
	if len(drivers) != 5 {
		t.Errorf("there are plans for %v", slices.Sorted(maps.Keys(drivers)))
	}
}
