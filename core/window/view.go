package window

import (
	"fmt"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A view is the windows from one instant to another.
type view struct {
	*Table
	from, to time.Time
	freezes  []core.Span               // those of calendars too
	free     map[*time.Location][]span // what open has worked out, by the zone of a target
}

func (t *Table) view(from, to time.Time) (*view, error) {
	v := &view{Table: t, from: from, to: to, free: make(map[*time.Location][]span)}
	for i, f := range t.rules.Freeze {
		if f.Calendar == "" {
			end := f.To
			if end.Day {
				end.At = end.At.AddDate(0, 0, 1) // the last day is part of it
			}
			v.freezes = append(v.freezes, core.Span{From: f.From, To: end, Why: f.Why})
			continue
		}
		spans, err := t.calendars[i].Between(from, to)
		if err != nil {
			return nil, err
		}
		for _, s := range spans {
			if f.Why != "" {
				s.Why = f.Why
			}
			v.freezes = append(v.freezes, s)
		}
	}
	return v, nil
}

// starts are the instants at which the first of some waves may start, so that each finishes in its window if it starts
// as soon as the one before has.
func (v *view) starts(together []wave) []span {
	if !v.rules.MustFinish {
		return v.open(together[0])
	}
	starts := []span{{v.from, v.to}}
	after := time.Duration(0)
	for _, w := range together {
		var mine []span
		for _, s := range v.open(w) {
			last := s.to.Add(-w.needs() + 1) // to finish as the window shuts is to finish
			mine = append(mine, span{s.from.Add(-after), earlier(last, s.to).Add(-after)})
		}
		starts = common(starts, merged(mine))
		after = min(after+w.needs(), year)
	}
	return starts
}

// open are the stretches of time in which all targets of a wave have their window.
func (v *view) open(w wave) []span {
	open := []span{{v.from, v.to}}
	for _, zone := range w.zones {
		free, known := v.free[zone]
		if !known {
			free = without(v.allowed(zone), v.frozen(zone))
			v.free[zone] = free
		}
		open = common(open, free)
	}
	return open
}

// allowed are the hours that a target in a zone has.
func (v *view) allowed(target *time.Location) []span {
	if len(v.rules.Allow) == 0 {
		return []span{{v.from, v.to}}
	}
	var all []span
	for i, h := range v.rules.Allow {
		zone := v.zone(i, target)
		last := reading(v.to, zone)
		for day := midnight(reading(v.from, zone)).AddDate(0, 0, -1); !day.After(last); day = day.AddDate(0, 0, 1) {
			if !h.Days[day.Weekday()] {
				continue
			}
			end := h.To
			if h.To <= h.From {
				end += 24 * time.Hour
			}
			all = append(all, span{instant(day.Add(h.From), zone), instant(day.Add(end), zone)})
		}
	}
	return merged(all)
}

// frozen are the freezes that a target in a zone has.
func (v *view) frozen(target *time.Location) []span {
	var all []span
	for _, f := range v.freezes {
		all = append(all, v.span(f, target))
	}
	return merged(all)
}

// span is a stretch of a calendar as it is for a target in a zone.
func (v *view) span(s core.Span, target *time.Location) span {
	zone := s.Zone
	if zone == nil {
		zone = v.home(target)
	}
	in := func(m core.Moment) time.Time {
		if m.Local {
			return instant(m.At, zone)
		}
		return m.At.In(zone)
	}
	return span{in(s.From), in(s.To)}
}

// home is the zone of what names none, for a target in a zone.
func (v *view) home(target *time.Location) *time.Location {
	if v.own != nil {
		return v.own
	}
	return target
}

// zone is the zone of the i-th hours, for a target in a zone.
func (v *view) zone(i int, target *time.Location) *time.Location {
	switch {
	case v.zones[i] != nil:
		return v.zones[i]
	case v.rules.Allow[i].Zone == core.ZoneTarget:
		return target
	default:
		return v.home(target)
	}
}

// why says in words why the first of some waves may not start at an instant.
func (v *view) why(together []wave, at time.Time) string {
	if why := v.shut(together[0], at); why != "" {
		return why
	}
	start := at
	for _, w := range together {
		zone := v.shown(w)
		if why := v.shut(w, start); why != "" {
			return fmt.Sprintf("the rollout would not finish: wave %s would start at %s, and then there is %s", w.name, core.Zoned(start.In(zone)), why)
		}
		end := start.Add(w.needs())
		if s, _ := around(v.open(w), start); s.to.Before(end) {
			return fmt.Sprintf("wave %s would not finish: from %s it may take until %s (%s to deploy, at the plan's timeout; %s to bake), and its window shuts at %s",
				w.name, core.Zoned(start.In(zone)), core.Zoned(end.In(zone)), core.Brief(w.deploy), core.Brief(w.bake), core.Zoned(s.to.In(zone)))
		}
		start = end
	}
	return "the rollout may take longer than a year"
}

// shut says in words why a wave has no window at an instant; "" if it has one.
func (v *view) shut(w wave, at time.Time) string {
	for _, target := range w.zones {
		var frozen span
		why := ""
		for _, f := range v.freezes {
			s := v.span(f, target)
			if _, in := around([]span{s}, at); in && s.to.After(frozen.to) {
				frozen, why = s, f.Why
			}
		}
		if !frozen.to.IsZero() {
			return "a freeze" + named(why) + ", until " + core.Zoned(frozen.to)
		}
		if _, in := around(v.allowed(target), at); !in {
			return v.outside(target, at)
		}
	}
	return ""
}

func named(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

// outside says what time it is for a target, and what hours there are.
func (v *view) outside(target *time.Location, at time.Time) string {
	var hours []string
	for _, h := range v.rules.Allow {
		hours = append(hours, h.Text)
	}
	zone, are := v.zone(0, target), "is"
	if len(hours) > 1 {
		are = "are"
	}
	return fmt.Sprintf("no window, as it is %s %s and only %s %s allowed", at.In(zone).Format("Mon 15:04"), zone, strings.Join(hours, " and "), are)
}
