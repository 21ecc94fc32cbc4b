package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A saga is the rollouts of one line, each told by itself.
type saga struct {
	t         *testing.T
	chronicle *Chronicle
	number    int
	seq       int64
	at        time.Time
}

func newSaga(t *testing.T, last int, since time.Duration) *saga {
	s := &saga{t: t, at: began}
	from := time.Time{}
	if since > 0 {
		from = began.Add(since)
	}
	s.chronicle = NewChronicle(core.Line{Service: "checkout", Environment: "production"}, last, from, began.Add(30*24*time.Hour))
	return s
}

// add tells one rollout of a version, a day after the one before began.
func (s *saga) add(version string, tell func(*story)) {
	s.t.Helper()
	s.number++
	one := begin(s.t)
	tell(one)
	shift := s.at.Sub(began)
	s.at = s.at.Add(24 * time.Hour)
	for _, e := range one.events {
		s.seq++
		e.Seq, e.At, e.Rollout = s.seq, e.At.Add(shift), fmt.Sprintf("checkout-production-%d", s.number)
		if e.Start != nil {
			start := *e.Start
			start.Number, start.Version = s.number, version
			e.Start = &start
		}
		if err := s.chronicle.Add(e); err != nil {
			s.t.Fatal(err)
		}
	}
}

// What the checks say in one look: "errors fail, cpu pass shadow".
func says(text string) []core.Verdict {
	var all []core.Verdict
	for _, one := range strings.Split(text, ", ") {
		words := strings.Fields(one)
		all = append(all, core.Verdict{Check: words[0], Verdict: core.VerdictKind(words[1]), Shadow: len(words) > 2, Reason: "so"})
	}
	return all
}

func (s *story) look(text string) {
	s.tell(time.Minute, core.Event{Type: core.EventLooked, Wave: "one-box", Verdicts: says(text), Due: new(s.at.Add(time.Minute))})
}

func (s *story) first() {
	s.deploy("one-box", onebox)
	s.bake("one-box")
}

func (s *story) succeed(text string) {
	s.tell(30*time.Minute, core.Event{Type: core.EventPassed, Wave: "one-box", Verdicts: says(text)})
	for _, w := range []struct {
		name    string
		targets []string
	}{{"first-region", region}, {"rest-1", rest}} {
		s.deploy(w.name, w.targets)
		s.bake(w.name)
		s.tell(30*time.Minute, core.Event{Type: core.EventPassed, Wave: w.name})
	}
	s.tell(0, core.Event{Type: core.EventEnded, State: core.StateSucceeded, Reason: "It is out."})
}

func (s *story) rollBack(cause core.Cause, text string, by *core.Override) {
	e := core.Event{Type: core.EventRollingBack, Cause: cause, Targets: onebox, Reason: "So it is.", Override: by}
	if text != "" {
		e.Verdicts = says(text)
	}
	s.tell(time.Minute, e)
	s.revert("one-box", onebox)
	s.tell(0, core.Event{Type: core.EventEnded, State: core.StateRolledBack, Reason: "So it is."})
}

func (s *story) halt(cause core.Cause, text string) {
	e := core.Event{Type: core.EventHalted, Wave: "one-box", Cause: cause, Reason: "So it is."}
	if text != "" {
		e.Verdicts = says(text)
	}
	s.tell(time.Minute, e)
}

var ada = &core.Override{Kind: "rollback", Reason: "customers complain", By: core.Actor{Name: "ada"}}

func TestScores(t *testing.T) {
	type told struct {
		version string
		tell    func(*story)
	}
	good := func(s *story) { s.first(); s.succeed("errors pass, cpu pass shadow") }
	for name, c := range map[string]struct {
		rollouts []told
		want     map[string]string // by check and mode
	}{
		"a shadow that said fail while the release was good": {
			[]told{{"v1", func(s *story) { s.first(); s.succeed("errors pass, cpu fail shadow") }}},
			map[string]string{"cpu shadow": "would have stopped 1, right 0 times, wrong 1 time", "errors acting": "stopped 0"},
		},
		"a shadow that said fail and then pass would have stopped it all the same": {
			[]told{{"v1", func(s *story) {
				s.first()
				s.look("cpu fail shadow")
				s.look("cpu pass shadow")
				s.succeed("cpu pass shadow")
			}}},
			map[string]string{"cpu shadow": "would have stopped 1, right 0 times, wrong 1 time"},
		},
		"a shadow that agreed with a check that acted": {
			[]told{{"v1", func(s *story) { s.first(); s.rollBack(core.CauseCheck, "errors fail, cpu fail shadow", nil) }}},
			map[string]string{"cpu shadow": "would have stopped 1, right 1 time", "errors acting": "stopped 1, right 1 time"},
		},
		"a shadow that agreed with a human": {
			[]told{{"v1", func(s *story) {
				s.first()
				s.look("errors pass, cpu fail shadow")
				s.rollBack(core.CauseOverride, "", ada)
			}}},
			map[string]string{"cpu shadow": "would have stopped 1, right 1 time", "errors acting": "stopped 0, missed 1"},
		},
		"three times, twice right": {
			[]told{
				{"v1", func(s *story) { s.first(); s.rollBack(core.CauseCheck, "errors fail, cpu fail shadow", nil) }},
				{"v2", func(s *story) { s.first(); s.succeed("errors pass, cpu fail shadow") }},
				{"v3", func(s *story) { s.first(); s.rollBack(core.CauseCheck, "errors fail, cpu fail shadow", nil) }},
			},
			map[string]string{"cpu shadow": "would have stopped 3, right 2 times, wrong 1 time", "errors acting": "stopped 2, right 2 times"},
		},
		"a later run of the same version that got out": {
			[]told{
				{"v1", func(s *story) { s.first(); s.rollBack(core.CauseCheck, "errors fail, cpu pass shadow", nil) }},
				{"v1", good},
			},
			map[string]string{"errors acting": "stopped 1, right 0 times, wrong 1 time", "cpu shadow": "would have stopped 0"},
		},
		"an earlier run that got out says nothing": {
			[]told{
				{"v1", good},
				{"v1", func(s *story) { s.first(); s.rollBack(core.CauseCheck, "errors fail, cpu pass shadow", nil) }},
			},
			map[string]string{"errors acting": "stopped 1, right 1 time", "cpu shadow": "would have stopped 0, missed 1"},
		},
		"halted, resumed, out": {
			[]told{{"v1", func(s *story) {
				s.first()
				s.halt(core.CauseCheck, "errors fail")
				s.tell(time.Minute, core.Event{Type: core.EventResumed})
				s.succeed("errors pass")
			}}},
			map[string]string{"errors acting": "stopped 1, right 0 times, wrong 1 time"},
		},
		"halted, and nobody has decided yet": {
			[]told{{"v1", func(s *story) { s.first(); s.halt(core.CauseCheck, "errors fail") }}},
			map[string]string{"errors acting": "stopped 1, right 0 times, open 1"},
		},
		"halted, and a human put it back": {
			[]told{{"v1", func(s *story) {
				s.first()
				s.halt(core.CauseCheck, "errors fail, p99 pass")
				s.rollBack(core.CauseOverride, "", ada)
			}}},
			map[string]string{"errors acting": "stopped 1, right 1 time", "p99 acting": "stopped 0, missed 1"},
		},
		"what a fresh bake says counts, what the bake before it said is over": {
			[]told{{"v1", func(s *story) {
				s.first()
				s.look("errors pass, p99 pass")
				s.halt(core.CauseInconclusive, "errors pass, p99 inconclusive")
				s.tell(time.Minute, core.Event{Type: core.EventResumed})
				s.rollBack(core.CauseOverride, "", ada)
			}}},
			map[string]string{"errors acting": "stopped 0", "p99 acting": "stopped 0"},
		},
		"a check that only notifies": {
			[]told{{"v1", func(s *story) { s.first(); s.look("errors fail, p99 pass"); s.succeed("errors fail, p99 pass") }}},
			map[string]string{"errors acting": "stopped 0, would have stopped 1, right 0 times, wrong 1 time", "p99 acting": "stopped 0"},
		},
		"a failed deploy later on": {
			[]told{{"v1", func(s *story) {
				s.first()
				s.tell(30*time.Minute, core.Event{Type: core.EventPassed, Wave: "one-box", Verdicts: says("cpu fail shadow, p99 pass")})
				s.deploy("first-region", region, "use1-b")
				s.tell(0, core.Event{Type: core.EventHalted, Wave: "first-region", Cause: core.CauseDeploy, Reason: "So it is."})
			}}},
			map[string]string{"cpu shadow": "would have stopped 1, right 1 time", "p99 acting": "stopped 0"},
		},
		"no data says nothing of the release": {
			[]told{{"v1", func(s *story) { s.first(); s.halt(core.CauseInconclusive, "cpu fail shadow, p99 inconclusive") }}},
			map[string]string{"cpu shadow": "would have stopped 1, right 0 times, open 1", "p99 acting": "stopped 0"},
		},
		"before the first wave it is not about the release": {
			[]told{{"v1", func(s *story) {
				s.tell(0, core.Event{Type: core.EventPrechecked, Verdicts: says("errors fail")})
				s.tell(0, core.Event{Type: core.EventHalted, Cause: core.CausePrecheck, Verdicts: says("errors fail"), Reason: "So it is."})
			}}},
			map[string]string{},
		},
		"a shadow that was promoted": {
			[]told{
				{"v1", func(s *story) { s.first(); s.succeed("cpu fail shadow") }},
				{"v2", func(s *story) { s.first(); s.rollBack(core.CauseCheck, "cpu fail", nil) }},
			},
			map[string]string{"cpu shadow": "would have stopped 1, right 0 times, wrong 1 time", "cpu acting": "stopped 1, right 1 time"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSaga(t, 20, 0)
			for _, r := range c.rollouts {
				s.add(r.version, r.tell)
			}
			h := s.chronicle.History()
			got := map[string]string{}
			for _, score := range h.Checks {
				got[score.Check+" "+mode(score)] = scoreText(score)
				if score.Right+score.Wrong+score.Open != score.Stopped+score.WouldHave {
					t.Errorf("%+v does not add up", score)
				}
			}
			for check, want := range c.want {
				if got[check] != want {
					t.Errorf("%s: %q, want %q", check, got[check], want)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("scores of %v", got)
			}
		})
	}
}

// longPast is a line with a rollout of every kind.
func longPast(t *testing.T, last int, since time.Duration) History {
	s := newSaga(t, last, since)
	s.add("v1", func(s *story) { s.first(); s.succeed("errors pass, cpu fail shadow") })
	s.add("v2", func(s *story) { s.first(); s.rollBack(core.CauseCheck, "errors fail, cpu fail shadow", nil) })
	s.add("v3", func(s *story) {
		s.first()
		s.look("errors pass, cpu pass shadow")
		s.rollBack(core.CauseOverride, "", ada)
	})
	s.add("v4", func(s *story) {
		s.tell(0, core.Event{Type: core.EventHalted, Cause: core.CausePrecheck, Reason: "Already broken before us: errors."})
		s.tell(time.Hour, core.Event{Type: core.EventEnded, State: core.StateAborted, Reason: "bob aborted it: later",
			Override: &core.Override{Kind: "abort", Reason: "later", By: core.Actor{Name: "bob"}}})
	})
	s.add("v5-"+strings.Repeat("0123456789", 4), func(s *story) { s.first(); s.look("errors pass, cpu pass shadow") })
	return s.chronicle.History()
}

func TestHistory(t *testing.T) {
	h := longPast(t, 20, 0)
	var text bytes.Buffer
	if err := HistoryText(&text, h, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "history.txt", text.String())
	data, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "history.json", string(data)+"\n")
}

func TestHistoryBounds(t *testing.T) {
	numbers := func(h History) (all []int) {
		for _, r := range h.Rollouts {
			all = append(all, r.Number)
		}
		return all
	}
	for _, c := range []struct {
		last  int
		since time.Duration
		want  string
	}{
		{0, 0, "[5 4 3 2 1]"}, {2, 0, "[5 4]"}, {0, 48 * time.Hour, "[5 4 3]"}, {0, 48*time.Hour + 1, "[5 4]"}, {1, time.Hour, "[5]"}, {20, 24 * 9 * time.Hour, "[]"},
	} {
		if got := fmt.Sprint(numbers(longPast(t, c.last, c.since))); got != c.want {
			t.Errorf("last %d since %s: %s, want %s", c.last, c.since, got, c.want)
		}
	}
	none, err := json.Marshal(NewChronicle(core.Line{Service: "a", Environment: "b"}, 0, time.Time{}, began).History())
	if err != nil || strings.Contains(string(none), `"rollouts":null`) || strings.Contains(string(none), `"checks":null`) {
		t.Errorf("an empty history: %s %v", none, err)
	}
}

// TestHistoryFigures: the median of what went back, and what did not recover is not restored.
func TestHistoryFigures(t *testing.T) {
	s := newSaga(t, 0, 0)
	for i := range 4 {
		s.add(fmt.Sprint("v", i), func(s *story) {
			s.first()
			s.tell(time.Duration(i)*10*time.Minute, core.Event{Type: core.EventLooked, Wave: "one-box", Verdicts: says("errors pass")})
			e := core.Event{Type: core.EventRollingBack, Cause: core.CauseCheck, Targets: onebox, Reason: "So.", Verdicts: says("errors fail")}
			s.tell(0, e)
			s.revert("one-box", onebox)
			if i == 3 {
				s.tell(0, core.Event{Type: core.EventVerified, Verdicts: says("errors fail")})
			}
			s.tell(0, core.Event{Type: core.EventEnded, State: core.StateRolledBack, Reason: "So."})
		})
	}
	s.add("v9", func(s *story) { s.first(); s.succeed("errors pass") })
	f := s.chronicle.History().Figures
	if f.Deployments != 5 || f.Failed != 4 || f.Decided != 5 || *f.FailureRate != 0.8 || f.Restored != 3 {
		t.Errorf("%+v", f)
	}
	// deploy 90 s, bake 1 s, look 10 m, decision, intent 5 s, outcome 90 s: the middle one of three
	if *f.FromDeploy != Duration(10*time.Minute+186*time.Second) || *f.FromDecision != Duration(95*time.Second) {
		t.Errorf("restored %s after the deploy, %s after the decision", time.Duration(*f.FromDeploy), time.Duration(*f.FromDecision))
	}
	if got := *f.PerWeek; got < 1.16 || got > 1.17 { // 5 in 30 days
		t.Errorf("%v a week", got)
	}
}

// TestHistoryOfHostiles: nothing from a ledger moves a cursor or gives a forge a command.
func TestHistoryOfHostiles(t *testing.T) {
	bad := "\x1b[2J\r\n::error::x\u202e##[group]" + strings.Repeat("long ", 200)
	s := newSaga(t, 0, 0)
	s.add(bad, func(s *story) {
		s.first()
		s.tell(0, core.Event{Type: core.EventLooked, Wave: "one-box", Verdicts: []core.Verdict{{Check: bad, Verdict: core.VerdictKind(bad), Reason: bad}}})
		s.tell(0, core.Event{Type: core.EventEnded, State: core.StateAborted, Reason: bad,
			Override: &core.Override{Kind: core.OverrideKind(bad), Reason: bad, By: core.Actor{Name: bad}}})
	})
	h := s.chronicle.History()
	h.Line = bad
	h.Rollouts[0].State = core.State(bad)
	var text bytes.Buffer
	if err := HistoryText(&text, h, false); err != nil {
		t.Fatal(err)
	}
	if err := printable(text.String()); err != nil {
		t.Error(err)
	}
	if strings.Contains(text.String(), "##[") || strings.Contains("\n"+text.String(), "\n::") || strings.Contains(text.String(), " ::") {
		t.Errorf("a forge would take this for a command:\n%s", text.String())
	}
}
