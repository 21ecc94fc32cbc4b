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

// A doorway is a pipeline of CodePipeline whose stage Deploy is a door of shop/production, whose releases leave their records
// in a folder.
type doorway struct {
	t     *testing.T
	cloud *awstest.Server
	clock *jumping
	dir   string
}

const doorPlan = `
version: 1
service: shop
environment: production
targets: [{name: a}]
waves: [{name: all, select: all}]
deploy: {run: 'test "$BREAKWATER_VERSION" != bad'}
rollback: {when: []}
bake: {min: 0s}
`

func newDoorway(t *testing.T) *doorway {
	d := &doorway{t: t, clock: &jumping{now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}, dir: t.TempDir()}
	d.cloud = awstest.New(t, d.clock.Now)
	d.cloud.Look("eu-west-1", func(s *awstest.State) { s.Pipelines["shop"] = new(awstest.Pipeline) })
	d.plan(doorPlan)
	return d
}

func (d *doorway) plan(text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, "breakwater.yaml"), []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d *doorway) run(want int, args ...string) string {
	d.t.Helper()
	var out strings.Builder
	d.clock.now = d.clock.now.Add(time.Minute)
	code := command.Main(d.t.Context(), args, command.Env{Stdout: &out, Stderr: &out, Dir: d.dir, Clock: d.clock,
		Environ: append(d.cloud.Environ(), "PATH="+os.Getenv("PATH"))})
	if code != want {
		d.t.Fatalf("%q: exit code %d, want %d:\n%s", args, code, want, out.String())
	}
	return out.String()
}

// gate runs the gate once, which is to say something of the door, and returns how that stands then.
func (d *doorway) gate(want int, says string, args ...string) awstest.Transition {
	d.t.Helper()
	if said := d.run(want, append([]string{"gate", "--door", "codepipeline://shop/Deploy"}, args...)...); !strings.Contains(said, says) {
		d.t.Errorf("it says %s; want %q", said, says)
	}
	return d.way()
}

func (d *doorway) way() (is awstest.Transition) {
	d.cloud.Look("eu-west-1", func(s *awstest.State) { is = s.Pipelines["shop"].Way })
	return is
}

// touch has a person open the door, or shut it for a reason.
func (d *doorway) touch(reason string) {
	d.clock.now = d.clock.now.Add(time.Minute)
	d.cloud.Look("eu-west-1", func(s *awstest.State) {
		s.Pipelines["shop"].Way = awstest.Transition{Reason: reason, By: "ada", At: d.clock.now}
	})
}

func TestDoor(t *testing.T) {
	d := newDoorway(t)
	if way := d.gate(core.ExitDone, "codepipeline://shop/Deploy is open.\n"); way != (awstest.Transition{}) {
		t.Errorf("an open door was touched: %+v", way)
	}
	d.run(core.ExitDone, "run", "--version", "good", "--first-release")
	d.run(core.ExitHalted, "run", "--version", "bad")
	const halted = "Breakwater 903fef0d shop-production. Rollout shop-production-2 is halted. Resume- roll back or abort it."
	if way := d.gate(core.ExitBlocked, "codepipeline://shop/Deploy is shut.\n"); way.Reason != halted {
		t.Errorf("the way in is %+v", way)
	}
	if way := d.gate(core.ExitDone, `"said": "is shut."`, "--sync", "--json"); way.Reason != halted {
		t.Errorf("the second time the way in is %+v", way)
	}

	// A person lets a change in that answers it. A door that somebody has shut by hand stays shut, and keeps its reason.
	d.touch("")
	if way := d.gate(core.ExitDone, "is open: ada opened it after that."); way.By != "ada" || way.Reason != "" {
		t.Errorf("the answer may not enter: %+v", way)
	}
	d.touch("Black Friday")
	if way := d.gate(core.ExitBlocked, "stays shut, as ada has shut it: Black Friday"); way.By != "ada" {
		t.Errorf("the reason was taken from ada: %+v", way)
	}
	d.touch(halted)

	// It opens once all is well, if it was shut for the line's sake.
	d.run(core.ExitDone, "rollback", "--reason", "test")
	d.gate(core.ExitBlocked, "was rolled back, and nothing has answered that yet.")
	d.run(core.ExitDone, "run", "--version", "better")
	if way := d.gate(core.ExitDone, "is open again.", "--sync"); way.Reason != "" || way.By == "ada" {
		t.Errorf("it is not open again: %+v", way)
	}
	d.touch("Black Friday")
	if way := d.gate(core.ExitDone, "stays shut, as ada has shut it: Black Friday", "--sync"); way.By != "ada" {
		t.Errorf("the door was taken from ada: %+v", way)
	}
}

// TestDoorOfTheUnknown: what is not known is never open, and a freeze lets no answer in.
func TestDoorOfTheUnknown(t *testing.T) {
	d := newDoorway(t)
	d.run(core.ExitDone, "run", "--version", "good", "--first-release")
	d.plan(doorPlan + "windows: {freeze: [{from: 2026-11-25, to: 2026-11-27, why: holidays}]}\n")
	d.gate(core.ExitBlocked, "shop/production is frozen: ")
	d.touch("")
	if way := d.gate(core.ExitBlocked, "is shut."); !strings.Contains(way.Reason, "is frozen- a freeze (holidays)") {
		t.Errorf("in a freeze it is %+v", way)
	}
	d.plan(doorPlan)
	d.gate(core.ExitDone, "is open again.")

	books, err := filepath.Glob(filepath.Join(d.dir, ".breakwater", "shop", "production", "*"))
	if err != nil || len(books) == 0 {
		t.Fatalf("the ledger is not where it was: %v", err)
	}
	if way := d.gate(core.ExitUsage, "", "--sync", "--ledger", "nowhere:"); !strings.Contains(way.Reason, "Nobody knows whether it may enter") {
		t.Errorf("without a ledger it is %+v", way)
	}
	d.gate(core.ExitDone, "is open again.")
	for _, book := range books {
		if err := os.WriteFile(book, []byte("nonsense\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if way := d.gate(core.ExitUnexpected, "", "--sync"); !strings.Contains(way.Reason, "Nobody knows whether it may enter") {
		t.Errorf("of a ledger that cannot be read it is %+v", way)
	}
}

// TestDoorAgain: what goes wrong while the door is opened must not pass for what that answers.
func TestDoorAgain(t *testing.T) {
	d := newDoorway(t)
	d.run(core.ExitDone, "run", "--version", "good", "--first-release")
	d.touch("Breakwater 903fef0d shop-production.")
	d.cloud.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		if action == "codepipeline:EnableStageTransition" {
			d.run(core.ExitHalted, "run", "--version", "bad")
		}
		return serve()
	})
	if way := d.gate(core.ExitBlocked, "codepipeline://shop/Deploy is shut."); !strings.Contains(way.Reason, "is halted") {
		t.Errorf("the way in is %+v", way)
	}
}

func TestDoorRefused(t *testing.T) {
	d := newDoorway(t)
	for url, want := range map[string]string{
		"codepipeline://shop":                     "is no stage of a pipeline; write codepipeline://PIPELINE/STAGE",
		"codepipeline://shop/Deploy,lambda://x/y": `door "lambda://x/y" is of no known kind`,
	} {
		if said := d.run(core.ExitUsage, "gate", "--door", url); !strings.Contains(said, want) {
			t.Errorf("%s: %s; want %q", url, said, want)
		}
	}
	if said := d.run(core.ExitUnexpected, "gate", "--door", "codepipeline://mail/Deploy,codepipeline://shop/Deploy"); !strings.Contains(said, "codepipeline://mail/Deploy does not show the gate: ") {
		t.Errorf("a door that is not there: %s", said)
	}
}
