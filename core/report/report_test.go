package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/breakwater-ci/breakwater/core"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and look at the difference. Got:\n%s", file, got)
	}
}

var began = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// A story is a rollout that is told event by event, each some time after the one before.
type story struct {
	t      *testing.T
	events []core.Event
	at     time.Time
}

func (s *story) tell(after time.Duration, e core.Event) {
	s.at = s.at.Add(after)
	e.At, e.Seq, e.Rollout, e.Actor = s.at, int64(len(s.events)+1), "checkout-production-7", "actor"
	s.events = append(s.events, e)
}

func (s *story) rollout() *core.Rollout {
	s.t.Helper()
	r, err := core.Replay(core.Line{Service: "checkout", Environment: "production"}, s.events)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// begin starts a rollout of six targets in three waves.
func begin(t *testing.T) *story {
	s := &story{t: t, at: began}
	wave := func(name string, rule int, targets ...string) core.StartWave {
		w := core.StartWave{Name: name, Rule: rule}
		for _, name := range targets {
			w.Targets = append(w.Targets, core.StartTarget{Target: core.Target{Name: name, Weight: 1}})
		}
		return w
	}
	s.tell(0, core.Event{Type: core.EventStarted, Lease: &core.Lease{Holder: core.Actor{ID: "job"}, Until: began.Add(time.Hour)}, Start: &core.Start{
		Number: 7, Version: "v2.3.1", Previous: "v2.3.0", PlanFile: "breakwater.yaml", By: core.Actor{Name: "alice"},
		Waves: []core.StartWave{
			wave("one-box", 0, "use1-onebox"), wave("first-region", 1, "use1-a", "use1-b"), wave("rest-1", 2, "euw1-a", "euw1-b", "apne1-a"),
		}}})
	return s
}

// deploy deploys targets of a wave; those named in failed do not make it.
func (s *story) deploy(wave string, targets []string, failed ...string) {
	s.act(core.EventDeploying, core.EventDeployed, wave, targets, failed)
}

func (s *story) revert(wave string, targets []string, failed ...string) {
	s.act(core.EventReverting, core.EventReverted, wave, targets, failed)
}

func (s *story) act(intent, outcome core.EventType, wave string, targets, failed []string) {
	s.tell(5*time.Second, core.Event{Type: intent, Wave: wave, Targets: targets})
	var results []core.Result
	for _, name := range targets {
		res := core.Result{Target: name, Outcome: core.OutcomeDone, Took: 90 * time.Second}
		for _, f := range failed {
			if f == name {
				res.Outcome, res.Error = core.OutcomeFailed, "exit status 7"
				res.Tail = "copying v2.3.1 to " + name + "\nrestarting\nerror: no space left on device\n"
			}
		}
		results = append(results, res)
	}
	s.tell(90*time.Second, core.Event{Type: outcome, Wave: wave, Results: results})
}

func (s *story) bake(wave string) {
	s.tell(time.Second, core.Event{Type: core.EventBaking, Wave: wave})
}

func (s *story) pass(wave string) {
	s.tell(31*time.Minute, core.Event{Type: core.EventPassed, Wave: wave, Verdicts: s.verdicts(core.Pass)})
}

func (s *story) blocked(wave string) {
	s.tell(time.Second, core.Event{Type: core.EventBlocked, Wave: wave, Due: new(time.Date(2027, 1, 5, 9, 0, 0, 0, time.UTC)),
		Reason: "Blocked: wave " + wave + " may not start before 2027-01-05 09:00 UTC: a freeze (holidays), until 2027-01-05 00:00 UTC."})
}

// verdicts are those of three checks, the first of which answers with kind.
func (s *story) verdicts(kind core.VerdictKind) []core.Verdict {
	value, reason := 0.0007, "0.07% is below max 0.5%."
	if kind == core.Fail {
		value, reason = 0.021, "2.1% is above max 0.5% on use1-b, in 3 of the last 5 looks."
	}
	return []core.Verdict{
		{Check: "errors", Verdict: kind, Reason: reason, Value: &value, At: s.at, Window: "5m",
			Query: `sum(rate(http_requests_total{code=~"5..|429",instance=~"use1-a|use1-b"}[5m]))`},
		{Check: "p99", Verdict: core.Pass, Reason: "212 ms is below max 400 ms.", Value: new(0.212), At: s.at},
		{Check: "cpu", Verdict: core.Inconclusive, Reason: "No data yet.", Shadow: true, At: s.at},
	}
}

var onebox, region, rest = []string{"use1-onebox"}, []string{"use1-a", "use1-b"}, []string{"euw1-a", "euw1-b", "apne1-a"}

// stories are rollouts in every state in which people look at one.
var stories = map[string]func(*testing.T) *story{
	"pending": func(t *testing.T) *story {
		s := begin(t)
		s.tell(0, core.Event{Type: core.EventReleased})
		return s
	},
	"parked": func(t *testing.T) *story {
		s := begin(t)
		s.deploy("one-box", onebox)
		s.bake("one-box")
		s.tell(0, core.Event{Type: core.EventReleased})
		return s
	},
	"baking": func(t *testing.T) *story {
		s := begin(t)
		s.deploy("one-box", onebox)
		s.bake("one-box")
		s.pass("one-box")
		s.deploy("first-region", region)
		s.bake("first-region")
		s.tell(time.Minute, core.Event{Type: core.EventLooked, Wave: "first-region", Verdicts: s.verdicts(core.Pass), Due: new(s.at.Add(time.Minute))})
		return s
	},
	"blocked": func(t *testing.T) *story { // before anything was touched
		s := begin(t)
		s.blocked("one-box")
		return s
	},
	"waiting": func(t *testing.T) *story {
		s := begin(t)
		s.deploy("one-box", onebox)
		s.bake("one-box")
		s.pass("one-box")
		s.blocked("first-region")
		return s
	},
	"halted-deploy": func(t *testing.T) *story {
		s := begin(t)
		s.deploy("one-box", onebox)
		s.bake("one-box")
		s.pass("one-box")
		s.deploy("first-region", region, "use1-b")
		s.tell(time.Second, core.Event{Type: core.EventHalted, Wave: "first-region", Cause: core.CauseDeploy,
			Reason: "The deploy failed on use1-b of wave first-region."})
		return s
	},
	"rolled-back": func(t *testing.T) *story {
		s := failing(t)
		s.revert("first-region", region)
		s.revert("one-box", onebox)
		s.tell(10*time.Minute, core.Event{Type: core.EventVerified, Verdicts: s.verdicts(core.Pass)[:2]})
		s.tell(time.Second, core.Event{Type: core.EventEnded, State: core.StateRolledBack, Reason: "Check errors: 2.1% is above max 0.5%."})
		return s
	},
	"rollback-failed": func(t *testing.T) *story {
		s := failing(t)
		s.revert("first-region", region, "use1-a")
		s.revert("one-box", onebox)
		s.tell(time.Second, core.Event{Type: core.EventEnded, State: core.StateRollbackFailed,
			Reason: "The rollback failed on use1-a. It began because: Check errors: 2.1% is above max 0.5%."})
		return s
	},
	"aborted": func(t *testing.T) *story {
		s := begin(t)
		s.deploy("one-box", onebox)
		s.tell(time.Second, core.Event{Type: core.EventEnded, State: core.StateAborted, Reason: "bob asked for it: wrong branch",
			Override: &core.Override{Kind: "abort", Reason: "wrong branch", By: core.Actor{Name: "bob"}}})
		return s
	},
	"promoted": func(t *testing.T) *story { // with no job at work
		s := halted(t)
		s.tell(time.Hour, core.Event{Type: core.EventPromoted, Wave: "first-region", Reason: "bob promoted wave first-region: the probe is wrong",
			Override: &core.Override{Kind: core.OverridePromote, Reason: "the probe is wrong", By: core.Actor{Name: "bob"}}})
		return s
	},
	"emergency": func(t *testing.T) *story {
		s := begin(t)
		s.tell(0, core.Event{Type: core.EventExpedited,
			Reason:   "EMERGENCY, declared by bob: the shop is down. Bakes may be as short as 5m and windows are passed; every check is asked as ever.",
			Override: &core.Override{Kind: core.OverrideEmergency, Reason: "the shop is down", By: core.Actor{Name: "bob"}}})
		s.deploy("one-box", onebox)
		s.bake("one-box")
		return s
	},
	"activated": func(t *testing.T) *story {
		s := begin(t)
		s.deploy("one-box", onebox)
		s.bake("one-box")
		s.tell(12*time.Minute, core.Event{Type: core.EventHalted, Wave: "one-box", Cause: core.CauseCheck, Verdicts: s.verdicts(core.Fail),
			Reason: "Check errors: 2.1% is above max 0.5%. The plan says activate: this release must not be rolled back across. Roll forward."})
		s.events[0].Start.Activated = "v2.3.1"
		return s
	},
	"rolled-back-twice": func(t *testing.T) *story { // by hand, after it had ended
		s := begin(t)
		s.deploy("one-box", onebox)
		s.tell(time.Second, core.Event{Type: core.EventEnded, State: core.StateAborted, Reason: "bob aborted it: wrong branch",
			Override: &core.Override{Kind: core.OverrideAbort, Reason: "wrong branch", By: core.Actor{Name: "bob"}}})
		s.tell(time.Hour, core.Event{Type: core.EventRollingBack, Cause: core.CauseOverride, To: "v2.2.0", Targets: append(onebox[:1:1], region...),
			Reason:   "eve asked for version v2.2.0: all of v2.3 is wrong",
			Override: &core.Override{Kind: core.OverrideRollback, Reason: "all of v2.3 is wrong", By: core.Actor{Name: "eve"}}})
		s.revert("first-region", region)
		return s
	},
	"succeeded": func(t *testing.T) *story {
		s := begin(t)
		for _, w := range []struct {
			name    string
			targets []string
		}{{"one-box", onebox}, {"first-region", region}, {"rest-1", rest}} {
			s.deploy(w.name, w.targets)
			s.bake(w.name)
			s.pass(w.name)
		}
		s.tell(0, core.Event{Type: core.EventEnded, State: core.StateSucceeded,
			Reason: "Version v2.3.1 is out on every wave and has passed every bake."})
		return s
	},
}

// halted is a rollout that a check has halted.
func halted(t *testing.T) *story {
	s := begin(t)
	s.deploy("one-box", onebox)
	s.bake("one-box")
	s.pass("one-box")
	s.deploy("first-region", region)
	s.bake("first-region")
	s.tell(12*time.Minute, core.Event{Type: core.EventHalted, Wave: "first-region", Cause: core.CauseCheck,
		Reason: "Check errors: 2.1% is above max 0.5%.", Verdicts: s.verdicts(core.Fail)})
	return s
}

// failing is a rollout that has begun to go back.
func failing(t *testing.T) *story {
	s := begin(t)
	s.deploy("one-box", onebox)
	s.bake("one-box")
	s.pass("one-box")
	s.deploy("first-region", region)
	s.bake("first-region")
	s.tell(12*time.Minute, core.Event{Type: core.EventLooked, Wave: "first-region", Verdicts: s.verdicts(core.Fail), Due: new(s.at.Add(12 * time.Minute))})
	s.tell(time.Second, core.Event{Type: core.EventRollingBack, Cause: core.CauseCheck, Targets: append(onebox[:1:1], region...),
		Reason: "Check errors: 2.1% is above max 0.5%.", Verdicts: s.verdicts(core.Fail)})
	return s
}

var plan = &core.Plan{Emergency: &core.Emergency{MinBake: 5 * time.Minute}, Waves: []core.WaveRule{
	{Name: "one-box", Bake: core.Bake{Min: 30 * time.Minute}},
	{Name: "first-region", Bake: core.Bake{Min: 30 * time.Minute}},
	{Name: "rest", Bake: core.Bake{Min: 2 * time.Hour}},
}}

func TestReports(t *testing.T) {
	for name, tell := range stories {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			r, now := s.rollout(), s.at.Add(18*time.Minute)
			v := View{Plan: plan, Now: now}
			if r.State == core.StateBaking {
				v.Next = now.Add(time.Minute)
			}
			var text bytes.Buffer
			if err := Text(&text, r, v); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", text.String())
			golden(t, name+".md", Summary(r, nil, now))
			golden(t, name+".xml", JUnit(r))
			status, err := json.MarshalIndent(NewStatus(r, v.Next), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", string(status)+"\n")
		})
	}
}

func TestRefusal(t *testing.T) {
	hostile := "a freeze (<script>|`x`), until"
	got := Refusal(hostile, time.Date(2027, 1, 5, 9, 0, 0, 0, time.UTC))
	if strings.Contains(got, "<script>") || !strings.Contains(got, "- Re-run this job at 2027-01-05 09:00:00 UTC or later.\n") {
		t.Error(got)
	}
	if got := Refusal("busy", time.Time{}); got != "## Blocked\n\n**Why:** busy\n" {
		t.Errorf("%q", got)
	}
}

func TestPlanTextWithWindows(t *testing.T) {
	o := Outlook{Line: "checkout/production", Waves: []OutlookWave{
		{Name: "one-box", Targets: onebox, Share: 0.2, AtRisk: 0.2, BakeMin: Duration(time.Hour), EarliestStart: began, EarliestFinish: began.Add(time.Hour),
			Waits: "Blocked: wave one-box may not start before 2026-11-23 09:00 UTC: a freeze (holidays), until 2026-11-23 00:00 UTC."},
		{Name: "rest", Targets: rest, Share: 0.8, AtRisk: 1, BakeMin: Duration(time.Hour), Waits: "Blocked: wave rest may not start within a year: a freeze (for good), until 3000-01-01 00:00 UTC."},
	}}
	var text bytes.Buffer
	if err := PlanText(&text, o); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan-windows.txt", text.String())
	js, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "plan-windows.json", string(js)+"\n")
}

func TestTextColor(t *testing.T) {
	s := failing(t)
	var plain, color bytes.Buffer
	v := View{Now: s.at}
	if err := Text(&plain, s.rollout(), v); err != nil {
		t.Fatal(err)
	}
	v.Color = true
	if err := Text(&color, s.rollout(), v); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("text has colours that nobody asked for")
	}
	if !strings.Contains(color.String(), "\x1b[33mROLLING-BACK\x1b[0m") {
		t.Errorf("text has no colours: %q", color.String())
	}
	if stripANSI(color.String()) != plain.String() {
		t.Errorf("colours move the columns:\n%s\n%s", plain.String(), color.String())
	}
}

func TestTextSaysWhenItCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if err := Text(full, begin(t).rollout(), View{}); err == nil {
		t.Error("no error from a full disk")
	}
}

func TestEmptyStatusHasNoNull(t *testing.T) {
	got, err := json.Marshal(NewStatus(&core.Rollout{Waves: []core.Wave{{Name: "w"}}}, time.Time{}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"rollout":"","line":"/","version":"","previous":"","state":"","wave":"w","reason":"","next_at":null,` +
		`"waves":[{"name":"w","state":"","targets":[],"verdicts":[]}],"overrides":[]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPlanText(t *testing.T) {
	at := func(d time.Duration) time.Time { return began.Add(d) }
	o := Outlook{Line: "checkout/production", Waves: []OutlookWave{
		{"one-box", onebox, 0.0002, 0.0002, Duration(time.Hour), Duration(4 * time.Hour), at(0), at(time.Hour), ""},
		{"first-region", region, 0.2, 0.2002, Duration(30 * time.Minute), Duration(2 * time.Hour), at(time.Hour), at(90 * time.Minute), ""},
		{"rest-1", rest, 0.7998, 1, Duration(30 * time.Minute), 0, at(90 * time.Minute), at(2 * time.Hour), ""},
	}, Findings: []core.Finding{}}
	var text bytes.Buffer
	if err := PlanText(&text, o); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.txt", text.String())
	data, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.json", string(data)+"\n")
}

func TestReason(t *testing.T) {
	r := &core.Rollout{State: core.StateBaking}
	if got := Reason(r); got != core.StateBaking.Meaning() {
		t.Errorf("without a reason: %q", got)
	}
	r.Reason = "two\nlines, and " + strings.Repeat("ü", 200)
	got := Reason(r)
	if n := utf8.RuneCountInString(got); n != 140 || !utf8.ValidString(got) || !strings.HasPrefix(got, "two lines, and ü") {
		t.Errorf("%d characters: %q", n, got)
	}
}

func TestPrecision(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 999 * time.Millisecond: "0s", 45 * time.Second: "45s", 90 * time.Second: "1m 30s", 30 * time.Minute: "30m",
		time.Hour + time.Second: "1h", 65 * time.Minute: "1h 5m", 51 * time.Hour: "2d 3h",
	} {
		if got := lasting(d); got != want {
			t.Errorf("lasting(%d) = %q, want %q", d, got, want)
		}
	}
	for share, want := range map[float64]string{
		0: "0%", 0.0001: "<0.1%", 0.001: "0.1%", 0.05: "5%", 1.0 / 3: "33.3%", 0.9994: "99.9%", 0.99999: ">99.9%", 1: "100%",
	} {
		if got := percent(share); got != want {
			t.Errorf("percent(%v) = %q, want %q", share, got, want)
		}
	}
}

// printable reports the first character that a terminal would not just show.
func printable(s string) error {
	for i, r := range s {
		if r != '\n' && r != '\u200b' && (r == utf8.RuneError || !unicode.IsPrint(r)) {
			return fmt.Errorf("%U at byte %d", r, i)
		}
	}
	return nil
}

// TestRatio: a comparison shows how the arms compare; what has no such evidence shows nothing.
func TestRatio(t *testing.T) {
	for evidence, want := range map[string]string{
		`{"ratio":2.7331,"interval":[1.9,3.81234]}`: ", 2.73 times the control (1.9 to 3.81)",
		`{"ratio":5,"interval":[1.2,1.7e308]}`:      ", 5 times the control (at least 1.2)",
		`{"looks":3}`:                               "", ``: "", `no JSON`: "",
	} {
		if got := ratio(core.Verdict{Evidence: json.RawMessage(evidence)}); got != want {
			t.Errorf("%s: %q, want %q", evidence, got, want)
		}
	}
}
