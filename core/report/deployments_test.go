package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/breakwater-ci/breakwater/core"
)

// TestDeployments: an entry for each wave that has begun, and what it says as the rollout goes on.
func TestDeployments(t *testing.T) {
	s := failing(t)
	var got []string
	for n := range s.events {
		part := story{t: t, events: s.events[:n+1]}
		var said []string
		for _, d := range Deployments(part.rollout(), "") {
			said = append(said, fmt.Sprintf("%s %s", d.Wave, d.State))
		}
		if all := strings.Join(said, ", "); len(got) == 0 || got[len(got)-1] != all {
			got = append(got, all)
		}
	}
	want := []string{"", "one-box running", "one-box done", "one-box done, first-region running", "one-box running, first-region running"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	s.revert("first-region", region)
	s.revert("one-box", onebox)
	s.tell(time.Second, core.Event{Type: core.EventEnded, State: core.StateRolledBack})
	r := s.rollout()
	if all := Deployments(r, "https://x"); all[0].State != core.DeploymentGone || all[1].State != core.DeploymentFailed || all[1].URL != "https://x" ||
		all[1].Description != "Wave first-region (2 of 3) was rolled back: Check errors: 2.1% is above max 0.5%." {
		t.Errorf("%+v", all)
	}
	if all := Deployments(r, ""); all[0].Whole != core.DeploymentFailed {
		t.Errorf("the rollout as a whole: %+v", all[0])
	}
	r.Cause = core.CauseOverride
	if all := Deployments(r, ""); all[1].State != core.DeploymentGone || all[0].Whole != core.DeploymentGone {
		t.Errorf("what a human put back has not failed: %+v", all[1])
	}
	r.Why = strings.Repeat("é\n::error::", 100)
	if said := Deployments(r, "")[0].Description; utf8.RuneCountInString(said) > markWidth || strings.ContainsAny(said, "\n") {
		t.Errorf("%q", said)
	}
}

// TestDeploymentsOfOtherEnds: what is halted or was aborted has failed, what gave way has not, and what did not go back
// as a whole has.
func TestDeploymentsOfOtherEnds(t *testing.T) {
	end := func(e core.Event) *story {
		s := begin(t)
		s.deploy("one-box", onebox)
		s.bake("one-box")
		s.tell(time.Second, e)
		return s
	}
	stuck := end(core.Event{Type: core.EventRollingBack, Cause: core.CauseCheck, Targets: onebox, Reason: "Why."})
	stuck.revert("one-box", onebox, onebox...)
	for name, c := range map[string]struct {
		s    *story
		want core.DeploymentState
	}{
		"halted":   {end(core.Event{Type: core.EventHalted, Wave: "one-box", Cause: core.CauseCheck, Reason: "Why."}), core.DeploymentFailed},
		"aborted":  {end(core.Event{Type: core.EventEnded, State: core.StateAborted, Reason: "Why."}), core.DeploymentFailed},
		"gave way": {end(core.Event{Type: core.EventEnded, State: core.StateAborted, Newer: &core.Newer{Version: "v3"}}), core.DeploymentGone},
		"promoted": {end(core.Event{Type: core.EventPromoted, Wave: "one-box", Reason: "Why.",
			Override: &core.Override{Kind: core.OverridePromote, Reason: "why", By: core.Actor{ID: "ada"}}}), core.DeploymentDone},
		"stuck": {stuck, core.DeploymentFailed},
	} {
		if all := Deployments(c.s.rollout(), ""); len(all) != 1 || all[0].State != c.want {
			t.Errorf("%s: %+v; want %s", name, all, c.want)
		}
	}
}

// TestWhole: a report says when the rollout came to rest, and only then.
func TestWhole(t *testing.T) {
	s := halted(t)
	r := s.rollout()
	if got := Whole(r, nil, time.Time{}, s.at, nil); !got.Ended.Equal(s.at) || got.Rollout != r.ID || !strings.HasPrefix(got.Title, "halted: ") {
		t.Errorf("%+v", got)
	}
	if got := Whole(begin(t).rollout(), nil, time.Time{}, began, nil); !got.Ended.IsZero() {
		t.Errorf("it has not ended: %s", got.Ended)
	}
}

// TestNotes: what comes from a script is one safe line of a length that a forge takes, and never empty.
func TestNotes(t *testing.T) {
	hostile := "\x1b[31m::error::" + strings.Repeat("x\n", 3000) + "##[add-mask]y"
	n := NoteVerdict(core.Verdict{Check: hostile, Verdict: core.Fail, Reason: hostile}, "breakwater.yaml", 3, 4)
	for _, text := range []string{n.Title, n.Message} {
		if err := printable(text); err != nil || strings.Contains(text, "##[") || strings.HasPrefix(text, "::") || len(text) > 2000 {
			t.Errorf("%v: %.200q", err, text)
		}
	}
	if !n.Error || n.Line != 3 || n.Column != 4 {
		t.Errorf("%+v", n)
	}
	if n := NoteVerdict(core.Verdict{Check: "c", Verdict: core.Inconclusive}, "f", 1, 1); n.Error || n.Message == "" {
		t.Errorf("%+v", n)
	}
	if n := NoteFinding(core.Finding{Rule: "BW001", Name: "no-bake", What: hostile, Do: "Mend it.", File: "f", Line: 2}); n.Error || len(n.Message) > 2000 || n.Line != 2 {
		t.Errorf("%.200q", n.Message)
	}
}
