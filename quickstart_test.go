package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// TestQuickstart runs the README's first command, and then the two commands that it prints.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	y := newYard(t, nil)
	text := y.run(t, core.ExitDone, y.binary, "quickstart")
	for _, want := range []string{
		"SUCCEEDED. Version v2 is out on every wave and has passed every bake.",
		"ROLLING BACK 1 target.",
		"shop/quickstart  v2 -> v3  ROLLED-BACK",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("quickstart never said %q", want)
		}
	}
	if left := y.processes(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	commands := regexp.MustCompile(`(?m)^To (?:look at|repeat) it: +(cd (\S+) && .+)$`).FindAllStringSubmatch(text, -1)
	if len(commands) != 2 {
		t.Fatalf("quickstart should print two commands:\n%s", text)
	}
	status := y.run(t, core.ExitDone, "sh", "-c", commands[0][1])
	if !strings.HasPrefix(status, "shop/quickstart  v2 -> v3  ROLLED-BACK\n") {
		t.Errorf("the first command prints:\n%s", status)
	}
	y.run(t, core.ExitRolledBack, "sh", "-c", commands[1][1])

	// The second command starts the fleet again, and leaves it: somebody may want to look at it.
	servers, err := filepath.Glob(filepath.Join(commands[1][2], "fleet", "*.pid"))
	if err != nil || len(servers) != 6 {
		t.Fatalf("%d servers, %v", len(servers), err)
	}
	for _, file := range servers {
		noted, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.Fields(string(noted))[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if !eventually(func() bool { return len(y.processes(t)) == 0 }) {
		t.Errorf("processes are left: %v", y.processes(t))
	}
}

// TestQuickstartInterrupted stops it in its middle: no process is left.
func TestQuickstartInterrupted(t *testing.T) {
	t.Parallel()
	moments := map[string]string{
		"fleet": "Quickstart in ", "deploy": "deploying v2 to 1 target", "bake": "baking for at least",
	}
	for name, moment := range moments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := newYard(t, nil)
			p := y.start(t, y.binary, "quickstart")
			p.out.await(t, moment)
			y.interrupt(t, p, os.Interrupt, core.ExitHalted)
			if text := p.out.String(); !strings.Contains(text, "\nStopped. No server is left; the folder is ") {
				t.Errorf("it ended with:\n%s", text)
			}
		})
	}
}
