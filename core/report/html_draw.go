package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A scope is the stretch of time that the page's timeline shows. Places on it are percentages, so that it is as wide as
// the screen and its text keeps its size.
type scope struct{ from, to time.Time }

func scopeOf(r *core.Rollout, now time.Time) scope {
	end := now
	if r.State.Resting() {
		end = r.Changed
	}
	return scope{r.Began, later(end, r.Began.Add(time.Second))}
}

func (s scope) at(t time.Time) float64 {
	share := float64(t.Sub(s.from)) / float64(s.to.Sub(s.from))
	return math.Round(10000*min(max(share, 0), 1)) / 100
}

// A spanSheet is a bar of the timeline.
type spanSheet struct {
	Name, Tone, Lasting string
	From, To            time.Time
	Left, Width         float64 // percent
}

func (s scope) sheets(all []span) []spanSheet {
	tones := map[string]string{"done": "good", "active": "work", "crit": "bad"}
	var bars []spanSheet
	for _, one := range all {
		b := spanSheet{Name: one.name, Tone: tones[one.tag], Lasting: lasting(one.to.Sub(one.from)), From: one.from, To: one.to, Left: s.at(one.from)}
		if one.name == "deploy" && one.tag == "done" {
			b.Tone = "idle" // else nobody sees where the bake begins
		}
		b.Width = max(s.at(one.to)-b.Left, 0.4)
		b.Left = min(b.Left, 100-b.Width)
		bars = append(bars, b)
	}
	return bars
}

// A tick is a mark on the timeline's axis.
type tick struct {
	At   float64 // percent
	Text string
}

// ticks are round times of day, four or five of them.
func (s scope) ticks() []tick {
	span := s.to.Sub(s.from)
	step := 24 * time.Hour * time.Duration(math.Ceil(span.Hours()/24/4))
	for _, d := range []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute,
		30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour} {
		if span/d <= 4 {
			step = d
			break
		}
	}
	layout := "15:04"
	switch {
	case step < time.Minute:
		layout = time.TimeOnly
	case step >= 12*time.Hour:
		layout = "Jan 2 15:04"
	}
	var all []tick
	for t := s.from.UTC().Truncate(step); !t.After(s.to); t = t.Add(step) {
		if at := s.at(t); !t.Before(s.from) && at < 93 { // what is farther right has no room for its text
			all = append(all, tick{at, t.Format(layout)})
		}
	}
	return all
}

// A drawing is a series as lines in a square of 100 by 100, whose y grows downwards.
type drawing struct {
	Check     string
	Shadow    bool
	Legend    string
	Low, High string
	From, To  time.Time
	Paths     []path
}

// A path is the d of an SVG path.
type path struct{ Class, D string }

// rough writes a number where there is little room.
func rough(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// draw places the looks where they were in time. Where there was no number the line is broken: nobody knows.
func (s *series) draw() drawing {
	low, high := math.Inf(1), math.Inf(-1)
	for _, l := range s.looks {
		for _, v := range []*float64{l.value, l.control, l.min, l.max} {
			if v != nil {
				low, high = min(low, *v), max(high, *v)
			}
		}
	}
	low, high = room(low, high)
	last := s.looks[len(s.looks)-1]
	d := drawing{Check: s.check, Shadow: s.shadow, Low: rough(low), High: rough(high), From: s.looks[0].at, To: last.at,
		Legend: plural(len(s.looks), "look")}
	place := func(l look, v float64) string {
		x := 100 * float64(l.at.Sub(s.looks[0].at)) / float64(s.span())
		y := 100 * (high/2 - v/2) / (high/2 - low/2) // halves: the whole may be more than a number can hold
		return fmt.Sprintf("%.2f %.2f", x, y)
	}
	line := func(class string, of func(look) *float64) {
		var b strings.Builder
		pen := "M"
		for _, l := range s.looks {
			v := of(l)
			if v == nil {
				pen = "M"
				continue
			}
			b.WriteString(pen + place(l, *v))
			pen = "L"
		}
		if b.Len() > 0 {
			d.Paths = append(d.Paths, path{class, b.String()})
		}
	}
	line("limit", func(l look) *float64 { return l.max })
	line("limit", func(l look) *float64 { return l.min })
	line("control", func(l look) *float64 { return l.control })
	line("value", func(l look) *float64 { return l.value })
	var dots strings.Builder
	for _, l := range s.looks {
		if l.value != nil && l.kind == core.Fail {
			dots.WriteString("M" + place(l, *l.value) + "h0")
		}
	}
	if dots.Len() > 0 {
		d.Paths = append(d.Paths, path{"dots", dots.String()})
	}
	return d
}
