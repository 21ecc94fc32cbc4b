package engine_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/ledger"
)

// humans is what humans did to the newest rollout, told by its events alone.
type humans struct {
	overrides int
	hurried   bool
	to        string // the version that was asked for on every target
	promoted  bool   // a wave was passed, and no bake has begun since

	done map[string]int // how often each override came about, in all worlds
}

// overrides are what humans must have done in some world, or the test does not reach it.
var overrides = []string{
	"expedited while pending", "expedited while deploying", "expedited while baking", "promoted while baking", "promoted while halted",
	"rolling-back while pending", "rolling-back while deploying", "rolling-back while baking", "rolling-back while halted",
	"rolling-back while rollback-failed", "rolling-back while rolled-back", "rolling-back while aborted", "rolling-back while succeeded",
	"started while ",
	"ended while pending", "ended while deploying", "ended while baking", "ended while halted", "ended while rollback-failed",
}

// wanted is the version that a target in scope of a rollback must run in the end.
func (h humans) wanted(r *core.Rollout) string { return cmp.Or(h.to, r.Start.Previous) }

// mayEnd reports whether an event is the end that a promote brings with it where no process is at work.
func (h humans) mayEnd(before *core.Rollout, batch []core.Event, e core.Event) bool {
	return e.Type == core.EventEnded && e.State == core.StateSucceeded && batch[0].Type == core.EventPromoted && batch[0].Actor == e.Actor &&
		before.Lease.YieldsTo(batch[0].Override.By, e.At, func(core.Actor) bool { return false })
}

// addOverrides gives a world a fast lane, releases that must not be rolled back across, and a past to go back to.
func (w *world) addOverrides() {
	if w.rnd.IntN(3) == 0 {
		w.plan.Emergency = &core.Emergency{MinBake: time.Duration(1+w.rnd.IntN(12)) * time.Minute}
	}
	w.plan.Activate = w.rnd.IntN(8) == 0
	w.impatient = w.rnd.IntN(4)
	if w.rnd.IntN(2) == 0 {
		return
	}
	quiet := *w.plan
	quiet.Activate, quiet.Checks = false, nil
	for _, v := range []string{"v0", "v1"} {
		past := &engine.Engine{Line: quiet.Line(), Ledger: w.disk, Clock: w.clock, Actor: core.Actor{ID: "past " + v}, Observer: silent{},
			Lease: time.Hour, LastWords: time.Second, Dead: func(core.Actor) bool { return false },
			Equip: func(string, string) (engine.Gear, error) {
				return engine.Gear{Plan: &quiet, Deploy: well{}, Rollback: well{}, Checks: new(answers)}, nil
			}}
		r, err := past.Run(context.Background(), engine.Request{Version: v, FirstRelease: v == "v0",
			Waves: func(context.Context) ([]core.StartWave, error) { return slices.Clone(w.waves), nil }})
		if err != nil || r.State != core.StateSucceeded {
			w.t.Fatalf("the past: %v", err)
		}
	}
	w.told = w.record()
}

// well is a driver that never fails.
type well struct{}

func (well) Deploy(context.Context, core.Act) (string, error) { return "", nil }

// emergency is why an attempt takes the fast lane, if it does.
func (p *process) emergency() string {
	if p.plan.Emergency == nil || p.rnd.IntN(3) > 0 {
		return ""
	}
	return "it burns"
}

// shortest is how long a wave must bake at least.
func (w *world) shortest(wave int) time.Duration {
	least := w.plan.Waves[wave].Bake.Min
	if w.humans.hurried {
		least = min(least, w.plan.Emergency.MinBake)
	}
	return least
}

// override lets a human do something to the newest rollout of v2. It may come to nothing, but only for a reason.
func (p *process) override() {
	if p.told.Start.Version != "v2" {
		return
	}
	other := p.actor(fmt.Sprintf("human-%d", p.rnd.IntN(1000)), 1)
	if p.rnd.IntN(2) == 0 { // from a job that takes over at once
		p.attempts++
		other = p.actor("run-1", p.attempts)
	}
	defer other.cancel()
	e := other.engine()
	var r *core.Rollout
	var err error
	what := []string{"promote", "promote", "abort", "abort and roll back", "roll back", "roll back to v0"}[p.rnd.IntN(6)]
	p.logf("-- %s: %s", other.id.ID, what)
	switch what {
	case "promote":
		r, err = e.Promote(other.ctx, "good enough")
	case "abort", "abort and roll back":
		r, err = e.Abort(other.ctx, "not today", what != "abort")
	case "roll back":
		r, err = e.RollBack(other.ctx, core.Way{Reason: "customers complain"})
	default:
		r, err = e.RollBack(other.ctx, core.Way{Reason: "it was better once", To: "v0"})
	}
	p.logf("-- %s ends: %v", other.id.ID, err)
	var refused engine.Refused
	var blocked engine.Blocked
	var lost engine.Lost
	switch {
	case err == nil && r.State.Over():
		p.checkEnd(p.record())
	case err == nil, errors.As(err, &refused), errors.As(err, &blocked), errors.As(err, &lost),
		errors.Is(err, errFault), errors.Is(err, errDead), errors.Is(err, context.Canceled):
	default:
		p.t.Errorf("%s, %s: %v", other.id.ID, what, err)
	}
}

// checkOverride checks what is done by humans, and what must not be done without one.
func (p *process) checkOverride(before *core.Rollout, e core.Event) {
	h := &p.humans
	if e.Type == core.EventStarted {
		*h = humans{done: h.done}
	}
	if o := e.Override; o != nil {
		p.drift = p.drift && o.Kind != core.OverrideDrift
		h.overrides++
		h.done[fmt.Sprintf("%s while %s", e.Type, before.State)]++
		if o.Reason == "" || o.By.ID != e.Actor || o.Kind == "" {
			p.t.Errorf("%s by %s: %+v", e.Type, e.Actor, o)
		}
	}
	if n := len(before.Overrides); e.Type != core.EventStarted && e.Override == nil && n != h.overrides {
		p.t.Errorf("humans did %d things, the rollout knows of %d", h.overrides, n)
	}
	byItself := e.Override == nil && (e.Cause == core.CauseCheck || e.Cause == core.CauseInconclusive)
	switch e.Type {
	case core.EventExpedited:
		h.hurried = true
	case core.EventPromoted:
		h.promoted = true
	case core.EventBaking:
		h.promoted = false
	case core.EventHalted:
		if h.promoted && byItself {
			p.t.Errorf("halted by what was known before a human promoted: %s", e.Reason)
		}
	case core.EventRollingBack:
		if p.plan.Activate && before.Touched() {
			p.t.Errorf("goes back across an activation: %s", e.Reason)
		}
		if h.promoted && byItself || before.State.Over() && e.Override == nil {
			p.t.Errorf("goes back while %s, by itself: %s", before.State, e.Reason)
		}
		h.to = cmp.Or(e.To, h.to)
	}
}

// History is that of the disk, when that can be read.
func (p *process) History(ctx context.Context, line core.Line) iter.Seq2[core.Event, error] {
	if p.fault() == "error" {
		return func(yield func(core.Event, error) bool) { yield(core.Event{}, errFault) }
	}
	return p.disk.(core.Historian).History(ctx, line)
}

var _ core.Historian = ledger.NewMemory()
