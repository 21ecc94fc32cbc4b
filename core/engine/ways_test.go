package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
)

// A tally is a line as somebody would keep it on paper: a row for each rollout, and what each target runs. It knows
// nothing of events.
type tally struct {
	rows  []row
	fleet map[string]string
}

type row struct {
	version, previous string
	good              bool // it succeeded and was not rolled back
	touched           []string
	noReturn          bool              // nobody may go back across it
	before            map[string]string // what goes back on what was touched
}

// lastGood is what the next release goes back to.
func (l *tally) lastGood() string {
	if n := len(l.rows); n == 0 {
		return ""
	} else if r := l.rows[n-1]; r.good {
		return r.version
	} else {
		return r.previous
	}
}

// reachable reports whether a human may put a version back.
func (l *tally) reachable(version string) bool {
	for i, r := range slices.Backward(l.rows) {
		if r.good && r.version == version {
			return i < len(l.rows)-1 // the newest one is there already
		}
		if r.noReturn && len(r.touched) > 0 {
			return false
		}
	}
	return false
}

// release writes a rollout down that got as far as the targets in touched.
func (l *tally) release(version string, activate, good bool, touched []string) {
	r := row{version: version, previous: l.lastGood(), good: good, touched: touched, noReturn: activate, before: make(map[string]string)}
	if n := len(l.rows); n > 0 && !l.rows[n-1].good && l.rows[n-1].noReturn && len(l.rows[n-1].touched) > 0 {
		r.noReturn = true
	}
	for _, t := range touched {
		r.before[t] = r.previous
		if good || r.noReturn {
			l.fleet[t] = version
		} else {
			l.fleet[t] = r.previous
		}
	}
	l.rows = append(l.rows, r)
}

// back puts a version, or the previous one, back. It reports whether that can be.
func (l *tally) back(to string) bool {
	if len(l.rows) == 0 || to != "" && !l.reachable(to) {
		return false
	}
	r := &l.rows[len(l.rows)-1]
	if r.noReturn && len(r.touched) > 0 {
		return false
	}
	want := make(map[string]string)
	for _, t := range r.touched {
		want[t] = r.before[t]
	}
	if to != "" {
		for t := range l.fleet {
			want[t] = to
		}
	}
	changes := false
	for t, v := range want {
		if v == "" {
			return false
		}
		changes = changes || l.fleet[t] != v
	}
	if !changes {
		return false
	}
	for t, v := range want {
		l.fleet[t] = v
	}
	r.good = false
	if to != "" {
		r.previous = to
		for t := range r.before {
			r.before[t] = to
		}
	}
	return true
}

// TestWaysBack does what teams do for months, in a moment: releases that succeed or fail in any wave, that activate or
// not, rollbacks to the version before and to any version there ever was. What may go back, what then runs, and what
// the next release goes back to must be as on paper.
func TestWaysBack(t *testing.T) {
	done := make(map[string]int)
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 3))
			s := newScene()
			s.plan.Precheck = false
			paper := &tally{fleet: make(map[string]string)}
			for _, w := range s.waves {
				for _, target := range w.Targets {
					paper.fleet[target.Name] = ""
				}
			}
			for step := range 14 {
				s.actor = core.Actor{ID: fmt.Sprint("step-", step), Name: "bob"}
				if rnd.IntN(2) == 0 || step == 0 {
					s.release(t, rnd, paper, fmt.Sprint("v", step), step == 0)
					done["release"]++
				} else {
					to := ""
					if rnd.IntN(2) == 0 {
						to = fmt.Sprint("v", rnd.IntN(step+1))
					}
					_, err := s.engine().RollBack(t.Context(), core.Way{Reason: "why not", To: to})
					may := paper.back(to)
					if (err == nil) != may || err != nil && !errors.As(err, new(engine.Refused)) {
						t.Fatalf("seed %d, step %d: back to %q: %v; on paper: %v\n%+v", seed, step, to, err, may, paper.rows)
					}
					done[fmt.Sprintf("to a version: %v, done: %v", to != "", may)]++
				}
				r, err := core.Replay(s.plan.Line(), s.events(t))
				if err != nil {
					t.Fatal(err)
				}
				if got, want := r.LastGood(), paper.lastGood(); got != want {
					t.Fatalf("seed %d, step %d: the last good version is %q, on paper %q\n%+v", seed, step, got, want, paper.rows)
				}
				for name, want := range paper.fleet {
					if got := s.deploys.runs(name); got != want {
						t.Fatalf("seed %d, step %d: %s runs %q, on paper %q\n%+v", seed, step, name, got, want, paper.rows)
					}
				}
			}
		})
	}
	t.Log(done)
	if len(done) < 5 {
		t.Errorf("only this came about: %v", done)
	}
}

// release lets a version out that is good, or fails in one of the waves.
func (s *scene) release(t *testing.T, rnd *rand.Rand, paper *tally, version string, first bool) {
	bad := rnd.IntN(5) // the wave that fails, or none
	s.plan.Activate = !first && rnd.IntN(5) == 0
	s.answers.ask = func(asked core.Asked, _ time.Time) core.VerdictKind {
		if !first && !asked.Back && asked.Wave == fmt.Sprint("w", bad) {
			return core.Fail
		}
		return core.Pass
	}
	req := s.request(version)
	req.Previous, req.FirstRelease = "", first
	r, err := s.engine().Run(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if r.State == core.StateHalted {
		if _, err := s.engine().Abort(t.Context(), "roll forward", false); err != nil {
			t.Fatal(err)
		}
	}
	var touched []string
	for i, w := range s.waves {
		for _, target := range w.Targets {
			if first || i <= bad {
				touched = append(touched, target.Name)
			}
		}
	}
	paper.release(version, s.plan.Activate, first || bad >= len(s.waves), touched)
}

// runs is what a target runs: what was put on it last.
func (d *deploys) runs(target string) string {
	for _, a := range slices.Backward(d.acts) {
		if a.Target.Name == target {
			return a.Version
		}
	}
	return ""
}
