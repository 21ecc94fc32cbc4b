package command

import (
	"context"
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/report"
)

type statusCmd struct {
	lineFlags
}

// Run prints where the newest rollout of the line stands.
func (c *statusCmd) Run(ctx context.Context, s *ship) error {
	l, err := s.load(ctx, c.Plan, nil)
	if err != nil {
		return err
	}
	book, err := s.openLedger(ctx, c.Ledger, l.dir)
	if err != nil {
		return err
	}
	r, err := newest(ctx, book, l.Line())
	if err != nil {
		return err
	}
	if r.State == "" {
		if c.JSON {
			return s.print(nil)
		}
		fmt.Fprintf(s.Stdout, "No rollout on %s yet.\n", r.Line)
		return nil
	}
	next := due(l.Plan, r)
	if c.JSON {
		return s.print(report.NewStatus(r, next))
	}
	return report.Text(s.Stdout, r, report.View{Plan: planOf(r), Now: s.Clock.Now(), Next: next, Color: isTerminal(s.Stdout) && s.environ["NO_COLOR"] == ""})
}

// due is when a window opens that the rollout waits for, or when a bake can end at the earliest; zero if there is neither.
func due(p *core.Plan, r *core.Rollout) time.Time {
	w := r.Waves[r.Wave]
	if r.Blocked != nil {
		return r.Blocked.Until
	}
	if r.State != core.StateBaking || w.State == core.WavePassed || w.Rule >= len(p.Waves) {
		return time.Time{}
	}
	return w.Since.Add(p.For(r).Waves[w.Rule].Bake.Min)
}
