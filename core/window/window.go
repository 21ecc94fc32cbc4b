// Package window says when the waves of a rollout may start: within the hours that the plan allows, outside of its
// freezes, and, where the plan asks for that, only if what starts would finish before a window shuts. It is pure.
//
// A wave may start when all its targets may. A window begins at its first instant and has ended at its last: from 09:00
// to 16:00, a wave may start at 09:00:00 and not at 16:00:00. A time of day is the first instant of that day at which the
// clock shows it or a later one, so a window that begins in the hour that daylight saving leaves out begins at its end,
// and one that begins in the hour that comes twice begins in the first.
package window

import (
	"fmt"
	"slices"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A Table is the windows of a plan for the waves of one rollout. It is a [core.Timetable].
type Table struct {
	rules     core.Windows
	calendars []core.Calendar  // beside rules.Freeze; nil where that is none
	own       *time.Location   // of the windows; nil: each target's own
	zones     []*time.Location // beside rules.Allow; nil: as the windows or the target say
	waves     []wave
}

// A wave is what the windows need to know of one.
type wave struct {
	name   string
	zones  []*time.Location // of its targets, each once
	deploy time.Duration    // at most
	bake   time.Duration    // at least
}

func (w wave) needs() time.Duration { return w.deploy + w.bake }

// year is how far the windows are looked ahead.
const year = 366 * 24 * time.Hour

// New makes the table of a plan with windows. calendars are those of its freezes, in their order; nil for a freeze
// without one. A time zone that is not known is an error.
//
// A wave is taken to need as long as its targets may at most take to deploy, and its shortest bake. What it takes in fact
// is known only afterwards, and who asks that it must finish does not want to hear that it should have.
func New(p *core.Plan, waves []core.StartWave, calendars []core.Calendar) (*Table, error) {
	t := &Table{rules: *p.Windows, calendars: calendars, waves: make([]wave, len(waves))}
	var err error
	if t.rules.Timezone != core.ZoneTarget {
		if t.own, err = time.LoadLocation(t.rules.Timezone); err != nil {
			return nil, fmt.Errorf("windows: %w", err)
		}
	}
	t.zones = make([]*time.Location, len(t.rules.Allow))
	for i, h := range t.rules.Allow {
		if h.Zone == "" || h.Zone == core.ZoneTarget {
			continue
		}
		if t.zones[i], err = time.LoadLocation(h.Zone); err != nil {
			return nil, fmt.Errorf("windows: %w", err)
		}
	}
	known := make(map[string]*time.Location)
	for i, w := range waves {
		if t.waves[i], err = t.wave(p, w, known); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// wave makes one wave. known has the zones that were met before: a fleet has many targets in few of them.
func (t *Table) wave(p *core.Plan, w core.StartWave, known map[string]*time.Location) (wave, error) {
	out := wave{name: w.Name, bake: p.Waves[w.Rule].Bake.Min}
	if side := max(1, p.Deploy.Parallel.Of(len(w.Targets), 1)); p.Deploy.Timeout > 0 {
		rounds := min((len(w.Targets)+side-1)/side, int(year/p.Deploy.Timeout)+1) // more than a year is as good as never
		out.deploy = time.Duration(rounds) * p.Deploy.Timeout
	}
	for _, target := range w.Targets {
		name := target.Timezone
		if name == "" && t.own != nil {
			name = t.own.String()
		}
		zone, met := known[name]
		if !met {
			var err error
			if zone, err = time.LoadLocation(name); err != nil {
				return wave{}, fmt.Errorf("target %s: %w", target.Name, err)
			}
			known[name] = zone
		}
		if !slices.Contains(out.zones, zone) {
			out.zones = append(out.zones, zone)
		}
	}
	return out, nil
}

// Opening tells whether a wave may start at an instant. It looks a year ahead.
//
// Where the plan asks that a rollout must finish, the first wave may start only if every wave could follow without
// waiting for a window. A later one may if it would itself finish: with a part of the rollout out, to hold back what
// fits helps nobody.
func (t *Table) Opening(k int, at time.Time) core.Opening {
	for _, ahead := range []time.Duration{30 * 24 * time.Hour, year} {
		o, err := t.within(k, at, at.Add(ahead))
		if err != nil {
			return core.Opening{Unknown: true, Why: err.Error()}
		}
		if !o.Until.IsZero() || ahead == year {
			return o
		}
	}
	return core.Opening{}
}

// within is an opening as far as it can be seen until an instant.
func (t *Table) within(k int, at, end time.Time) (core.Opening, error) {
	together := t.together(k)
	horizon := end
	for _, w := range together {
		horizon = earlier(horizon.Add(w.needs()), end.Add(year))
	}
	v, err := t.view(at, horizon)
	if err != nil {
		return core.Opening{}, err
	}
	open := v.open(together[0])
	starts := v.starts(together)
	o := core.Opening{}
	if _, in := around(starts, at); in {
		if s, _ := around(open, at); s.to.Before(horizon) {
			o.Until = s.to.In(t.shown(together[0]))
		}
		o.Open = true
		return o, nil
	}
	if len(starts) > 0 && starts[0].from.Before(end) {
		o.Until = starts[0].from.In(t.shown(together[0]))
	}
	o.Why = v.why(together, at)
	return o, nil
}

// together are the waves that must finish if one is to start, itself first.
func (t *Table) together(k int) []wave {
	if k == 0 && t.rules.MustFinish {
		return t.waves
	}
	return t.waves[k : k+1]
}

// shown is the zone in which a wave's times are told: that of the windows, or else that of its targets.
func (t *Table) shown(w wave) *time.Location {
	switch {
	case t.own != nil && t.own.String() != "UTC":
		return t.own
	case len(w.zones) == 1:
		return w.zones[0]
	default:
		return time.UTC
	}
}
