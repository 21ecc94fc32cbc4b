package config

import (
	"cmp"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// fillDefaults says what every absent key means. It looks at whether the file gives a key, not at its value, so that
// an explicit zero or empty list stays.
func (d *decoder) fillDefaults(p *core.Plan) {
	d.fillTargets(p.Targets.List)
	absent(d, &p.Precheck, true)
	absent(d, &p.OnNewer, core.NewerQueues)
	absent(d, &p.FalseAlarms, 0.01)
	fillReactions(&p.React, core.Reactions{Fail: core.ReactRollback, Inconclusive: core.ReactHalt, Error: core.ReactHalt})

	absent(d, &p.Deploy.Timeout, 30*time.Minute)
	absent(d, &p.Deploy.Parallel, number(1))
	absent(d, &p.Deploy.Tolerate, number(0))
	if jobs, ok := p.Deploy.Options.(*core.Jobs); ok {
		absent(d, &jobs.Deploy, "deploy ("+core.JobTarget+")")
		absent(d, &jobs.Rollback, "rollback ("+core.JobTarget+")")
	}
	for _, options := range []any{p.Deploy.Options, p.Rollback.Options} {
		if lambda, ok := options.(*core.Lambda); ok {
			absent(d, &lambda.Pause, time.Minute)
		}
	}
	absent(d, &p.Rollback.When, []core.Trigger{core.TriggerDeploy, core.TriggerCheck})
	absent(d, &p.Rollback.Scope, core.ScopeRollout)
	absent(d, &p.Rollback.Timeout, p.Deploy.Timeout)
	absent(d, &p.Rollback.Parallel, p.Deploy.Parallel)
	if p.Current != nil {
		absent(d, &p.Current.Timeout, 30*time.Second)
	}

	if p.Windows != nil {
		absent(d, &p.Windows.Timezone, "UTC")
	}

	absent(d, &p.Bake.Min, 30*time.Minute)
	absent(d, &p.Bake.Wait, "inline")
	d.fillBake(&p.Bake, &p.Bake)
	for i := range p.Waves {
		w := &p.Waves[i]
		d.fillBake(&w.Bake, &p.Bake)
		if w.Split != nil {
			absent(d, &w.Split.First, number(1))
			absent(d, &w.Split.Growth, 2)
		}
	}

	for i := range p.Checks {
		c := &p.Checks[i]
		absent(d, &c.Timeout, 30*time.Second)
		fillReactions(&c.React, p.React)
		if c.Threshold != nil {
			absent(d, &c.Threshold.Breaches, core.Breaches{M: 1, N: 1})
		}
		if c.Compare != nil {
			d.fillCompare(c.Compare)
		}
		if c.BurnRate != nil {
			absent(d, &c.BurnRate.Windows, burnWindows)
		}
	}
}

// burnWindows are the pairs that page somebody in chapter 5 of the SRE workbook.
var burnWindows = []core.BurnWindow{
	{Long: time.Hour, Short: 5 * time.Minute, Burn: 14.4},
	{Long: 6 * time.Hour, Short: 30 * time.Minute, Burn: 6},
}

func (d *decoder) fillCompare(c *core.Compare) {
	absent(d, &c.Control, core.Control{Kind: core.ControlPending})
	absent(d, &c.Direction, core.Increase)
	absent(d, &c.Method, core.MethodSequential)
	if c.Histogram != "" {
		absent(d, &c.Quantile, 0.99)
	}
}

func (d *decoder) fillTargets(targets []core.Target) {
	for i := range targets {
		absent(d, &targets[i].Weight, 1)
	}
}

// fillBake fills a wave's bake from the plan's, key by key. What the plan does not give follows the wave's own min:
// max is four times that, every is a minute but not longer than it.
func (d *decoder) fillBake(b, plan *core.Bake) {
	absent(d, &b.Min, plan.Min)
	absent(d, &b.Wait, plan.Wait)
	absent(d, &b.Until, plan.Until)
	if absent(d, &b.Max, 4*b.Min); d.given(&plan.Max) {
		absent(d, &b.Max, plan.Max)
	}
	absent(d, &b.Every, time.Minute)
	switch {
	case d.given(&plan.Every):
		absent(d, &b.Every, plan.Every)
	case b.Min > 0:
		absent(d, &b.Every, min(time.Minute, b.Min))
	}
}

func fillReactions(r *core.Reactions, from core.Reactions) {
	r.Fail = cmp.Or(r.Fail, from.Fail)
	r.Inconclusive = cmp.Or(r.Inconclusive, from.Inconclusive)
	r.Error = cmp.Or(r.Error, from.Error)
}

// absent sets a field that the file does not give.
func absent[T any](d *decoder, p *T, value T) {
	if !d.given(p) {
		*p = value
	}
}

func number(n int) core.Amount { return core.Amount{Count: n, Set: true} }
