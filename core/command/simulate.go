package command

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/ledger"
	"github.com/breakwater-ci/breakwater/core/report"
)

type simulateCmd struct {
	planFlag
	policyFlag
	atFlag
	Fail      []string      `help:"A failure: wave=2, wave=NAME, target=NAME, rollback=TARGET, check=NAME or check=NAME@12m. May be repeated." placeholder:"FAILURE" sep:"none"`
	KillAt    []string      `help:"The process dies right after it wrote this event, and a later attempt goes on: deploying, baking, ... May be repeated." placeholder:"EVENT"`
	Emergency bool          `help:"In the plan's fast lane: shorter bakes, windows passed."`
	Each      time.Duration `help:"How long one deploy takes." default:"1m"`
	JSON      bool          `name:"json" help:"Print the events and the status as JSON."`
}

// Run simulates a rollout of the plan. The exit code is that of the rollout.
func (c *simulateCmd) Run(ctx context.Context, s *ship) error {
	l, waves, err := s.scheduled(ctx, c.Plan)
	if err != nil {
		return err
	}
	if _, err := s.obeys(ctx, c.policyFlag, l, waves); err != nil {
		return err
	}
	opens, err := s.timetable(ctx, l, waves)
	if err != nil {
		return err
	}
	sim := engine.Simulation{Plan: l.Plan, Waves: waves, Ledger: ledger.NewMemory(), Start: c.start(s).UTC().Truncate(time.Minute), Each: c.Each, Opens: opens}
	if c.Emergency {
		sim.Hurry = "simulated"
	}
	late := ""
	if opens != nil && !c.Emergency {
		if o := opens.Opening(0, sim.Start); !o.Open && !o.Until.IsZero() {
			late, sim.Start = core.Shut(waves[0].Name, o), o.Until.UTC()
		}
	}
	for _, text := range c.Fail {
		f, err := engine.ParseFault(text)
		if err != nil {
			return usage{err}
		}
		sim.Faults = append(sim.Faults, f)
	}
	for _, e := range c.KillAt {
		if !slices.Contains(core.EventTypes, core.EventType(e)) {
			return usage{fmt.Errorf("%q is no event; the events are %s", e, join(core.EventTypes))}
		}
		sim.KillAt = append(sim.KillAt, core.EventType(e))
	}
	r, attempts, err := sim.Run(ctx)
	if err != nil {
		return err
	}
	events, err := sim.Ledger.Read(ctx, l.Line())
	if err != nil {
		return err
	}
	if c.JSON {
		events[0].Start.Plan = "" // it would drown the rest
		err = s.print(map[string]any{"events": events, "attempts": attempts, "status": report.NewStatus(r, time.Time{})})
	} else {
		if late != "" {
			fmt.Fprintf(s.Stdout, "  %s The simulation begins then.\n\n", late)
		}
		err = report.Timeline(s.Stdout, r, events, attempts)
	}
	if err != nil || r.State == core.StateSucceeded {
		return err
	}
	return ended{r.State}
}

func join[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, t := range all {
		words[i] = string(t)
	}
	return strings.Join(words, ", ")
}
