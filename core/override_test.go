package core_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

var ada = &core.Override{Kind: core.OverridePromote, Reason: "so", By: core.Actor{Name: "ada"}}

func halted(cause core.Cause) core.Event {
	return core.Event{Type: core.EventHalted, Cause: cause, Reason: "bad"}
}

// TestUnpromotable says for every place in which a rollout can be whether a human can promote it, and the state machine
// agrees.
func TestUnpromotable(t *testing.T) {
	deploying := reach[core.StateDeploying]
	waiting := func(t *testing.T) *tale { return tell(t).deploy("one", "a").baking("one").passed("one") }
	prechecked := func(t *testing.T) *tale {
		return tell(t).then(core.Event{Type: core.EventPrechecked, Verdicts: verdicts(core.Fail)})
	}
	last := func(t *testing.T) *tale { return waiting(t).deploy("two", "b", "c").baking("two") }
	tests := []struct {
		name string
		tale func(t *testing.T) *tale
		want string // a part of why not; empty: it can be
	}{
		{"before the first wave", tell, "no wave has begun, so there is no bake to end. Run version v2 again to go on."},
		{"in a deploy", deploying, "wave one is being deployed. Only a wave that is out can pass; wait until it bakes."},
		{"between waves", waiting, "wave two has not begun, so there is no bake to end. Run version v2 again to go on."},
		{"before a window", func(t *testing.T) *tale { return waiting(t).then(core.Event{Type: core.EventBlocked, Wave: "two"}) },
			"wave two waits for its window, and a window is passed only by run --emergency."},
		{"in a bake", reach[core.StateBaking], ""},
		{"in the last bake", last, ""},
		{"behind the last bake", func(t *testing.T) *tale { return last(t).passed("two") }, "wave two, the last one, has passed already. Run version v2 again to go on."},
		{"halted by a check", reach[core.StateHalted], ""},
		{"halted by a cancelled bake", func(t *testing.T) *tale { return last(t).then(halted(core.CauseInterrupted)) }, ""},
		{"halted by a precheck that failed", func(t *testing.T) *tale { return prechecked(t).then(halted(core.CausePrecheck)) }, ""},
		{"halted by a precheck that nobody answered", func(t *testing.T) *tale { return prechecked(t).then(halted(core.CauseUnasked)) }, ""},
		{"cancelled before the precheck", func(t *testing.T) *tale { return tell(t).then(halted(core.CauseInterrupted)) },
			"it was halted before anything was touched, and no check stands in its way. Run version v2 again to go on."},
		{"cancelled behind the precheck", func(t *testing.T) *tale { return prechecked(t).then(halted(core.CauseInterrupted)) }, "no check stands in its way"},
		{"halted by a deploy", func(t *testing.T) *tale { return deploying(t).then(halted(core.CauseDeploy)) },
			"the deploy of wave one failed, and a wave that is not out cannot pass. Run version v2 again to go on. Failed targets are deployed again."},
		{"halted by a window", func(t *testing.T) *tale { return waiting(t).then(halted(core.CauseWindow)) },
			"wave two was halted before its window, and a window is passed only by run --emergency."},
		{"halted as nobody knew the window", func(t *testing.T) *tale { return waiting(t).then(halted(core.CauseUnasked)) }, "before its window"},
		{"cancelled in a deploy", func(t *testing.T) *tale { return deploying(t).then(halted(core.CauseInterrupted)) },
			"wave one is not out, so there is no bake to end. Run version v2 again to go on."},
		{"going back", reach[core.StateRollingBack], "it goes back, and a rollback is never cut short. Run version v2 again to go on."},
		{"half back", reach[core.StateRollbackFailed], "it goes back"},
		{"over", reach[core.StateSucceeded], "it is over."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tale := tt.tale(t)
			got := tale.r.Unpromotable()
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
			err := tale.try(core.Event{Type: core.EventPromoted, Wave: tale.r.Waves[tale.r.Wave].Name, Override: ada})
			if (err == nil) != (tt.want == "") {
				t.Errorf("the state machine: %v", err)
			}
		})
	}
}

// TestPromoted passes what a human accepts, and keeps what the checks said.
func TestPromoted(t *testing.T) {
	s := tell(t).deploy("one", "a").baking("one").
		then(core.Event{Type: core.EventHalted, Wave: "one", Cause: core.CauseCheck, Reason: "bad", Verdicts: verdicts(core.Fail)}).
		then(core.Event{Type: core.EventPromoted, Wave: "one", Override: ada, Reason: "ada promoted it"})
	one := s.r.Waves[0]
	if s.r.State != core.StateDeploying || s.r.Wave != 1 || one.State != core.WavePassed || !one.Promoted || one.Passed.IsZero() || one.Verdicts[0].Verdict != core.Fail {
		t.Errorf("%+v", s.r)
	}
	if o := s.r.Overrides; len(o) != 1 || !o[0].At.Equal(one.Passed) || s.r.Cause != "" || s.r.Reason != "ada promoted it" {
		t.Errorf("%+v", s.r)
	}
	if _, done := core.Finish(s.r); done {
		t.Error("nothing is left, with a wave to come")
	}
	s.deploy("two", "b", "c").baking("two").then(core.Event{Type: core.EventPromoted, Wave: "two", Override: ada})
	if step, done := core.Finish(s.r); !done || step.Reason != "Version v2 is out on every wave. Promoted by hand, without a bake that had passed: one, two." {
		t.Errorf("%+v", step)
	}
	if step := core.Next(plan(), s.r, epoch, core.Evidence{}); step.Do != core.DoEnd || step.State != core.StateSucceeded {
		t.Errorf("%+v", step)
	}
}

// TestAcceptedPrecheck lets a rollout begin whose precheck fails, also when it is asked again.
func TestAcceptedPrecheck(t *testing.T) {
	p := plan()
	p.Precheck = true
	failed := core.Event{Type: core.EventPrechecked, Verdicts: verdicts(core.Fail)}
	s := tell(t).then(failed)
	if step := core.Next(p, s.r, epoch, core.Evidence{}); step.Do != core.DoHalt || step.Cause != core.CausePrecheck {
		t.Fatalf("%+v", step)
	}
	s.then(halted(core.CausePrecheck)).then(core.Event{Type: core.EventPromoted, Wave: "one", Override: ada})
	if step := core.Next(p, s.r, epoch, core.Evidence{}); step.Do != core.DoDeploy || s.r.State != core.StatePending {
		t.Errorf("%+v", step)
	}
	s.then(halted(core.CauseInterrupted)).then(core.Event{Type: core.EventResumed})
	if step := core.Next(p, s.r, epoch, core.Evidence{}); step.Do != core.DoPrecheck {
		t.Errorf("%+v", step)
	}
	s.then(failed)
	if step := core.Next(p, s.r, epoch, core.Evidence{}); step.Do != core.DoDeploy {
		t.Errorf("%+v", step)
	}
}

// TestOverridesNeedAHuman refuses what only a human can do where no human is named.
func TestOverridesNeedAHuman(t *testing.T) {
	for state, e := range map[core.State]core.Event{
		core.StateBaking:    {Type: core.EventPromoted, Wave: "one"},
		core.StatePending:   {Type: core.EventExpedited},
		core.StateSucceeded: {Type: core.EventRollingBack, Targets: []string{"a"}},
	} {
		if err := reach[state](t).try(e); err == nil {
			t.Errorf("%s while %s, by nobody", e.Type, state)
		}
	}
	if err := reach[core.StateBaking](t).try(core.Event{Type: core.EventPromoted, Wave: "two", Override: ada}); err == nil || !strings.Contains(err.Error(), `"one" is at work`) {
		t.Errorf("another wave: %v", err)
	}
}

// TestRollBackByHand says what goes back when a human asks for it.
func TestRollBackByHand(t *testing.T) {
	half := func(t *testing.T) *tale { return tell(t).deploy("one", "a") }
	back := reach[core.StateRolledBack]
	activated := func(t *testing.T) *tale {
		s := half(t)
		s.r.Start.Activated = "v2"
		return s
	}
	tests := []struct {
		name  string
		tale  func(t *testing.T) *tale
		to    string
		scope []string
		want  string // why not
	}{
		{"what was touched", half, "", []string{"a"}, ""},
		{"nothing was touched", tell, "", nil, ""},
		{"after the end", reach[core.StateSucceeded], "", []string{"a", "b", "c"}, ""},
		{"what is back already", back, "", nil, "There is nothing to put back: rollout shop-production-1 has left nothing else than the previous version on any target."},
		{"what did not go back", reach[core.StateRollbackFailed], "", []string{"a"}, ""},
		{"all to a version", half, "v0", []string{"a", "b"}, ""}, // c runs it already
		{"all to another version, after a rollback", back, "v7", []string{"a", "b", "c"}, ""},
		{"to itself", half, "v2", nil, "Version v2 is that of rollout shop-production-1 itself, so there is no way back to it. Run it instead."},
		{"across an activation", activated, "", nil,
			"Rollout shop-production-1 of version v2 cannot go back. The plan says activate: this release must not be rolled back across. Roll forward."},
		{"to a version across an activation", activated, "v0", nil, "Rollout shop-production-1 of version v2 cannot go back. The plan says activate: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			step := core.RollBack(tt.tale(t).r, core.Way{Reason: "why", To: tt.to})
			if (step.Do == core.DoRollBack) != (tt.want == "") || tt.want != "" && !strings.HasPrefix(step.Reason, tt.want) || !slices.Equal(step.Targets, tt.scope) {
				t.Errorf("%+v", step)
			}
		})
	}
	s := half(t)
	s.r.Waves[0].Targets[0].Previous = ""
	if step := core.RollBack(s.r, core.Way{Reason: "why"}); step.Do != core.DoNothing || !strings.HasPrefix(step.Reason, "Nobody knows what ran on a before rollout") {
		t.Errorf("a first release: %+v", step)
	}
}

// TestActivateHaltsInsteadOfARollback takes every way into an automatic rollback.
func TestActivateHaltsInsteadOfARollback(t *testing.T) {
	p := plan()
	p.React = core.Reactions{Fail: core.ReactRollback, Inconclusive: core.ReactRollback, Error: core.ReactRollback}
	p.Checks[0].React = p.React
	p.Rollback.When = []core.Trigger{core.TriggerDeploy, core.TriggerCheck}
	for _, activated := range []string{"", "v1.9", "v2"} {
		for cause, tale := range map[core.Cause]*tale{
			core.CauseDeploy: tell(t).then(core.Event{Type: core.EventDeploying, Wave: "one", Targets: []string{"a"}}).
				then(core.Event{Type: core.EventDeployed, Wave: "one", Results: results(core.OutcomeFailed, "a")}),
			core.CauseCheck:        reach[core.StateBaking](t),
			core.CauseUnasked:      reach[core.StateBaking](t),
			core.CauseInconclusive: reach[core.StateBaking](t),
		} {
			tale.r.Start.Activated = activated
			w := tale.r.Waves[0]
			at := w.Since.Add(p.Waves[0].Bake.Max)
			kind := map[core.Cause]core.VerdictKind{core.CauseCheck: core.Fail, core.CauseUnasked: core.Error, core.CauseInconclusive: core.Inconclusive}[cause]
			step := core.Next(p, tale.r, at, core.Evidence{At: at, Enough: true, Verdicts: verdicts(kind)})
			want := core.DoRollBack
			if activated != "" {
				want = core.DoHalt
			}
			if step.Do != want || step.Cause != cause {
				t.Errorf("activated %q, %s: %+v", activated, cause, step)
			}
			if says := strings.Contains(step.Reason, "says activate: "); says != (activated != "") || activated == "v1.9" && !strings.Contains(step.Reason, "version v1.9, which this one replaces") {
				t.Errorf("activated %q, %s: %q", activated, cause, step.Reason)
			}
		}
	}
}

// TestActivates says what a later rollout must not go back across.
func TestActivates(t *testing.T) {
	activates := func(s *tale) *core.Rollout { s.r.Start.Activated = "v2"; return s.r }
	aborted := func() *core.Rollout {
		return activates(tell(t).deploy("one", "a").then(core.Event{Type: core.EventEnded, State: core.StateAborted}))
	}
	for name, tt := range map[string]struct {
		r        *core.Rollout
		previous string
		want     string
	}{
		"it was left half-way":    {aborted(), "v1", "v2"},
		"it is what is gone to":   {aborted(), "v2", ""},
		"it succeeded":            {activates(reach[core.StateSucceeded](t)), "v2", ""},
		"it touched nothing":      {activates(reach[core.StateAborted](t)), "v1", ""},
		"it does not activate":    {reach[core.StateRolledBack](t).r, "v1", ""},
		"there is nothing before": {&core.Rollout{}, "v1", ""},
	} {
		if got := tt.r.Activates(tt.previous); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestPlanForAnEmergency shortens bakes and nothing else.
func TestPlanForAnEmergency(t *testing.T) {
	p := plan()
	p.Waves = []core.WaveRule{
		{Name: "long", Bake: core.Bake{Min: time.Hour, Max: 4 * time.Hour, Every: time.Minute, Until: &core.Until{AtLeast: 7}}},
		{Name: "short", Bake: core.Bake{Min: time.Minute, Max: 2 * time.Minute, Every: time.Minute}},
	}
	before, _ := json.Marshal(p)
	if p.For(&core.Rollout{}) != p || p.For(&core.Rollout{Emergency: true}) != p {
		t.Error("a plan without a fast lane, or a rollout without an emergency, changed")
	}
	p.Emergency = &core.Emergency{MinBake: 5 * time.Minute}
	got := p.For(&core.Rollout{Emergency: true})
	want := *p
	want.Waves = slices.Clone(p.Waves)
	want.Waves[0].Bake.Min = 5 * time.Minute
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("%s\nwant %s", g, w)
	}
	p.Emergency = nil
	if after, _ := json.Marshal(p); string(after) != string(before) {
		t.Error("the plan itself changed")
	}
}

// TestOverrideOfAnOldLedger folds what was written before overrides were a list with times.
func TestOverrideOfAnOldLedger(t *testing.T) {
	var e core.Event
	old := `{"type":"ended","state":"aborted","reason":"bob aborted it","override":{"kind":"abort","reason":"why","by":{"id":"x","name":"bob"}}}`
	if err := json.Unmarshal([]byte(old), &e); err != nil {
		t.Fatal(err)
	}
	s := tell(t).then(e)
	if o := s.r.Overrides; len(o) != 1 || o[0].Kind != core.OverrideAbort || o[0].By.Name != "bob" || !o[0].At.Equal(s.r.Ended) {
		t.Errorf("%+v", o)
	}
	if now, _ := json.Marshal(e.Override); strings.Contains(string(now), `"at"`) {
		t.Errorf("an event says twice when it was: %s", now)
	}
}
