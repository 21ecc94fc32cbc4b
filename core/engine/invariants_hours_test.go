package engine_test

import (
	"context"
	"slices"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/window"
)

// summer is a time in which no zone of the windows of a world changes its clocks.
var summer = time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC)

// addWindows gives a world random windows, in the zones of its targets, and a time of day at which it begins.
func (w *world) addWindows() {
	zones := []string{"", "Europe/Dublin", "Asia/Kolkata", "America/New_York"}
	for i := range w.waves {
		for j := range w.waves[i].Targets {
			if w.rnd.IntN(4) == 0 {
				w.waves[i].Targets[j].Timezone = zones[w.rnd.IntN(len(zones))]
			}
		}
	}
	rules := &core.Windows{Timezone: "UTC", MustFinish: w.rnd.IntN(3) == 0}
	if w.rnd.IntN(4) > 0 {
		from := time.Duration(w.rnd.IntN(24)) * time.Hour
		h := core.Hours{From: from, To: (from+time.Duration(2+w.rnd.IntN(10))*time.Hour)%(24*time.Hour) + 15*time.Minute,
			Zone: []string{"", "Asia/Kolkata", "target"}[w.rnd.IntN(3)], Text: "random hours"}
		for d := range h.Days {
			h.Days[d] = d == 3 || w.rnd.IntN(2) == 0
		}
		if h.Zone == "target" && w.rnd.IntN(2) == 0 { // so that far zones have hours in common
			h.From, h.To = 8*time.Hour, 23*time.Hour
		}
		rules.Allow = []core.Hours{h}
	}
	for range w.rnd.IntN(3) {
		from := summer.Add(time.Duration(w.rnd.IntN(48*60)) * time.Minute)
		rules.Freeze = append(rules.Freeze, core.Freeze{Why: "random",
			From: core.Moment{At: from}, To: core.Moment{At: from.Add(time.Duration(1+w.rnd.IntN(600)) * time.Minute)}})
	}
	w.plan.Windows = rules
	_ = w.clock.Wait(context.Background(), summer.Add(time.Duration(w.rnd.IntN(24*60))*time.Minute))
}

// windows reads the windows of the world, when that does not fail.
func (p *process) windows() func(context.Context, []core.StartWave) (core.Timetable, error) {
	if p.plan.Windows == nil {
		return nil
	}
	return func(_ context.Context, waves []core.StartWave) (core.Timetable, error) {
		switch p.fault() {
		case "dead", "crash", "crash after":
			p.dead = true
			return nil, errDead
		case "error", "lost answer":
			return nil, errFault
		}
		return window.New(p.plan, waves, make([]core.Calendar, len(p.plan.Windows.Freeze)))
	}
}

// mayStart works out by the clocks of its targets whether a wave may start.
func (w *world) mayStart(wave int, at time.Time) bool {
	rules := w.plan.Windows
	if rules == nil {
		return true
	}
	for _, f := range rules.Freeze {
		if !at.Before(f.From.At) && at.Before(f.To.At) {
			return false
		}
	}
	return !slices.ContainsFunc(w.waves[wave].Targets, func(t core.StartTarget) bool {
		return slices.ContainsFunc(rules.Allow, func(h core.Hours) bool { return !inHours(h, t.Timezone, at) })
	})
}

// checkNever looks whether a window that is said not to open within a year has no hour in a fortnight, unless it is too
// short for what must finish in it.
func (w *world) checkNever(wave int) {
	for at := w.clock.Now(); !w.plan.Windows.MustFinish && at.Before(w.clock.Now().AddDate(0, 0, 14)); at = at.Add(7 * time.Minute) {
		if w.mayStart(wave, at) {
			w.t.Errorf("wave %d is said never to open, but does at %s", wave, at)
			return
		}
	}
}

func inHours(h core.Hours, target string, at time.Time) bool {
	name := h.Zone
	if name == core.ZoneTarget {
		name = target
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	there := at.In(zone)
	clock := time.Duration(there.Hour())*time.Hour + time.Duration(there.Minute())*time.Minute
	today, yesterday := h.Days[there.Weekday()], h.Days[(there.Weekday()+6)%7]
	if h.From < h.To {
		return today && h.From <= clock && clock < h.To
	}
	return today && h.From <= clock || yesterday && clock < h.To
}

func begun(w core.Wave) bool {
	return slices.ContainsFunc(w.Targets, func(t core.TargetRecord) bool { return t.Attempts > 0 })
}
