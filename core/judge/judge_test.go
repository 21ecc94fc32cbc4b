package judge

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// countBake makes looks of two arms, the candidate's rate of bad events times from the deploy on.
func countBake(seed uint64, base, times float64) []Row[CountLook] {
	r := rand.New(rand.NewPCG(seed, 0))
	rows := make([]Row[CountLook], beforeLooks+bakeLooks)
	for i := range rows {
		rate := base
		if i >= beforeLooks {
			rate *= times
		}
		rows[i].Look = CountLook{Control: 3000, ControlBad: poisson(r, 3000*base), Candidate: 1000, CandidateBad: poisson(r, 1000*rate)}
	}
	return rows
}

// histogramBake makes latencies of two arms, the candidate's times as slow from the deploy on.
func histogramBake(seed uint64, slow float64) ([]Row[HistogramLook], []float64) {
	r := rand.New(rand.NewPCG(seed, 0))
	edges := []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, math.Inf(1)}
	rows := make([]Row[HistogramLook], beforeLooks+bakeLooks)
	for i := range rows {
		s := 0.0
		if i >= beforeLooks {
			s = slow
		}
		rows[i].Look = HistogramLook{Control: latencies(r, 600, 0, edges), Candidate: latencies(r, 200, s, edges)}
	}
	return rows, edges
}

// historyBake makes a week of one series with a season, times as high from the deploy on.
func historyBake(seed uint64, times float64) []Row[float64] {
	r := rand.New(rand.NewPCG(seed, 0))
	rows := make([]Row[float64], 7*288+historyLooks)
	for i := range rows {
		rows[i].Look = 50 * math.Exp(0.3*math.Sin(2*math.Pi*float64(i)/288)+0.1*r.NormFloat64())
		if i >= 7*288 {
			rows[i].Look *= times
		}
	}
	return rows
}

func TestRegressionsFail(t *testing.T) {
	histogram, edges := histogramBake(3, 0.3)
	for name, d := range map[string]Decision{
		"counts":    Replay(NewCounts(Options{}), countBake(1, 0.01, 3), beforeLooks),
		"gauge":     Replay(NewGauge(Options{}), gaugeBake(2, 40, 1.5), beforeLooks),
		"histogram": Replay(NewHistogram(Options{}, edges), histogram, beforeLooks),
		"history":   Replay(NewHistory(Options{}, 288), historyBake(4, 2), 7*288),
	} {
		if d.Verdict.Verdict != core.Fail || d.Reason == "" {
			t.Errorf("%s: %s at row %d: %s", name, d.Verdict.Verdict, d.Row, d.Reason)
		}
		t.Log(d.Reason)
	}
}

func TestHealthyPasses(t *testing.T) {
	histogram, edges := histogramBake(3, 0)
	for name, d := range map[string]Decision{
		"counts":    Replay(NewCounts(Options{}), countBake(1, 0.01, 1), beforeLooks),
		"gauge":     Replay(NewGauge(Options{}), gaugeBake(2, 40, 1), beforeLooks),
		"histogram": Replay(NewHistogram(Options{}, edges), histogram, beforeLooks),
		"history":   Replay(NewHistory(Options{}, 288), historyBake(4, 1), 7*288),
	} {
		if d.Verdict.Verdict != core.Pass {
			t.Errorf("%s: %s at row %d: %s", name, d.Verdict.Verdict, d.Row, d.Reason)
		}
		t.Log(d.Reason)
	}
	if d := Replay(NewCounts(Options{}), countBake(1, 0.01, 1), beforeLooks); !d.Early || d.Row != beforeLooks+minLooks-1 {
		t.Errorf("a release with plenty of traffic passes early at %d looks, not at row %d", minLooks, d.Row)
	}
}

// A reason has the numbers that a human needs to check it.
func TestReasonOfCounts(t *testing.T) {
	c := NewCounts(Options{})
	for range 30 {
		c.Before(CountLook{Control: 1000, ControlBad: 3, Candidate: 1000, CandidateBad: 3})
	}
	var v Verdict
	for v.Verdict != core.Fail {
		v = c.Look(CountLook{Control: 1000, ControlBad: 3, Candidate: 1000, CandidateBad: 9})
	}
	for _, want := range []string{"Errors 0.90% against 0.30% on the control, 3 times, ", " of ", "; chance of that in a healthy release below 1 in "} {
		if !strings.Contains(v.Reason, want) {
			t.Errorf("%q misses %q", v.Reason, want)
		}
	}
	if v.Evidence.Interval[0] >= 3 || v.Evidence.Interval[1] <= 3 {
		t.Errorf("the interval %v misses the ratio", v.Evidence.Interval)
	}
}

// One healthy look never turns what was no fail into one.
func TestHealthyLookNeverFails(t *testing.T) {
	for seed := range uint64(200) {
		c, r := NewCounts(Options{}), rand.New(rand.NewPCG(seed, 9))
		times := 1 + 2*r.Float64()
		for i, row := range countBake(seed, 0.005, times) {
			if i < beforeLooks {
				c.Before(row.Look)
				continue
			}
			healthy := clone(t, c)
			if v := c.Look(row.Look); v.Verdict == core.Fail {
				break
			}
			healthy.State = clone(t, c).State
			if v := healthy.Look(CountLook{Control: 3000, ControlBad: 15, Candidate: 1000, CandidateBad: 5}); v.Verdict == core.Fail {
				t.Fatalf("seed %d: a healthy look %d fails: %s", seed, i, v.Reason)
			}
		}
	}
}

func clone(t *testing.T, c *Counts) *Counts {
	t.Helper()
	data, err := json.Marshal(c.State)
	if err != nil {
		t.Fatal(err)
	}
	other := NewCounts(c.Options)
	if err := json.Unmarshal(data, &other.State); err != nil {
		t.Fatal(err)
	}
	return other
}

func TestSwappedArmsSwapDirection(t *testing.T) {
	rows := countBake(5, 0.01, 3)
	swapped := make([]Row[CountLook], len(rows))
	for i := range rows {
		swapped[i].Look = rows[i].Look.towards(Decrease)
	}
	up := Replay(NewCounts(Options{Direction: Increase}), rows, beforeLooks)
	down := Replay(NewCounts(Options{Direction: Decrease}), swapped, beforeLooks)
	if up.Verdict.Verdict != core.Fail || down.Verdict.Verdict != core.Fail || up.Row != down.Row || up.Evidence.E != down.Evidence.E {
		t.Errorf("increase: %s at %d; decrease of swapped arms: %s at %d", up.Verdict.Verdict, up.Row, down.Verdict.Verdict, down.Row)
	}
	for name, d := range map[string]Decision{
		"counts, swapped":  Replay(NewCounts(Options{}), swapped, beforeLooks),
		"counts, better":   Replay(NewCounts(Options{Direction: Decrease}), rows, beforeLooks),
		"gauge, better":    Replay(NewGauge(Options{}), gaugeBake(6, 40, 0.6), beforeLooks),
		"history, better":  Replay(NewHistory(Options{}, 288), historyBake(7, 0.5), 7*288),
		"gauge, decreased": Replay(NewGauge(Options{Direction: Decrease}), gaugeBake(6, 40, 1.6), beforeLooks),
	} {
		if d.Verdict.Verdict == core.Fail {
			t.Errorf("%s: %s", name, d.Reason)
		}
	}
	for name, d := range map[string]Decision{
		"gauge, decrease":   Replay(NewGauge(Options{Direction: Decrease}), gaugeBake(6, 40, 0.6), beforeLooks),
		"gauge, either":     Replay(NewGauge(Options{Direction: Either}), gaugeBake(6, 40, 0.6), beforeLooks),
		"counts, either":    Replay(NewCounts(Options{Direction: Either}), rows, beforeLooks),
		"history, decrease": Replay(NewHistory(Options{Direction: Decrease}, 288), historyBake(7, 0.5), 7*288),
		"history, either":   Replay(NewHistory(Options{Direction: Either}, 288), historyBake(7, 0.5), 7*288),
	} {
		if d.Verdict.Verdict != core.Fail {
			t.Errorf("%s: %s", name, d.Reason)
		}
	}
}

func TestUnitsChangeNothing(t *testing.T) {
	for _, times := range []float64{1, 1.3} {
		one := Replay(NewGauge(Options{}), gaugeBake(8, 40, times), beforeLooks)
		for _, unit := range []float64{1e-9, 1e-3, 1024, 1e9} {
			rows := gaugeBake(8, 40, times)
			for i := range rows {
				rows[i].Look.Control *= unit
				rows[i].Look.Candidate *= unit
			}
			other := Replay(NewGauge(Options{}), rows, beforeLooks)
			if one.Verdict.Verdict != other.Verdict.Verdict || one.Row != other.Row {
				t.Errorf("in units of %g: %s at %d, not %s at %d", unit, other.Verdict.Verdict, other.Row, one.Verdict.Verdict, one.Row)
			}
		}
	}
}

// What cannot be used is inconclusive, whatever it is, and moves no evidence.
func TestUnusableLooks(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	c := NewCounts(Options{})
	for _, l := range []CountLook{
		{}, {Control: nan, ControlBad: nan, Candidate: nan, CandidateBad: nan}, {Control: inf, Candidate: 1}, {Control: 100, Candidate: 0},
		{Control: 0, Candidate: 100, CandidateBad: 100}, {Control: -5, Candidate: 10}, {Control: 10, ControlBad: -1, Candidate: 10}, {Control: 10, Candidate: 10, CandidateBad: inf},
	} {
		c.Before(l)
		if v := c.Look(l); v.Verdict != core.Inconclusive || v.Evidence.E != 1 || v.Reason == "" {
			t.Errorf("counts %+v: %s, evidence %v: %s", l, v.Verdict, v.Evidence.E, v.Reason)
		}
	}
	g := NewGauge(Options{})
	for _, l := range []GaugeLook{{nan, 1}, {1, nan}, {inf, 1}, {1, inf}, {-1, 1}, {1, -inf}} {
		g.Before(l)
		if v := g.Look(l); v.Verdict != core.Inconclusive || v.Reason == "" {
			t.Errorf("gauge %+v: %s: %s", l, v.Verdict, v.Reason)
		}
	}
	h := NewHistogram(Options{}, []float64{1, inf})
	for _, l := range []HistogramLook{
		{}, {Control: []float64{1}, Candidate: []float64{1}}, {Control: []float64{2, 1}, Candidate: []float64{1, 2}},
		{Control: []float64{nan, 1}, Candidate: []float64{1, 2}}, {Control: []float64{0, 0}, Candidate: []float64{0, 0}},
	} {
		h.Before(l)
		if v := h.Look(l); v.Verdict != core.Inconclusive || v.Reason == "" {
			t.Errorf("histogram %+v: %s: %s", l, v.Verdict, v.Reason)
		}
	}
	s := NewHistory(Options{}, 24)
	for _, x := range []float64{nan, inf, -inf, -1} {
		s.Before(x)
		if v := s.Look(x); v.Verdict != core.Inconclusive || v.Reason == "" {
			t.Errorf("history %v: %s: %s", x, v.Verdict, v.Reason)
		}
	}
}

// A total outage stops a release at the first look, warm-up or not, unless it is the control's too.
func TestOutage(t *testing.T) {
	c := NewCounts(Options{})
	if v := c.Look(CountLook{Control: 500, ControlBad: 2, Candidate: 60, CandidateBad: 55}); v.Verdict != core.Fail {
		t.Errorf("an outage: %s: %s", v.Verdict, v.Reason)
	}
	c = NewCounts(Options{})
	if v := c.Look(CountLook{Control: 500, ControlBad: 450, Candidate: 60, CandidateBad: 55}); v.Verdict == core.Fail {
		t.Errorf("an outage of both arms: %s", v.Reason)
	}
	c = NewCounts(Options{})
	if v := c.Look(CountLook{Control: 500, ControlBad: 2, Candidate: 6, CandidateBad: 6}); v.Verdict == core.Fail {
		t.Errorf("six requests are no outage: %s", v.Reason)
	}
}

// One bad minute hardly ever fails a release, however bad it is: only where the others already spoke against it.
func TestOneBadLook(t *testing.T) {
	failed := 0
	for seed := range uint64(200) {
		c, g := NewCounts(Options{}), NewGauge(Options{})
		gauge, counts := gaugeBake(seed, 40, 1), countBake(seed, 0.01, 1)
		bad := beforeLooks + int(seed)%bakeLooks
		counts[bad].Look.CandidateBad += 300
		gauge[bad].Look.Candidate *= 100
		if d := Replay(c, counts, beforeLooks); d.Verdict.Verdict == core.Fail {
			failed++
			t.Log(d.Reason)
		}
		if d := Replay(g, gauge, beforeLooks); d.Verdict.Verdict == core.Fail {
			failed++
			t.Log(d.Reason)
		}
	}
	if failed > 8 {
		t.Errorf("one bad look failed %d of 400 bakes", failed)
	}
}

// resume replays looks, and throws the test away after each to go on from the JSON of its state.
func resume[L any, T interface {
	Test[L]
}](t *testing.T, fresh func() T, state func(T) any, rows []Row[L], deploy int) {
	t.Helper()
	live, kept := fresh(), fresh()
	for i, row := range rows {
		data, err := json.Marshal(state(kept))
		if err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		kept = fresh()
		if err := json.Unmarshal(data, state(kept)); err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		if i < deploy {
			live.Before(row.Look)
			kept.Before(row.Look)
		} else if a, b := live.Look(row.Look), kept.Look(row.Look); !reflect.DeepEqual(a, b) {
			t.Fatalf("row %d: resumed it says\n%+v\nuninterrupted\n%+v", i, b, a)
		}
	}
}

func TestResume(t *testing.T) {
	counts := countBake(10, 0.01, 1.4)
	counts[70].Look.Control = math.NaN()
	resume(t, func() *Counts { return NewCounts(Options{Direction: Either}) }, func(c *Counts) any { return &c.State }, counts, beforeLooks)
	resume(t, func() *Counts { return NewCounts(Options{}) }, func(c *Counts) any { return &c.State }, counts, 0)
	gauge := gaugeBake(10, 40, 1.1)
	gauge[40].Look.Control, gauge[70].Look.Control = math.NaN(), math.NaN()
	resume(t, func() *Gauge { return NewGauge(Options{Direction: Either}) }, func(g *Gauge) any { return &g.State }, gauge, beforeLooks)
	histogram, edges := histogramBake(10, 0.05)
	resume(t, func() *Histogram { return NewHistogram(Options{}, edges) }, func(h *Histogram) any { return &h.State }, histogram, beforeLooks)
	history := historyBake(10, 1.2)[5*288:]
	history[7].Look = math.NaN()
	resume(t, func() *History { return NewHistory(Options{}, 96) }, func(h *History) any { return &h.State }, history, 2*288)
}

func BenchmarkLook(b *testing.B) {
	counts := countBake(11, 0.01, 1)
	gauge := gaugeBake(11, 40, 1)
	histogram, edges := histogramBake(11, 0)
	b.Run("counts", func(b *testing.B) { benchmark(b, NewCounts(Options{}), counts) })
	b.Run("gauge", func(b *testing.B) { benchmark(b, NewGauge(Options{}), gauge) })
	b.Run("histogram", func(b *testing.B) { benchmark(b, NewHistogram(Options{}, edges), histogram) })
}

// BenchmarkThousandChecks looks at a thousand checks of each kind once.
func BenchmarkThousandChecks(b *testing.B) {
	counts, gauge := countBake(11, 0.01, 1), gaugeBake(11, 40, 1)
	histogram, edges := histogramBake(11, 0)
	var looks []func(row int)
	for range 1000 {
		c, g, h := NewCounts(Options{}), NewGauge(Options{}), NewHistogram(Options{}, edges)
		for i := range beforeLooks {
			c.Before(counts[i].Look)
			g.Before(gauge[i].Look)
			h.Before(histogram[i].Look)
		}
		looks = append(looks, func(i int) {
			c.Look(counts[i].Look)
			g.Look(gauge[i].Look)
			h.Look(histogram[i].Look)
		})
	}
	for i := 0; b.Loop(); i++ {
		for _, look := range looks {
			look(beforeLooks + i%bakeLooks)
		}
	}
}

func benchmark[L any](b *testing.B, t Test[L], rows []Row[L]) {
	for _, row := range rows[:beforeLooks] {
		t.Before(row.Look)
	}
	t.Look(rows[beforeLooks].Look)
	var state any
	switch t := any(t).(type) {
	case *Counts:
		state = t.State
	case *Gauge:
		state = t.State
	case *Histogram:
		state = t.State
	}
	data, err := json.Marshal(state)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		t.Look(rows[beforeLooks+i%bakeLooks].Look)
	}
	b.ReportMetric(float64(len(data)), "state-bytes")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "looks/s")
}
