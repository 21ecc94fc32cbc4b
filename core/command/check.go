package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/report"
)

type checkCmd struct {
	planFlag
	Version  string `help:"What $version is in queries. Default: the commit."`
	Previous string `help:"What $previous is in queries." placeholder:"VERSION"`
	JSON     bool   `name:"json" help:"Print JSON."`
}

// Run asks every check once about every target. It exits with 4 if one does not pass.
func (c *checkCmd) Run(ctx context.Context, s *ship) error {
	l, err := s.load(ctx, c.Plan, s.lookup)
	if err != nil {
		return err
	}
	if len(l.Checks) == 0 {
		return usage{fmt.Errorf("%s has no checks to ask", l.file)}
	}
	targets, err := s.targets(ctx, l)
	if err != nil {
		return err
	}
	version, err := s.version(ctx, c.Version, s.forge.Job())
	if err != nil {
		version = "" // nothing is rolled out: only a query that uses it would miss it
	}
	asker, err := s.asker(l.Plan, l.dir, s.shell(l.dir))
	if err != nil {
		return err
	}
	looker, err := asker.Open(ctx, core.Asked{Version: version, Previous: c.Previous, Targets: targets, Since: s.Clock.Now(), Bake: l.Bake})
	if err != nil {
		return err
	}
	defer looker.Close()
	if d, ok := looker.(core.Delayed); ok {
		if err := s.Clock.Wait(ctx, d.FirstLook()); err != nil {
			return err
		}
	}
	seen := looker.Look(ctx, s.Clock.Now())
	if err := s.printVerdicts(c.JSON, seen); err != nil {
		return err
	}
	if err := s.forge.Publish(ctx, core.Published{Tests: report.JUnitVerdicts(seen.Verdicts)}); err != nil {
		return err
	}
	for _, v := range seen.Verdicts {
		if v.Verdict != core.Pass && !v.Shadow {
			return ended{core.StateHalted}
		}
	}
	return nil
}

func (s *ship) printVerdicts(asJSON bool, seen core.Evidence) error {
	if asJSON {
		return s.print(map[string]any{"at": seen.At.UTC().Format(time.RFC3339Nano), "verdicts": report.NewVerdicts(seen.Verdicts)})
	}
	if len(seen.Verdicts) == 0 {
		return errors.New("no check answered")
	}
	return report.Verdicts(s.Stdout, seen.Verdicts)
}
