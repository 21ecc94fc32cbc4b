package metric_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

// expect asks a source now and compares the values of the answer, in rising order.
func expect(t *testing.T, w *metrictest.World, s core.Source, query string, want ...float64) {
	t.Helper()
	expectAt(t, s, query, w.Clock.Now(), want...)
}

func expectAt(t *testing.T, s core.Source, query string, at time.Time, want ...float64) {
	t.Helper()
	samples, err := s.Query(t.Context(), core.Query{Text: query, At: at})
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return
	}
	var got []float64
	for _, one := range samples {
		got = append(got, one.Value)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", query, got, want)
	}
}

func expectError(t *testing.T, w *metrictest.World, s core.Source, query string, want string) {
	t.Helper()
	samples, err := s.Query(t.Context(), core.Query{Text: query, At: w.Clock.Now()})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got %v and error %v, want an error with %q", query, samples, err, want)
	}
}

func bubble(t *testing.T, name string, targets []string, f func(t *testing.T, w *metrictest.World)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, metrictest.NewWorld(t, targets...)) })
	})
}

func TestScrapeHealth(t *testing.T) {
	bubble(t, "nothing was scraped yet", []string{"a"}, func(t *testing.T, w *metrictest.World) {
		s := open(t, w, "scrape", &metric.ScrapeOptions{Targets: metric.ScrapeTargets{URL: "http://{{target}}/"}})
		expect(t, w, s, `sum(jobs) or vector(0)`)
		expect(t, w, s, `up`)
		before := w.Clock.Now().Add(-time.Second)
		watch(t, s, w.Targets)
		w.Wait(t, time.Minute)
		expectAt(t, s, `vector(0)`, before)
		expectAt(t, s, `vector(0)`, w.Clock.Now().Add(time.Hour))
	})
	bubble(t, "one target cannot be reached", []string{"a"}, func(t *testing.T, w *metrictest.World) {
		w.Show("a", "jobs 1\n")
		w.Targets = append(w.Targets, core.Target{Name: "gone"})
		s := openScrape(t, w)
		w.Wait(t, time.Minute+time.Second)
		expect(t, w, s, `up{instance="gone"}`, 0)
		expect(t, w, s, `up{target="a", address="a"}`, 1)
		expect(t, w, s, `jobs{instance=~"a|gone"}`, 1)
		expect(t, w, s, `jobs{instance="gone"}`)
	})
	bubble(t, "no target can be reached", nil, func(t *testing.T, w *metrictest.World) {
		w.Targets = []core.Target{{Name: "x"}, {Name: "y"}}
		s := openScrape(t, w)
		w.Wait(t, time.Second)
		expectError(t, w, s, `sum(jobs) or vector(0)`, "none of 2 targets could be scraped; x at x: connection refused")
		expect(t, w, s, `min(up)`, 0)
		expectError(t, w, s, `min(up) + vector(0) + sum(jobs)`, "none of 2")
	})
	bubble(t, "targets die and come back", []string{"a"}, func(t *testing.T, w *metrictest.World) {
		w.Show("a", "jobs 1\n")
		s := openScrape(t, w)
		w.Wait(t, time.Minute+time.Second)
		w.Show("a", "jobs one\n")
		w.Wait(t, metrictest.Interval)
		expect(t, w, s, `jobs`) // ended by the failed scrape, not after the lookback
		expect(t, w, s, `up`, 0)
		w.Wait(t, 4*metrictest.Interval)
		expectError(t, w, s, `jobs`, "a at a: its metrics cannot be parsed")
		w.Show("a", "jobs 3\n")
		w.Wait(t, metrictest.Interval)
		expect(t, w, s, `jobs`, 3)
	})
}

func TestScrapeSeriesEnd(t *testing.T) {
	bubble(t, "at the next scrape", []string{"a"}, func(t *testing.T, w *metrictest.World) {
		w.Show("a", "jobs{q=\"x\"} 1\njobs{q=\"y\"} 2\n")
		s := openScrape(t, w)
		w.Wait(t, time.Second)
		expect(t, w, s, `jobs`, 1, 2)
		w.Show("a", "jobs{q=\"y\"} 2\n")
		w.Wait(t, metrictest.Interval)
		expect(t, w, s, `jobs`, 2)
	})
}

func TestScrapeWatchAgain(t *testing.T) {
	bubble(t, "the old end, the common go on", []string{"a", "b", "c"}, func(t *testing.T, w *metrictest.World) {
		for _, target := range w.Targets {
			w.Show(target.Name, "jobs 1\nhits_total 100\n")
		}
		all := w.Targets
		w.Targets = all[:2]
		s := openScrape(t, w)
		w.Wait(t, time.Minute+time.Second)
		first := w.Clock.Now().Add(-time.Millisecond)
		expect(t, w, s, `count(jobs{instance=~"a|b"})`, 2)
		w.Show("b", "jobs 1\nhits_total 160\n")
		watch(t, s, all[1:])
		w.Wait(t, time.Minute)
		expect(t, w, s, `count by (instance) (jobs)`, 1, 1)
		expect(t, w, s, `jobs{instance="a"}`)
		expect(t, w, s, `max_over_time(hits_total{instance="b"}[2m]) - min_over_time(hits_total{instance="b"}[2m])`, 60)
		expect(t, w, s, `count(jobs offset 1m)`, 2)
		expectAt(t, s, `jobs{instance="a"}`, first, 1)
	})
	bubble(t, "at the very instant of a scrape", []string{"a", "b"}, func(t *testing.T, w *metrictest.World) {
		w.Show("a", "jobs 1\n")
		w.Show("b", "jobs 1\n")
		s := openScrape(t, w)
		synctest.Wait() // both were scraped, and no time has passed
		expect(t, w, s, `count(jobs)`, 2)
		watch(t, s, w.Targets[1:])
		w.Wait(t, 2*metrictest.Interval)
		expect(t, w, s, `count(jobs)`, 1)
		expect(t, w, s, `up`, 1)
	})
	bubble(t, "the context ends", []string{"a"}, func(t *testing.T, w *metrictest.World) {
		w.Show("a", "jobs 1\n")
		ctx, cancel := context.WithCancel(t.Context())
		s := open(t, w, "scrape", &metric.ScrapeOptions{Targets: metric.ScrapeTargets{URL: "http://{{target}}/"}})
		if err := s.(core.Watcher).Watch(ctx, w.Targets); err != nil {
			t.Fatal(err)
		}
		w.Wait(t, 11*time.Second)
		cancel()
		last := w.Clock.Now()
		w.Wait(t, time.Minute)
		expectAt(t, s, `count_over_time(jobs[1m])`, last, 3)
		expect(t, w, s, `count_over_time(jobs[2m])`) // nobody looked: nothing is known of now
	})
}

func TestScrapeGrid(t *testing.T) {
	bubble(t, "a slow target delays nobody", []string{"a"}, func(t *testing.T, w *metrictest.World) {
		w.Show("a", "jobs 1\n")
		w.Serve(t, "slow:80", http.HandlerFunc(silent))
		w.Targets = append(w.Targets, core.Target{Name: "slow"})
		s := openScrape(t, w)
		w.Wait(t, 10*time.Minute+time.Second)
		expect(t, w, s, `count_over_time(jobs[10m])`, 120)
		expect(t, w, s, `count_over_time(up{instance="slow"}[10m])`, 119) // the newest is not over yet
		expect(t, w, s, `max_over_time(up{instance="slow"}[10m])`, 0)
	})
	bubble(t, "more targets than slots", nil, func(t *testing.T, w *metrictest.World) {
		const n = 300
		for i := range n {
			name := fmt.Sprintf("t%d", i)
			w.Serve(t, name+":80", answers(200, "text/plain", "jobs 1\n"))
			w.Targets = append(w.Targets, core.Target{Name: name})
		}
		s := openScrape(t, w)
		w.Wait(t, 20*time.Second+time.Millisecond)
		expect(t, w, s, `sum(jobs)`, n)
		expect(t, w, s, `sum(count_over_time(up[20s]))`, n*4)
	})
}

func TestScrapeFormats(t *testing.T) {
	large := strings.Repeat("#\n", 8<<20+1)
	var many strings.Builder
	for i := range 20_001 {
		fmt.Fprintf(&many, "m{i=\"%d\"} 1\n", i)
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string // cause of a failed scrape; none: the sum of m is 3
	}{
		"text":              {answers(200, "text/plain; version=0.0.4", "# TYPE m gauge\nm{x=\"1\"} 1 1000\nm{x=\"2\"} 2\n"), ""},
		"no content type":   {answers(200, "", "m 3\n"), ""},
		"no final newline":  {answers(200, "text/plain", "m 3"), ""},
		"the same twice":    {answers(200, "text/plain", "m 3\nm 4\n"), ""},
		"OpenMetrics":       {answers(200, "application/openmetrics-text; version=1.0.0", "m 3.0 # {id=\"1\"} 1\n# EOF\n"), ""},
		"OpenMetrics, cut":  {answers(200, "application/openmetrics-text; version=1.0.0", "m 3\n"), "cannot be parsed"},
		"OpenMetrics 2":     {answers(200, "application/openmetrics-text; version=2.0.0", "m 3\n# EOF\n"), "not with metrics as text"},
		"protobuf":          {answers(200, "application/vnd.google.protobuf", "\x01\x02"), "not with metrics as text"},
		"HTML":              {answers(200, "text/html; charset=utf-8", "<html>"), "it answers with text/html; charset=utf-8, not"},
		"HTML as text":      {answers(200, "text/plain", "<html>"), "cannot be parsed"},
		"half a line":       {answers(200, "text/plain", "m 3\nm{x=\"1"), "cannot be parsed"},
		"binary":            {answers(200, "text/plain", "m 3\n\x00\xff\xfe{}"), "NUL byte"},
		"a label twice":     {answers(200, "text/plain", "m{x=\"1\",x=\"2\"} 3\n"), `label "x" stands twice`},
		"a bad type":        {answers(200, "text/plain;;;=", "m 3\n"), "content type"},
		"too large":         {answers(200, "text/plain", large), "larger than 16 MiB"},
		"too many":          {answers(200, "text/plain", many.String()), "more than 20000 series"},
		"an error":          {answers(500, "text/plain", ""), "status 500 Internal Server Error"},
		"a redirect":        {http.RedirectHandler("http://other/", http.StatusFound).ServeHTTP, "status 302 Found"},
		"a closed line":     {cut, "closed the connection"},
		"nothing, but fine": {answers(200, "text/plain", ""), "-"},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "a:80", c.handler)
			w.Targets = []core.Target{{Name: "a"}}
			s := openScrape(t, w)
			w.Wait(t, time.Second)
			switch c.want {
			case "":
				expect(t, w, s, `sum(m)`, 3)
			case "-":
				expect(t, w, s, `sum(m)`)
			default:
				expectError(t, w, s, `sum(m)`, c.want)
			}
		})
	}
}

func TestScrapeLabels(t *testing.T) {
	bubble(t, "the target's own are kept aside", []string{"a"}, func(t *testing.T, w *metrictest.World) {
		w.Show("a", "jobs{instance=\"mine\",exported_instance=\"theirs\",address=\"x\"} 1\nup 0\n")
		s := openScrape(t, w)
		w.Wait(t, time.Second)
		samples, err := s.Query(t.Context(), core.Query{Text: `jobs`, At: w.Clock.Now()})
		if err != nil || len(samples) != 1 {
			t.Fatal(samples, err)
		}
		want := map[string]string{
			"__name__": "jobs", "instance": "a", "target": "a", "address": "a", "exported_instance": "theirs",
			"exported_exported_instance": "mine", "exported_address": "x",
		}
		if got := samples[0].Labels; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		expect(t, w, s, `up`, 1) // ours
	})
}

func TestScrapeURL(t *testing.T) {
	for name, c := range map[string]struct {
		url    core.Secret
		target string
		label  map[string]string
		want   string // host, path and query, or the error
	}{
		"labels":            {"http://127.0.0.1:{{labels.port}}/m", "a", map[string]string{"port": "81"}, "127.0.0.1:81/m"},
		"an address":        {"http://{{ labels.at }}/m", "a", map[string]string{"at": "h:1"}, "h:1/m"},
		"no way out":        {"http://h/{{target}}?x={{target}}", "a/../b?c=d# e", nil, "h/a%2F..%2Fb%3Fc%3Dd%23%20e?x=a%2F..%2Fb%3Fc%3Dd%23%20e"},
		"no other host":     {"http://{{target}}/", "u:p@evil", nil, "targets.url, filled in for target \"u:p@evil\", is no URL"},
		"a label missing":   {"http://{{labels.port}}/", "a", nil, `target "a" has no label "port"`},
		"an unknown word":   {"http://{{host}}/", "a", nil, "targets.url may hold {{target}} and {{labels.NAME}} only"},
		"an open brace":     {"http://{{target/", "a", nil, "targets.url may hold"},
		"no scheme":         {"{{target}}/metrics", "a", nil, "targets.url must start with http:// or https://"},
		"an impossible one": {"http://:{{target}}", "a", nil, "is no URL of the form"},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			asked := make(chan string, 1)
			h := func(_ http.ResponseWriter, r *http.Request) { asked <- r.Host + r.RequestURI }
			for _, address := range []string{"127.0.0.1:81", "h:1", "h:80"} {
				w.Serve(t, address, http.HandlerFunc(h))
			}
			options := metric.ScrapeOptions{Targets: metric.ScrapeTargets{URL: c.url}}
			s, err := metric.Open(core.SourceSpec{Type: "scrape", Options: &options}, metric.Env{Clock: w.Clock, Dial: w.Dial})
			if err == nil {
				err = s.(core.Watcher).Watch(t.Context(), []core.Target{{Name: c.target, Labels: c.label}})
				defer s.(io.Closer).Close()
			}
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("err = %v, want %s", err, c.want)
				}
				return
			}
			if got := <-asked; got != c.want {
				t.Errorf("asked %s, want %s", got, c.want)
			}
		})
	}
}
