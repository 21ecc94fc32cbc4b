package command_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
	"github.com/breakwater-ci/breakwater/core/command"
)

// TestRequiresBuilds: a rollout begins only once the builds that its plan requires have succeeded on the commit.
func TestRequiresBuilds(t *testing.T) {
	const plan = `
version: 1
service: shop
environment: test
targets: [{name: a}]
waves: [{name: all, select: all}]
requires: {builds: [{project: load}, {project: tests, start: true}], timeout: 1h}
deploy: {run: touch touched}
bake: {min: 0s}
`
	for name, c := range map[string]struct {
		ends    string // how the build that is started ends
		loaded  bool
		nowhere bool // this is no job on a commit
		code    int
		says    []string
	}{
		"all is well": {loaded: true, code: core.ExitDone, says: []string{"Waiting until 10:00:00 UTC for what the plan requires: codebuild tests (pending)."}},
		"tests fail":  {loaded: true, ends: "FAILED", code: core.ExitBlocked, says: []string{"  codebuild tests  failure  build tests:00000002 ended with FAILED\n"}},
		"no load":     {code: core.ExitBlocked, says: []string{"  codebuild load  missing  no build of the commit is there\n", "not green on commit 1a2b3c"}},
		"no commit":   {loaded: true, nowhere: true, code: core.ExitUnexpected, says: []string{"nobody says of which commit a build of load must be"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte(plan), 0o644); err != nil {
				t.Fatal(err)
			}
			clock := &jumping{now: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)}
			cloud := awstest.New(t, clock.Now)
			cloud.Look("eu-west-1", func(s *awstest.State) {
				s.Projects["load"] = new(awstest.Project)
				s.Projects["tests"] = &awstest.Project{Starts: func(b *awstest.Build) { b.Resolved, b.Looks, b.Ends = b.Source, 3, c.ends }}
				if c.loaded {
					s.Build(awstest.Build{Project: "load", Source: "1a2b3c"})
				}
			})
			var out strings.Builder
			forge := new(fakeForge)
			env := command.Env{Stdout: &out, Stderr: &out, Dir: dir, Clock: clock, Environ: append(cloud.Environ(), "PATH="+os.Getenv("PATH")), Forge: forge}
			if c.nowhere {
				env.Forge = nil
			}
			code := command.Main(t.Context(), []string{"run", "--first-release", "--version", "v1"}, env)
			_, err := os.Stat(filepath.Join(dir, "touched"))
			if touched := err == nil; code != c.code || touched != (c.code == core.ExitDone) {
				t.Errorf("exit code %d, touched %t:\n%s", code, touched, out.String())
			}
			said := out.String() + forge.text.String()
			for _, want := range c.says {
				if !strings.Contains(said, want) {
					t.Errorf("does not say %q:\n%s", want, said)
				}
			}
		})
	}
}
