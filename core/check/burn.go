package check

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/judge"
)

// A burn asks whether the error budget of an objective burns too fast.
type burn struct {
	spec   core.BurnRate
	source source
	scope  core.Asked
	test   *judge.Burn
	begun  bool // what burnt before the wave is known
}

func newBurn(c core.Check, from source, scope core.Asked, b budget) *burn {
	q := &burn{spec: *c.BurnRate, source: from, scope: scope}
	var windows []judge.Window
	for _, w := range q.spec.Windows {
		windows = append(windows, judge.Window{Long: w.Long, Short: w.Short, Burn: w.Burn})
	}
	options := judge.Options{Name: c.Name, FalseAlarms: b.alpha / float64(b.tests)}
	q.test = judge.NewBurn(options, float64(q.spec.Objective), windows)
	for _, v := range scope.Known {
		if v.Check == c.Name && len(v.Memory) > 0 {
			q.begun = json.Unmarshal(v.Memory, &q.test.State) == nil
		}
	}
	return q
}

// answer looks once. What burnt before the wave is not its doing, so that is looked at first. A precheck and a look after
// a rollback ask about now alone.
func (b *burn) answer(ctx context.Context, at time.Time, _ time.Duration) core.Verdict {
	if !b.begun && b.scope.Wave != "" && !b.scope.Back {
		before, _, err := b.ask(ctx, b.scope.Began)
		if err != nil {
			return core.Verdict{Verdict: core.Error, Reason: "before the wave: " + err.Error(), At: at}
		}
		b.test.Before(before)
	}
	b.begun = true
	look, sent, err := b.ask(ctx, at)
	v := core.Verdict{At: at, Query: sent, Window: core.Brief(b.spec.Windows[0].Long)}
	if err != nil {
		v.Verdict, v.Reason = core.Error, err.Error()
		return v
	}
	j := b.test.Look(look)
	v.Verdict, v.Reason = j.Verdict, strings.TrimSuffix(j.Reason, ".")
	if j.Evidence.Totals != nil {
		v.Value = &j.Evidence.Ratio
	}
	v.Evidence, _ = json.Marshal(j.Evidence)
	v.Memory, _ = json.Marshal(b.test.State)
	return v
}

// ask counts over every window up to one instant. It also returns the queries as they were sent for the first of them.
func (b *burn) ask(ctx context.Context, at time.Time) (judge.BurnLook, string, error) {
	look := make(judge.BurnLook, len(b.spec.Windows))
	sent := make([]string, 2*len(look))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel / 4)
	for i, w := range b.spec.Windows {
		g.Go(func() (err error) {
			look[i].LongBad, look[i].Long, sent[2*i], err = b.count(ctx, at, w.Long)
			return err
		})
		g.Go(func() (err error) {
			look[i].ShortBad, look[i].Short, sent[2*i+1], err = b.count(ctx, at, w.Short)
			return err
		})
	}
	err := g.Wait()
	return look, sent[0], err
}

// count asks what happened in one window, and how much of it went wrong.
func (b *burn) count(ctx context.Context, at time.Time, window time.Duration) (bad, total float64, sent string, err error) {
	v := b.scope.Variables(at, window)
	first, errors, err := b.source.put(ctx, b.spec.Errors, v)
	if err != nil {
		return 0, 0, first, err
	}
	second, all, err := b.source.put(ctx, b.spec.Total, v)
	r := readCounts([][]core.Sample{errors, all})
	return r.bad, r.total, first + " / " + second, err
}
