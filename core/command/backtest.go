package command

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/backtest"
	"github.com/breakwater-ci/breakwater/core/check"
	"github.com/breakwater-ci/breakwater/core/ledger"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/report"
)

type backtestCmd struct {
	planFlag
	Ledger  string        `help:"Where past rollouts are recorded. Default: as run has it." placeholder:"URL"`
	Last    time.Duration `help:"How far back to go." default:"168h"`
	Until   time.Time     `help:"Where to stop, in RFC 3339. Default: now." format:"2006-01-02T15:04:05Z07:00" placeholder:"TIME"`
	Quiet   int           `help:"How many deployments of nothing to spread over the time." default:"20" placeholder:"N"`
	At      []time.Time   `help:"Deploy nothing at this instant too, in RFC 3339: say, of a known bad release. May be repeated." format:"2006-01-02T15:04:05Z07:00" placeholder:"TIME"`
	Rise    rise          `help:"The regression that comparisons should see." default:"50%" placeholder:"PERCENT"`
	Longest time.Duration `help:"How long they may look for it." default:"4h"`
	JSON    bool          `name:"json" help:"Print JSON."`
}

// A rise is a change of any size: 50%, 200% or 0.5.
type rise float64

// UnmarshalText reads a rise.
func (r *rise) UnmarshalText(text []byte) error {
	digits, isPercent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	x, err := strconv.ParseFloat(digits, 64)
	if isPercent {
		x /= 100
	}
	if err != nil || !(x > 0 && x <= 1000) {
		return fmt.Errorf("%q is no rise; write 50%% or 0.5", text)
	}
	*r = rise(x)
	return nil
}

// Run asks the plan's checks about the past. It touches no target and writes nothing down.
func (c *backtestCmd) Run(ctx context.Context, s *ship) error {
	l, err := s.load(ctx, c.Plan, s.lookup)
	if err != nil {
		return err
	}
	waves, err := s.waves(ctx, l)
	if err != nil {
		return err
	}
	p, left := askable(l.Plan)
	if len(p.Checks) == 0 {
		return usage{fmt.Errorf("%s has no check that can be asked about the past: %s", l.file, strings.Join(left, "; "))}
	}
	until := c.Until
	if until.IsZero() {
		until = s.Clock.Now()
	}
	past, err := s.pastRollouts(ctx, c.Ledger, l, until.Add(-c.Last), until)
	if err != nil {
		return err
	}
	times, err := quietTimes(p, waves, past, until.Add(-c.Last), until, c.Quiet)
	if err != nil {
		return usage{err}
	}
	b := &backtest.Backtest{Plan: p, Waves: waves, Ledger: func() core.Ledger { return ledger.NewMemory() }, Parallel: 4}
	if b.Asker, err = s.pastAsker(l); err != nil {
		return err
	}
	result := report.Backtest{Line: p.Line().String(), From: until.Add(-c.Last).UTC(), Until: until.UTC(), Left: left, Rise: float64(c.Rise), Longest: c.Longest}
	if err := c.ask(ctx, s, b, times, past, &result); err != nil {
		return err
	}
	if c.JSON {
		return s.print(result)
	}
	return report.BacktestText(s.Stdout, result)
}

// ask asks each of the questions, and shows how far it has come.
func (c *backtestCmd) ask(ctx context.Context, s *ship, b *backtest.Backtest, times []time.Time, past []*core.Rollout, result *report.Backtest) (err error) {
	progress := report.NewCount(s.Stderr, isTerminal(s.Stderr))
	defer progress.Close()
	b.Progress = progress.On("quiet hours")
	if result.Quiet, err = b.Quiet(ctx, times); err != nil {
		return err
	}
	b.Progress = progress.On("given times")
	if result.Given, err = b.Quiet(ctx, c.At); err != nil {
		return err
	}
	for _, one := range b.Plan.Checks {
		if one.Compare == nil {
			continue
		}
		b.Progress = progress.On(fmt.Sprintf("%s, %.0f%% worse", one.Name, 100*c.Rise))
		seen, err := b.Rise(ctx, one.Name, 1+float64(c.Rise), c.Longest, fitting(times, result.Until.Add(-c.Longest)))
		if err != nil {
			return err
		}
		result.Rises = append(result.Rises, report.Rise{Check: one.Name, Sights: seen})
	}
	b.Progress = progress.On("past rollouts")
	result.Past, err = b.Past(ctx, past)
	return err
}

// askable is the plan without what cannot be asked about the past: commands, and sources that know only what they saw
// themselves. It also says what was left out, and why.
func askable(p *core.Plan) (*core.Plan, []string) {
	asks := *p
	asks.Checks = nil
	var left []string
	forgetful := func(source string) bool { return metric.Forgets(p.Sources[source]) }
	for _, c := range p.Checks {
		source := ""
		switch {
		case c.Threshold != nil:
			source = c.Threshold.Source
		case c.Compare != nil:
			source = c.Compare.Source
		case c.BurnRate != nil:
			source = c.BurnRate.Source
		case c.Alarms != nil:
			source = c.Alarms.Source
		}
		switch {
		case c.Run != nil:
			left = append(left, c.Name+" is a command, which can only tell what is now")
		case forgetful(source):
			left = append(left, c.Name+" asks source "+source+", which knows no past")
		default:
			asks.Checks = append(asks.Checks, c)
		}
	}
	asks.Waves = slices.Clone(p.Waves)
	for i := range asks.Waves {
		if u := asks.Waves[i].Bake.Until; u != nil && forgetful(u.Source) {
			asks.Waves[i].Bake.Until = nil
		}
	}
	return &asks, left
}

// pastAsker opens the plan's sources once, for every deployment that is asked about.
func (s *ship) pastAsker(l *loaded) (func(*core.Plan, *backtest.Bend) core.Asker, error) {
	sources, err := s.sources(l.Plan, l.dir)
	if err != nil {
		return nil, err
	}
	return func(p *core.Plan, bend *backtest.Bend) core.Asker {
		asked := sources
		if bend != nil {
			asked = make(map[string]core.Source, len(sources))
			for name, source := range sources {
				asked[name] = source
			}
			name := bend.Check.Compare.Source
			asked[name] = check.Worse(sources[name], *bend.Check.Compare, bend.Targets, bend.Times, bend.From)
		}
		return check.New(p, asked, s.shell(l.dir), s.Clock)
	}, nil
}

// pastRollouts are those of the ledger that began within a stretch of time.
func (s *ship) pastRollouts(ctx context.Context, asked string, l *loaded, from, until time.Time) ([]*core.Rollout, error) {
	book, err := s.openLedger(ctx, asked, l.dir)
	if err != nil {
		return nil, err
	}
	historian, ok := book.(core.Historian)
	if !ok {
		return nil, nil
	}
	var all []*core.Rollout
	one := &core.Rollout{Line: l.Line()} // which says what is wrong with an event before the first start
	for e, err := range historian.History(ctx, l.Line()) {
		if err != nil {
			return nil, fmt.Errorf("the past rollouts of %s cannot be read: %w", l.Line(), err)
		}
		if e.Type == core.EventStarted {
			one = &core.Rollout{Line: l.Line()}
			all = append(all, one)
		}
		if err := one.Apply(e); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(all, func(r *core.Rollout) bool {
		return r.Began.Before(from) || r.Began.After(until) || !r.State.Over() && !r.State.Resting()
	}), nil
}

// quietTimes spreads deployments evenly over a stretch of time, so that each has the time for its longest bakes, and
// leaves out those during which something was really rolled out.
func quietTimes(p *core.Plan, waves []core.StartWave, past []*core.Rollout, from, until time.Time, n int) ([]time.Time, error) {
	longest := time.Duration(0)
	for _, w := range waves {
		longest += p.Waves[w.Rule].Bake.Max
	}
	room := until.Sub(from) - longest
	if room < 0 {
		return nil, fmt.Errorf("all bakes together may take %s, longer than the time to be asked about, %s; go further back with --last",
			core.Brief(longest), core.Brief(until.Sub(from)))
	}
	var times []time.Time
	for i := range n {
		at := from.Add(room * time.Duration(i) / time.Duration(max(1, n-1))).Truncate(time.Second)
		busy := slices.ContainsFunc(past, func(r *core.Rollout) bool {
			return r.Began.Before(at.Add(longest)) && r.Changed.After(at)
		})
		if !busy {
			times = append(times, at)
		}
	}
	return times, nil
}

// fitting are the instants that are not after the last.
func fitting(times []time.Time, last time.Time) []time.Time {
	return slices.DeleteFunc(slices.Clone(times), func(at time.Time) bool { return at.After(last) })
}
