package main

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

var signals = map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM}

// interrupt cancels the job while it works, and returns once nothing of it is left: no process either that its scripts
// started and that would not go.
func (y yard) interrupt(t *testing.T, p process, s os.Signal, want int) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	if code := p.code(t); code != want {
		t.Errorf("exit code %d, not %d:\n%s", code, want, p.out)
	}
	if left := y.processes(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// stubborn is a deploy of which the first never ends, and neither does what it started: both do not listen to SIGTERM.
const stubborn = `#!/bin/sh
set -eu
echo "$BREAKWATER_ACTION $BREAKWATER_TARGET $BREAKWATER_VERSION" >>log
if [ -e stuck ] && [ "$BREAKWATER_TARGET" = b ]; then
  trap '' TERM INT
  sh -c 'echo begun >>grandchild; sleep 60; echo ended >>grandchild' &
  while :; do sleep 60; done
fi
`

const signalPlan = `version: 1
service: shop
environment: signal
targets: [{name: a}, {name: b}, {name: c}]
waves: [{name: all, select: all}]
deploy: {run: ./deploy.sh}
`

var signalLine = core.Line{Service: "shop", Environment: "signal"}

func TestInterruptedDeploy(t *testing.T) {
	t.Parallel()
	plan := signalPlan + "bake: {min: 0s}\n"
	for name, s := range signals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := newYard(t, map[string]string{"breakwater.yaml": plan, "deploy.sh": stubborn, "stuck": ""})
			p := y.start(t, y.binary, "run", "--version", "v2", "--previous", "v1")
			y.await(t, "grandchild", "begun")
			y.interrupt(t, p, s, core.ExitHalted)
			if text := y.read(t, "grandchild"); text != "begun\n" {
				t.Errorf("the grandchild went on: %q", text)
			}
			r, _ := y.rollout(t, "file:.breakwater", signalLine)
			if r.State != core.StateHalted || r.Cause != core.CauseInterrupted || r.Lease.Holder.ID != "" {
				t.Errorf("%s because of %s, held by %+v", r.State, r.Cause, r.Lease.Holder)
			}
			if got := states(r); got != "a deployed, b failed, c pending" {
				t.Errorf("the ledger says: %s", got)
			}
			if err := os.Remove(y.path("stuck")); err != nil {
				t.Fatal(err)
			}
			y.run(t, core.ExitDone, y.binary, "run", "--version", "v2")
			if log := y.read(t, "log"); log != "deploy a v2\ndeploy b v2\ndeploy b v2\ndeploy c v2\n" {
				t.Errorf("it did not go on at the exact target:\n%s", log)
			}
		})
	}
}

func TestInterruptedBake(t *testing.T) {
	t.Parallel()
	const least = 2 * time.Second // as in the plan
	plan := signalPlan + "bake: {min: 2s, every: 100ms}\n" +
		"checks: [{name: smoke, run: echo asked >>asked}]\nprecheck: false\n"
	for name, s := range signals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := newYard(t, map[string]string{"breakwater.yaml": plan, "deploy.sh": stubborn})
			p := y.start(t, y.binary, "run", "--version", "v2", "--previous", "v1")
			y.await(t, "asked", "asked\nasked\nasked\n")
			y.interrupt(t, p, s, core.ExitHalted)
			r, events := y.rollout(t, "file:.breakwater", signalLine)
			if r.State != core.StateHalted || r.Cause != core.CauseInterrupted || r.Lease.Holder.ID != "" {
				t.Errorf("%s because of %s, held by %+v", r.State, r.Cause, r.Lease.Holder)
			}
			served := when(events, core.EventHalted).Sub(when(events, core.EventBaking))

			y.run(t, core.ExitDone, y.binary, "run", "--version", "v2")
			r, events = y.rollout(t, "file:.breakwater", signalLine)
			rest := r.Waves[0].Passed.Sub(when(events, core.EventResumed))
			if served <= 0 || served+rest < least || r.Waves[0].Passed.Sub(r.Waves[0].Since) != served+rest {
				t.Errorf("a bake of %s served %s and then %s", least, served, rest)
			}
			if log := y.read(t, "log"); log != "deploy a v2\ndeploy b v2\ndeploy c v2\n" {
				t.Errorf("something was deployed again:\n%s", log)
			}
		})
	}
}

func TestInterruptedRollback(t *testing.T) {
	t.Parallel()
	plan := signalPlan + "rollback: {run: ./back.sh}\nbake: {min: 0s, every: 100ms}\n" +
		"checks: [{name: smoke, run: exit 1}]\nprecheck: false\n"
	for name, s := range signals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := newYard(t, map[string]string{
				"breakwater.yaml": plan, "deploy.sh": "#!/bin/sh\n", "back.sh": stubborn, "stuck": "",
			})
			p := y.start(t, y.binary, "run", "--version", "v2", "--previous", "v1")
			y.await(t, "grandchild", "begun")
			y.interrupt(t, p, s, core.ExitRollbackIncomplete)
			r, _ := y.rollout(t, "file:.breakwater", signalLine)
			if r.State != core.StateRollingBack || r.Lease.Holder.ID != "" {
				t.Errorf("%s, held by %+v", r.State, r.Lease.Holder)
			}
			if got := states(r); got != "a rolling-back, b rolling-back, c rolled-back" {
				t.Errorf("the ledger says: %s", got)
			}
			if err := os.Remove(y.path("stuck")); err != nil {
				t.Fatal(err)
			}
			y.run(t, core.ExitRolledBack, y.binary, "run", "--version", "v2")
			if log := y.read(t, "log"); log != "rollback c v1\nrollback b v1\nrollback b v1\nrollback a v1\n" {
				t.Errorf("it did not go on at the exact target:\n%s", log)
			}
		})
	}
}

// states says where each target of the first wave stands.
func states(r *core.Rollout) string {
	var all []string
	for _, target := range r.Waves[0].Targets {
		all = append(all, target.Name+" "+string(target.State))
	}
	return strings.Join(all, ", ")
}

// when is the time of the first event of a type.
func when(events []core.Event, of core.EventType) time.Time {
	i := slices.IndexFunc(events, func(e core.Event) bool { return e.Type == of })
	return events[i].At
}
