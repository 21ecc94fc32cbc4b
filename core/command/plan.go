package command

import (
	"context"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/report"
	"github.com/breakwater-ci/breakwater/core/schedule"
)

type planCmd struct {
	planFlag
	atFlag
	Format string `help:"table or json." enum:"table,json" default:"table"`
	JSON   bool   `name:"json" help:"The same as --format json."`
}

// Run checks the plan and prints its waves.
func (c *planCmd) Run(ctx context.Context, s *ship) error {
	l, waves, err := s.scheduled(ctx, c.Plan)
	if err != nil {
		return err
	}
	opens, err := s.timetable(ctx, l, waves)
	if err != nil {
		return err
	}
	rows := schedule.Outlook(l.Plan, waves, c.start(s), opens)
	o := outlook(l.Plan, waves, rows)
	if c.JSON || c.Format == "json" {
		err = s.print(o)
	} else {
		err = report.PlanText(s.Stdout, o)
	}
	for _, row := range rows {
		if err == nil && row.EarliestStart.IsZero() {
			return engine.Blocked{Reason: row.Waits}
		}
	}
	return err
}

// outlook joins the waves with what the schedule says of them.
func outlook(p *core.Plan, waves []core.StartWave, rows []schedule.Row) report.Outlook {
	o := report.Outlook{Line: p.Line().String(), Waves: make([]report.OutlookWave, len(rows))}
	for i, row := range rows {
		names := make([]string, len(waves[i].Targets))
		for j, t := range waves[i].Targets {
			names[j] = t.Name
		}
		o.Waves[i] = report.OutlookWave{
			Name: row.Wave, Targets: names, Share: row.Share, AtRisk: row.AtRisk, Waits: row.Waits,
			BakeMin: report.Duration(row.Bake.Min), BakeMax: report.Duration(row.Bake.Max),
			EarliestStart: row.EarliestStart, EarliestFinish: row.EarliestFinish,
		}
	}
	return o
}
