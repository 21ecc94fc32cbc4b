package command

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/calendar"
	"github.com/breakwater-ci/breakwater/core/config"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/window"
)

// atFlag lets a command that touches nothing look at another time than now.
type atFlag struct {
	At time.Time `help:"As if it started then: 2026-12-18T09:00:00Z. Default: now." format:"2006-01-02T15:04:05Z07:00" placeholder:"TIME"`
}

func (f atFlag) start(s *ship) time.Time {
	if f.At.IsZero() {
		return s.Clock.Now()
	}
	return f.At
}

// A reader reads when the waves of a rollout may start.
type reader = func(context.Context, []core.StartWave) (core.Timetable, error)

// windows is how the windows of a plan are read, calendars included; nil if it has none.
func (s *ship) windows(p *core.Plan, dir string) reader {
	if p.Windows == nil {
		return nil
	}
	return func(ctx context.Context, waves []core.StartWave) (core.Timetable, error) {
		calendars, err := s.calendars(ctx, p.Windows, dir)
		if err != nil {
			return nil, err
		}
		return window.New(p, waves, calendars)
	}
}

// hours is how the windows of a plan are read where something is to begin: the freezes of the forge are theirs too. Nil if
// there is nothing to read.
func (s *ship) hours(p *core.Plan, dir string) reader {
	freezer, ok := s.forge.(core.Freezer)
	if !ok {
		return s.windows(p, dir)
	}
	return func(ctx context.Context, waves []core.StartWave) (core.Timetable, error) {
		frozen, err := freezer.Freezes(ctx)
		switch {
		case err != nil:
			return nil, err
		case frozen == nil && p.Windows == nil:
			return always{}, nil
		}
		both, rules := *p, core.Windows{Timezone: "UTC"}
		if p.Windows != nil {
			rules = *p.Windows
		}
		calendars, err := s.calendars(ctx, &rules, dir)
		if err != nil {
			return nil, err
		}
		if frozen != nil {
			rules.Freeze, calendars = append(slices.Clip(rules.Freeze), core.Freeze{Calendar: "the CI system's"}), append(calendars, frozen)
		}
		both.Windows = &rules
		return window.New(&both, waves, calendars)
	}
}

// always is the timetable where nothing holds a wave up.
type always struct{}

func (always) Opening(int, time.Time) core.Opening { return core.Opening{Open: true} }

// calendars reads those of windows, beside their freezes. What is wrong with one names it as the plan does, before ${NAME}
// is filled in.
func (s *ship) calendars(ctx context.Context, w *core.Windows, dir string) ([]core.Calendar, error) {
	env := calendar.Env{Dir: dir, Clock: s.Clock, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	all := make([]core.Calendar, len(w.Freeze))
	for i, f := range w.Freeze {
		if f.Calendar == "" {
			continue
		}
		place, err := config.Expand(f.Calendar, s.lookup)
		if err == nil {
			all[i], err = calendar.Open(ctx, place, env)
		}
		if err != nil {
			return nil, fmt.Errorf("calendar %s: %w", f.Calendar, err)
		}
	}
	return all, nil
}

// timetable is when the waves of a plan may start, for a command that touches nothing; nil if the plan has no windows.
func (s *ship) timetable(ctx context.Context, l *loaded, waves []core.StartWave) (core.Timetable, error) {
	read := s.windows(l.Plan, l.dir)
	if read == nil {
		return nil, nil
	}
	opens, err := read(ctx, waves)
	if err != nil {
		return nil, engine.Blocked{Reason: "Blocked: nobody knows when a wave may start: " + err.Error() + "."}
	}
	return opens, nil
}
