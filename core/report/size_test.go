package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// crowd is a halted rollout of many waves, each with its checks and their looks, in which every text is long and hostile.
func crowd(t *testing.T, mark string, waves, targets, checks int) (*core.Rollout, []core.Event) {
	s := &story{t: t, at: began}
	long := strings.Repeat(mark, 2000)
	var start core.Start
	for i := range waves {
		w := core.StartWave{Name: fmt.Sprintf("w%d %s", i, long)}
		for j := range targets / waves {
			w.Targets = append(w.Targets, core.StartTarget{Target: core.Target{Name: fmt.Sprintf("t%d-%d %s", i, j, long)}})
		}
		start.Waves = append(start.Waves, w)
	}
	var verdicts []core.Verdict
	for i := range checks {
		v := compared(fmt.Sprint(i, long), core.Fail, 0.123456789, 0.987654321)
		v.Reason, v.Query, v.Window = long, long, long
		verdicts = append(verdicts, v)
	}
	start.Version, start.Previous = long, long
	s.tell(0, core.Event{Type: core.EventStarted, Start: &start})
	for range 200 {
		s.tell(0, core.Event{Type: core.EventExpedited, Reason: long, Override: &core.Override{Kind: core.OverrideEmergency, Reason: long, By: core.Actor{Name: long}}})
	}
	var results []core.Result
	var names []string
	for _, t := range start.Waves[0].Targets {
		names = append(names, t.Name)
		results = append(results, core.Result{Target: t.Name, Outcome: core.OutcomeFailed, Error: long, Tail: strings.Repeat(long+"\n", 100)})
	}
	s.tell(0, core.Event{Type: core.EventDeploying, Wave: start.Waves[0].Name, Targets: names})
	s.tell(0, core.Event{Type: core.EventDeployed, Wave: start.Waves[0].Name, Results: results})
	s.tell(0, core.Event{Type: core.EventHalted, Wave: start.Waves[0].Name, Reason: long, Verdicts: verdicts})
	r := s.rollout()
	for i := range r.Waves {
		r.Waves[i].State, r.Waves[i].Began, r.Waves[i].Out, r.Waves[i].Since, r.Waves[i].Verdicts = core.WaveHalted, began, began, began, verdicts
		for j := range r.Waves[i].Targets {
			r.Waves[i].Targets[j].State, r.Waves[i].Targets[j].Error, r.Waves[i].Targets[j].Tail = core.TargetFailed, long, long
		}
		for range 100 {
			s.saw(r.Waves[i].Name, append([]core.Verdict{}, verdicts...)...)
		}
	}
	r.Precheck, r.Verified = verdicts, verdicts
	return r, s.events
}

// TestSummaryFits: a summary that the forge drops because of its size helps nobody.
func TestSummaryFits(t *testing.T) {
	for _, mark := range []string{"|", "𝕏", "|<@&`𝕏", "@ "} {
		r, events := crowd(t, mark, 50, 2000, 60)
		var looks Looks
		looks.Read(events)
		r.Wave = 49
		got := Summary(r, &looks, began.Add(time.Hour))
		if n := len(got); n > 1<<20-1<<16 {
			t.Errorf("with %q everywhere the summary has %d KiB", mark, n>>10)
		}
		if n := strings.Count(got, "\nxychart-beta\n"); n != mostCharts {
			t.Errorf("%d charts", n)
		}
	}
}

func TestSummaryShowsTheWaveAtWork(t *testing.T) {
	r, _ := crowd(t, "x", 300, 3000, 1)
	r.Wave = 299
	if got := Summary(r, nil, began); !strings.Contains(got, "Waves 251 to 300 of 300 are shown.") || !strings.Contains(got, "| w299 ") {
		t.Error("the wave at work is not in the summary")
	}
}
