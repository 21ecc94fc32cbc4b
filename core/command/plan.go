package command

import (
	"context"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/report"
	"github.com/breakwater-ci/breakwater/core/schedule"
)

type planCmd struct {
	planFlag
	Format string `help:"table or json." enum:"table,json" default:"table"`
	JSON   bool   `name:"json" help:"The same as --format json."`
}

// Run checks the plan and prints its waves.
func (c *planCmd) Run(ctx context.Context, s *ship) error {
	l, waves, err := s.scheduled(ctx, c.Plan)
	if err != nil {
		return err
	}
	o := outlook(l.Plan, waves, schedule.Outlook(l.Plan, waves, s.Clock.Now()))
	if c.JSON || c.Format == "json" {
		return s.print(o)
	}
	return report.PlanText(s.Stdout, o)
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
			Name: row.Wave, Targets: names, Share: row.Share, AtRisk: row.AtRisk,
			BakeMin: report.Duration(row.Bake.Min), BakeMax: report.Duration(row.Bake.Max),
			EarliestStart: row.EarliestStart, EarliestFinish: row.EarliestFinish,
		}
	}
	return o
}
