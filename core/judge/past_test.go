package judge

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// past makes an hour of looks before the deploy.
func countPast(o Options, control, candidate float64) *Counts {
	r := rand.New(rand.NewPCG(13, 13))
	c := NewCounts(o)
	for range beforeLooks {
		c.Before(CountLook{Control: 3000, ControlBad: poisson(r, 3000*control), Candidate: 1000, CandidateBad: poisson(r, 1000*candidate)})
	}
	return c
}

func TestBrokenBefore(t *testing.T) {
	for _, tt := range []struct {
		name               string
		options            Options
		control, candidate float64
		broken             bool
	}{
		{"alike", Options{}, 0.01, 0.01, false},
		{"as hosts differ", Options{}, 0.01, 0.013, false},
		{"worse", Options{}, 0.01, 0.03, true},
		{"worse within the margin", Options{Margin: 4}, 0.01, 0.03, false},
		{"worse within the floor", Options{Floor: 0.05}, 0.01, 0.03, false},
		{"better", Options{}, 0.03, 0.01, false},
		{"better, which is worse", Options{Direction: Decrease}, 0.03, 0.01, true},
		{"better, and either is worse", Options{Direction: Either}, 0.03, 0.01, true},
		{"an incident of both", Options{}, 0.2, 0.2, false},
		{"an outage of both", Options{}, 0.8, 0.8, true},
		{"no errors", Options{}, 0, 0, false},
	} {
		c := countPast(tt.options, tt.control, tt.candidate)
		reason, broken := c.Past().Broken(c.Options)
		if broken != tt.broken || broken != strings.Contains(reason, "already broken before us") {
			t.Errorf("%s: %v: %q of %+v", tt.name, broken, reason, c.Past())
		}
	}
	if _, broken := NewCounts(Options{}).Past().Broken(Options{}); broken {
		t.Error("what nobody looked at is broken")
	}
}

func TestPastOfHistogramsAndGauges(t *testing.T) {
	rows, edges := slowed(3)
	h := NewHistogram(Options{}, edges)
	for _, row := range rows[beforeLooks:] {
		h.Before(row.Look)
	}
	p := h.Past()
	reason, broken := p.Broken(h.Options)
	if !broken || p.Edge == 0 || !strings.HasPrefix(reason, "Requests slower than ") {
		t.Errorf("three times as slow before: %v %q of %+v", broken, reason, p)
	}
	h = NewHistogram(Options{}, edges)
	if _, broken := h.Past().Broken(h.Options); broken {
		t.Error("what nobody looked at is broken")
	}
	for _, row := range rows[:beforeLooks] {
		h.Before(row.Look)
	}
	if reason, broken := h.Past().Broken(h.Options); broken {
		t.Errorf("alike before: %q", reason)
	}
	g := NewGauge(Options{})
	if p := g.Past(); p.Looks != 0 || p.Ratio != 0 {
		t.Errorf("no past of a gauge: %+v", p)
	}
	for _, row := range gaugeBake(14, 40, 2)[beforeLooks:] {
		g.Before(row.Look)
	}
	g.Look(GaugeLook{40, 80})
	p = g.Past()
	if _, broken := p.Broken(g.Options); broken || math.Abs(p.Ratio-2) > 0.1 || p.Interval[0] > 2 || p.Interval[1] < 2 {
		t.Errorf("hosts of twice the size: %v of %+v", broken, p)
	}
}
