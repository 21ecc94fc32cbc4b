package deploy_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/deploy"
	"github.com/breakwater-ci/breakwater/core/deploy/deploytest"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// scripts deploy to a folder: a file for each target holds its version. One that hangs, and what it starts, hold the
// write end of a named pipe.
var scripts = map[deploytest.Behavior]string{
	deploytest.Works: `echo "$BREAKWATER_PREVIOUS to $BREAKWATER_VERSION"; printf %s "$BREAKWATER_VERSION" > "$BREAKWATER_TARGET"`,
	deploytest.Fails: `echo "` + deploytest.Complaint + `"; echo "token: $DEPLOY_TOKEN" >&2; exit 3`,
	deploytest.Hangs: `exec 9> busy; trap '' TERM; (while :; do sleep 1; done) & while :; do sleep 1; done`,
}

func TestRun(t *testing.T) {
	deploytest.Run(t, func(t *testing.T, b deploytest.Behavior, timeout time.Duration) deploytest.World {
		dir := t.TempDir()
		busy := filepath.Join(dir, "busy")
		if err := syscall.Mkfifo(busy, 0o600); err != nil {
			t.Fatal(err)
		}
		pipe, err := os.OpenFile(busy, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pipe.Close() })
		sh := shell.New(dir, []string{"PATH=/usr/bin:/bin", "DEPLOY_TOKEN=" + deploytest.Secret})
		sh.Grace = 50 * time.Millisecond
		behave := func(b deploytest.Behavior) {
			if err := os.WriteFile(filepath.Join(dir, "deploy.sh"), []byte(scripts[b]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		behave(b)
		open := func() core.Driver {
			driver, err := deploy.Open("run", &core.Command{Script: ". ./deploy.sh"}, deploy.Env{Shell: sh, Timeout: timeout})
			if err != nil {
				t.Fatal(err)
			}
			return driver
		}
		return deploytest.World{
			Driver: open(), Behave: behave, Another: open,
			Version: func(target string) string {
				version, err := os.ReadFile(filepath.Join(dir, target))
				if err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
				return string(version)
			},
			Busy: func() bool {
				pipe.SetReadDeadline(time.Now().Add(time.Millisecond))
				_, err := pipe.Read(make([]byte, 1)) // the end of the pipe comes when nobody can write
				return errors.Is(err, os.ErrDeadlineExceeded)
			},
		}
	})
}

func TestFailure(t *testing.T) {
	driver, err := deploy.Open("run", &core.Command{Script: "echo no space left; exit 3"},
		deploy.Env{Shell: shell.New(t.TempDir(), nil)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := driver.Deploy(t.Context(), core.Act{}); err == nil || err.Error() != "exit 3: no space left" {
		t.Errorf("got %v", err)
	}
}

func TestOpen(t *testing.T) {
	if !slices.IsSortedFunc(deploy.Drivers, func(a, b deploy.Kind) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the table of drivers is not sorted")
	}
	if _, err := deploy.Open("rnu", nil, deploy.Env{}); err == nil || err.Error() != `the driver "rnu" is unknown; known: aws-codebuild, aws-codedeploy, aws-codepipeline, aws-ecs, aws-lambda, github-workflow, gitlab-job, gitlab-pipeline, jobs, run` {
		t.Errorf("unknown driver: %v", err)
	}
	for _, options := range []any{nil, core.Command{}, (*core.Command)(nil)} {
		if _, err := deploy.Open("run", options, deploy.Env{}); err == nil {
			t.Errorf("options %#v were taken", options)
		}
	}
}
