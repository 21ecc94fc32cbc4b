package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/config"
	"github.com/breakwater-ci/breakwater/core/doctor"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/report"
)

type doctorCmd struct {
	planFlag
	policyFlag
	ledgerFlag
	JSON bool `name:"json" help:"Print a JSON list."`
}

// Run looks at everything, whatever is wrong with the rest, and exits with 2 if there is a problem.
func (c *doctorCmd) Run(ctx context.Context, s *ship) error {
	e := &examination{ship: s}
	if l := e.plan(ctx, c.Plan); l != nil {
		e.waves(ctx, l, c.policyFlag)
		e.ledger(ctx, c.Ledger, l.dir, l.Line())
		e.sources(ctx, l)
		e.drivers(ctx, l)
		e.scripts(ctx, l)
		e.notifiers(l)
		e.forge(ctx, l.Plan)
	} else if dir, err := s.dir(); err != nil {
		return err
	} else {
		e.ledger(ctx, c.Ledger, dir, core.Line{})
		e.forge(ctx, nil)
	}
	e.zones()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.print(c.JSON); err != nil {
		return err
	}
	if bad := slices.DeleteFunc(e.found, func(d core.Diagnosis) bool { return d.Health != core.HealthProblem }); len(bad) > 0 {
		return usage{fmt.Errorf("problems: %d; the first is %s: %s", len(bad), bad[0].About, bad[0].What)}
	}
	return nil
}

// An examination is what the doctor has found so far.
type examination struct {
	*ship
	found   []core.Diagnosis
	targets []core.Target
	filled  bool // ${NAME} could be filled in, so that sources and notifiers can be opened
}

func (e *examination) well(about, format string, args ...any) {
	e.found = append(e.found, core.Well(about, format, args...))
}

func (e *examination) problem(about, do, format string, args ...any) {
	e.found = append(e.found, core.Diagnosis{About: about, Health: core.HealthProblem, What: fmt.Sprintf(format, args...), Do: do})
}

func (e *examination) warning(about, do, format string, args ...any) {
	e.found = append(e.found, core.Diagnosis{About: about, Health: core.HealthWarning, What: fmt.Sprintf(format, args...), Do: do})
}

// plan reads the plan, first as it is written and then with ${NAME} filled in: what is not set here is no reason to not
// look at the rest. It returns nil if there is no plan to look at.
func (e *examination) plan(ctx context.Context, file string) *loaded {
	l, err := e.load(ctx, file, nil)
	if err != nil {
		e.problem("plan", "Mend the plan; breakwater plan shows all that is wrong.", "It does not load: %s", inShort(err))
		return nil
	}
	full, err := e.load(ctx, file, e.lookup)
	if err != nil {
		e.problem("plan", "Set what is missing in the environment of this step; sources and notify are not looked at until then.", "It loads, but not here: %s", inShort(err))
		return l
	}
	e.filled = true
	return full
}

// waves cuts the targets into waves, and looks at what only they tell: lint, the policy and the windows.
func (e *examination) waves(ctx context.Context, l *loaded, f policyFlag) {
	waves, err := e.ship.waves(ctx, l)
	if err != nil {
		e.problem("plan", "Mend the list of targets or the waves; breakwater plan shows the same.", "Its targets do not become waves: %s", inShort(err))
		return
	}
	for _, w := range waves {
		for _, t := range w.Targets {
			e.targets = append(e.targets, t.Target)
		}
	}
	e.well("plan", "%s loads; targets: %d, waves: %d.", l.file, len(e.targets), len(waves))
	findings := counted(e.lint(l, waves, ""))
	if said := report.CountFindings(findings); slices.ContainsFunc(findings, func(f core.Finding) bool { return f.Level == core.LevelError }) {
		e.warning("lint", "breakwater plan shows them, and what to do about each.", "There are findings: %s.", said)
	} else {
		e.well("lint", "Findings: %s.", said)
	}
	e.policy(ctx, l, waves, f)
	if l.Windows != nil {
		if _, err := e.timetable(ctx, l, waves); err != nil {
			e.problem("windows", "See that the calendar is right and can be reached; no wave would start.", "%v", err)
		} else {
			e.well("windows", "They can be read.")
		}
	}
}

func (e *examination) policy(ctx context.Context, l *loaded, waves []core.StartWave, f policyFlag) {
	obeyed, err := e.obeys(ctx, f, l, waves)
	mistakes, wrong := errors.AsType[config.Mistakes](err)
	switch {
	case wrong && mistakes[0].File == l.file:
		e.problem("policy", "breakwater plan with the same --policy shows every place.", "The plan is below it: %s", inShort(err))
	case wrong:
		e.problem("policy", "Mend the policy; nothing goes out until then.", "It does not load: %s", inShort(err))
	case err != nil:
		e.problem("policy", "See that the place is right and that this job may read it.", "%s", inShort(err))
	case obeyed != nil:
		e.well("policy", "The plan keeps to %s.", obeyed.Name)
	}
}

// ledger reads the line, if there is a plan, and proves on a line of the doctor's own that the ledger works.
func (e *examination) ledger(ctx context.Context, asked, dir string, line core.Line) {
	ours, err := e.openLedger(ctx, asked, dir)
	var theirs core.Ledger
	if err == nil {
		theirs, err = e.openLedger(ctx, asked, dir)
	}
	if err != nil {
		e.problem("ledger", "Name a ledger that is there with --ledger.", "%s", inShort(err))
		return
	}
	if line != (core.Line{}) {
		events, err := ours.Read(ctx, line)
		r, replayed := core.Replay(line, events)
		switch err = errors.Join(err, replayed); {
		case err != nil:
			e.problem("ledger", "Look into it before anything is released; docs/ledger.md says how.", "The record of %s cannot be read: %s", line, inShort(err))
			return
		case r.State == "":
			e.well("ledger", "There is no rollout on %s yet.", line)
		default:
			e.well("ledger", "The newest rollout on %s is %s: %s.", line, r.ID, r.State)
		}
	}
	e.found = append(e.found, doctor.Ledger(ctx, ours, theirs, e.actor(e.ship.forge.Job()), e.Clock))
	if folder, ok := strings.CutPrefix(cmp.Or(asked, e.ship.forge.Job().Ledger), "file:"); ok {
		e.disk(folder, dir)
	}
}

// disk compares the clock here with that of the disk, which may be another machine's.
func (e *examination) disk(folder, dir string) {
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(dir, folder)
	}
	f, err := os.CreateTemp(folder, ".clock-*")
	if err != nil {
		return // that the ledger cannot be written is known already
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		e.found = append(e.found, core.Skew("the disk of the ledger", e.Clock.Now(), info.ModTime()))
	}
}

// sources asks every source that can be opened, and compares the clocks of those that answer over HTTP with that here.
func (e *examination) sources(ctx context.Context, l *loaded) {
	if !e.filled || len(e.targets) == 0 {
		return
	}
	clocks := &clocks{clock: e.Clock, off: make(map[string]time.Duration)}
	open := make(map[string]core.Source)
	for _, name := range slices.Sorted(maps.Keys(l.Sources)) {
		env := e.around(l.dir)
		env.Answered = func(h http.Header) { clocks.answered(name, h) }
		source, err := metric.Open(l.Sources[name], env)
		if err != nil {
			e.problem("source "+name, "Mend it in the plan.", "It cannot be opened: %v.", err)
			continue
		}
		open[name] = source
		if c, ok := source.(io.Closer); ok {
			e.closers = append(e.closers, c)
		}
	}
	e.found = append(e.found, doctor.Sources(ctx, l.Plan, open, e.targets, e.Clock)...)
	e.found = append(e.found, clocks.found()...)
}

// drivers lets the drivers that can do so look at what they are to deploy to.
func (e *examination) drivers(ctx context.Context, l *loaded) {
	if len(e.targets) == 0 {
		return
	}
	acts := make([]core.Act, len(e.targets))
	for i, t := range e.targets {
		acts[i] = core.Act{Rollout: fmt.Sprintf("%s-%s-0", l.Service, l.Environment), Target: t, Version: cmp.Or(e.ship.forge.Job().Commit, "unreleased")}
	}
	look := func(key, name string, options any, timeout time.Duration) {
		driver, err := e.driver(key, name, options, e.shell(l.dir), timeout)
		if err != nil {
			e.problem(key, "Mend it in the plan.", "%v.", err)
			return
		}
		if examiner, ok := driver.(core.Examiner); ok {
			e.found = append(e.found, doctor.Targets(ctx, name, examiner, acts)...)
		}
	}
	look("deploy", l.Deploy.Driver, l.Deploy.Options, l.Deploy.Timeout)
	if l.Rollback.Driver != "" {
		look("rollback", l.Rollback.Driver, l.Rollback.Options, l.Rollback.Timeout)
	}
}

// clocks are those of servers, as their answers tell.
type clocks struct {
	clock core.Clock

	mu  sync.Mutex
	off map[string]time.Duration // by source: how far ours is ahead, in the worst of its answers
}

// answered notes when an answer was made. The header has whole seconds, cut off, so that half a second is added. What a
// cache has kept tells nothing.
func (c *clocks) answered(name string, h http.Header) {
	then, err := http.ParseTime(h.Get("Date"))
	if err != nil || cmp.Or(h.Get("Age"), "0") != "0" {
		return
	}
	off := c.clock.Now().Sub(then.Add(time.Second / 2))
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.off[name]; !ok || off.Abs() > known.Abs() {
		c.off[name] = off
	}
}

func (c *clocks) found() (all []core.Diagnosis) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.Now()
	for _, name := range slices.Sorted(maps.Keys(c.off)) {
		all = append(all, core.Skew("source "+name, now, now.Add(-c.off[name])))
	}
	return all
}

// scripts looks at every command of the plan. One that stands in several places is looked at once.
func (e *examination) scripts(ctx context.Context, l *loaded) {
	runner := e.shell(l.dir)
	seen := make(map[core.Command]bool)
	look := func(about string, command core.Command) {
		if command.Script != "" && !seen[command] {
			seen[command] = true
			e.found = append(e.found, doctor.Script(ctx, about, command, l.dir, runner))
		}
	}
	look("targets.run", l.Targets.Run)
	if c, ok := l.Deploy.Options.(*core.Command); ok {
		look("deploy.run", *c)
	}
	if c, ok := l.Rollback.Options.(*core.Command); ok {
		look("rollback.run", *c)
	}
	if l.Current != nil {
		look("current.run", l.Current.Run)
	}
	for _, c := range l.Checks {
		if c.Run != nil {
			look("check "+c.Name, *c.Run)
		}
	}
}

// notifiers looks at whether messages have somewhere to go. None is sent.
func (e *examination) notifiers(l *loaded) {
	if !e.filled || len(l.Notify) == 0 {
		return
	}
	if _, err := report.Notifiers(l.Notify, &http.Client{Timeout: patience}); err != nil {
		e.problem("notify", "Mend the URL in the plan, or the variable that it comes from.", "%v.", err)
		return
	}
	e.well("notify", "The URLs are right, %d of them; nothing was sent.", len(l.Notify))
}

// forge lets the CI system say what it knows.
func (e *examination) forge(ctx context.Context, p *core.Plan) {
	if patient, ok := e.ship.forge.(core.Patient); ok {
		e.found = append(e.found, patient.Examine(ctx, p)...)
	}
}

// zones looks at whether the names of time zones mean something here.
func (e *examination) zones() {
	if _, err := time.LoadLocation("Europe/Dublin"); err != nil {
		e.problem("time zones", "Install the tzdata of the system, or use the released binary, which brings it along.", "There is no database of time zones: %v.", err)
		return
	}
	e.well("time zones", "Their database is there.")
}

// print prints what was found, without secrets: scripts and servers may say anything.
func (e *examination) print(asJSON bool) error {
	redact := e.shell("").Redact
	for i := range e.found {
		e.found[i].What, e.found[i].Do = redact(e.found[i].What), redact(e.found[i].Do)
	}
	if asJSON {
		return e.ship.print(e.found)
	}
	return report.Diagnoses(e.Stdout, e.found, isTerminal(e.Stdout) && e.environ["NO_COLOR"] == "")
}
