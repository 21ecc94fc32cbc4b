package core_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

var (
	line  = core.Line{Service: "shop", Environment: "production"}
	epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// A tale builds a rollout event by event.
type tale struct {
	t *testing.T
	r *core.Rollout
	n time.Duration
}

func tell(t *testing.T) *tale {
	t.Helper()
	s := &tale{t: t, r: &core.Rollout{Line: line}}
	return s.then(core.Event{Type: core.EventStarted, Start: &core.Start{
		Number: 1, Version: "v2", Previous: "v1",
		Waves: []core.StartWave{
			{Name: "one", Rule: 0, Targets: []core.StartTarget{{Target: core.Target{Name: "a"}}}},
			{Name: "two", Rule: 1, Targets: []core.StartTarget{{Target: core.Target{Name: "b"}}, {Target: core.Target{Name: "c"}, Previous: "v0"}}},
		},
	}})
}

// then applies an event one minute after the one before.
func (s *tale) then(e core.Event) *tale {
	s.t.Helper()
	if err := s.try(e); err != nil {
		s.t.Fatal(err)
	}
	return s
}

func (s *tale) try(e core.Event) error {
	s.n += time.Minute
	e.Seq, e.Rollout, e.At = s.r.Seq+1, "shop-production-1", epoch.Add(s.n)
	return s.r.Apply(e)
}

func (s *tale) deploy(wave string, names ...string) *tale {
	s.t.Helper()
	s.then(core.Event{Type: core.EventDeploying, Wave: wave, Targets: names})
	return s.then(core.Event{Type: core.EventDeployed, Wave: wave, Results: results(core.OutcomeDone, names...)})
}

func (s *tale) baking(wave string) *tale {
	s.t.Helper()
	return s.then(core.Event{Type: core.EventBaking, Wave: wave})
}

func (s *tale) passed(wave string) *tale {
	s.t.Helper()
	return s.then(core.Event{Type: core.EventPassed, Wave: wave})
}

func results(o core.Outcome, names ...string) []core.Result {
	var rs []core.Result
	for _, n := range names {
		rs = append(rs, core.Result{Target: n, Outcome: o})
	}
	return rs
}

// reach brings a rollout into each of the states.
var reach = map[core.State]func(t *testing.T) *tale{
	"":                func(t *testing.T) *tale { return &tale{t: t, r: &core.Rollout{Line: line}} },
	core.StatePending: tell,
	core.StateDeploying: func(t *testing.T) *tale {
		return tell(t).then(core.Event{Type: core.EventDeploying, Wave: "one", Targets: []string{"a"}})
	},
	core.StateBaking: func(t *testing.T) *tale { return tell(t).deploy("one", "a").baking("one") },
	core.StateHalted: func(t *testing.T) *tale {
		return tell(t).deploy("one", "a").baking("one").then(core.Event{Type: core.EventHalted, Wave: "one", Cause: core.CauseCheck, Reason: "bad"})
	},
	core.StateRollingBack: rollingBack,
	core.StateRolledBack: func(t *testing.T) *tale {
		return reverted(t, core.OutcomeDone).then(core.Event{Type: core.EventEnded, State: core.StateRolledBack})
	},
	core.StateRollbackFailed: func(t *testing.T) *tale {
		return reverted(t, core.OutcomeFailed).then(core.Event{Type: core.EventEnded, State: core.StateRollbackFailed})
	},
	core.StateAborted: func(t *testing.T) *tale {
		return tell(t).then(core.Event{Type: core.EventEnded, State: core.StateAborted})
	},
	core.StateSucceeded: func(t *testing.T) *tale {
		return tell(t).deploy("one", "a").baking("one").passed("one").deploy("two", "b", "c").baking("two").passed("two").
			then(core.Event{Type: core.EventEnded, State: core.StateSucceeded})
	},
}

func rollingBack(t *testing.T) *tale {
	return tell(t).deploy("one", "a").baking("one").
		then(core.Event{Type: core.EventRollingBack, Targets: []string{"a"}, Cause: core.CauseCheck, Reason: "bad"})
}

func reverted(t *testing.T, o core.Outcome) *tale {
	return rollingBack(t).
		then(core.Event{Type: core.EventReverting, Wave: "one", Targets: []string{"a"}}).
		then(core.Event{Type: core.EventReverted, Wave: "one", Results: results(o, "a")})
}

// fitting is an event of each type that is well-formed, so that only the state can be a reason to refuse it.
func fitting(typ core.EventType, s core.State) core.Event {
	e := core.Event{Type: typ, Wave: "one"}
	switch typ {
	case core.EventStarted:
		e.Start = &core.Start{Version: "v2", Waves: []core.StartWave{{Name: "one", Targets: []core.StartTarget{{Target: core.Target{Name: "a"}}}}}}
	case core.EventClaimed, core.EventRenewed:
		e.Lease = &core.Lease{Holder: core.Actor{ID: "x"}}
	case core.EventEnded:
		e.State = core.StateAborted
		if s == core.StateRollingBack {
			e.State = core.StateRollbackFailed // what is in scope is not back
		}
	case core.EventQueued:
		e.Newer = &core.Newer{Version: "v3"}
	case core.EventExpedited, core.EventPromoted, core.EventRollingBack:
		e.Override = &core.Override{Kind: core.OverrideEmergency, Reason: "so"}
	case core.EventBaking:
		e.Wave = "one"
	}
	return e
}

// TestEveryEventAtEveryState fires each event at each state: it is either in the table and accepted, or refused without
// a trace.
func TestEveryEventAtEveryState(t *testing.T) {
	for _, s := range append([]core.State{""}, core.States...) {
		for _, typ := range core.EventTypes {
			t.Run(string(s)+"/"+string(typ), func(t *testing.T) {
				tale := reach[s](t)
				if tale.r.State != s {
					t.Fatalf("the rollout is %q", tale.r.State)
				}
				if s == core.StateDeploying && typ == core.EventBaking {
					tale.then(core.Event{Type: core.EventDeployed, Wave: "one", Results: results(core.OutcomeDone, "a")})
				}
				if s == core.StateDeploying && typ == core.EventBlocked {
					tale.then(core.Event{Type: core.EventDeployed, Wave: "one", Results: results(core.OutcomeUntouched, "a")})
				}
				before := tale.r.Clone()
				err := tale.try(fitting(typ, s))
				if allowed := core.Allowed(typ, s); allowed != (err == nil) {
					t.Fatalf("allowed by the table: %v; applied: %v", allowed, err)
				}
				if err != nil && (tale.r.Seq != before.Seq || tale.r.State != before.State || tale.r.Reason != before.Reason) {
					t.Errorf("a refused event changed the rollout from %+v to %+v", before, tale.r)
				}
				if err == nil && tale.r.Seq != before.Seq+1 {
					t.Errorf("event %d became %d", before.Seq+1, tale.r.Seq)
				}
			})
		}
	}
}

func TestEveryStateHasASentence(t *testing.T) {
	for _, s := range core.States {
		if m := s.Meaning(); m == core.State("?").Meaning() || !strings.HasSuffix(m, ".") {
			t.Errorf("%s means %q", s, m)
		}
	}
}

func TestApplyRefusesWhatDoesNotFit(t *testing.T) {
	tests := []struct {
		name string
		tale func(t *testing.T) *tale
		e    core.Event
		want string
	}{
		{"a finished target again", func(t *testing.T) *tale { return tell(t).deploy("one", "a") },
			core.Event{Type: core.EventDeploying, Wave: "one", Targets: []string{"a"}}, "again"},
		{"a target of nobody", tell, core.Event{Type: core.EventDeploying, Wave: "one", Targets: []string{"x"}}, "does not have"},
		{"a target of another wave", tell, core.Event{Type: core.EventDeploying, Wave: "one", Targets: []string{"b"}}, "not in wave"},
		{"a wave out of turn", tell, core.Event{Type: core.EventDeploying, Wave: "two", Targets: []string{"b"}}, "is at work"},
		{"an outcome without an intent", func(t *testing.T) *tale { return tell(t).deploy("one", "a") },
			core.Event{Type: core.EventDeployed, Wave: "one", Results: results(core.OutcomeFailed, "a")}, "is deployed"},
		{"a bake of a wave that is not out", reach[core.StateDeploying], core.Event{Type: core.EventBaking, Wave: "one"}, "is deploying"},
		{"a success with waves left", reach[core.StateBaking], core.Event{Type: core.EventEnded, State: core.StateSucceeded}, "is baking"},
		{"rolled back with targets left", reach[core.StateRollingBack], core.Event{Type: core.EventEnded, State: core.StateRolledBack}, "1 targets left"},
		{"going back on what is not in scope", reach[core.StateRollingBack],
			core.Event{Type: core.EventReverting, Wave: "two", Targets: []string{"b"}}, "not in scope"},
		{"holding up a wave that has begun", reach[core.StateDeploying], core.Event{Type: core.EventBlocked, Wave: "one"}, "has begun"},
		{"an unknown event", tell, core.Event{Type: "danced"}, "newer version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.tale(t).try(tt.e)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ... %s ...", err, tt.want)
			}
		})
	}
}

func TestApplyRefusesGapsAndStrangers(t *testing.T) {
	r := tell(t).r
	if err := r.Apply(core.Event{Seq: 3, Rollout: r.ID, Type: core.EventReleased}); err == nil || !strings.Contains(err.Error(), "gap") {
		t.Errorf("a gap: %v", err)
	}
	if err := r.Apply(core.Event{Seq: 2, Rollout: "another", Type: core.EventReleased}); err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("a stranger: %v", err)
	}
}

func TestResume(t *testing.T) {
	resumed := core.Event{Type: core.EventResumed}
	t.Run("failed targets are deployed again, finished ones are not", func(t *testing.T) {
		s := tell(t).deploy("one", "a").baking("one").passed("one").
			then(core.Event{Type: core.EventDeploying, Wave: "two", Targets: []string{"b", "c"}}).
			then(core.Event{Type: core.EventDeployed, Wave: "two", Results: []core.Result{{Target: "b", Outcome: core.OutcomeDone}, {Target: "c", Outcome: core.OutcomeFailed}}}).
			then(core.Event{Type: core.EventHalted, Wave: "two", Cause: core.CauseDeploy}).
			then(resumed)
		step := core.Next(plan(), s.r, epoch, core.Evidence{})
		if step.Do != core.DoDeploy || !slices.Equal(step.Targets, []string{"c"}) {
			t.Errorf("next is %+v", step)
		}
	})
	for cause, keeps := range map[core.Cause]bool{
		core.CauseCheck: false, core.CauseInconclusive: false, core.CauseUnasked: true, core.CauseInterrupted: true,
	} {
		t.Run("a bake halted by "+string(cause), func(t *testing.T) {
			s := tell(t).deploy("one", "a").baking("one").
				then(core.Event{Type: core.EventLooked, Wave: "one"}).
				then(core.Event{Type: core.EventHalted, Wave: "one", Cause: cause, Verdicts: []core.Verdict{{Check: "errors"}}}).
				then(resumed)
			want := time.Duration(0)
			if keeps {
				want = 2 * time.Minute
			}
			if served := epoch.Add(s.n).Sub(s.r.Waves[0].Since); served != want {
				t.Errorf("the resumed bake has served %s, want %s", served, want)
			}
			bakes, known := 2, 0 // begun afresh
			if keeps {
				bakes, known = 1, 1
			}
			if s.r.Bakes != bakes || len(s.r.Waves[0].Verdicts) != known {
				t.Errorf("it is bake %d with %d verdicts, want %d and %d", s.r.Bakes, len(s.r.Waves[0].Verdicts), bakes, known)
			}
		})
	}
	t.Run("a bake that is cancelled before anybody looked again forgets nothing", func(t *testing.T) {
		cancelled := core.Event{Type: core.EventHalted, Wave: "one", Cause: core.CauseInterrupted}
		first := cancelled
		first.Verdicts = []core.Verdict{{Check: "errors", Memory: json.RawMessage(`{"at":"x"}`)}}
		s := tell(t).deploy("one", "a").baking("one").then(first).then(resumed).then(cancelled).then(resumed)
		if known := s.r.Waves[0].Verdicts; len(known) != 1 || len(known[0].Memory) == 0 {
			t.Errorf("it knows %+v", known)
		}
	})
	t.Run("a precheck is asked again", func(t *testing.T) {
		s := tell(t).then(core.Event{Type: core.EventPrechecked, Verdicts: []core.Verdict{{Check: "errors", Verdict: core.Fail}}}).
			then(core.Event{Type: core.EventHalted, Wave: "one", Cause: core.CausePrecheck}).then(resumed)
		if step := core.Next(plan(), s.r, epoch, core.Evidence{}); step.Do != core.DoPrecheck {
			t.Errorf("next is %+v", step)
		}
	})
	t.Run("an incomplete rollback tries what is left", func(t *testing.T) {
		s := reach[core.StateRollbackFailed](t).then(resumed)
		if step := core.Next(plan(), s.r, epoch, core.Evidence{}); step.Do != core.DoRevert || !slices.Equal(step.Targets, []string{"a"}) {
			t.Errorf("next is %+v", step)
		}
	})
}

// TestNothingIsBlockedForLonger: whatever happens next, a rollout no longer waits for the window that it waited for.
func TestNothingIsBlockedForLonger(t *testing.T) {
	due := epoch.Add(time.Hour)
	for name, e := range map[string]core.Event{
		"it begins":    {Type: core.EventDeploying, Wave: "two", Targets: []string{"b"}},
		"it halts":     {Type: core.EventHalted, Wave: "two", Cause: core.CauseInterrupted},
		"it goes back": {Type: core.EventRollingBack, Targets: []string{"a"}, Cause: core.CauseOverride},
		"it is ended":  {Type: core.EventEnded, State: core.StateAborted},
	} {
		s := tell(t).deploy("one", "a").baking("one").passed("one").then(core.Event{Type: core.EventBlocked, Wave: "two", Due: &due, Reason: "lunch"})
		if b := s.r.Blocked; b == nil || !b.Until.Equal(due) || b.Reason != "lunch" || s.r.State != core.StateDeploying {
			t.Fatalf("blocked: %+v", s.r)
		}
		if s.then(e); s.r.Blocked != nil {
			t.Errorf("%s: it is still blocked", name)
		}
	}
}

func TestVersionsOfTargets(t *testing.T) {
	s := tell(t).deploy("one", "a").baking("one").passed("one").
		then(core.Event{Type: core.EventDeploying, Wave: "two", Targets: []string{"b", "c"}}).
		then(core.Event{Type: core.EventDeployed, Wave: "two", Results: []core.Result{{Target: "b", Outcome: core.OutcomeCut}, {Target: "c", Outcome: core.OutcomeUntouched}}})
	for name, want := range map[string]string{"a": "v2", "b": "", "c": "v0"} {
		if got := s.r.Target(name).Version; got != want {
			t.Errorf("%s runs %q, want %q", name, got, want)
		}
	}
	if n := s.r.Target("c").Attempts; n != 0 {
		t.Errorf("c was never started, but has %d attempts", n)
	}
}

func TestLeaseYields(t *testing.T) {
	now := epoch
	holder := core.Actor{ID: "h", Run: "7", Attempt: 1}
	lease := core.Lease{Holder: holder, Until: now.Add(time.Minute)}
	alive := func(core.Actor) bool { return false }
	gone := func(core.Actor) bool { return true }
	tests := []struct {
		name  string
		lease core.Lease
		to    core.Actor
		now   time.Time
		dead  func(core.Actor) bool
		want  bool
	}{
		{"nobody holds it", core.Lease{}, core.Actor{ID: "x"}, now, alive, true},
		{"its own", lease, holder, now, alive, true},
		{"another run", lease, core.Actor{ID: "x", Run: "8", Attempt: 5}, now, alive, false},
		{"a later attempt of the same run", lease, core.Actor{ID: "x", Run: "7", Attempt: 2}, now, alive, true},
		{"the same attempt of the same run", lease, core.Actor{ID: "x", Run: "7", Attempt: 1}, now, alive, false},
		{"no run at all", core.Lease{Holder: core.Actor{ID: "h"}, Until: lease.Until}, core.Actor{ID: "x", Attempt: 2}, now, alive, false},
		{"it has run out", lease, core.Actor{ID: "x"}, lease.Until, alive, true},
		{"its holder is dead", lease, core.Actor{ID: "x"}, now, gone, true},
	}
	for _, tt := range tests {
		if got := tt.lease.YieldsTo(tt.to, tt.now, tt.dead); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
