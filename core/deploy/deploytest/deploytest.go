// Package deploytest is the suite that every driver passes.
package deploytest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Behavior is what the world behind a driver does when it is asked to deploy.
type Behavior int

// The behaviors.
const (
	Works Behavior = iota // puts the version on the target
	Fails                 // says Complaint and Secret, and fails
	Hangs                 // starts work that never ends by itself and does not stop when asked politely
	Lies                  // says that it has put the version on the target, and has not
)

// What a failing world says. The driver knows that Secret is one.
const (
	Complaint = "the disk of the target is full"
	Secret    = "s3cr3t-of-the-driver"
)

// A World is a driver and what it deploys to.
type World struct {
	Driver  core.Driver
	Version func(target string) string // what a target runs; empty: nothing
	Busy    func() bool                // whether anything that the driver started still works

	// Behave has the world do something else from now on. Where it works again, what hangs comes to a good end.
	Behave func(b Behavior)
	// Another is the driver in another process, for which time passes.
	Another func() core.Driver
	// Begun counts what the driver has begun. Nil: nobody else knows of it, so after a crash it is begun once more.
	Begun func() int
	// Foreign has somebody else begin work on a target that ends by itself, and tells whether it was left alone. Nil: there
	// is nothing that a driver could see of that.
	Foreign func(target string) (untouched func() bool)
	// Proves reports whether the driver can tell a world that lies.
	Proves bool
}

// Run puts a driver through the suite. open returns a fresh world; a deploy in it may take up to timeout, 0 is none. In a
// world that hangs, time stands still for those who could be stopped.
func Run(t *testing.T, open func(t *testing.T, b Behavior, timeout time.Duration) World) {
	act := core.Act{
		Rollout: "1", Wave: "one-box", Target: core.Target{Name: "use1-a", Labels: map[string]string{"tier": "onebox"}},
		Version: "v2", Previous: "v1", Attempt: 1,
	}
	t.Run("deploy", func(t *testing.T) { deploys(t, open(t, Works, time.Minute), act) })
	t.Run("fail", func(t *testing.T) { fails(t, open(t, Fails, time.Minute), act) })
	t.Run("cancel", func(t *testing.T) { cancels(t, open(t, Hangs, 0), act) })
	t.Run("timeout", func(t *testing.T) { timesOut(t, open(t, Hangs, time.Second), act) })
	t.Run("crash", func(t *testing.T) { crashes(t, open(t, Hangs, 0), act) })
	t.Run("foreign", func(t *testing.T) { respects(t, open(t, Works, time.Minute), act) })
	t.Run("rollback in flight", func(t *testing.T) { turnsBack(t, open(t, Hangs, 0), act) })
	t.Run("rollback failed", func(t *testing.T) { failsBack(t, open(t, Works, time.Minute), act) })
	t.Run("proof", func(t *testing.T) { proves(t, open(t, Lies, time.Minute), act) })
}

// deploys goes forwards, forwards again as after a cut, and back; then forwards, and back to a version that was never there.
func deploys(t *testing.T, w World, act core.Act) {
	again, third := act, act
	again.Attempt, third.Attempt = 2, 3
	named := back(third)
	named.Version, named.Named = "v3", true
	for _, act := range []core.Act{act, again, back(again), third, named} {
		deployed(t, w, w.Driver, act)
	}
	if got := w.Version("another"); got != "" {
		t.Errorf("a target that was not asked for runs %q", got)
	}
	if c, ok := w.Driver.(core.Confirmer); ok && c.Holds() {
		fourth := act
		fourth.Attempt = 4
		confirms(t, w, c, fourth)
	}
}

// confirms goes forwards once more and tells the target that its wave has passed, twice as after a cut, then goes back. Once
// it is back there is nothing to tell it.
func confirms(t *testing.T, w World, c core.Confirmer, act core.Act) {
	deployed(t, w, w.Driver, act)
	for range 2 {
		if output, err := c.Confirm(t.Context(), act); err != nil || w.Version(act.Target.Name) != act.Version || w.Busy() {
			t.Errorf("%s runs %q, and is busy: %t; %v\n%s", act.Target.Name, w.Version(act.Target.Name), w.Busy(), err, output)
		}
	}
	deployed(t, w, w.Driver, back(act))
	if _, err := c.Confirm(t.Context(), act); err == nil {
		t.Error("a target that went back was taken for one that has the version for good")
	}
}

func fails(t *testing.T, w World, act core.Act) {
	output, err := w.Driver.Deploy(t.Context(), act)
	if err == nil {
		t.Fatal("a deploy that failed was taken for done")
	}
	if !strings.Contains(output, Complaint) {
		t.Errorf("the output does not say why: %q", output)
	}
	if strings.Contains(output, Secret) || strings.Contains(err.Error(), Secret) {
		t.Errorf("the secret shows: %v\n%s", err, output)
	}
}

func cancels(t *testing.T, w World, act core.Act) {
	cancelled(t, w, act)
	if w.Busy() {
		t.Error("something that the driver started goes on after it has returned")
	}
}

// cancelled cancels a deploy in a world that hangs.
func cancelled(t *testing.T, w World, act core.Act) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := begin(ctx, t, w, act)
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want an error that wraps the context's", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the driver goes on although it was told to stop")
	}
}

// begin begins a deploy in a world that hangs.
func begin(ctx context.Context, t *testing.T, w World, act core.Act) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := w.Driver.Deploy(ctx, act)
		done <- err
	}()
	await(t, w.Busy)
	return done
}

// crashes loses the process in the middle of a deploy: the next one goes on with what it had begun, and begins nothing anew.
func crashes(t *testing.T, w World, act core.Act) {
	if w.Begun == nil {
		t.Skip("nobody else knows what this driver has begun")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := begin(ctx, t, w, act) // stands still from here on
	w.Behave(Works)
	again := act
	again.Attempt = 2
	deployed(t, w, w.Another(), again)
	if n := w.Begun(); n != 1 {
		t.Errorf("the driver has begun %d deploys, and the first was still on its way", n)
	}
	cancel()
	<-done
}

// respects deploys where somebody else is at work: that is never ended, and what is said to be done is done.
func respects(t *testing.T, w World, act core.Act) {
	if w.Foreign == nil {
		t.Skip("this driver cannot see what others do")
	}
	untouched := w.Foreign(act.Target.Name)
	_, err := w.Driver.Deploy(t.Context(), act)
	if !untouched() {
		t.Error("what somebody else had begun was ended")
	}
	if got := w.Version(act.Target.Name); err == nil && got != act.Version {
		t.Errorf("%s runs %q, and the driver said that it was done", act.Target.Name, got)
	}
}

// turnsBack cancels a deploy on its way, and puts back what was there.
func turnsBack(t *testing.T, w World, act core.Act) {
	cancelled(t, w, act)
	w.Behave(Works)
	deployed(t, w, w.Another(), back(act))
	if w.Busy() {
		t.Error("something of the deploy goes on after it was rolled back")
	}
}

// failsBack is a rollback that does not work: it must never be taken for one that did.
func failsBack(t *testing.T, w World, act core.Act) {
	deployed(t, w, w.Driver, act)
	w.Behave(Fails)
	output, err := w.Driver.Deploy(t.Context(), back(act))
	if err == nil || !strings.Contains(output+err.Error(), Complaint) {
		t.Errorf("got %v, want it to say why the rollback has failed:\n%s", err, output)
	}
	if got := w.Version(act.Target.Name); got != act.Version {
		t.Errorf("%s runs %q after a rollback that has failed", act.Target.Name, got)
	}
}

// proves does not take a world at its word.
func proves(t *testing.T, w World, act core.Act) {
	if !w.Proves {
		t.Skip("only the plan's current can tell what a target runs")
	}
	if output, err := w.Driver.Deploy(t.Context(), act); err == nil {
		t.Errorf("a deploy that was none was taken for done, and %s runs %q:\n%s", act.Target.Name, w.Version(act.Target.Name), output)
	}
}

// deployed carries out an act that is to work.
func deployed(t *testing.T, w World, driver core.Driver, act core.Act) {
	t.Helper()
	if output, err := driver.Deploy(t.Context(), act); err != nil {
		t.Fatalf("%+v: %v\n%s", act, err, output)
	}
	if got := w.Version(act.Target.Name); got != act.Version {
		t.Errorf("%s runs %q, want %q", act.Target.Name, got, act.Version)
	}
}

func back(act core.Act) core.Act {
	act.Rollback, act.Version, act.Previous = true, act.Previous, act.Version
	return act
}

func timesOut(t *testing.T, w World, act core.Act) {
	_, err := w.Driver.Deploy(t.Context(), act)
	if err == nil || !strings.Contains(err.Error(), "timed out after 1s") {
		t.Errorf("got %v, want it to say that it timed out after 1s", err)
	}
	if w.Busy() {
		t.Error("something that the driver started goes on after it has returned")
	}
}

func await(t *testing.T, what func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for !what() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("the world never got busy")
		}
	}
}
