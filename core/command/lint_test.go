package command

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/lint"
)

const lintPlans = "../../testdata/lint"

// A day is a clock that stands still.
type day struct{ time.Time }

func (d day) Now() time.Time                                { return d.Time }
func (day) Wait(ctx context.Context, until time.Time) error { return ctx.Err() }

// linted are the findings of a plan under testdata/lint. A comment "# version: v1" in its first line names the version.
func linted(t *testing.T, file string) []core.Finding {
	t.Helper()
	s := newShip(Env{Dir: lintPlans, Clock: day{time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}})
	l, waves, err := s.scheduled(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(l.text, "\n")
	_, version, _ := strings.Cut(first, "version: ")
	return s.lint(l, waves, version)
}

// TestLintRules: every rule has a plan that trips it, and nothing else, and one that does not.
func TestLintRules(t *testing.T) {
	files, err := os.ReadDir(lintPlans)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(files), 2*len(lint.Practices()); got != want {
		t.Errorf("%d files for %d rules", got, want/2)
	}
	for _, p := range lint.Practices() {
		t.Run(p.ID+" "+p.Name, func(t *testing.T) {
			trips := linted(t, p.ID+".trips.yaml")
			if len(trips) == 0 {
				t.Error("nothing trips it")
			}
			for _, f := range trips {
				if f.Rule != p.ID || f.Level != p.Level || f.Waived != nil {
					t.Errorf("besides: %+v", f)
				}
				if f.What == "" || f.Why == "" || f.Do == "" || f.From == "" || f.Line < 1 || f.Column < 1 || f.File != p.ID+".trips.yaml" {
					t.Errorf("incomplete: %+v", f)
				}
			}
			for _, f := range linted(t, p.ID+".holds.yaml") {
				if f.Waived == nil {
					t.Errorf("does not hold: %+v", f)
				}
			}
		})
	}
}

// TestLintPlaces: a finding stands at the value that should change.
func TestLintPlaces(t *testing.T) {
	for id, want := range map[string]string{
		"BW001": "0s", "BW002": "9m", "BW003": "version: 1", "BW004": "[]", "BW005": "{tier: gamma}", "BW006": "{zone: us-east-1a}",
		"BW007": "{zone: [eu-west-1a, eu-west-1b]}", "BW008": "{tier: gamma}", "BW009": "{run: ./deploy.sh}", "BW010": "{run: ./deploy.sh",
		"BW011": "- {name: gamma", "BW012": "version: 1", "BW013": "1h", "BW014": "notify", "BW015": "true", "BW016": "2026-11-22", "BW017": "BW001",
	} {
		file := id + ".trips.yaml"
		text, err := os.ReadFile(filepath.Join(lintPlans, file))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		for _, f := range linted(t, file) {
			if got := lines[f.Line-1][f.Column-1:]; !strings.HasPrefix(got, want) {
				t.Errorf("%s stands at %q, not at %q", id, got, want)
			}
		}
	}
}

// TestFingerprints: they stay when lines move, and differ from finding to finding.
func TestFingerprints(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(lintPlans, "BW003.trips.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	prints := func(text string) (all []string) {
		if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		s := newShip(Env{Dir: dir, Clock: day{}})
		for _, file := range []string{"", filepath.Join(dir, "breakwater.yaml"), "./breakwater.yaml"} {
			l, waves, err := s.scheduled(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			all = nil
			for _, f := range s.lint(l, waves, "main") {
				if f.File != "breakwater.yaml" {
					t.Errorf("%s is named %s", file, f.File)
				}
				all = append(all, f.Fingerprint)
			}
		}
		slices.Sort(all)
		return all
	}
	worse := strings.NewReplacer("min: 30m", "min: 0s", "bake: {min: 1h}", "bake: {min: 0s}", "when: [deploy, check]", "when: []", ", timeout: 15m", "").
		Replace(string(text))
	here, moved := prints(worse), prints("# moved\n\n"+worse)
	if len(here) < 6 || !slices.Equal(here, moved) {
		t.Errorf("%v became %v", here, moved)
	}
	if len(slices.Compact(slices.Clone(here))) != len(here) {
		t.Errorf("two findings have one fingerprint: %v", here)
	}
}

// TestLintOfAnyPlan: whatever a plan says, every finding has a place in its file, and a fingerprint of its own.
func TestLintOfAnyPlan(t *testing.T) {
	files, err := filepath.Glob("../../testdata/plans/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no plans")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		s := newShip(Env{Dir: filepath.Dir(file), Clock: day{}})
		l, waves, err := s.scheduled(t.Context(), filepath.Base(file))
		if err != nil {
			continue // its targets come from a command or a file that is not there
		}
		prints := make(map[string]bool)
		for _, f := range s.lint(l, waves, "main") {
			if f.Line < 1 || f.Line > len(lines) || f.Column < 1 || f.Column > len([]rune(lines[f.Line-1])) {
				t.Errorf("%s: outside of the file: %+v", file, f)
			}
			if prints[f.Fingerprint] {
				t.Errorf("%s: the fingerprint of %+v is taken", file, f)
			}
			prints[f.Fingerprint] = true
		}
	}
}
