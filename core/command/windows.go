package command

import (
	"context"
	"fmt"
	"net/http"
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

// windows is how the windows of a plan are read, calendars included; nil if it has none. What is wrong with a calendar
// names it as the plan does, before ${NAME} is filled in.
func (s *ship) windows(p *core.Plan, dir string) func(context.Context, []core.StartWave) (core.Timetable, error) {
	if p.Windows == nil {
		return nil
	}
	env := calendar.Env{Dir: dir, Clock: s.Clock, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	return func(ctx context.Context, waves []core.StartWave) (core.Timetable, error) {
		calendars := make([]core.Calendar, len(p.Windows.Freeze))
		for i, f := range p.Windows.Freeze {
			if f.Calendar == "" {
				continue
			}
			place, err := config.Expand(f.Calendar, s.lookup)
			if err == nil {
				calendars[i], err = calendar.Open(ctx, place, env)
			}
			if err != nil {
				return nil, fmt.Errorf("calendar %s: %w", f.Calendar, err)
			}
		}
		return window.New(p, waves, calendars)
	}
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
