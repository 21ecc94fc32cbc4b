package engine_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
)

// TestInvariantsOfNewerVersions lets newer versions arrive at random moments of rollouts that fail at random, and
// compares what the targets run with what must be there: never a version that nobody can name, and after a rollback the
// last one that finished.
func TestInvariantsOfNewerVersions(t *testing.T) {
	seen := make(map[string]int)
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) { newerStory(t, rand.New(rand.NewPCG(seed, 3)), seen) })
		if t.Failed() {
			t.Fatalf("seed %d broke it", seed)
		}
	}
	t.Logf("%v", seen)
	for _, want := range []string{"queued", "displaced", "turned away", "gave way", "gave way in an emergency", "went back past a superseded version"} {
		if seen[want] == 0 {
			t.Errorf("nothing ever %s: the test does not reach it", want)
		}
	}
}

func newerStory(t *testing.T, rnd *rand.Rand, seen map[string]int) {
	s := newcomers(t, []core.OnNewer{core.NewerQueues, core.NewerSupersedes, core.NewerRejected}[rnd.IntN(3)])
	for i := range s.plan.Waves {
		s.plan.Waves[i].Bake.Every = 5 * time.Minute
	}
	fleet := make(map[string]string)
	for _, w := range s.waves {
		for _, target := range w.Targets {
			fleet[target.Name] = "v1"
		}
	}
	says := make(map[string]core.VerdictKind) // of version and wave
	for _, version := range []string{"v2", "v3", "v4"} {
		for _, w := range s.waves {
			says[version+w.Name] = []core.VerdictKind{core.Pass, core.Pass, core.Pass, core.Pass, core.Fail, core.Error}[rnd.IntN(6)]
		}
	}
	broken := fmt.Sprintf("w%d-%d v%d", rnd.IntN(2), rnd.IntN(4), 2+rnd.IntN(6))
	s.deploys.fail = func(a core.Act) error {
		s.deploys.mu.Lock()
		defer s.deploys.mu.Unlock()
		if !a.Rollback && a.Target.Name+" "+a.Version == broken {
			return errors.New("it broke")
		}
		fleet[a.Target.Name] = a.Version
		return nil
	}
	s.answers.ask = func(asked core.Asked, _ time.Time) core.VerdictKind {
		if asked.Back || asked.Wave == "" {
			return core.Pass
		}
		return cmp.Or(says[asked.Version+asked.Wave], core.Pass)
	}
	var all []<-chan outcome
	for i, version := range []string{"v2", "v3", "v4"}[:2+rnd.IntN(2)] {
		hurry := ""
		if i > 0 && rnd.IntN(4) == 0 {
			hurry = "it burns"
		}
		after := time.Duration(i) * time.Duration(rnd.IntN(100*60)) * time.Second
		all = append(all, s.comes(t.Context(), after, version, "by "+version, func(req *engine.Request) { req.Emergency = hurry }))
	}
	for _, one := range all {
		var blocked engine.Blocked
		if o := <-one; o.err != nil && !errors.As(o.err, &blocked) {
			t.Errorf("%v", o.err)
		}
		if blocked.Reason != "" {
			seen["turned away"]++
		}
	}
	s.checkHistory(t, fleet, seen)
}

// checkHistory goes through what the ledger has of the line.
func (s *scene) checkHistory(t *testing.T, fleet map[string]string, seen map[string]int) {
	r, finished, gaveWay := &core.Rollout{Line: s.plan.Line()}, "", false
	for e, err := range s.book.(core.Historian).History(context.Background(), s.plan.Line()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == core.EventStarted {
			if r.State != "" && !r.State.Over() {
				t.Errorf("%s started while %s was %s", e.Rollout, r.ID, r.State)
			}
			if e.Start.Previous != finished && finished != "" {
				t.Errorf("%s goes back to %s, and the last version that finished is %s", e.Rollout, e.Start.Previous, finished)
			}
			r = &core.Rollout{Line: r.Line}
		}
		displaced := e.Type == core.EventQueued && r.Newer != nil
		if err := r.Apply(e); err != nil {
			t.Fatal(err)
		}
		switch {
		case displaced:
			seen["displaced"]++
		case e.Type == core.EventQueued:
			seen["queued"]++
		case e.Type == core.EventEnded && r.GaveWay():
			s.checkBorder(t, r, seen)
			gaveWay = true
		case e.Type == core.EventEnded && r.State == core.StateSucceeded:
			finished, gaveWay = r.Start.Version, false
		case e.Type == core.EventEnded && r.State == core.StateRolledBack && gaveWay:
			seen["went back past a superseded version"]++
		}
	}
	for _, w := range r.Waves {
		for _, target := range w.Targets {
			runs := fleet[target.Name]
			if target.Version != "" && target.Version != runs {
				t.Errorf("%s runs %s, the ledger says %s", target.Name, runs, target.Version)
			}
			if want := r.LastGood(); r.State.Over() && !r.GaveWay() && runs != want {
				t.Errorf("the rollout is %s, and %s runs %s, not %s", r.State, target.Name, runs, want)
			}
		}
	}
}

// checkBorder: a rollout gives way between two waves; in an emergency also in a bake, but never in a deploy.
func (s *scene) checkBorder(t *testing.T, r *core.Rollout, seen map[string]int) {
	what := "gave way"
	if r.Newer.Emergency {
		what = "gave way in an emergency"
	}
	seen[what]++
	for _, w := range r.Waves {
		for _, target := range w.Targets {
			switch {
			case target.State == core.TargetDeploying, target.State == core.TargetRollingBack,
				!r.Newer.Emergency && target.Attempts > 0 && w.State != core.WavePassed:
				t.Errorf("%s gave way to %s while %s of wave %s was %s", r.ID, r.Newer.Version, target.Name, w.Name, target.State)
			}
		}
	}
}
