package metric

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/breakwater-ci/breakwater/core"
)

var own = []labels.Label{{Name: "instance", Value: "a"}}

func health() labels.Labels { return labels.FromStrings("__name__", "up", "instance", "a") }

func pointsOf(n int, value func(i int) float64) []point {
	points := make([]point, n)
	for i := range points {
		l := labels.FromStrings("__name__", "hits_total", "instance", "a", "path", fmt.Sprintf("/api/v1/things/%d", i))
		points[i] = point{l, value(i)}
	}
	return points
}

func newTestSource(t testing.TB, s *store) *scrape {
	source, err := newScrape(&ScrapeOptions{Targets: ScrapeTargets{URL: "http://{{target}}"}}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	one := source.(*scrape)
	one.store, one.known["a"] = s, &scraped{name: "a", health: health()}
	return one
}

func TestStoreKeepsWhatItIsGiven(t *testing.T) {
	s, want := newStore(math.MaxInt64, storeSeries), []float64{}
	var live []*series
	for i := range 1000 {
		v := float64(i * i)
		if i%7 == 0 {
			v = math.Inf(i%2*2 - 1)
		}
		want = append(want, v)
		live, _ = s.commit(int64(i)*5000, health(), pointsOf(1, func(int) float64 { return v }), live, nil)
	}
	for _, span := range [][2]int{{0, 999}, {119, 121}, {998, 2000}, {500, 500}} {
		q, err := s.engineRead(t, int64(span[0])*5000, int64(span[1])*5000)
		if err != nil {
			t.Fatal(err)
		}
		if w := want[span[0] : min(span[1], 999)+1]; !slices.Equal(q, w) {
			t.Errorf("%v: got %d values, want %d", span, len(q), len(w))
		}
	}
}

// engineRead reads the values of hits_total between two times, both included, with the engine.
func (s *store) engineRead(t *testing.T, from, to int64) ([]float64, error) {
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: math.MaxInt, Timeout: time.Minute})
	query := fmt.Sprintf("hits_total[%dms]", to-from+1)
	q, err := engine.NewInstantQuery(t.Context(), s, nil, query, time.UnixMilli(to))
	if err != nil {
		return nil, err
	}
	defer q.Close()
	m, err := q.Exec(t.Context()).Matrix()
	if err != nil || len(m) == 0 {
		return nil, err
	}
	var values []float64
	for _, p := range m[0].Floats {
		values = append(values, p.F)
	}
	return values, nil
}

func TestStoreForgets(t *testing.T) {
	s := newStore(time.Hour.Milliseconds(), storeSeries)
	var live []*series
	for i := range 10_000 { // every scrape has new series only
		p := point{labels.FromStrings("__name__", "m", "i", fmt.Sprint(i)), 1}
		live, _ = s.commit(int64(i)*5000, health(), []point{p}, live, nil)
	}
	if s.count > 900 { // one hour, and the tenth of it between two sweeps
		t.Errorf("%d series are left, want those of the last hour", s.count)
	}
	samples := 0
	for _, one := range s.byName["up"] {
		for _, c := range one.chunks {
			samples += c.samples.NumSamples()
		}
	}
	if samples < 720 || samples > 720+72+2*chunkSamples {
		t.Errorf("%d samples of up are left, want those of the last hour", samples)
	}
}

func TestStoreIsBounded(t *testing.T) {
	s := newStore(time.Hour.Milliseconds(), 1000)
	var err error
	var live []*series
	for i := 0; err == nil && i < 100; i++ {
		points := make([]point, 100)
		for j := range points {
			points[j] = point{labels.FromStrings("__name__", "m", "i", fmt.Sprint(i*100+j)), 1}
		}
		live, err = s.commit(int64(i), health(), points, live, nil)
	}
	if err != errFull || s.count > 1000 || len(live) != 1 {
		t.Errorf("err = %v with %d series, %d of them live", err, s.count, len(live))
	}
	if all, good := s.tries(health(), 0, 100); all != 10 || good != 9 {
		t.Errorf("%d of %d scrapes came through, want 9 of 10", good, all)
	}
}

func FuzzExposition(f *testing.F) {
	f.Add([]byte("# TYPE m histogram\nm_bucket{le=\"1\"} 1\nm_bucket{le=\"+Inf\"} 2\nm_sum 3\nm_count 2\n"), false,
		"histogram_quantile(0.9, m_bucket)")
	f.Add([]byte("m{a=\"\\\"\\n\"} NaN 5\n{\"m x\",b=\"c\"} 0x1p-2\n"), false, `{__name__=~"m.*"}`)
	f.Add([]byte("# UNIT m_s s\nm_s_total 1 # {x=\"y\"} 2 3\nm_s_created 1\n# EOF\n"), true, "rate(m_s_total[1m]) / up")
	f.Add([]byte("m{instance=\"x\",address=\"y\"} 1e400\n"), false, "sum by (exported_instance) (m)")
	f.Fuzz(func(t *testing.T, body []byte, open bool, query string) {
		contentType := "text/plain"
		if open {
			contentType = "application/openmetrics-text; version=1.0.0"
		}
		s := newStore(time.Hour.Milliseconds(), storeSeries)
		var live []*series
		for at := range int64(3) {
			points, err := parseExposition(slices.Clone(body), contentType, own, 1000)
			live, _ = s.commit(at*5000, health(), points, live, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		source := newTestSource(t, s)
		for _, q := range []string{query, `{__name__!=""}`} {
			_, _ = source.Query(ctx, core.Query{Text: q, At: time.UnixMilli(10_000)})
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.5,"NaN"]}]}}`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"scalar","result":[1,"+Inf"]},"warnings":["x"]}`))
	f.Add([]byte(`{"status":"error","errorType":"bad_data","error":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := &prometheus{host: "p"}
		samples, err := p.read(&http.Response{StatusCode: http.StatusOK}, body)
		if err != nil && samples != nil {
			t.Errorf("got %v and error %v", samples, err)
		}
	})
}

func BenchmarkStoreMemory(b *testing.B) {
	const series, samples = 1000, 720
	kinds := map[string]func(int, int) float64{
		"counter":  func(i, k int) float64 { return float64(k * (i%50 + 1)) },
		"gauge":    func(i, k int) float64 { return math.Sin(float64(i * k)) },
		"constant": func(i, _ int) float64 { return float64(i) },
	}
	for name, value := range kinds {
		b.Run(name, func(b *testing.B) {
			var s *store
			before := heap()
			for b.Loop() {
				s = filled(series, samples, value)
			}
			b.ReportMetric(float64(heap()-before)/(series*samples), "B/sample")
			runtime.KeepAlive(s)
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func filled(n, samples int, value func(i, k int) float64) *store {
	s := newStore(6*time.Hour.Milliseconds(), storeSeries)
	points := pointsOf(n, func(int) float64 { return 0 })
	var live []*series
	for k := range samples {
		for i := range points {
			points[i].value = value(i, k)
		}
		live, _ = s.commit(int64(k)*5000, health(), points, live, nil)
	}
	return s
}

func BenchmarkQuery(b *testing.B) {
	const samples = 720
	source := newTestSource(b, filled(1000, samples, func(i, k int) float64 { return float64(k * (i%50 + 1)) }))
	at := time.UnixMilli((samples - 1) * 5000)
	const increase = `sum(increase(hits_total{instance=~"a|b"}[%s]))`
	for _, query := range []string{`sum(hits_total)`, fmt.Sprintf(increase, "1m"), fmt.Sprintf(increase, "1h")} {
		b.Run(query, func(b *testing.B) {
			for b.Loop() {
				answer, err := source.Query(b.Context(), core.Query{Text: query, At: at})
				if err != nil || len(answer) != 1 {
					b.Fatal(answer, err)
				}
			}
		})
	}
}
