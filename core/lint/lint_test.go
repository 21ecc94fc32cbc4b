package lint

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func TestPractices(t *testing.T) {
	all := Practices()
	for i, p := range all {
		if i > 0 && p.ID <= all[i-1].ID {
			t.Errorf("%s comes after %s", p.ID, all[i-1].ID)
		}
		if !slices.Contains(core.Levels, p.Level) || p.Name == "" || p.Title == "" || p.From == "" {
			t.Errorf("incomplete: %+v", p)
		}
		for _, sentence := range []string{p.Why, p.Do} {
			if !strings.HasSuffix(sentence, ".") {
				t.Errorf("%s: no sentence: %q", p.ID, sentence)
			}
		}
	}
	for _, id := range Waivable() {
		if id == expiredWaiver.ID || id == idleWaiver.ID {
			t.Errorf("%s can be waived", id)
		}
	}
}

func TestVersionsThatMove(t *testing.T) {
	for version, want := range map[string]bool{
		"latest": true, "Latest": true, "main": true, "master": true, "stable": true, "HEAD": true, "develop": true, "feature/x": true,
		"refs/heads/v1": true, "refs/tags/v1": false, "release/1.2": true, "shop:latest": true, "registry:5000/shop:main": true,
		"registry:5000/shop": false, "registry:5000/shop:v1": false, "shop:latest@sha256:0a1b": false,
		"v2.3.1": false, "1.0": false, "744a400b1f2e": false, "2026-11-23": false, "": false, "mainline-7": false,
	} {
		if got := moves(version); got != want {
			t.Errorf("moves(%q) = %v", version, got)
		}
	}
}

func TestNeededBake(t *testing.T) {
	before := core.Control{Kind: core.ControlBefore}
	for name, c := range map[string]struct {
		check core.Check
		want  time.Duration
	}{
		"one breach":        {core.Check{Threshold: &core.Threshold{Breaches: core.Breaches{M: 1, N: 1}}}, time.Minute},
		"three of five":     {core.Check{Threshold: &core.Threshold{Breaches: core.Breaches{M: 3, N: 5}}}, 3 * time.Minute},
		"that lasts":        {core.Check{Threshold: &core.Threshold{Breaches: core.Breaches{M: 1, N: 1}, For: 5 * time.Minute}}, 6 * time.Minute},
		"compare":           {core.Check{Compare: &core.Compare{}}, 10 * time.Minute},
		"compare to before": {core.Check{Compare: &core.Compare{Control: before}}, 12 * time.Minute},
		"run":               {core.Check{Run: &core.Command{}}, time.Minute},
	} {
		if got, _ := neededBy(&c.check, time.Minute); got != c.want {
			t.Errorf("%s needs %s, not %s", name, got, c.want)
		}
	}
}

// nowhere is the places of a plan that was never in a file.
type nowhere struct{}

func (nowhere) At(...any) (line, column int) { return 1, 1 }
func (nowhere) Given(any) bool               { return false }

// TestWaivers: a waiver counts up to the end of its last day, and each waives all that its rule found.
func TestWaivers(t *testing.T) {
	until := core.Date{Year: 2027, Month: time.March, Day: 1}
	waiver := core.Waiver{Rule: "BW014", Why: "so", Until: until}
	check := core.Check{React: core.Reactions{Fail: core.ReactNotify}, Run: &core.Command{}}
	s := Subject{Places: nowhere{}, Waves: []core.StartWave{{Targets: make([]core.StartTarget, 1)}}, Plan: &core.Plan{
		Waves: make([]core.WaveRule, 1), Checks: []core.Check{check, check}, Waive: []core.Waiver{waiver, waiver},
	}}
	count := func(now time.Time) (waived, open, expired, idle int) {
		s.Now = now
		for _, f := range Plan(s) {
			switch {
			case f.Rule == "BW014" && f.Waived != nil:
				waived++
			case f.Rule == "BW014":
				open++
			case f.Rule == expiredWaiver.ID:
				expired++
			case f.Rule == idleWaiver.ID:
				idle++
			}
		}
		return
	}
	if waived, open, expired, idle := count(time.Date(2027, 3, 1, 23, 59, 59, 0, time.UTC)); waived != 2 || open != 0 || expired != 0 || idle != 1 {
		t.Errorf("on the last day: %d waived, %d open, %d expired, %d idle", waived, open, expired, idle)
	}
	// half an hour into the next day in UTC, though it is the day before farther west
	if waived, open, expired, idle := count(time.Date(2027, 3, 1, 16, 30, 0, 0, time.FixedZone("west", -8*3600))); waived != 0 || open != 2 || expired != 2 || idle != 0 {
		t.Errorf("a day later: %d waived, %d open, %d expired, %d idle", waived, open, expired, idle)
	}
}

func TestPreProduction(t *testing.T) {
	for environment, want := range map[string]bool{
		"production": true, "prod": true, "eu": true, "staging": false, "staging-eu": false, "pre-prod": false, "preprod.eu": false, "Test": false, "latest": true,
	} {
		s := Subject{Plan: &core.Plan{Environment: environment}}
		if got := len(noPreProduction(s)) > 0; got != want {
			t.Errorf("%s: found %v", environment, got)
		}
	}
	for label, want := range map[string]bool{"tier": false, "env": false, "environment": false, "stage": false, "color": true} {
		target := core.StartTarget{Target: core.Target{Labels: map[string]string{label: "Staging"}}}
		s := Subject{Plan: &core.Plan{Environment: "production"}, Waves: []core.StartWave{{Targets: []core.StartTarget{target}}}}
		if got := len(noPreProduction(s)) > 0; got != want {
			t.Errorf("label %s: found %v", label, got)
		}
	}
}

// TestNoProof: who looks at what a target runs needs no current; who only hears that it went well does.
func TestNoProof(t *testing.T) {
	for _, c := range []struct {
		options any
		want    int
	}{
		{new(core.Command), 1}, {new(core.Workflow), 1}, {new(core.CodeBuild), 1}, {new(core.CodePipeline), 1},
		{new(core.CodeDeploy), 0}, {new(core.ECS), 0}, {new(core.Lambda), 0},
	} {
		if got := noProof(Subject{Plan: &core.Plan{Deploy: core.Deploy{Options: c.options}}}); len(got) != c.want {
			t.Errorf("%T: %v", c.options, got)
		}
	}
}
