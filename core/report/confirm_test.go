package report

import (
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// waiting is a rollout whose first wave has passed, and whose target waits to be told so.
func waiting(t *testing.T) *story {
	s := begin(t)
	s.tell(5*time.Second, core.Event{Type: core.EventDeploying, Wave: "one-box", Targets: onebox})
	s.tell(90*time.Second, core.Event{Type: core.EventDeployed, Wave: "one-box", Results: []core.Result{{Target: "use1-onebox", Outcome: core.OutcomeDone, Held: true}}})
	s.bake("one-box")
	s.pass("one-box")
	return s
}

// TestWaitingIsNotDone: a wave that has passed is out for good only once its targets know.
func TestWaitingIsNotDone(t *testing.T) {
	says := func(what string, s *story, state core.DeploymentState, want string) {
		t.Helper()
		r := s.rollout()
		if all := Deployments(r, ""); len(all) != 1 || all[0].State != state {
			t.Errorf("%s: %+v; want %s", what, all, state)
		}
		if got := strings.Join(advice(r, time.Time{}, line80), " "); !strings.Contains(got, want) {
			t.Errorf("%s: %q; want %q", what, got, want)
		}
	}
	s := waiting(t)
	s.tell(0, core.Event{Type: core.EventReleased})
	says("nobody is there", s, core.DeploymentRunning, "The wave has passed, and no job is at work on what comes next.")
	s = waiting(t)
	s.tell(0, core.Event{Type: core.EventConfirming, Wave: "one-box", Targets: onebox})
	s.tell(0, core.Event{Type: core.EventConfirmed, Wave: "one-box", Results: []core.Result{{Target: "use1-onebox", Outcome: core.OutcomeFailed, Error: "it went back"}}})
	s.tell(0, core.Event{Type: core.EventHalted, Wave: "one-box", Cause: core.CauseConfirm, Reason: "Why."})
	says("it went back", s, core.DeploymentFailed, "one that went back by itself does not come forward again: roll back, or run a newer version.")
	s = waiting(t)
	s.tell(0, core.Event{Type: core.EventEnded, State: core.StateAborted, Reason: "Why."})
	says("aborted", s, core.DeploymentFailed, "Those that wait for the end of their bake go back by themselves.")
	s = waiting(t)
	s.tell(0, core.Event{Type: core.EventConfirming, Wave: "one-box", Targets: onebox})
	s.tell(0, core.Event{Type: core.EventConfirmed, Wave: "one-box", Results: []core.Result{{Target: "use1-onebox", Outcome: core.OutcomeDone}}})
	says("they know", s, core.DeploymentDone, "")
	s = waiting(t)
	s.events = s.events[:len(s.events)-1] // in its bake
	s.tell(0, core.Event{Type: core.EventHalted, Wave: "one-box", Cause: core.CauseInconclusive, Reason: "Why."})
	says("halted in its bake", s, core.DeploymentFailed, "Do it soon: targets that wait for the end of their bake go back by themselves when their time is over.")
}

func line80(s string) string { return line(s, 80) }
