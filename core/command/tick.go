package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/config"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/report"
)

type tickCmd struct {
	Plan string `help:"Look only at the line of this plan, whether or not it is parked. Default: at every parked line of the ledger, by the plans that are in there." placeholder:"FILE"`
	ledgerFlag
	JSON bool `name:"json" help:"Print the statuses of the lines that were looked at as a JSON list at the end, with --plan that of its line, and progress to standard error."`
	policyFlag
	showFlags
	Comment bool `help:"Also show the report on the change that the commit came from, as one comment that is kept up to date."`
}

// Run looks once at the parked bakes that are due, and has their CI runs started again where there is something to be done.
// What is wrong with one line keeps no other from being looked at; the exit code is the highest of all. It fails if a
// rollout came to a halt in this look: later ticks find it halted, and are quiet.
func (c *tickCmd) Run(ctx context.Context, s *ship) error {
	dir, err := s.dir()
	if err != nil {
		return err
	}
	var only *loaded
	if c.Plan != "" {
		if only, err = s.load(ctx, c.Plan, s.lookup); err != nil {
			return err
		}
	}
	book, err := s.openLedger(ctx, c.Ledger, dir)
	if err != nil {
		return err
	}
	lot, ok := book.(core.Lot)
	if !ok {
		return usage{errors.New("this ledger does not know which lines are parked: pass --plan")}
	}
	markers, err := lot.Parked(ctx)
	if err != nil {
		return err
	}
	s.round = &round{book: book}
	if only == nil {
		return c.rounds(ctx, s, markers, dir)
	}
	found := engine.Found{Marker: markerOf(markers, only.Line())}
	if found.Events, err = book.Read(ctx, only.Line()); err != nil {
		return err
	}
	err = c.look(ctx, s, found, only)
	return errors.Join(err, c.finish(ctx, s, true))
}

// finish leaves behind what became of the round; one says that it was to look at one line only.
func (c *tickCmd) finish(ctx context.Context, s *ship, one bool) error {
	if err := s.round.publish(ctx, s, c.JSON, one); err != nil {
		return err
	}
	if n := requests(s.round.book, s.forge); n > 0 {
		c.say(s, "Requests to the API: %d.", n)
	}
	return nil
}

// rounds looks at every line that is due.
func (c *tickCmd) rounds(ctx context.Context, s *ship, markers []core.Marker, dir string) error {
	now := s.Clock.Now()
	due, next := 0, time.Time{}
	for _, m := range markers {
		switch {
		case !m.Due.After(now):
			due++
		case next.IsZero() || m.Due.Before(next):
			next = m.Due
		}
	}
	c.say(s, "Parked lines: %d, due: %d.", len(markers), due)
	if !next.IsZero() {
		c.say(s, "The next of the others is due at %s UTC.", next.UTC().Format("2006-01-02 15:04"))
	}
	worst := core.ExitDone
	for _, m := range markers {
		if m.Due.After(now) {
			continue
		}
		if ctx.Err() != nil {
			worst = max(worst, s.blame(errors.New("cancelled: what was not looked at is left to the next tick")))
			break
		}
		if err := c.parked(ctx, s, m, dir); err != nil {
			s.round.failed(m.Line, err)
			worst = max(worst, s.blame(fmt.Errorf("%s: %w", m.Line, err)))
		}
	}
	if err := c.finish(ctx, s, false); err != nil {
		return err
	}
	if worst != core.ExitDone {
		return reported(worst)
	}
	return nil
}

// parked looks at a line that has a marker, by the plan that its rollout started with.
func (c *tickCmd) parked(ctx context.Context, s *ship, m core.Marker, dir string) error {
	events, err := s.round.book.Read(ctx, m.Line)
	if err != nil {
		return err
	}
	r, err := core.Replay(m.Line, events)
	if err != nil {
		return err
	}
	if !engine.UnderWay(r) { // whether or not its plan still loads
		e := &engine.Engine{Line: m.Line, Ledger: s.round.book, Clock: s.Clock}
		if err := e.Settle(ctx, m, r, time.Time{}); err != nil {
			return err
		}
		c.say(s, "%s is not parked any more.", m.Line)
		if r.State != "" {
			s.round.add(r, time.Time{}, report.Summary(r, nil, s.Clock.Now()))
		}
		return nil
	}
	p, places, err := config.LoadPlaces(r.Start.PlanFile, []byte(r.Start.Plan), s.lookup, catalog())
	if err != nil {
		return fmt.Errorf("rollout %s goes on with the plan that it started with, which does not load here: %w", r.ID, err)
	}
	return c.look(ctx, s, engine.Found{Marker: m, Events: events}, &loaded{Plan: p, places: places, file: r.Start.PlanFile, text: r.Start.Plan, dir: dir})
}

// look looks at one line.
func (c *tickCmd) look(ctx context.Context, s *ship, found engine.Found, l *loaded) error {
	f := rolloutFlags{lineFlags: lineFlags{ledgerFlag: c.ledgerFlag, JSON: c.JSON}, policyFlag: c.policyFlag, showFlags: c.showFlags, Comment: c.Comment}
	began := s.Clock.Now()
	quiet := func(r *core.Rollout) bool { return r.State != core.StateHalted || r.Changed.Before(began) }
	return s.rollOut(ctx, l, f, task{done: quiet, work: func(e *engine.Engine, show *console) (*core.Rollout, error) {
		r, err := e.Tick(ctx, found, func(ctx context.Context, run string) error {
			forge, ok := s.forge.(core.Restarter)
			if !ok {
				return usage{fmt.Errorf("run %s has work to do, and nobody here can start it again: run tick in the CI system that it ran in", run)}
			}
			if err := forge.Restart(ctx, run); err != nil {
				return err
			}
			show.Say("Started run %s again: it has work to do.", run)
			return nil
		})
		if err == nil && r == nil {
			show.Say("No rollout on %s yet.", l.Line())
		}
		return r, err
	}})
}

// markerOf is the marker of a line; one without marks if it has none.
func markerOf(markers []core.Marker, line core.Line) core.Marker {
	for _, m := range markers {
		if m.Line == line {
			return m
		}
	}
	return core.Marker{Line: line}
}

// say tells people what goes on, beside the JSON for programs.
func (c *tickCmd) say(s *ship, format string, args ...any) {
	out := s.Stdout
	if c.JSON {
		out = s.Stderr
	}
	fmt.Fprintf(out, format+"\n", args...)
}
