package report

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// saw is a look of the checks of a bake, a minute after what was before.
func (s *story) saw(wave string, verdicts ...core.Verdict) {
	s.at = s.at.Add(time.Minute)
	for j := range verdicts {
		verdicts[j].At = s.at
	}
	s.tell(0, core.Event{Type: core.EventLooked, Wave: wave, Verdicts: verdicts, Due: new(s.at)})
}

// compared is a verdict of a comparison, and limited one of a threshold.
func compared(check string, kind core.VerdictKind, value, control float64) core.Verdict {
	evidence, _ := json.Marshal(map[string]any{"against": "pending", "candidate": value, "control": control, "needed": 100})
	return core.Verdict{Check: check, Verdict: kind, Reason: "so it is", Value: &value, Evidence: evidence,
		Query: `sum(increase(http_requests_total{code=~"5..",instance=~"use1-a|use1-b"}[1m]))`, Window: "1m"}
}

func limited(check string, kind core.VerdictKind, value, limit float64) core.Verdict {
	evidence, _ := json.Marshal(map[string]any{"max": limit})
	return core.Verdict{Check: check, Verdict: kind, Reason: "so it is", Value: &value, Evidence: evidence}
}

// watched is a rollout whose first wave was well and whose second one was not, with a check that has no number at times.
func watched(t *testing.T) *story {
	s := begin(t)
	s.deploy("one-box", onebox)
	s.bake("one-box")
	for i := range 30 {
		s.saw("one-box", compared("errors", core.Inconclusive, 0.0007+0.0002*math.Sin(float64(i)/3), 0.0008),
			limited("cpu", core.Pass, 0.5+0.1*math.Sin(float64(i)/4), 0.9))
	}
	s.pass("one-box")
	s.deploy("first-region", region)
	s.bake("first-region")
	for i := range 13 {
		kind, share := core.Inconclusive, 0.0008
		if i > 4 {
			share = 0.002 * float64(i-3)
		}
		if i == 12 {
			kind = core.Fail
		}
		cpu := limited("cpu", core.Pass, 0.6, 0.9)
		if i == 3 {
			cpu = core.Verdict{Check: "cpu", Verdict: core.Error, Reason: "connection refused"}
		}
		s.saw("first-region", compared("errors", kind, share, 0.0008), cpu)
	}
	s.tell(time.Second, core.Event{Type: core.EventRollingBack, Cause: core.CauseCheck, Targets: append(onebox[:1:1], region...),
		Reason: "Check errors: so it is.", Verdicts: s.events[len(s.events)-1].Verdicts})
	s.revert("first-region", region)
	s.revert("one-box", onebox)
	for range 4 {
		s.saw("first-region", compared("errors", core.Pass, 0.0008, 0.0008))
	}
	s.tell(0, core.Event{Type: core.EventEnded, State: core.StateRolledBack, Reason: "Check errors: so it is."})
	return s
}

func TestCharts(t *testing.T) {
	s := watched(t)
	var looks Looks
	looks.Read(s.events)
	golden(t, "watched.md", Summary(s.rollout(), &looks, s.at))
}

// TestLooksOfTwoProcesses: what the ledger has of the time before, and what this process saw, are one line; what is both is
// one point.
func TestLooksOfTwoProcesses(t *testing.T) {
	s := begin(t)
	s.deploy("one-box", onebox)
	s.bake("one-box")
	s.saw("one-box", limited("cpu", core.Pass, 0.1, 0.9))
	var looks Looks
	live := limited("cpu", core.Pass, 0.3, 0.9)
	live.At = s.at.Add(2 * time.Minute)
	looks.Looked(s.rollout(), core.Evidence{Verdicts: []core.Verdict{live}})
	s.saw("one-box", limited("cpu", core.Pass, 0.2, 0.9))
	s.saw("one-box", limited("cpu", core.Pass, 0.3, 0.9))
	looks.Read(s.events)
	looks.Read(s.events)
	var got []float64
	for _, l := range looks.of("one-box")[0].looks {
		got = append(got, *l.value)
	}
	if fmt.Sprint(got) != "[0.1 0.2 0.3]" {
		t.Errorf("the looks are %v", got)
	}
	looks.Recorded(nil, core.Event{Rollout: "another", Seq: 90})
	if looks.of("one-box") != nil {
		t.Error("another rollout shows the looks of the one before")
	}
	if (*Looks)(nil).of("one-box") != nil {
		t.Error("who saw nothing shows something")
	}
}

// TestThinned: of a bake that is long the chart is small, and a spike stays in it.
func TestThinned(t *testing.T) {
	s := &series{check: "cpu"}
	for i := range 5000 {
		v := limited("cpu", core.Pass, 0.5, 0.9)
		v.At = began.Add(time.Duration(i) * time.Minute)
		if i == 2501 {
			v = limited("cpu", core.Fail, 0.97, 0.9)
			v.At = began.Add(2501 * time.Minute)
		}
		s.add(newLook(v))
	}
	if n := len(s.looks); n > mostLooks {
		t.Errorf("%d looks are kept", n)
	}
	chart := s.xychart("wave one")
	if !strings.Contains(chart, "0.97") || strings.Count(chart, ",") > 4*mostPoints {
		t.Errorf("the spike is gone, or the chart is large:\n%s", chart)
	}
	if !s.looks[0].at.Equal(began) || !s.looks[len(s.looks)-1].at.Equal(began.Add(4999*time.Minute)) {
		t.Error("the ends of the bake are gone")
	}
}

// TestHostileChart: a diagram holds nothing but what was meant, whatever the names and the numbers.
func TestHostileChart(t *testing.T) {
	for _, values := range [][2]float64{
		{0, 0}, {1e-300, 5e-324}, {math.MaxFloat64, -math.MaxFloat64}, {math.MaxFloat64, math.MaxFloat64}, {-5, -4}, {-1e-9, 1e9}, {1234567, 1234568},
	} {
		s := &series{check: hostile}
		for i, v := range values {
			one := limited(hostile, core.Fail, v, v)
			one.At = began.Add(time.Duration(i) * time.Minute)
			s.add(newLook(one))
		}
		_, diagram, _ := strings.Cut(s.xychart("wave "+hostile), "xychart-beta\n")
		for l := range strings.Lines(strings.TrimSuffix(diagram, "```\n")) {
			if strings.ContainsAny(l, ";#%<`'(){}|&@\\") || strings.Count(l, `"`)%2 != 0 {
				t.Errorf("a mark with a meaning is in %q", l)
			}
			if _, numbers, ok := strings.Cut(l, "line ["); ok && strings.ContainsAny(numbers, "eEINn") {
				t.Errorf("Mermaid does not know these numbers: %q", l)
			}
		}
	}
}
