package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/ledger"
)

// patience is how long a process may take before a test gives it up. Nothing is measured by it.
const patience = 2 * time.Minute

// A workshop is the tests with a folder for the product that they build.
type workshop struct{ *testing.M }

func (w workshop) Run() int {
	dir, err := os.MkdirTemp("", "breakwater-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	product = sync.OnceValues(func() (string, error) {
		file := filepath.Join(dir, "breakwater")
		said, err := exec.Command("go", "build", "-buildvcs=false", "-o", file, ".").CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%w: %s", err, said)
		}
		return file, nil
	})
	return w.M.Run()
}

// product builds the product, as its user gets it: without what the test binary has besides. It is built when the
// first test asks for it.
var product func() (string, error)

// A yard is a folder in which the product runs as a process of its own.
type yard struct {
	dir    string
	binary string // of the product
	mark   string // in the environment of every process that comes from here
	env    []string
}

// newYard returns a yard with the files that are given by name.
func newYard(t *testing.T, files map[string]string) yard {
	t.Helper()
	binary, err := product()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	y := yard{dir: dir, binary: binary, mark: "YARD=" + rand.Text()}
	y.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + t.TempDir(), "USER=ada", "GIT_CONFIG_NOSYSTEM=1", y.mark,
	}
	if err := os.Mkdir(y.path("fleet"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(y.path(name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, pid := range y.processes(t) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return y
}

func (y yard) path(name string) string { return filepath.Join(y.dir, name) }

// read returns what is in a file, "" if there is none.
func (y yard) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(y.path(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// await waits until a file holds a text.
func (y yard) await(t *testing.T, name, text string) {
	t.Helper()
	if !eventually(func() bool { return strings.Contains(y.read(t, name), text) }) {
		t.Fatalf("%s never held %q, but %q", name, text, y.read(t, name))
	}
}

// A process is one run of a program. What it prints on both streams is one text.
type process struct {
	*exec.Cmd
	out *output
}

// start starts a program.
func (y yard) start(t *testing.T, program string, args ...string) process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	p := process{exec.CommandContext(ctx, program, args...), new(output)}
	p.Dir, p.Env, p.Stdout, p.Stderr = y.dir, y.env, p.out, p.out
	p.WaitDelay = time.Second // what a killed process leaves behind may hold its output open
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// code waits for the end of the process and returns its exit code, -1 if a signal ended it.
func (p process) code(t *testing.T) int {
	t.Helper()
	if err := p.Wait(); p.ProcessState == nil {
		t.Fatal(err)
	}
	return p.ProcessState.ExitCode()
}

// run runs a program to its end, which must have the exit code want, and returns what it printed.
func (y yard) run(t *testing.T, want int, program string, args ...string) string {
	t.Helper()
	p := y.start(t, program, args...)
	if code := p.code(t); code != want {
		t.Fatalf("%s %s: exit code %d, not %d:\n%s", program, strings.Join(args, " "), code, want, p.out)
	}
	return p.out.String()
}

// rollout returns what the ledger knows.
func (y yard) rollout(t *testing.T, url string, line core.Line) (*core.Rollout, []core.Event) {
	t.Helper()
	book, err := ledger.Open(t.Context(), url, ledger.Env{Dir: y.dir, Environ: y.env, Clock: wall{}})
	if err != nil {
		t.Fatal(err)
	}
	defer book.(io.Closer).Close()
	events, err := book.Read(t.Context(), line)
	if err != nil {
		t.Fatal(err)
	}
	r, err := core.Replay(line, events)
	if err != nil {
		t.Fatal(err)
	}
	return r, events
}

// processes finds every process that comes from the yard, whoever its parent is by now.
func (y yard) processes(t *testing.T) []int {
	t.Helper()
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range environs {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it is gone, or another user's
		}
		if bytes.Contains(text, []byte(y.mark)) {
			pid, err := strconv.Atoi(strings.Split(file, "/")[2])
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// output collects what a process prints. It can be read meanwhile.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until the process has printed a text.
func (o *output) await(t *testing.T, text string) {
	t.Helper()
	if !eventually(func() bool { return strings.Contains(o.String(), text) }) {
		t.Fatalf("never printed %q, but:\n%s", text, o)
	}
}

// wall is the clock of the ledgers that the tests read.
type wall struct{}

func (wall) Now() time.Time { return time.Now() }

func (wall) Wait(ctx context.Context, until time.Time) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
