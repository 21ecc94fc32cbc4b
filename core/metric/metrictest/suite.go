package metrictest

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Interval is how often the source under test, or what it asks, must scrape the targets of the world.
const Interval = 5 * time.Second

// Run checks that a source keeps the contract of [core.Source]. The function opens one that knows what the targets of
// the world show, scraped every [Interval] from now on, and that ends with the test.
func Run(t *testing.T, open func(t *testing.T, w *World) core.Source) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := NewWorld(t, "a", "b", "c")
				for i, target := range w.Targets {
					w.Show(target.Name, "jobs "+string(rune('1'+i))+"\nodd NaN\n")
				}
				source := open(t, w)
				w.Wait(t, time.Minute+time.Second)
				c.check(t, w, source)
			})
		})
	}
}

var cases = []struct {
	name  string
	check func(t *testing.T, w *World, s core.Source)
}{
	{"a value", func(t *testing.T, w *World, s core.Source) {
		equal(t, values(ask(t, w, s, `sum(jobs)`)), 6)
		equal(t, values(ask(t, w, s, `1.5`)), 1.5)
	}},
	{"a value for each series", func(t *testing.T, w *World, s core.Source) {
		samples := ask(t, w, s, `jobs{instance=~"a|c"}`)
		equal(t, values(samples), 1, 3)
		for _, one := range samples {
			if name := one.Labels["instance"]; name != "a" && name != "c" {
				t.Errorf("labels = %v, want instance a or c", one.Labels)
			}
		}
	}},
	{"NaN and infinity are values", func(t *testing.T, w *World, s core.Source) {
		if got := values(ask(t, w, s, `max(odd)`)); len(got) != 1 || !math.IsNaN(got[0]) {
			t.Errorf("got %v, want NaN", got)
		}
		equal(t, values(ask(t, w, s, `sum(jobs) / 0`)), math.Inf(1))
	}},
	{"no data is no error", func(t *testing.T, w *World, s core.Source) {
		equal(t, values(ask(t, w, s, `nothing_shows_this`)))
		equal(t, values(ask(t, w, s, `jobs > 100`)))
	}},
	{"a past instant", func(t *testing.T, w *World, s core.Source) {
		before := w.Clock.Now()
		w.Show("a", "jobs 10\n")
		w.Wait(t, time.Minute)
		equal(t, values(ask(t, w, s, `sum(jobs)`)), 15)
		samples, err := s.Query(t.Context(), core.Query{Text: `sum(jobs)`, At: before})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, values(samples), 6)
	}},
	{"a counter over a window", func(t *testing.T, w *World, s core.Source) {
		for _, text := range []string{"hits_total 10\n", "hits_total 20\n", "hits_total 5\n"} { // the last: a restart
			w.Show("a", text)
			w.Wait(t, 30*time.Second)
		}
		equal(t, values(ask(t, w, s, `resets(hits_total[80s])`)), 1)
		if got := values(ask(t, w, s, `increase(hits_total[80s])`)); len(got) != 1 || got[0] < 15 || got[0] > 17 {
			t.Errorf("got %v, want about 15: 10 and 5 after the restart", got)
		}
	}},
	{"a quantile of buckets", func(t *testing.T, w *World, s core.Source) {
		w.Show("a", "t_bucket{le=\"0.1\"} 90\nt_bucket{le=\"1\"} 100\nt_bucket{le=\"+Inf\"} 100\n")
		w.Wait(t, Interval)
		equal(t, values(ask(t, w, s, `histogram_quantile(0.9, sum by (le) (t_bucket))`)), 0.1)
	}},
	{"a dead source", func(t *testing.T, w *World, s core.Source) {
		w.Break()
		w.Wait(t, 10*Interval)
		for _, query := range []string{`sum(jobs)`, `sum(jobs) or vector(0)`} {
			samples, err := s.Query(t.Context(), core.Query{Text: query, At: w.Clock.Now()})
			if err == nil {
				t.Fatalf("%s: got %v, want an error: nobody could be asked", query, samples)
			}
			if permanent(err) {
				t.Errorf("%s: %v: is permanent, but the source may come back", query, err)
			}
		}
	}},
	{"a cancelled question", func(t *testing.T, w *World, s core.Source) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Query(ctx, core.Query{Text: `sum(jobs)`, At: w.Clock.Now()}); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v, want %v", err, context.Canceled)
		}
	}},
	{"a bad query", func(t *testing.T, w *World, s core.Source) {
		for _, query := range []string{``, `sum(`, `no_such_function(jobs)`, `jobs[5m]`, `"text"`} {
			if samples, err := s.Query(t.Context(), core.Query{Text: query, At: w.Clock.Now()}); err == nil || !permanent(err) {
				t.Errorf("%s: got %v and error %v, want a permanent error", query, samples, err)
			}
		}
	}},
	{"the shortest window", func(t *testing.T, _ *World, s core.Source) {
		if w, ok := s.(interface{ Window() time.Duration }); ok && w.Window() <= 0 {
			t.Errorf("Window() = %s, want more than zero", w.Window())
		}
	}},
}

func ask(t *testing.T, w *World, s core.Source, query string) []core.Sample {
	t.Helper()
	samples, err := s.Query(t.Context(), core.Query{Text: query, At: w.Clock.Now()})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return samples
}

// values returns the values of an answer in rising order.
func values(samples []core.Sample) []float64 {
	var all []float64
	for _, s := range samples {
		all = append(all, s.Value)
	}
	slices.Sort(all)
	return all
}

func equal(t *testing.T, got []float64, want ...float64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// permanent reports whether an error says that asking again is of no use.
func permanent(err error) bool {
	p, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err)
	return ok && p.Permanent()
}
