package metric_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

// TestConformance asks the sources that speak PromQL. The others have their metrictest.Answers in their own tests.
func TestConformance(t *testing.T) {
	sources := map[string]func(*testing.T, *metrictest.World) core.Source{
		"scrape":     openScrape,
		"prometheus": openPrometheus,
	}
	for name, open := range sources {
		t.Run(name, func(t *testing.T) { metrictest.Run(t, open) })
	}
}

// openScrape opens a source that scrapes the targets of a world.
func openScrape(t *testing.T, w *metrictest.World) core.Source {
	s := open(t, w, "scrape", &metric.ScrapeOptions{
		Targets: metric.ScrapeTargets{URL: "http://{{target}}/metrics"}, Interval: metrictest.Interval,
	})
	watch(t, s, w.Targets)
	return s
}

// openPrometheus opens a source that asks a server that scrapes the targets of a world.
func openPrometheus(t *testing.T, w *metrictest.World) core.Source {
	w.Serve(t, "prometheus:9090", metrictest.API(openScrape(t, w)))
	return open(t, w, "prometheus", &metric.PrometheusOptions{URL: "http://prometheus:9090"})
}

func open(t *testing.T, w *metrictest.World, kind string, options any) core.Source {
	t.Helper()
	s, err := metric.Open(core.SourceSpec{Type: kind, Options: options}, metric.Env{Clock: w.Clock, Dial: w.Dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.(interface{ Close() error }).Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func watch(t *testing.T, s core.Source, targets []core.Target) {
	t.Helper()
	if err := s.(core.Watcher).Watch(t.Context(), targets); err != nil {
		t.Fatal(err)
	}
}

func TestOpenListsTheKnownTypes(t *testing.T) {
	_, err := metric.Open(core.SourceSpec{Type: "promethius"}, metric.Env{})
	known := strings.Join(slices.Sorted(maps.Keys(metric.Kinds)), ", ")
	if err == nil || !strings.Contains(err.Error(), `"promethius"; the types are `+known) {
		t.Errorf("err = %v", err)
	}
	if _, err = metric.Open(core.SourceSpec{Type: "scrape", Options: 1}, metric.Env{}); err == nil {
		t.Error("options of another type are taken")
	}
}

func TestCheckQuery(t *testing.T) {
	for query, want := range map[string]string{
		`sum(rate(hits_total{instance=~"a|b"}[1m]))`: "",
		`1`:                     "",
		`sum(rate(hits[1m])`:    "column 19: unclosed left parenthesis",
		"sum(\n  rate(hits)\n)": "line 2, column 8: expected type range vector",
		`hits[5m]`:              "the answer is a matrix; use a query that has one value",
		`nope(hits)`:            `column 1: unknown function with name "nope"`,
	} {
		err := metric.Kinds["prometheus"].CheckQuery(query)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", query, err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%s: err = %v, want %s", query, err, want)
		}
	}
}
