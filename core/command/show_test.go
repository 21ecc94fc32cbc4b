package command

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// gallery is a forge with every place that can show a rollout, none of which takes anything at first.
type gallery struct {
	wall
	log     notices
	full    bool // takes what it is given
	reports []core.Report
	entries []core.Deployment
}

func (g *gallery) Log() core.Log { return &g.log }

func (g *gallery) Report(_ context.Context, _ string, r core.Report) error {
	if !g.full {
		return errors.New("no permission")
	}
	g.reports = append(g.reports, r)
	return nil
}

func (g *gallery) Register(_ context.Context, d core.Deployment) error {
	if !g.full {
		return errors.New("no permission")
	}
	g.entries = append(g.entries, d)
	return nil
}

func (g *gallery) Registered(context.Context, core.Line) (core.Entry, error) {
	return core.Entry{Version: "v0", Source: "The register"}, nil
}

// notices are what was annotated.
type notices struct{ said []string }

func (*notices) Group(string, string)         {}
func (*notices) Mask(string)                  {}
func (n *notices) Annotate(a core.Annotation) { n.said = append(n.said, a.Title+": "+a.Message) }

const galleryPlan = `version: 1
service: shop
environment: prod
targets: [{name: a}]
waves: [{name: all, select: all}]
deploy: {run: 'true'}
rollback: {when: [check]}
bake: {min: 0s, max: 0s}
checks:
  - name: smoke
    run: 'true'
`

// exhibit is a rollout of a commit, as far as some events.
func exhibit(t *testing.T, version string, more ...core.Event) *core.Rollout {
	t.Helper()
	events := append([]core.Event{{Type: core.EventStarted, Start: &core.Start{Number: 1, Version: version, Previous: "v0", Plan: galleryPlan, PlanFile: "breakwater.yaml",
		Waves: []core.StartWave{{Name: "all", Targets: []core.StartTarget{{Target: core.Target{Name: "a"}}}}}}}}, more...)
	for i := range events {
		events[i].Seq, events[i].Rollout, events[i].Actor, events[i].At = int64(i+1), "shop-prod-1", "me", time.Date(2026, 11, 25, 9, i, 0, 0, time.UTC)
	}
	r, err := core.Replay(core.Line{Service: "shop", Environment: "prod"}, events)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const released = "0123456789012345678901234567890123456789"

// TestDisplays: what cannot be shown is said once and tried again with what comes next; what is shown already is not
// shown again.
func TestDisplays(t *testing.T) {
	g := &gallery{wall: wall{Forge: &local{out: io.Discard}}}
	s := newShip(Env{Stdout: io.Discard, Stderr: io.Discard, Forge: g})
	began := []core.Event{{Type: core.EventDeploying, Wave: "all", Targets: []string{"a"}},
		{Type: core.EventDeployed, Wave: "all", Results: []core.Result{{Target: "a", Outcome: core.OutcomeDone}}}, {Type: core.EventBaking, Wave: "all"}}
	bakes := standing{released, exhibit(t, released, began...)}
	halts := standing{released, exhibit(t, released, append(began, core.Event{Type: core.EventHalted, Wave: "all", Cause: core.CauseCheck, Reason: "Check smoke: it smokes.",
		Verdicts: []core.Verdict{{Check: "smoke", Verdict: core.Fail, Reason: "it smokes"}}})...)}
	report, entry := s.evidence(t.Context(), g, "."), s.register(t.Context(), g, "https://shop.example.com")
	for range 2 {
		report.write(t.Context(), bakes)
		entry.write(t.Context(), bakes)
	}
	if want := []string{"Check run: The commit does not show the report: no permission", "Deployments: The register of deployments does not show wave all: no permission"}; !slices.Equal(g.log.said, want) {
		t.Errorf("said %q; want %q", g.log.said, want)
	}
	g.full = true
	for _, at := range []standing{bakes, bakes, halts} {
		report.write(t.Context(), at)
	}
	entry.write(t.Context(), halts)
	report.close()
	entry.close()
	if len(g.reports) != 2 || len(g.entries) != 1 || g.entries[0].State != core.DeploymentFailed || g.entries[0].URL != "https://shop.example.com" {
		t.Fatalf("%d reports, %+v", len(g.reports), g.entries)
	}
	notes := g.reports[1].Notes
	i := slices.IndexFunc(notes, func(n core.Annotation) bool { return n.Title == "Check smoke: fail" })
	if i < 0 || notes[i].Line != 10 || notes[i].File != "breakwater.yaml" || !notes[i].Error || len(notes) != len(g.reports[0].Notes)+1 {
		t.Errorf("%+v", notes)
	}
}

// TestMarkerDrivesDisplays: displays show what the status shows, when it does, and nothing that another process wrote.
func TestMarkerDrivesDisplays(t *testing.T) {
	g := &gallery{wall: wall{Forge: &local{out: io.Discard}}, full: true}
	s := newShip(Env{Stdout: io.Discard, Stderr: io.Discard, Forge: g})
	for _, c := range []struct {
		f    showFlags
		want int
	}{{showFlags{}, 0}, {showFlags{CheckRun: true}, 1}, {showFlags{Deployments: true}, 1}, {showFlags{CheckRun: true, Deployments: true}, 2}} {
		displays := s.displays(t.Context(), c.f, ".")
		for _, d := range displays {
			d.close()
		}
		if len(displays) != c.want {
			t.Errorf("%+v: %d displays; want %d", c.f, len(displays), c.want)
		}
	}
	m := s.marker(t.Context(), &core.Plan{Waves: []core.WaveRule{{}}}, core.Actor{ID: "me"}, s.displays(t.Context(), showFlags{CheckRun: true}, ".")...)
	r := exhibit(t, released)
	m.Recorded(r, core.Event{Type: core.EventStarted, Actor: "another"})
	m.Recorded(r, core.Event{Type: core.EventRenewed, Actor: "me"})
	m.Recorded(r, core.Event{Type: core.EventStarted, Actor: "me"})
	m.close()
	if len(g.reports) != 1 || len(g.shows) != 1 {
		t.Errorf("%d reports, %q", len(g.reports), g.shows)
	}
}

// TestRegistered: the register is asked only where it may know better than nobody.
func TestRegistered(t *testing.T) {
	g := &gallery{wall: wall{Forge: &local{out: io.Discard}}}
	s := newShip(Env{Stdout: io.Discard, Stderr: io.Discard, Forge: g})
	var said string
	say := func(format string, _ ...any) { said += format }
	l := &loaded{Plan: &core.Plan{Service: "shop", Environment: "prod"}}
	if s.registered(showFlags{}, l, "v1", say) != nil {
		t.Error("it is asked, and nobody wants that")
	}
	on := showFlags{Deployments: true}
	if got := s.registered(on, l, "v1", say)(t.Context()); got != "v0" || !strings.Contains(said, "The ledger knows no version") {
		t.Errorf("%q, said %q", got, said)
	}
	if got := s.registered(on, l, "v0", say)(t.Context()); got != "" {
		t.Errorf("a version goes back to itself: %q", got)
	}
	l.Current = &core.Current{}
	if s.registered(on, l, "v1", say) != nil {
		t.Error("targets that say what they run know better")
	}
}
