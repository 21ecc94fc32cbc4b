package main

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/breakwater-ci/breakwater/core/aws/awstest"
)

var update = flag.Bool("update", false, "write what the scripts print into the files to compare it with")

// TestMain makes the test binary the product: where it is called breakwater, it is main.
func TestMain(m *testing.M) {
	testscript.Main(workshop{m}, map[string]func(){"breakwater": main})
}

// TestScripts runs the product as its user does: each script under testdata/scripts is a folder of files and the
// commands that somebody types there. The files of testdata/scripts/common are in every folder.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/scripts",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("USER", "ada")
			env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			env.Values[towerKey{}] = new(*awstest.Server)
			if err := os.Mkdir(filepath.Join(env.WorkDir, "fleet"), 0o755); err != nil {
				return err
			}
			return os.CopyFS(env.WorkDir, os.DirFS("testdata/scripts/common"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "await": await, "buildspec": writeBuild, "cloud": cloud(t), "codecommit": towers{t}.codecommit,
		},
	})
}

// exits runs a program and compares its exit code: exits CODE PROGRAM [ARG...]. What it prints is made steady, so that
// a script can compare all of it.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	work := ts.Getenv("WORK")
	stdout, stderr := steady(ts.ReadFile("stdout"), work), steady(ts.ReadFile("stderr"), work)
	_, _ = ts.Stdout().Write([]byte(stdout)) // into memory
	_, _ = ts.Stderr().Write([]byte(stderr))
	if code != want {
		ts.Fatalf("exit code %d, not %d", code, want)
	}
}

// unsteady is what differs from one run of a command to the next.
var unsteady = []struct{ from, to string }{
	{`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`, "YYYY-MM-DDTHH:MM:SSZ"},
	{`\b\d{4}-\d\d-\d\d \d\d:\d\d\b`, "YYYY-MM-DD HH:MM"},
	{`(?m)(^|until )\d\d:\d\d:\d\d\b`, "${1}HH:MM:SS"},
	{`\b\d\.\ds\b`, "0.0s"},
	{`\b\ds\b`, "0s"},
	{`\bprocess \d+ on [^\s)]+`, "process PID on HOST"},
}

func steady(text, work string) string {
	text = strings.ReplaceAll(text, work, "$WORK")
	for _, u := range unsteady {
		text = regexp.MustCompile(u.from).ReplaceAllString(text, u.to)
	}
	return text
}

// await waits until a file has text that matches: await PATTERN FILE.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await PATTERN FILE")
	}
	file, pattern := ts.MkAbs(args[1]), regexp.MustCompile("(?m)"+args[0])
	if !eventually(func() bool {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			ts.Fatalf("%v", err)
		}
		return pattern.Match(text)
	}) {
		ts.Fatalf("%s never matched %q", args[1], args[0])
	}
}

// eventually looks again and again whether something holds, and reports false if it does not within a minute.
func eventually(holds func() bool) bool {
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late.C:
			return false
		}
	}
	return true
}
