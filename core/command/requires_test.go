package command_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/command"
)

// A fakeForge is a CI job on a commit.
type fakeForge struct {
	statuses func(commit string) ([]core.Status, error)
	text     strings.Builder
}

func (f *fakeForge) Job() core.Job {
	return core.Job{Actor: core.Actor{Name: "ada", Run: "7", Attempt: 1}, Commit: "1a2b3c", Ledger: "file:.breakwater"}
}
func (f *fakeForge) Log() core.Log                                 { return f }
func (f *fakeForge) Publish(context.Context, core.Published) error { return nil }
func (f *fakeForge) Group(string, string)                          {}
func (f *fakeForge) Annotate(a core.Annotation)                    { f.text.WriteString(a.Message + "\n") }
func (f *fakeForge) Mask(string)                                   {}

// A readerForge is one that knows statuses.
type readerForge struct{ fakeForge }

func (f *readerForge) Statuses(_ context.Context, commit string) ([]core.Status, error) {
	return f.statuses(commit)
}

// A jumping clock passes time only while somebody waits.
type jumping struct {
	mu  sync.Mutex
	now time.Time
}

func (j *jumping) Now() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.now
}

func (j *jumping) Wait(ctx context.Context, until time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if until.After(j.now) {
		j.now = until
	}
	return ctx.Err()
}

// TestRequires: a rollout begins only once the statuses that its plan requires are green on the commit.
func TestRequires(t *testing.T) {
	status := func(name string, state core.StatusState, text string) core.Status {
		return core.Status{Name: name, State: state, Description: text}
	}
	green := []core.Status{status("build", core.StatusSuccess, ""), status("integration", core.StatusSuccess, "")}
	const table = "The plan requires statuses that are not green on commit 1a2b3c, so nothing was started.\n  STATUS"
	for _, c := range []struct {
		name    string
		timeout string
		answers [][]core.Status // one for each question; the last one stays
		broken  error
		code    int
		says    []string
		asked   int
	}{
		{name: "green", answers: [][]core.Status{green}, code: 0, asked: 1},
		{name: "one is missing", answers: [][]core.Status{green[:1]}, code: 3, asked: 1,
			says: []string{table, "  integration  missing  -\n", "Run this again once they are."}},
		{name: "one is red, and waiting would not help", timeout: "10m", code: 3, asked: 1,
			answers: [][]core.Status{{status("build", core.StatusPending, ""), status("integration", core.StatusFailure, "3 tests failed\nbadly")}},
			says:    []string{"  build        pending  -\n", "  integration  failure  3 tests failed"}},
		{name: "one comes in time", timeout: "1m", answers: [][]core.Status{nil, green[:1], green}, code: 0, asked: 3,
			says: []string{"Waiting until 09:01:00 UTC for what the plan requires: build (missing), integration (missing)."}},
		{name: "one does not", timeout: "40s", answers: [][]core.Status{green[:1]}, code: 3, asked: 3, says: []string{"  integration  missing  -\n"}},
		{name: "nobody can tell", broken: errors.New("502 Bad Gateway"), code: 1, asked: 1,
			says: []string{"what the plan requires could not be read, and nothing was started: 502 Bad Gateway"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, asked := requiring(t, c.timeout), 0
			forge := &readerForge{}
			forge.statuses = func(commit string) ([]core.Status, error) {
				if commit != "1a2b3c" {
					t.Errorf("asked about %q", commit)
				}
				asked++
				if c.broken != nil {
					return nil, c.broken
				}
				return c.answers[min(asked, len(c.answers))-1], nil
			}
			var out strings.Builder
			code := command.Main(t.Context(), []string{"run", "--first-release"}, command.Env{Stdout: &out, Stderr: io.Discard, Dir: dir,
				Environ: []string{"PATH=" + os.Getenv("PATH")}, Forge: forge, Clock: &jumping{now: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)}})
			said := out.String() + forge.text.String()
			if code != c.code || asked != c.asked {
				t.Errorf("exit code %d after %d questions\n%s", code, asked, said)
			}
			for _, want := range c.says {
				if !strings.Contains(said, want) {
					t.Errorf("does not say %q:\n%s", want, said)
				}
			}
			_, err := os.Stat(filepath.Join(dir, "touched"))
			if touched := err == nil; touched != (c.code == 0) {
				t.Errorf("touched: %t", touched)
			}
		})
	}
}

// TestRequiresWithoutAForge: what cannot be asked is not green.
func TestRequiresWithoutAForge(t *testing.T) {
	dir := requiring(t, "")
	var stderr strings.Builder
	code := command.Main(t.Context(), []string{"run", "--version", "v1", "--first-release"},
		command.Env{Stdout: io.Discard, Stderr: &stderr, Dir: dir, Environ: []string{"PATH=" + os.Getenv("PATH")}})
	if want := "breakwater: The plan requires the statuses build, integration on the commit, and nobody here knows of any: " +
		"this is no job of a CI system whose statuses Breakwater can read. Run it there.\n"; code != 2 || stderr.String() != want {
		t.Errorf("%d\n%s", code, stderr.String())
	}
}

// TestACrashIsNoSuccess: a panic goes on to the runtime, which ends the process with an exit code that is not 0.
func TestACrashIsNoSuccess(t *testing.T) {
	defer func() {
		if p := recover(); p != "broken" {
			t.Errorf("recovered %v", p)
		}
	}()
	forge := &readerForge{}
	forge.statuses = func(string) ([]core.Status, error) { panic("broken") }
	code := command.Main(t.Context(), []string{"run", "--first-release"},
		command.Env{Stdout: io.Discard, Stderr: io.Discard, Dir: requiring(t, ""), Environ: []string{"PATH=" + os.Getenv("PATH")}, Forge: forge})
	t.Errorf("exit code %d", code)
}

// requiring is a folder with a plan that requires two statuses.
func requiring(t *testing.T, timeout string) string {
	t.Helper()
	dir := t.TempDir()
	if timeout != "" {
		timeout = ", timeout: " + timeout
	}
	plan := `
version: 1
service: shop
environment: test
targets: [{name: a}]
waves: [{name: all, select: all}]
requires: {statuses: [build, integration]` + timeout + `}
deploy: {run: touch touched}
bake: {min: 0s}
`
	if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte(plan), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
