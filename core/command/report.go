package command

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/config"
	"github.com/breakwater-ci/breakwater/core/report"
)

type reportCmd struct {
	planFlag
	ledgerFlag
	Rollout string `help:"Which rollout, by its id as history --json shows it. Default: the newest of the line." placeholder:"ID"`
	Format  string `help:"html, a page that needs nothing else; markdown; or json, as status has it." enum:"html,markdown,json" default:"html"`
	Out     string `help:"The file to write, or - for standard output. Default: breakwater-report.html, .md or .json." placeholder:"FILE"`
}

// endings are the formats with the endings of their files.
var endings = map[string]string{"html": ".html", "markdown": ".md", "json": ".json"}

// Run writes the report of one rollout, and leaves behind where it is.
func (c *reportCmd) Run(ctx context.Context, s *ship) error {
	l, err := s.load(ctx, c.Plan, nil)
	if err != nil {
		return err
	}
	book, err := s.openLedger(ctx, c.Ledger, l.dir)
	if err != nil {
		return err
	}
	events, err := eventsOf(ctx, book, l.Line(), c.Rollout)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		fmt.Fprintf(s.Stdout, "No rollout on %s yet.\n", l.Line())
		return nil
	}
	r, err := core.Replay(l.Line(), events)
	if err != nil {
		return err
	}
	s.looks.Read(events)
	file := cmp.Or(c.Out, "breakwater-report"+endings[c.Format])
	if err := c.write(s, r, events, file); err != nil {
		return err
	}
	left := core.Published{Outputs: outputs(r, dueOf(r)), Summary: report.Summary(r, &s.looks, s.Clock.Now()), Tests: report.JUnit(r)}
	if file != "-" {
		left.Outputs = append(left.Outputs, core.Output{Name: "report", Value: file})
		fmt.Fprintf(s.Stdout, "The report of rollout %s (%s) is in %s.\n", r.ID, r.State, file)
	}
	return s.forge.Publish(ctx, left)
}

// write makes the report whole before it touches the file.
func (c *reportCmd) write(s *ship, r *core.Rollout, events []core.Event, file string) error {
	var made bytes.Buffer
	if err := c.render(&made, s, r, events); err != nil {
		return err
	}
	if file == "-" {
		_, err := made.WriteTo(s.Stdout)
		return err
	}
	dir, err := s.dir()
	if err != nil {
		return err
	}
	if err := os.WriteFile(inFolder(dir, file), made.Bytes(), 0o644); err != nil {
		return usage{fmt.Errorf("the report cannot be written: %w; name another file with --out", err)}
	}
	return nil
}

func (c *reportCmd) render(w io.Writer, s *ship, r *core.Rollout, events []core.Event) error {
	now, next := s.Clock.Now(), dueOf(r)
	switch c.Format {
	case "markdown":
		_, err := io.WriteString(w, report.Summary(r, &s.looks, now))
		return err
	case "json":
		return encode(w, report.NewStatus(r, next))
	default:
		return report.HTML(w, r, events, report.View{Plan: planOf(r), Now: now, Next: next})
	}
}

// planOf is the plan that a rollout started with; nil where that no longer loads.
func planOf(r *core.Rollout) *core.Plan {
	p, err := config.Load(r.Start.PlanFile, []byte(r.Start.Plan), nil, catalog())
	if err != nil {
		return nil
	}
	return p
}

// dueOf is when something is due by the plan that a rollout started with.
func dueOf(r *core.Rollout) time.Time {
	if p := planOf(r); p != nil {
		return due(p, r)
	}
	return time.Time{}
}

// eventsOf reads the events of one rollout: of the newest if none is named. None: the line has no rollout yet.
func eventsOf(ctx context.Context, book core.Ledger, line core.Line, id string) ([]core.Event, error) {
	events, err := book.Read(ctx, line)
	if err != nil || len(events) == 0 || id == "" || events[0].Rollout == id {
		return events, err
	}
	past, ok := book.(core.Historian)
	if !ok {
		return nil, errOnlyNewest
	}
	events = nil
	for e, err := range past.History(ctx, line) {
		if err != nil {
			return nil, err
		}
		if e.Rollout == id {
			events = append(events, e)
		}
	}
	if len(events) == 0 {
		return nil, usage{fmt.Errorf("there is no rollout %s on %s; breakwater history --json lists them", id, line)}
	}
	return events, nil
}
