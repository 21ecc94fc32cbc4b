package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/config"
	"github.com/breakwater-ci/breakwater/core/report"
)

type historyCmd struct {
	planFlag
	ledgerFlag
	Last  int    `help:"How many of the newest rollouts. Default: 20; with --since all of them." placeholder:"N"`
	Since string `help:"Only rollouts that started within this time, such as 12h or 90d." placeholder:"DURATION"`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Run prints the past rollouts of the line, with figures and the scores of the checks.
func (c *historyCmd) Run(ctx context.Context, s *ship) error {
	now := s.Clock.Now()
	last, since, err := c.bounds(now)
	if err != nil {
		return err
	}
	l, err := s.load(ctx, c.Plan, nil)
	if err != nil {
		return err
	}
	book, err := s.openLedger(ctx, c.Ledger, l.dir)
	if err != nil {
		return err
	}
	h, err := history(ctx, book, report.NewChronicle(l.Line(), last, since, now), l.Line())
	switch {
	case err != nil:
		return err
	case c.JSON:
		return s.print(h)
	case len(h.Rollouts) == 0 && c.Since != "":
		fmt.Fprintf(s.Stdout, "No rollout on %s started within the last %s.\n", h.Line, c.Since)
		return nil
	case len(h.Rollouts) == 0:
		fmt.Fprintf(s.Stdout, "No rollout on %s yet.\n", h.Line)
		return nil
	default:
		return report.HistoryText(s.Stdout, h, isTerminal(s.Stdout) && s.environ["NO_COLOR"] == "")
	}
}

// bounds are how many rollouts to show, and since when.
func (c *historyCmd) bounds(now time.Time) (last int, since time.Time, err error) {
	if c.Last < 0 {
		return 0, time.Time{}, usage{errors.New("--last must be a number above 0")}
	}
	if c.Since == "" {
		if c.Last == 0 {
			return 20, time.Time{}, nil
		}
		return c.Last, time.Time{}, nil
	}
	d, err := config.Duration(c.Since)
	if err != nil {
		return 0, time.Time{}, usage{fmt.Errorf("--since %w", err)}
	}
	return c.Last, now.Add(-d), nil
}

// history folds what a ledger has of a line.
func history(ctx context.Context, book core.Ledger, c *report.Chronicle, line core.Line) (report.History, error) {
	past, ok := book.(core.Historian)
	if !ok {
		return report.History{}, errOnlyNewest
	}
	for e, err := range past.History(ctx, line) {
		if err != nil {
			return report.History{}, err
		}
		if err := c.Add(e); err != nil {
			return report.History{}, err
		}
	}
	return c.History(), nil
}
