package core_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func plan() *core.Plan {
	react := core.Reactions{Fail: core.ReactRollback, Inconclusive: core.ReactHalt, Error: core.ReactHalt}
	bake := core.Bake{Min: 10 * time.Minute, Max: 40 * time.Minute, Every: 3 * time.Minute}
	return &core.Plan{
		Service: "shop", Environment: "production", Precheck: true, React: react,
		Waves:    []core.WaveRule{{Name: "one", Bake: bake}, {Name: "two", Bake: bake}},
		Rollback: core.Rollback{When: []core.Trigger{core.TriggerDeploy, core.TriggerCheck}, Scope: core.ScopeRollout},
		Checks:   []core.Check{{Name: "errors", React: react}, {Name: "cpu", React: core.Reactions{Fail: core.ReactNotify, Inconclusive: core.ReactNotify, Error: core.ReactNotify}}},
	}
}

func verdicts(errors core.VerdictKind) []core.Verdict {
	return []core.Verdict{{Check: "errors", Verdict: errors, Reason: "so it is"}, {Check: "cpu", Verdict: core.Fail}}
}

// TestNextInBake walks through one bake of 10 to 40 minutes with a look every 3 minutes. The bake begins at minute 4.
func TestNextInBake(t *testing.T) {
	since := epoch.Add(4 * time.Minute)
	at := func(m float64) time.Time { return since.Add(time.Duration(m * float64(time.Minute))) }
	seen := func(m float64, k core.VerdictKind) core.Evidence {
		return core.Evidence{At: at(m), Verdicts: verdicts(k), Enough: true}
	}
	scant := seen(10, core.Pass)
	scant.Enough, scant.Seen = false, "12 of 100"
	atMax := scant
	atMax.At = at(40)
	missed := seen(10, core.Pass)
	missed.Late = 4 * time.Minute
	slow := seen(3, core.Pass)
	slow.Took = 27 * time.Minute
	tests := []struct {
		name string
		now  float64 // minutes into the bake
		seen core.Evidence
		want core.Verb
		at   float64
		says string
	}{
		{"before the first look", 1, core.Evidence{}, core.DoWait, 3, ""},
		{"the first look", 3, core.Evidence{}, core.DoLook, 3, ""},
		{"no look can tell anything before the window is full", 3, core.Evidence{First: at(5)}, core.DoWait, 5, ""},
		{"between looks", 4, seen(3, core.Pass), core.DoWait, 6, ""},
		{"a missed look is asked about its own instant", 30, seen(3, core.Pass), core.DoLook, 6, ""},
		{"answers that take too long leave looks out", 31, slow, core.DoLook, 30, ""},
		{"a look at the shortest end exactly", 9.5, seen(9, core.Pass), core.DoWait, 10, ""},
		{"pass at the shortest end", 10, seen(10, core.Pass), core.DoPass, 0, ""},
		{"not before everything up to now is judged", 14, missed, core.DoLook, 13, ""},
		{"a slow answer to a look in time is good", 14, seen(10, core.Pass), core.DoPass, 0, ""},
		{"a failure goes back at once", 4, seen(3, core.Fail), core.DoRollBack, 0, "Check errors: so it is."},
		{"a dead source halts", 4, seen(3, core.Error), core.DoHalt, 0, "errors"},
		{"inconclusive extends itself", 10, seen(10, core.Inconclusive), core.DoWait, 13, ""},
		{"inconclusive at the longest end halts", 40, seen(40, core.Inconclusive), core.DoHalt, 0, "longest time"},
		{"too little traffic extends", 10, scant, core.DoWait, 13, ""},
		{"too little traffic at the longest end halts", 40, atMax, core.DoHalt, 0, "12 of 100"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tell(t).deploy("one", "a")
			s.baking("one")
			if !s.r.Waves[0].Since.Equal(since) {
				t.Fatalf("the bake began at %s", s.r.Waves[0].Since)
			}
			step := core.Next(plan(), s.r, at(tt.now), tt.seen)
			if step.Do != tt.want || !strings.Contains(step.Reason, tt.says) {
				t.Fatalf("next is %+v, want %s %q", step, tt.want, tt.says)
			}
			if tt.at != 0 && !step.At.Equal(at(tt.at)) {
				t.Errorf("%s at minute %s, want %v", step.Do, step.At.Sub(since), tt.at)
			}
		})
	}
}

func TestNextWithoutChecksWaitsForTheBake(t *testing.T) {
	p := plan()
	p.Checks = nil
	s := tell(t).deploy("one", "a").baking("one")
	since := s.r.Waves[0].Since
	if step := core.Next(p, s.r, since.Add(time.Minute), core.Evidence{}); step.Do != core.DoWait || !step.At.Equal(since.Add(10*time.Minute)) {
		t.Errorf("in the bake: %+v", step)
	}
	if step := core.Next(p, s.r, since.Add(10*time.Minute), core.Evidence{}); step.Do != core.DoPass {
		t.Errorf("after it: %+v", step)
	}
}

func TestNextLooksAtOnceWhereABakeMayEndAtOnce(t *testing.T) {
	p := plan()
	p.Waves[0].Bake.Min = 0
	s := tell(t).deploy("one", "a").baking("one")
	since := s.r.Waves[0].Since
	if step := core.Next(p, s.r, since, core.Evidence{}); step.Do != core.DoLook || !step.At.Equal(since) {
		t.Errorf("at first: %+v", step)
	}
	seen := core.Evidence{At: since, Enough: true, Verdicts: verdicts(core.Pass)}
	if step := core.Next(p, s.r, since, seen); step.Do != core.DoPass {
		t.Errorf("after the look: %+v", step)
	}
}

func TestNextPrecheck(t *testing.T) {
	tests := map[core.VerdictKind]core.Verb{
		core.Pass: core.DoDeploy, core.Inconclusive: core.DoDeploy, core.Fail: core.DoHalt, core.Error: core.DoHalt,
	}
	for kind, want := range tests {
		s := tell(t).then(core.Event{Type: core.EventPrechecked, Verdicts: verdicts(kind)})
		if step := core.Next(plan(), s.r, epoch, core.Evidence{}); step.Do != want {
			t.Errorf("after a precheck that says %s: %+v, want %s", kind, step, want)
		}
	}
}

// TestNextAtAWindow: a wave that has not begun is held up, whatever has begun is not.
func TestNextAtAWindow(t *testing.T) {
	noon := epoch.Add(time.Hour)
	shut := core.Opening{Until: noon, Why: "lunch"}
	never := core.Opening{Why: "lunch"}
	unknown := core.Opening{Why: "no calendar", Unknown: true}
	between := func(t *testing.T) *tale { return tell(t).deploy("one", "a").baking("one").passed("one") }
	told := func(t *testing.T) *tale {
		return between(t).then(core.Event{Type: core.EventBlocked, Wave: "two", Due: &noon})
	}
	half := func(t *testing.T) *tale {
		return between(t).then(core.Event{Type: core.EventDeploying, Wave: "two", Targets: []string{"b"}})
	}
	untouched := func(t *testing.T) *tale {
		return half(t).then(core.Event{Type: core.EventDeployed, Wave: "two", Results: results(core.OutcomeUntouched, "b")})
	}
	tests := []struct {
		name   string
		tale   func(t *testing.T) *tale
		window *core.Opening
		want   core.Verb
		cause  core.Cause
	}{
		{"before the first wave, and before its precheck", tell, &shut, core.DoBlock, ""},
		{"before the first wave, never", tell, &never, core.DoBlock, ""},
		{"before the first wave, unknown", tell, &unknown, core.DoBlock, ""},
		{"before the first wave, open", tell, &core.Opening{Open: true}, core.DoPrecheck, ""},
		{"between waves", between, &shut, core.DoBlock, ""},
		{"between waves, once it is written down", told, &shut, core.DoWait, ""},
		{"between waves, and then for longer", told, &core.Opening{Until: noon.Add(1)}, core.DoBlock, ""},
		{"between waves, never", between, &never, core.DoHalt, core.CauseWindow},
		{"between waves, unknown", between, &unknown, core.DoHalt, core.CauseUnasked},
		{"between waves, open", told, &core.Opening{Open: true}, core.DoDeploy, ""},
		{"no windows", between, nil, core.DoDeploy, ""},
		{"half of a wave", half, &shut, core.DoDeploy, ""},
		{"a wave that was announced and never touched", untouched, &shut, core.DoBlock, ""},
		{"a bake", reach[core.StateBaking], &shut, core.DoWait, ""},
		{"a rollback", reach[core.StateRollingBack], &shut, core.DoRevert, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.tale(t)
			step := core.Next(plan(), s.r, epoch.Add(s.n), core.Evidence{Window: tt.window})
			if step.Do != tt.want || step.Cause != tt.cause {
				t.Errorf("next is %+v, want %s", step, tt.want)
			}
			if tt.window == &shut && (step.Do == core.DoBlock || tt.name == "between waves, once it is written down") && !step.At.Equal(noon) {
				t.Errorf("%s until %s", step.Do, step.At)
			}
		})
	}
}

func TestNextAfterFailedDeploys(t *testing.T) {
	failed := func(t *testing.T) *tale {
		return tell(t).deploy("one", "a").baking("one").passed("one").
			then(core.Event{Type: core.EventDeploying, Wave: "two", Targets: []string{"b", "c"}}).
			then(core.Event{Type: core.EventDeployed, Wave: "two", Results: []core.Result{{Target: "b", Outcome: core.OutcomeFailed}, {Target: "c", Outcome: core.OutcomeUntouched}}})
	}
	tests := []struct {
		name    string
		change  func(p *core.Plan)
		want    core.Verb
		targets []string
	}{
		{"all that was touched goes back, what was not does not", func(*core.Plan) {}, core.DoRollBack, []string{"a", "b"}},
		{"only the failing wave", func(p *core.Plan) { p.Rollback.Scope = core.ScopeWave }, core.DoRollBack, []string{"b"}},
		{"halt instead", func(p *core.Plan) { p.Rollback.When = nil }, core.DoHalt, nil},
		{"tolerated", func(p *core.Plan) { p.Deploy.Tolerate = core.Amount{Count: 1, Set: true} }, core.DoDeploy, []string{"c"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := plan()
			tt.change(p)
			if step := core.Next(p, failed(t).r, epoch, core.Evidence{}); step.Do != tt.want || !slices.Equal(step.Targets, tt.targets) {
				t.Errorf("next is %+v", step)
			}
		})
	}
}

func TestNextRollsBackNewestFirst(t *testing.T) {
	s := tell(t).deploy("one", "a").baking("one").passed("one").deploy("two", "b", "c").baking("two")
	step := core.Next(plan(), s.r, epoch.Add(time.Hour), core.Evidence{At: epoch.Add(time.Hour), Verdicts: verdicts(core.Fail)})
	s.then(core.Event{Type: core.EventRollingBack, Targets: step.Targets, Cause: step.Cause, Reason: step.Reason})
	var order []string
	for {
		step := core.Next(plan(), s.r, epoch, core.Evidence{})
		if step.Do != core.DoRevert {
			if step.Do != core.DoEnd || step.State != core.StateRollbackFailed {
				t.Fatalf("after the waves: %+v", step)
			}
			break
		}
		order = append(order, step.Targets...)
		wave := s.r.Waves[step.Wave].Name
		s.then(core.Event{Type: core.EventReverting, Wave: wave, Targets: step.Targets})
		rs := results(core.OutcomeDone, step.Targets...)
		if wave == "two" {
			rs[0].Outcome = core.OutcomeFailed // and it goes on past the failure
		}
		s.then(core.Event{Type: core.EventReverted, Wave: wave, Results: rs})
	}
	if !slices.Equal(order, []string{"c", "b", "a"}) {
		t.Errorf("the order is %v", order)
	}
}

func TestNextHaltsWithoutAnythingToGoBackTo(t *testing.T) {
	s := &tale{t: t, r: &core.Rollout{Line: line}}
	s.then(core.Event{Type: core.EventStarted, Start: &core.Start{Version: "v1",
		Waves: []core.StartWave{{Name: "one", Targets: []core.StartTarget{{Target: core.Target{Name: "a"}}}}}}})
	s.deploy("one", "a").baking("one")
	step := core.Next(plan(), s.r, epoch.Add(time.Hour), core.Evidence{At: epoch.Add(time.Hour), Verdicts: verdicts(core.Fail)})
	if step.Do != core.DoHalt || !strings.Contains(step.Reason, "no previous version") {
		t.Errorf("next is %+v", step)
	}
}

func TestNextVerifiesAfterARollback(t *testing.T) {
	p := plan()
	p.Rollback.Verify = 10 * time.Minute
	s := reverted(t, core.OutcomeDone)
	done := s.r.Restored
	if step := core.Next(p, s.r, done, core.Evidence{}); step.Do != core.DoLook {
		t.Fatalf("at first: %+v", step)
	}
	ill := core.Evidence{At: done, Verdicts: verdicts(core.Fail)}
	if step := core.Next(p, s.r, done.Add(time.Minute), ill); step.Do != core.DoWait {
		t.Fatalf("not well yet: %+v", step)
	}
	ill.At = done.Add(10 * time.Minute)
	if step := core.Next(p, s.r, ill.At, ill); step.Do != core.DoVerify {
		t.Fatalf("the time is over: %+v", step)
	}
	s.then(core.Event{Type: core.EventVerified, Verdicts: verdicts(core.Fail)})
	if step := core.Next(p, s.r, ill.At, ill); step.Do != core.DoEnd || step.State != core.StateRolledBack || !strings.HasPrefix(step.Reason, "NOT RECOVERED") {
		t.Errorf("at the end: %+v", step)
	}
}
