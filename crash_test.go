package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

var (
	kills     = flag.Int("kills", 25, "how often the crash tests kill the product, for each ledger")
	crashSeed = flag.Uint64("crash-seed", rand.Uint64(), "seed of the moments at which they do")
)

// crashPlan is twelve targets in four waves. A deploy leaves a line behind before it does anything.
const crashPlan = `version: 1
service: shop
environment: crash
targets: [{name: a1}, {name: a2}, {name: a3}, {name: b1}, {name: b2}, {name: b3},
          {name: c1}, {name: c2}, {name: c3}, {name: d1}, {name: d2}, {name: d3}]
waves: [{name: step, select: all, split: {first: 3, growth: 1}}]
deploy:
  parallel: 2
  run: |
    echo "$BREAKWATER_TARGET $BREAKWATER_VERSION $BREAKWATER_ATTEMPT" >>log
    sleep 0.005
    echo "$BREAKWATER_VERSION" >"fleet/$BREAKWATER_TARGET"
bake: {min: 0s}
`

func TestCrashFile(t *testing.T) {
	t.Parallel()
	y := newYard(t, map[string]string{"breakwater.yaml": crashPlan})
	crash(t, y, "file:.breakwater", 100*time.Millisecond)
}

func TestCrashGit(t *testing.T) {
	t.Parallel()
	y := newYard(t, map[string]string{"breakwater.yaml": crashPlan})
	y.run(t, 0, "git", "init", "-q")
	y.run(t, 0, "git", "init", "-q", "--bare", "remote.git")
	y.run(t, 0, "git", "remote", "add", "origin", "remote.git")
	crash(t, y, "git:origin", 500*time.Millisecond)
}

// crash rolls versions out, one after the other, and kills the process at random moments, at most longest after it
// began. After each kill the same command runs again, until the version is out.
func crash(t *testing.T, y yard, url string, longest time.Duration) {
	t.Logf("to repeat it: -crash-seed %d", *crashSeed)
	random := rand.New(rand.NewPCG(*crashSeed, 0))
	lives := 0
	for killed, number := 0, 1; killed < *kills; number++ {
		version := fmt.Sprintf("v%d", number)
		finished := make(map[string]int) // deploys that targets had when the ledger called them deployed
		for over := false; !over; {
			lives++
			moment := time.Duration(random.Int64N(int64(longest)))
			if killed == *kills {
				moment = patience
			}
			over = !y.killAt(t, moment, "run", "--version", version, "--previous", "v0", "--ledger", url)
			if !over {
				killed++
			}
			deploys := y.deploys(t, version)
			for _, target := range y.deployed(t, url, version) {
				if n, known := finished[target]; known && n != deploys[target] {
					t.Fatalf("%s of %s was finished after %d deploys, and there were %d", target, version, n, deploys[target])
				}
				finished[target] = deploys[target]
			}
		}
		if len(finished) != 12 {
			t.Fatalf("%s is out on %d targets", version, len(finished))
		}
		for target := range finished {
			if runs := strings.TrimSpace(y.read(t, "fleet/"+target)); runs != version {
				t.Fatalf("%s runs %s, not %s", target, runs, version)
			}
		}
		r, _ := y.rollout(t, url, core.Line{Service: "shop", Environment: "crash"})
		if r.State != core.StateSucceeded || r.Start.Version != version {
			t.Fatalf("the ledger says that %s is %s", r.Start.Version, r.State)
		}
	}
	t.Logf("%d processes, %d of them killed", lives, *kills)
}

// killAt runs the product and kills it at a moment. It reports false if it was over before that, and done.
func (y yard) killAt(t *testing.T, moment time.Duration, args ...string) bool {
	t.Helper()
	p := y.start(t, y.binary, args...)
	timer := time.AfterFunc(moment, func() { _ = p.Process.Kill() })
	defer timer.Stop()
	code := p.code(t)
	if status := p.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() && status.Signal() == syscall.SIGKILL {
		return true
	}
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, p.out)
	}
	return false
}

// deploys counts what was begun, for each target.
func (y yard) deploys(t *testing.T, version string) map[string]int {
	t.Helper()
	begun := make(map[string]int)
	for line := range strings.Lines(y.read(t, "log")) {
		if target, of, _ := strings.Cut(line, " "); strings.HasPrefix(of, version+" ") {
			begun[target]++
		}
	}
	return begun
}

// deployed names the targets that have a version, as the product tells.
func (y yard) deployed(t *testing.T, url, version string) []string {
	t.Helper()
	var status struct {
		Version string
		Waves   []struct {
			Targets []struct{ Name, State string }
		}
	}
	if err := json.Unmarshal([]byte(y.run(t, 0, y.binary, "status", "--json", "--ledger", url)), &status); err != nil {
		t.Fatal(err)
	}
	if status.Version != version {
		return nil // it was killed before it began
	}
	var names []string
	for _, w := range status.Waves {
		for _, target := range w.Targets {
			if target.State == string(core.TargetDeployed) {
				names = append(names, target.Name)
			}
		}
	}
	return names
}
