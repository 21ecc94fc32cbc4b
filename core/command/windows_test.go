package command

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// icy is a forge that knows freezes.
type icy struct {
	core.Forge
	frozen core.Calendar
	err    error
}

func (f icy) Freezes(context.Context) (core.Calendar, error) { return f.frozen, f.err }

// stretch is a calendar of one freeze.
type stretch struct{ from, to time.Time }

func (s stretch) Between(time.Time, time.Time) ([]core.Span, error) {
	return []core.Span{{From: core.Moment{At: s.from}, To: core.Moment{At: s.to}, Why: "the forge's"}}, nil
}

// TestHours: a wave begins neither in a freeze of the plan nor in one of the forge.
func TestHours(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 12, 18, hour, 0, 0, 0, time.UTC) }
	forge := icy{Forge: &local{out: io.Discard}, frozen: stretch{at(9), at(10)}}
	own := &core.Windows{Timezone: "UTC", Freeze: []core.Freeze{{From: core.Moment{At: at(12)}, To: core.Moment{At: at(13)}, Why: "the plan's"}}}
	waves := []core.StartWave{{Name: "all", Targets: []core.StartTarget{{Target: core.Target{Name: "a"}}}}}
	for _, c := range []struct {
		name   string
		forge  core.Forge
		plan   *core.Windows
		frozen map[int]string // by hour: why
	}{
		{"both", forge, own, map[int]string{9: "the forge's", 12: "the plan's"}},
		{"the forge's", forge, nil, map[int]string{9: "the forge's"}},
		{"the plan's", icy{Forge: forge.Forge}, own, map[int]string{12: "the plan's"}},
		{"none", icy{Forge: forge.Forge}, nil, nil},
	} {
		s := newShip(Env{Stdout: io.Discard, Stderr: io.Discard, Forge: c.forge})
		p := &core.Plan{Windows: c.plan, Waves: []core.WaveRule{{}}}
		table, err := s.hours(p, ".")(t.Context(), waves)
		if err != nil {
			t.Fatal(c.name, err)
		}
		for hour := 8; hour < 15; hour++ {
			if o := table.Opening(0, at(hour)); o.Open != (c.frozen[hour] == "") || !strings.Contains(o.Why, c.frozen[hour]) {
				t.Errorf("%s, at %d: %+v", c.name, hour, o)
			}
		}
	}
	if len(own.Freeze) != 1 {
		t.Errorf("the plan has become %+v", own)
	}
	s := newShip(Env{Stdout: io.Discard, Stderr: io.Discard, Forge: icy{Forge: forge.Forge, err: errors.New("nobody knows")}})
	if _, err := s.hours(&core.Plan{}, ".")(t.Context(), waves); err == nil {
		t.Error("a forge that cannot tell has no timetable")
	}
	s = newShip(Env{Stdout: io.Discard, Stderr: io.Discard, Forge: forge.Forge})
	if s.hours(&core.Plan{}, ".") != nil {
		t.Error("there is something to read, and nobody knows of it")
	}
}
