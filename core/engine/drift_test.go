package engine_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
)

// finds is a request whose targets say what they run.
func (s *scene) finds(version string, runs func(target string) string) engine.Request {
	req := s.request(version)
	req.Waves = func(context.Context) ([]core.StartWave, error) {
		waves := make([]core.StartWave, len(s.waves))
		for i, w := range s.waves {
			waves[i] = w
			waves[i].Targets = append([]core.StartTarget(nil), w.Targets...)
			for j := range waves[i].Targets {
				waves[i].Targets[j].Found = runs(waves[i].Targets[j].Name)
			}
		}
		return waves, nil
	}
	return req
}

// TestDrift: a target that runs something else than the ledger says is not rolled out over in silence.
func TestDrift(t *testing.T) {
	for _, c := range []struct {
		name    string
		found   map[string]string // others run v1
		drifted string            // empty: none
	}{
		{"none", nil, ""},
		{"one", map[string]string{"w1-2": "hotfix"}, "w1-2 v1 hotfix"},
		{"the new version already", map[string]string{"w0-0": "v2"}, "w0-0 v1 v2"},
		{"one that was not asked", map[string]string{"w0-0": ""}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				if _, err := s.engine().Run(t.Context(), s.request("v1")); err != nil {
					t.Fatal(err)
				}
				before := len(s.events(t))
				_, err := s.engine().Run(t.Context(), s.finds("v2", func(target string) string {
					if v, odd := c.found[target]; odd {
						return v
					}
					return "v1"
				}))
				if c.drifted == "" {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
				refused, ok := errors.AsType[engine.Refused](err)
				if !ok || !strings.HasPrefix(refused.Reason, "DRIFT: 1 of 8 targets ") ||
					!strings.Contains(strings.Join(strings.Fields(refused.Reason), " "), "TARGET EXPECTED FOUND "+c.drifted+" Put back") {
					t.Errorf("%v", err)
				}
				if len(s.events(t)) != before {
					t.Error("something was written")
				}
			})
		})
	}
}

// TestDriftOfManyIsShort: a fleet that drifted as a whole is a table that people can read.
func TestDriftOfManyIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.waves[1].Targets = nil
		for i := range 30 {
			s.waves[1].Targets = append(s.waves[1].Targets, core.StartTarget{Target: core.Target{Name: fmt.Sprintf("t%02d", i)}})
		}
		req := s.finds("v2", func(string) string { return "v9" })
		req.Previous = "v1"
		_, err := s.engine().Run(t.Context(), req)
		if err == nil || strings.Count(err.Error(), "v9") != 20 || !strings.Contains(err.Error(), "\n  and 14 more\n") {
			t.Errorf("%v", err)
		}
	})
}

// TestAcceptedDrift: what goes back on a target that drifted is what the ledger knows as good, and who accepted it is in
// the ledger.
func TestAcceptedDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		if _, err := s.engine().Run(t.Context(), s.request("v1")); err != nil {
			t.Fatal(err)
		}
		s.answers.ask = func(asked core.Asked, _ time.Time) core.VerdictKind {
			if asked.Wave == "w1" {
				return core.Fail
			}
			return core.Pass
		}
		req := s.finds("v2", func(target string) string {
			if target == "w1-0" {
				return "hotfix"
			}
			return "v1"
		})
		req.AcceptDrift = "it is in v2"
		r, err := s.engine().Run(t.Context(), req)
		if err != nil || r.State != core.StateRolledBack {
			t.Fatalf("%v, %v", r.State, err)
		}
		if o := r.Overrides; len(o) != 1 || o[0].Kind != core.OverrideDrift || o[0].Reason != "it is in v2" || o[0].By.Name != "ann" {
			t.Errorf("%+v", o)
		}
		if v := r.Target("w1-0").Version; v != "v1" {
			t.Errorf("w1-0 went back to %s", v)
		}
	})
}

// TestFoundSettlesTheUnknown: a target that a rollout left half-way is not drift; what it says is what it runs.
func TestFoundSettlesTheUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		if _, err := s.engine().Run(t.Context(), s.request("v1")); err != nil {
			t.Fatal(err)
		}
		s.plan.Rollback.When = nil
		s.deploys.fail = func(a core.Act) error {
			if a.Target.Name == "w0-0" && a.Version == "v2" {
				return errors.New("no route to host")
			}
			return nil
		}
		if r, err := s.engine().Run(t.Context(), s.request("v2")); err != nil || r.State != core.StateHalted {
			t.Fatalf("%v, %v", r.State, err)
		}
		last, err := s.engine().Abort(t.Context(), "so", false)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.engine().Run(t.Context(), s.finds("v3", func(target string) string {
			return cmp.Or(last.Target(target).Version, "half a v2")
		}))
		if err != nil || r.State != core.StateSucceeded {
			t.Fatalf("%v, %v", r, err)
		}
		if found := r.Start.Waves[0].Targets[0]; found.Runs != "half a v2" || found.Unknown {
			t.Errorf("%+v", found)
		}
	})
}
