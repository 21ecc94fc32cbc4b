package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/lint"
	"github.com/breakwater-ci/breakwater/core/report"
	"github.com/breakwater-ci/breakwater/core/schedule"
)

// maxWavesFlag keeps a plan from having waves that nobody would deploy.
type maxWavesFlag struct {
	MaxWaves int `help:"How many waves the workflow has jobs for. A plan with more of them is wrong." placeholder:"N"`
}

func (f maxWavesFlag) fits(file string, waves []core.StartWave) error {
	if f.MaxWaves > 0 && len(waves) > f.MaxWaves {
		return usage{fmt.Errorf("%s has %d waves, and the workflow has jobs for %d: make the waves larger, or give the workflow more jobs", file, len(waves), f.MaxWaves)}
	}
	return nil
}

type planCmd struct {
	planFlag
	policyFlag
	atFlag
	maxWavesFlag
	Version string `help:"The version that is meant to go out, for the rules about versions."`
	Format  string `help:"table, json, sarif (for code scanning), codequality (for GitLab) or gitlab (a child pipeline with jobs for each wave)." enum:"table,json,sarif,codequality,gitlab" default:"table"`
	Output  string `help:"Write what --format asks for to this file, and print the table." placeholder:"FILE"`
	JSON    bool   `name:"json" help:"The same as --format json."`
	childFlags
	Strict bool `help:"Exit with 2 if there is a finding of level error that is not waived."`
}

// Run checks the plan, prints its waves, and what falls short of good practice. Findings leave the exit code alone unless
// they are asked to count.
func (c *planCmd) Run(ctx context.Context, s *ship) error {
	s.divides = s.divides || c.Format == "gitlab"
	l, waves, err := s.scheduled(ctx, c.Plan)
	if err != nil {
		return err
	}
	obeyed, err := s.obeys(ctx, c.policyFlag, l, waves)
	if err != nil {
		return err
	}
	opens, err := s.timetable(ctx, l, waves)
	if err != nil {
		return err
	}
	rows := schedule.Outlook(l.Plan, waves, c.start(s), opens)
	findings := s.lint(l, waves, c.Version)
	s.annotate(findings)
	o := outlook(l.Plan, waves, rows)
	o.Policy = obeyed
	if err := c.print(s, l, waves, o, findings); err != nil {
		return err
	}
	if err := c.fits(l.file, waves); err != nil {
		return err
	}
	if err := s.publishWaves(ctx, waves); err != nil {
		return err
	}
	for _, row := range rows {
		if row.EarliestStart.IsZero() {
			return engine.Blocked{Reason: row.Waits}
		}
	}
	return c.strictly(l, findings)
}

// strictly refuses a plan with errors, if it was asked to.
func (c *planCmd) strictly(l *loaded, findings []core.Finding) error {
	errors := 0
	for _, f := range counted(findings) {
		if f.Level == core.LevelError {
			errors++
		}
	}
	if c.Strict && errors > 0 {
		return usage{fmt.Errorf("findings of level error in %s: %d; with --strict there may be none, mend or waive them", l.file, errors)}
	}
	return nil
}

// print writes the plan in the form that was asked for, where it was asked for. With a file of its own for that, people get
// the table.
func (c *planCmd) print(s *ship, l *loaded, waves []core.StartWave, o report.Outlook, findings []core.Finding) error {
	if c.Output == "" {
		return c.write(s, s.Stdout, l, waves, o, findings)
	}
	var text bytes.Buffer
	if err := c.write(s, &text, l, waves, o, findings); err != nil {
		return err
	}
	if err := writeIn(l.dir, c.Output, text.Bytes()); err != nil {
		return err
	}
	return c.table(s, s.Stdout, o, findings)
}

// writeIn writes a file that was asked for, whose name may be relative to a folder.
func writeIn(dir, file string, text []byte) error {
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("the file that was asked for could not be written: %w", err)
	}
	return nil
}

func (c *planCmd) write(s *ship, w io.Writer, l *loaded, waves []core.StartWave, o report.Outlook, findings []core.Finding) error {
	switch {
	case c.Format == "gitlab":
		return c.child(s, w, l, waves)
	case c.Format == "sarif":
		return report.SARIF(w, versionText(), lint.Practices(), findings)
	case c.Format == "codequality":
		return report.CodeQuality(w, findings)
	case c.JSON || c.Format == "json":
		o.Findings = findings
		return encode(w, o)
	default:
		return c.table(s, w, o, findings)
	}
}

func (c *planCmd) table(s *ship, w io.Writer, o report.Outlook, findings []core.Finding) error {
	if err := report.PlanText(w, o); err != nil {
		return err
	}
	return report.FindingsText(w, findings, isTerminal(w) && s.environ["NO_COLOR"] == "")
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
