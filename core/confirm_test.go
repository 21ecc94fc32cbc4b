package core_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// heldOut is a rollout whose wave two has passed its bake, and whose targets wait to be told so.
func heldOut(t *testing.T) *tale {
	return tell(t).deploy("one", "a").baking("one").passed("one").
		then(core.Event{Type: core.EventDeploying, Wave: "two", Targets: []string{"b", "c"}}).
		then(core.Event{Type: core.EventDeployed, Wave: "two", Results: []core.Result{{Target: "b", Outcome: core.OutcomeDone, Held: true}, {Target: "c", Outcome: core.OutcomeDone, Held: true}}}).
		baking("two").passed("two")
}

func confirming(s *tale, targets ...string) *tale {
	return s.then(core.Event{Type: core.EventConfirming, Wave: "two", Targets: targets})
}

func confirmed(s *tale, o core.Outcome, targets ...string) *tale {
	return s.then(core.Event{Type: core.EventConfirmed, Wave: "two", Results: results(o, targets...)})
}

// TestConfirm: a rollout goes on only once every target of a wave knows that it has passed.
func TestConfirm(t *testing.T) {
	s := heldOut(t)
	next := func(do core.Verb, targets ...string) {
		t.Helper()
		if step := core.Next(plan(), s.r, epoch, core.Evidence{}); step.Do != do || !slices.Equal(step.Targets, targets) {
			t.Errorf("next is %+v; want %s %v", step, do, targets)
		}
	}
	next(core.DoConfirm, "b", "c")
	if err := s.try(core.Event{Type: core.EventEnded, State: core.StateSucceeded}); err == nil || !strings.Contains(err.Error(), "wait to be told") {
		t.Errorf("it may end: %v", err)
	}
	if why := s.r.Unpromotable(); !strings.Contains(why, "wave two has passed already, and its targets are being told") {
		t.Errorf("%q", why)
	}
	confirmed(confirming(s, "b", "c"), core.OutcomeDone, "b")
	next(core.DoConfirm, "c")
	confirmed(confirming(s, "c"), core.OutcomeUntouched, "c")
	next(core.DoConfirm, "c")
	confirmed(confirming(s, "c"), core.OutcomeDone, "c")
	next(core.DoEnd)
	for _, name := range []string{"b", "c"} {
		if got := s.r.Target(name); got.Held || got.Version != "v2" || got.State != core.TargetDeployed {
			t.Errorf("%+v", got)
		}
	}
}

// TestConfirmFails: what is not taken goes back as a deploy that has failed, or halts where the plan says so; there a wave keeps
// that it has passed, and is told of it again once somebody resumes.
func TestConfirmFails(t *testing.T) {
	s := confirming(heldOut(t), "b", "c")
	s.then(core.Event{Type: core.EventConfirmed, Wave: "two", Results: []core.Result{
		{Target: "b", Outcome: core.OutcomeDone}, {Target: "c", Outcome: core.OutcomeFailed, Error: "it went back"}}})
	p := plan()
	p.Rollback.When = []core.Trigger{core.TriggerDeploy}
	if step := core.Next(p, s.r, epoch, core.Evidence{}); step.Do != core.DoRollBack || step.Cause != core.CauseConfirm || len(step.Targets) != 3 {
		t.Errorf("next is %+v", step)
	}
	p.Rollback.When = []core.Trigger{core.TriggerCheck}
	step := core.Next(p, s.r, epoch, core.Evidence{})
	if step.Do != core.DoHalt || step.Cause != core.CauseConfirm || step.Reason != "Wave two has passed, and c did not take that: it went back" {
		t.Errorf("next is %+v", step)
	}
	s.then(core.Event{Type: core.EventHalted, Wave: "two", Cause: step.Cause, Reason: step.Reason})
	if c := s.r.Target("c"); s.r.Waves[1].State != core.WavePassed || c.State != core.TargetFailed || c.Version != "" {
		t.Errorf("wave two is %s, c is %s and runs %q", s.r.Waves[1].State, c.State, c.Version)
	}
	if why := s.r.Unpromotable(); !strings.Contains(why, "its targets are to be told") {
		t.Errorf("%q", why)
	}
	s.then(core.Event{Type: core.EventResumed})
	if step := core.Next(plan(), s.r, epoch, core.Evidence{}); step.Do != core.DoConfirm || !slices.Equal(step.Targets, []string{"c"}) {
		t.Errorf("next is %+v", step)
	}
}

// TestHeldGoesBack: a target that goes back, or that nobody will tell, waits for nothing.
func TestHeldGoesBack(t *testing.T) {
	s := heldOut(t).then(core.Event{Type: core.EventRollingBack, Targets: []string{"b", "c"}, Cause: core.CauseOverride, Override: ada})
	if s.r.Waves[1].Held() {
		t.Error("a target that goes back waits")
	}
	s = heldOut(t).then(core.Event{Type: core.EventEnded, State: core.StateAborted, Override: ada})
	if got := s.r.Target("b").Version; got != "" {
		t.Errorf("nobody knows what b runs, and the record says %q", got)
	}
	if err := confirming(heldOut(t), "b").try(core.Event{Type: core.EventConfirming, Wave: "two", Targets: []string{"a"}}); err == nil {
		t.Error("a target that does not wait is told")
	}
}
