// Package backtest asks the checks of a plan about the past: would they have stopped a healthy release, would they have
// stopped the bad ones, and how long must a bake be here to see a regression of some size? Nothing is deployed and nothing
// is written down: the numbers are real, the deployments are not.
package backtest

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/report"
)

// A Backtest is a plan whose checks are asked about the past.
type Backtest struct {
	Plan  *core.Plan       // without checks that can only tell about now
	Waves []core.StartWave // the plan's targets

	// Asker opens the checks of a plan. With a bend, one of them is shown something worse than there was.
	Asker  func(p *core.Plan, bend *Bend) core.Asker
	Ledger func() core.Ledger // a new, empty one

	Parallel int                // deployments that are asked about at the same time
	Progress func(done, of int) // called after each; nil: nobody watches
}

// A Bend makes the wave look so many times worse to one check, from an instant on.
type Bend struct {
	Check   *core.Check
	Targets []core.Target
	Times   float64
	From    time.Time
}

// Quiet deploys nothing at each of the given instants: the whole rollout through the real engine, on a virtual clock that
// shows the past, with checks that ask about it.
func (b *Backtest) Quiet(ctx context.Context, at []time.Time) ([]report.Outcome, error) {
	p := *b.Plan
	p.Rollback.When, p.Rollback.Verify = nil, 0 // a release that fails stops there: the old version is out anyway
	return each(ctx, b, at, func(ctx context.Context, at time.Time) (report.Outcome, error) {
		sim := engine.Simulation{Plan: &p, Waves: b.Waves, Ledger: b.Ledger(), Start: at, Checks: b.Asker(&p, nil)}
		r, _, err := sim.Run(ctx)
		if err != nil {
			return report.Outcome{}, err
		}
		events, err := sim.Ledger.Read(ctx, p.Line())
		return outcome(at, r, events), err
	})
}

func outcome(at time.Time, r *core.Rollout, events []core.Event) report.Outcome {
	o := report.Outcome{At: at, State: r.State, Cause: r.Cause, After: r.Changed.Sub(at)}
	if r.State != core.StateSucceeded {
		w := r.Waves[r.Wave]
		o.Wave, o.Reason = w.Name, r.Reason
		for _, v := range w.Verdicts {
			if v.Verdict == core.Fail && !v.Shadow && o.Check == "" && r.Cause == core.CauseCheck {
				o.Check = v.Check
			}
		}
	}
	seen := make(map[string]bool)
	for _, e := range events {
		for _, v := range e.Verdicts {
			if v.Shadow && v.Verdict == core.Fail && !seen[v.Check] {
				seen[v.Check] = true
				o.Shadows = append(o.Shadows, v.Check)
			}
		}
	}
	return o
}

// Rise makes the first wave so many times worse in the eyes of one comparison, from each of the given instants on, and
// looks for as long as longest when it sees that.
func (b *Backtest) Rise(ctx context.Context, check string, times float64, longest time.Duration, at []time.Time) ([]report.Sight, error) {
	p := *b.Plan
	p.Precheck = false
	bake := p.Waves[b.Waves[0].Rule].Bake
	bake.Min, bake.Max, bake.Until = longest, longest, nil
	targets, control := b.arms()
	return each(ctx, b, at, func(ctx context.Context, at time.Time) (report.Sight, error) {
		bend := Bend{Check: p.Check(check), Targets: targets, Times: times, From: at}
		asked := core.Asked{Wave: b.Waves[0].Name, Targets: targets, Control: control, Began: at, Since: at, Bake: bake, Nth: 1}
		failed, after, _, err := watch(ctx, b.Asker(&p, &bend), asked, at.Add(longest), check)
		return report.Sight{At: at, Seen: failed, After: after}, err
	})
}

// arms are the first wave and what it is compared with.
func (b *Backtest) arms() (targets, control []core.Target) {
	for i, w := range b.Waves {
		for _, t := range w.Targets {
			if i == 0 {
				targets = append(targets, t.Target)
			} else {
				control = append(control, t.Target)
			}
		}
	}
	return targets, control
}

// Past asks about the bakes of rollouts that were, for as long as each really lasted: what came after is not the
// release's doing.
func (b *Backtest) Past(ctx context.Context, rollouts []*core.Rollout) ([]report.Hindsight, error) {
	return each(ctx, b, rollouts, func(ctx context.Context, r *core.Rollout) (report.Hindsight, error) {
		h := report.Hindsight{Rollout: r.ID, Version: r.Start.Version, Began: r.Began, State: r.State, Reason: r.Reason}
		for i := range r.Waves {
			w := &r.Waves[i]
			if w.Out.IsZero() {
				break
			}
			asked := core.Asked{Rollout: r.ID, Wave: w.Name, Version: r.Start.Version, Previous: r.Start.Previous, Began: w.Began,
				Since: w.Out, Bake: b.Plan.Bake, Nth: i + 1}
			asked.Targets, asked.Control = armsOf(r, i)
			until := bakeEnd(r, w)
			if !until.After(w.Out) || len(asked.Targets) == 0 {
				continue
			}
			asked.Bake.Max = max(asked.Bake.Max, until.Sub(w.Out))
			failed, after, v, err := watch(ctx, b.Asker(b.Plan, nil), asked, until, "")
			if err != nil {
				return h, err
			}
			if failed {
				h.Stopped, h.Check, h.Wave, h.After, h.Why = true, v.Check, w.Name, after, v.Reason
				return h, nil
			}
			if v.Verdict == core.Error {
				h.Unasked = v.Reason
			}
		}
		return h, nil
	})
}

// armsOf are the targets of a wave and those that no wave up to it had.
func armsOf(r *core.Rollout, wave int) (targets, control []core.Target) {
	for i := wave; i < len(r.Waves); i++ {
		for _, t := range r.Waves[i].Targets {
			if i > wave {
				control = append(control, t.Target)
			} else if t.Attempts > 0 {
				targets = append(targets, t.Target)
			}
		}
	}
	return targets, control
}

// bakeEnd is when a wave was no longer judged.
func bakeEnd(r *core.Rollout, w *core.Wave) time.Time {
	switch {
	case !w.Passed.IsZero():
		return w.Passed
	case r.Turned.After(w.Out):
		return r.Turned
	default:
		return r.Changed
	}
}

// watch looks at one bake until a check that acts fails, or the one that is named, or the time is over. It returns the
// verdict that failed, else the worst of the last look.
func watch(ctx context.Context, asker core.Asker, asked core.Asked, until time.Time, only string) (failed bool, after time.Duration, v core.Verdict, err error) {
	looker, err := asker.Open(ctx, asked)
	if err != nil {
		return false, 0, v, err
	}
	defer looker.Close()
	at := asked.Since
	if d, ok := looker.(core.Delayed); ok && d.FirstLook().After(at) {
		at = d.FirstLook()
	}
	for ; !at.After(until); at = at.Add(asked.Bake.Every) {
		seen := looker.Look(ctx, at)
		if err := ctx.Err(); err != nil {
			return false, 0, v, err
		}
		v = core.Verdict{}
		for _, one := range seen.Verdicts {
			mine := only == one.Check || only == "" && !one.Shadow
			if mine && one.Verdict == core.Fail {
				return true, at.Sub(asked.Since), one, nil
			}
			if one.Verdict == core.Error {
				v = one
			}
		}
	}
	return false, until.Sub(asked.Since), v, nil
}

// each asks about several deployments at a time, and returns the answers in their order.
func each[In, Out any](ctx context.Context, b *Backtest, all []In, ask func(context.Context, In) (Out, error)) ([]Out, error) {
	out := make([]Out, len(all))
	var mu sync.Mutex
	done := 0
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, b.Parallel))
	for i, in := range all {
		g.Go(func() (err error) {
			out[i], err = ask(ctx, in)
			mu.Lock()
			defer mu.Unlock()
			if done++; b.Progress != nil && err == nil {
				b.Progress(done, len(all))
			}
			return err
		})
	}
	return out, g.Wait()
}
