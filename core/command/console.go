package command

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/report"
)

// A console shows people what goes on.
type console struct {
	*report.Progress
	ship     *ship
	plan     *core.Plan
	findings []core.Finding // of lint, those that count
}

// newConsole shows a rollout on standard output, or on standard error where the output is JSON for a program.
func newConsole(s *ship, p *core.Plan, quiet bool) *console {
	out, log := s.Stdout, s.log
	if quiet {
		out, log = s.Stderr, &local{out: s.Stderr}
	}
	return &console{Progress: report.NewProgress(out, s.Clock, p, log, isTerminal(out)), ship: s, plan: p}
}

// outcome prints how the rollout stands at the end.
func (c *console) outcome(r *core.Rollout) error {
	fmt.Fprintln(c.ship.Stdout)
	return report.Text(c.ship.Stdout, r, report.View{Plan: c.plan, Now: c.ship.Clock.Now(), Color: isTerminal(c.ship.Stdout) && c.ship.environ["NO_COLOR"] == ""})
}

// resumes says that a rollout goes on with a plan that is not the one in the working folder.
func (c *console) resumes(file string, p *core.Plan) {
	c.plan = p
	c.Adopt(p)
	c.Say("%s has changed since this rollout started. The rollout goes on with the plan that it started with.", file)
}

// Recorded shows an event; with the start of a rollout also how much lint found in its plan. It never stops for that.
func (c *console) Recorded(r *core.Rollout, e core.Event) {
	c.Progress.Recorded(r, e)
	if e.Type == core.EventStarted && len(c.findings) > 0 {
		c.Say("Lint of %s: %s. breakwater plan shows them.", r.Start.PlanFile, report.CountFindings(c.findings))
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
