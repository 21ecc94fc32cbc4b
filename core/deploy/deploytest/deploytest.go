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
}

// Run puts a driver through the suite. open returns a fresh world; a deploy in it may take up to timeout, 0 is none.
func Run(t *testing.T, open func(t *testing.T, b Behavior, timeout time.Duration) World) {
	act := core.Act{
		Rollout: "1", Wave: "one-box", Target: core.Target{Name: "use1-a", Labels: map[string]string{"tier": "onebox"}},
		Version: "v2", Previous: "v1", Attempt: 1,
	}
	t.Run("deploy", func(t *testing.T) { deploys(t, open(t, Works, time.Minute), act) })
	t.Run("fail", func(t *testing.T) { fails(t, open(t, Fails, time.Minute), act) })
	t.Run("cancel", func(t *testing.T) { cancels(t, open(t, Hangs, 0), act) })
	t.Run("timeout", func(t *testing.T) { timesOut(t, open(t, Hangs, time.Second), act) })
}

// deploys goes forwards, forwards again as after a cut, and back.
func deploys(t *testing.T, w World, act core.Act) {
	again, back := act, act
	again.Attempt = 2
	back.Rollback, back.Version, back.Previous = true, act.Previous, act.Version
	for _, act := range []core.Act{act, again, back} {
		if output, err := w.Driver.Deploy(t.Context(), act); err != nil {
			t.Fatalf("%+v: %v\n%s", act, err, output)
		}
		if got := w.Version(act.Target.Name); got != act.Version {
			t.Errorf("%s runs %q, want %q", act.Target.Name, got, act.Version)
		}
	}
	if got := w.Version("another"); got != "" {
		t.Errorf("a target that was not asked for runs %q", got)
	}
	if c, ok := w.Driver.(core.Confirmer); ok && c.Holds() {
		confirms(t, w, c, again, back)
	}
}

// confirms goes forwards once more and tells the target that its wave has passed, twice as after a cut, then goes back. Once
// it is back there is nothing to tell it.
func confirms(t *testing.T, w World, c core.Confirmer, act, back core.Act) {
	if output, err := w.Driver.Deploy(t.Context(), act); err != nil {
		t.Fatalf("%+v: %v\n%s", act, err, output)
	}
	for range 2 {
		if output, err := c.Confirm(t.Context(), act); err != nil || w.Version(act.Target.Name) != act.Version || w.Busy() {
			t.Errorf("%s runs %q, and is busy: %t; %v\n%s", act.Target.Name, w.Version(act.Target.Name), w.Busy(), err, output)
		}
	}
	if output, err := w.Driver.Deploy(t.Context(), back); err != nil || w.Version(act.Target.Name) != back.Version {
		t.Errorf("%s runs %q: %v\n%s", act.Target.Name, w.Version(act.Target.Name), err, output)
	}
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
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := w.Driver.Deploy(ctx, act)
		done <- err
	}()
	await(t, w.Busy)
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want an error that wraps the context's", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the driver goes on although it was told to stop")
	}
	if w.Busy() {
		t.Error("something that the driver started goes on after it has returned")
	}
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
