package metrictest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A Service is a monitoring system with a language of its own, known by the form of its questions and answers.
type Service struct {
	Address string // where it listens: name:port
	Query   string // a query that it takes, variables filled in

	// Asked reads from a request which stretch of time it is about.
	Asked func(r *http.Request) (from, until time.Time)
	// Answer writes what the service answers if these are its series, each with a label host.
	Answer func(w http.ResponseWriter, r *http.Request, series []core.Sample)
	// Refuse writes what the service answers to a query that it does not understand.
	Refuse http.HandlerFunc
}

// Answers checks that a source keeps the contract of [core.Source] when it asks a service that does not speak PromQL. The
// function opens the source, which ends with the test.
func Answers(t *testing.T, s Service, open func(t *testing.T, w *World) core.Source) {
	for _, c := range answers {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := NewWorld(t)
				w.Serve(t, s.Address, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					if c.refused {
						s.Refuse(rw, r)
						return
					}
					from, until := s.Asked(r)
					if got, want := [2]int64{from.UnixMilli(), until.UnixMilli()}, stretch(w); got != want {
						t.Errorf("asks about %v, want %v", got, want)
					}
					s.Answer(rw, r, c.series)
				}))
				w.Wait(t, time.Hour)
				c.check(t, c.series, func(ctx context.Context) ([]core.Sample, error) {
					return open(t, w).Query(ctx, core.Query{Text: s.Query, At: w.Clock.Now(), Window: window})
				}, w)
			})
		})
	}
}

const window = 5 * time.Minute

// stretch is what a source must ask about, in milliseconds.
func stretch(w *World) [2]int64 {
	now := w.Clock.Now()
	return [2]int64{now.Add(-window).UnixMilli(), now.UnixMilli()}
}

type asker func(ctx context.Context) ([]core.Sample, error)

var answers = []struct {
	name    string
	series  []core.Sample
	refused bool
	check   func(t *testing.T, series []core.Sample, ask asker, w *World)
}{
	{name: "a value", series: hosts("a"), check: same},
	{name: "a value for each series", series: hosts("a", "b", "c"), check: same},
	{name: "no data is no error", check: same},
	{name: "a dead source", check: func(t *testing.T, _ []core.Sample, ask asker, w *World) {
		w.Break()
		if samples, err := ask(t.Context()); err == nil || permanent(err) {
			t.Errorf("got %v and error %v, want one that is not permanent", samples, err)
		}
	}},
	{name: "a cancelled question", check: func(t *testing.T, _ []core.Sample, ask asker, _ *World) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := ask(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v, want %v", err, context.Canceled)
		}
	}},
	{name: "a bad query", refused: true, check: func(t *testing.T, _ []core.Sample, ask asker, _ *World) {
		if samples, err := ask(t.Context()); err == nil || !permanent(err) {
			t.Errorf("got %v and error %v, want a permanent error", samples, err)
		}
	}},
}

// hosts makes a series for each host, with the values 1.5, 2.5 and so on.
func hosts(names ...string) []core.Sample {
	series := make([]core.Sample, len(names))
	for i, name := range names {
		series[i] = core.Sample{Labels: map[string]string{"host": name}, Value: float64(i) + 1.5}
	}
	return series
}

// same checks that the series come out as they went in.
func same(t *testing.T, series []core.Sample, ask asker, _ *World) {
	t.Helper()
	samples, err := ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, values(samples), values(series)...)
	for _, one := range samples {
		if !slices.ContainsFunc(series, func(s core.Sample) bool {
			return s.Value == one.Value && s.Labels["host"] == one.Labels["host"]
		}) {
			t.Errorf("%v has the labels of another series", one)
		}
	}
}
