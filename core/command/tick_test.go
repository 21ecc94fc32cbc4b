package command_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/command"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
)

// A tickForge is a CI job in a repository whose runs can be started again.
type tickForge struct {
	fakeForge
	ledger    string
	run       string
	restarted []string
	refuses   error
	published core.Published
}

func (f *tickForge) Job() core.Job {
	return core.Job{Actor: core.Actor{Name: "ada", Run: f.run, Attempt: 1}, Commit: "1a2b3c", Ledger: f.ledger}
}

func (f *tickForge) Restart(_ context.Context, run string) error {
	if f.refuses != nil {
		return f.refuses
	}
	f.restarted = append(f.restarted, run)
	return nil
}

func (f *tickForge) Publish(_ context.Context, p core.Published) error {
	f.published = p
	return nil
}

func (f *tickForge) output(name string) string {
	for _, o := range f.published.Outputs {
		if o.Name == name {
			return o.Value
		}
	}
	return ""
}

// An ahead is a clock that runs as fast as the wall's, and is ahead of it.
type ahead struct{ by time.Duration }

func (a *ahead) Now() time.Time { return time.Now().Add(a.by) }

func (a *ahead) Wait(ctx context.Context, until time.Time) error {
	return command.WallClock{}.Wait(ctx, until.Add(-a.by))
}

// A fleetOfLines is a ledger with parked lines.
type fleetOfLines struct {
	t       *testing.T
	clock   *ahead
	ledger  string
	environ []string
}

func newFleetOfLines(t *testing.T) *fleetOfLines {
	return &fleetOfLines{t: t, clock: new(ahead),
		ledger: "file:" + filepath.Join(t.TempDir(), "ledger"), environ: []string{"PATH=" + os.Getenv("PATH")}}
}

// park releases a service up to its first bake, in a folder that is gone when the ticks come. The run is named after it.
func (f *fleetOfLines) park(service, bake, more string) {
	f.t.Helper()
	dir := f.t.TempDir()
	plan := fmt.Sprintf("version: 1\nservice: %s\nenvironment: prod\ntargets: [{name: a}, {name: b}]\n"+
		"waves: [{name: one, select: all, split: {first: 1, growth: 1, max: 1}}]\ndeploy: {run: \"true\"}\n"+
		"bake: {%s, wait: park}\nprecheck: false\n%s\n", service, bake, more)
	if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte(plan), 0o644); err != nil {
		f.t.Fatal(err)
	}
	code, said := f.call(&tickForge{ledger: f.ledger, run: "run-" + service}, dir, "run", "--version", "v2", "--previous", "v1")
	if err := os.RemoveAll(dir); err != nil || code != 0 {
		f.t.Fatalf("exit code %d, %v:\n%s", code, err, said)
	}
}

func (f *fleetOfLines) call(forge *tickForge, dir string, args ...string) (int, string) {
	var out strings.Builder
	code := command.Main(f.t.Context(), args, command.Env{Stdout: &out, Stderr: &out, Dir: dir, Environ: f.environ, Forge: forge, Clock: f.clock})
	return code, out.String() + forge.text.String()
}

// tick is one in an empty folder.
func (f *fleetOfLines) tick(args ...string) (*tickForge, int, string) {
	forge := &tickForge{ledger: f.ledger, run: "tick"}
	code, said := f.call(forge, f.t.TempDir(), append([]string{"tick"}, args...)...)
	return forge, code, said
}

// after lets time pass.
func (f *fleetOfLines) after(d time.Duration) { f.clock.by += d }

// lines are the states of the lines that a tick looked at.
func (f *tickForge) lines(t *testing.T) map[string]string {
	t.Helper()
	var all []struct{ Line, State, Error string }
	if err := json.Unmarshal([]byte(f.output("lines")), &all); err != nil {
		t.Fatalf("lines is %q: %v", f.output("lines"), err)
	}
	states := make(map[string]string)
	for _, l := range all {
		states[l.Line] = l.State
		if l.Error != "" {
			states[l.Line] = "error"
		}
	}
	return states
}

func wantLines(t *testing.T, forge *tickForge, said string, want map[string]string) {
	t.Helper()
	if got := forge.lines(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("looked at %v; want %v\n%s", got, want, said)
	}
}

// TestTickLooksAtEveryParkedLine: what is due is looked at, without any plan file, and what is wrong with one line keeps no
// other from it.
func TestTickLooksAtEveryParkedLine(t *testing.T) {
	f := newFleetOfLines(t)
	const asks = "checks: [{name: smoke, run: \"%s\"}]"
	f.park("short", "min: 10m, max: 20m", "")
	f.park("long", "min: 5h, max: 6h", "")
	f.park("bad", "min: 1h, max: 2h, every: 5m", fmt.Sprintf(asks, "exit 1"))
	f.park("unsure", "min: 1h, max: 2h, every: 5m", fmt.Sprintf(asks, "exit 2"))
	nothing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := map[bool]string{true: "matrix", false: "vector"}[strings.HasSuffix(r.URL.Path, "_range")]
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":%q,"result":[]}}`, kind)
	}))
	defer nothing.Close()
	f.environ = append(f.environ, "WHERE="+nothing.URL)
	f.park("blind", "min: 1h, max: 2h", "sources: {prom: {type: prometheus, url: \"${WHERE}\"}}\n"+
		"checks: [{name: cpu, threshold: {source: prom, query: 'cpu', max: 1}}]")
	f.environ = f.environ[:1]

	forge, code, said := f.tick()
	if code != 0 || forge.output("state") != "" || !strings.Contains(said, "Parked lines: 5, due: 0.\nThe next of the others is due at ") {
		t.Errorf("exit code %d, outputs %v:\n%s", code, forge.published.Outputs, said)
	}
	wantLines(t, forge, said, map[string]string{})

	f.after(14 * time.Minute)
	forge, code, said = f.tick()
	wantLines(t, forge, said, map[string]string{"short/prod": "deploying", "bad/prod": "rolling-back", "unsure/prod": "halted", "blind/prod": "error"})
	for _, want := range []string{"Parked lines: 5, due: 4.", "blind/prod: rollout blind-prod-1 goes on with the plan that it started with, which does not load here", "WHERE"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	slices.Sort(forge.restarted)
	if code != core.ExitHalted || !slices.Equal(forge.restarted, []string{"run-bad", "run-short"}) {
		t.Errorf("exit code %d, started again: %v\n%s", code, forge.restarted, said)
	}
	for _, want := range []string{"## short/prod", "## bad/prod", "## unsure/prod", "## blind/prod was not looked at"} {
		if !strings.Contains(forge.published.Summary, want) {
			t.Errorf("the summary does not show %q:\n%s", want, forge.published.Summary)
		}
	}

	// What was halted is not parked any more; what a run works on is left alone.
	forge, code, said = f.tick()
	wantLines(t, forge, said, map[string]string{"short/prod": "deploying", "bad/prod": "rolling-back", "blind/prod": "error"})
	if code != core.ExitUsage || len(forge.restarted) > 0 {
		t.Errorf("exit code %d, started again: %v\n%s", code, forge.restarted, said)
	}
	// With its variable it is looked at.
	f.environ = append(f.environ, "WHERE="+nothing.URL)
	forge, _, said = f.tick("--json")
	wantLines(t, forge, said, map[string]string{"short/prod": "deploying", "bad/prod": "rolling-back", "blind/prod": "baking"})
	if !strings.Contains(said, "[\n  {\n    \"rollout\": \"bad-prod-1\",") {
		t.Errorf("--json gives\n%s", said)
	}
}

// TestTickAtOneLine: with --plan the line is looked at whether or not it has a marker, and gets the one that it lacks.
func TestTickAtOneLine(t *testing.T) {
	f := newFleetOfLines(t)
	f.park("long", "min: 5h, max: 6h", "")
	f.park("other", "min: 10m, max: 20m", "")
	folder := strings.TrimPrefix(f.ledger, "file:") + "/.parked"
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	f.after(time.Hour)
	plan := filepath.Join(t.TempDir(), "plan.yaml")
	text := "version: 1\nservice: long\nenvironment: prod\ntargets: [{name: a}]\nwaves: [{name: all, select: all}]\ndeploy: {run: \"true\"}\nbake: {min: 1h}\n"
	if err := os.WriteFile(plan, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	forge, code, said := f.tick("--plan", plan)
	wantLines(t, forge, said, map[string]string{"long/prod": "baking"})
	if code != 0 || forge.output("state") != "baking" || forge.output("rollout") != "long-prod-1" {
		t.Errorf("exit code %d, outputs %v:\n%s", code, forge.published.Outputs, said)
	}
	if _, _, said := f.tick(); !strings.Contains(said, "Parked lines: 1, due: 0.\nThe next of the others is due at ") {
		t.Errorf("after that:\n%s", said)
	}
}

// TestTickOfOneParkedLine sets the outputs of its rollout; a line that is over leaves the list, although its plan does not
// load here.
func TestTickOfOneParkedLine(t *testing.T) {
	f := newFleetOfLines(t)
	f.park("shop", "min: 10m, max: 20m", "")
	f.after(time.Hour)
	forge, _, _ := f.tick()
	if forge.output("state") != "deploying" || forge.output("wave") != "one-2" {
		t.Errorf("outputs %v", forge.published.Outputs)
	}
	busy := &tickForge{ledger: f.ledger, run: "tick", refuses: errors.New("it is busy")}
	f.after(time.Hour)
	if code, said := f.call(busy, t.TempDir(), "tick"); code != 1 || busy.output("state") != "" || !strings.Contains(busy.output("reason"), "it is busy") {
		t.Errorf("exit code %d, outputs %v:\n%s", code, busy.published.Outputs, said)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte("version: 1\nservice: shop\nenvironment: prod\ntargets: [{name: a}]\n"+
		"waves: [{name: all, select: all}]\ndeploy: {run: \"true\"}\nbake: {min: 1h}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, said := f.call(&tickForge{ledger: f.ledger, run: "x"}, dir, "abort", "--reason", "it is a test"); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
	forge, code, said := f.tick()
	if code != 0 || forge.output("state") != "aborted" || !strings.Contains(said, "shop/prod is not parked any more.") {
		t.Errorf("exit code %d, outputs %v:\n%s", code, forge.published.Outputs, said)
	}
	if _, _, said := f.tick(); !strings.Contains(said, "Parked lines: 0, due: 0.") {
		t.Errorf("after that:\n%s", said)
	}
}

// TestTickThrift counts the requests of ticks at twenty parked lines on GitHub.
func TestTickThrift(t *testing.T) {
	server := githubtest.New(t)
	f := newFleetOfLines(t)
	f.ledger = "github:"
	f.environ = append(f.environ, server.Environ()...)
	for i := range 19 {
		f.park(fmt.Sprintf("idle-%d", i), "min: 5h, max: 6h", "")
	}
	f.park("busy", "min: 10m, max: 3h, every: 10m", "checks: [{name: smoke, run: \"exit 75\"}]")
	tick := func(want int, says string) {
		t.Helper()
		before := len(server.Asked())
		_, code, said := f.tick()
		if asked := server.Asked()[before:]; len(asked) > want || code != 0 {
			t.Errorf("exit code %d after %d requests, want at most %d: %q\n%s", code, len(asked), want, asked, said)
		}
		if !strings.Contains(said, says) {
			t.Errorf("it does not say %q:\n%s", says, said)
		}
	}
	tick(1, "Parked lines: 20, due: 0.")
	f.after(12 * time.Minute)
	tick(1+4+3, "Parked lines: 20, due: 1.") // the first verdicts are written down
	f.after(10 * time.Minute)
	tick(1+4, "Parked lines: 20, due: 1.") // and what says nothing new is not
}
