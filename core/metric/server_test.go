package metric_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

var binary = flag.String("prometheus", "", "a Prometheus binary: ask the real server too")

// TestServers asks servers over the loopback network, in real time.
func TestServers(t *testing.T) {
	servers := map[string]func(t *testing.T, exporter string) (url string){"ours": serveOurs}
	if *binary != "" {
		servers["Prometheus"] = servePrometheus
	}
	for name, serve := range servers {
		t.Run(name, func(t *testing.T) {
			var hits atomic.Int64
			exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprintf(w, "# TYPE hits_total counter\nhits_total{code=\"200\"} %d\nodd NaN\n", hits.Add(10))
			}))
			t.Cleanup(exporter.Close)
			clock := metrictest.Clock{}
			s, err := metric.Open(core.SourceSpec{Type: "prometheus", Options: &metric.PrometheusOptions{
				URL: core.Secret(serve(t, exporter.Listener.Addr().String())), Interval: time.Second,
			}}, metric.Env{Clock: clock})
			if err != nil {
				t.Fatal(err)
			}
			defer s.(io.Closer).Close()
			before := clock.Now().Add(-time.Minute)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			for { // until it is up and has scraped three times
				samples, err := s.Query(ctx, core.Query{Text: `count_over_time(hits_total{instance=~"e|f"}[1m]) >= 3`, At: clock.Now()})
				if err == nil && len(samples) == 1 {
					break
				}
				if clock.Wait(ctx, clock.Now().Add(50*time.Millisecond)) != nil {
					t.Fatalf("got %v and error %v", samples, err)
				}
			}
			expectAt(t, s, `hits_total{code="200"} > 0 == bool 0`, clock.Now(), 0)
			expectAt(t, s, `min(rate(hits_total[1m])) > bool 0`, clock.Now(), 1)
			expectAt(t, s, `up{instance="e"}`, clock.Now(), 1)
			expectAt(t, s, `hits_total`, before)
			expectAt(t, s, `2`, clock.Now(), 2)
			expectRange(t, s, clock.Now())
			if name == "Prometheus" {
				expectAlarms(ctx, t, s, clock)
			}
			for _, query := range []string{`sum(`, `hits_total[1m]`, `"x"`} {
				if samples, err := s.Query(ctx, core.Query{Text: query, At: clock.Now()}); err == nil || !isPermanent(err) {
					t.Errorf("%s: got %v and error %v, want a permanent error", query, samples, err)
				}
			}
		})
	}
}

// expectRange asks at more instants than one answer holds.
func expectRange(t *testing.T, s core.Source, at time.Time) {
	t.Helper()
	const n = 12_000
	points, err := s.(core.Ranger).Range(t.Context(), core.Query{Text: `odd{instance="e"}`, At: at}, 50*time.Millisecond, n)
	if err != nil || len(points) != n {
		t.Fatalf("got %d points and error %v, want %d", len(points), err, n)
	}
	if len(points[0]) != 0 || len(points[n-1]) != 1 || !math.IsNaN(points[n-1][0].Value) {
		t.Errorf("got %v at first and %v at last, want no sample and NaN", points[0], points[n-1])
	}
}

// expectAlarms waits for the alert that always fires.
func expectAlarms(ctx context.Context, t *testing.T, s core.Source, clock core.Clock) {
	t.Helper()
	since := clock.Now()
	for {
		alarms, err := s.(core.Alarmist).Alarms(ctx, []string{"Always", "Never"}, since, clock.Now())
		switch {
		case ctx.Err() != nil:
			t.Fatalf("got %v and error %v", alarms, err)
		case err == nil && len(alarms[0].Episodes) == 1 && alarms[0].Episodes[0].Text != "" && alarms[0].Blind+alarms[1].Blind == "":
			if e := alarms[0].Episodes[0]; e.From.Before(since) || !e.Until.IsZero() || e.Text != "it is true" {
				t.Errorf("got %v, want an episode after %v that goes on", e, since)
			}
			if alarms[0].Name != "Always" || alarms[1].Name != "Never" || len(alarms[1].Episodes) != 0 {
				t.Errorf("got %v", alarms)
			}
			if _, err := s.(core.Alarmist).Alarms(ctx, []string{"Never", "Nobody"}, since, clock.Now()); err == nil || !isPermanent(err) {
				t.Errorf("err = %v, want a permanent one: no alert has that name", err)
			}
			return
		}
		_ = clock.Wait(ctx, clock.Now().Add(100*time.Millisecond))
	}
}

// serveOurs runs an API over a source that scrapes an exporter.
func serveOurs(t *testing.T, exporter string) string {
	clock := metrictest.Clock{}
	s, err := metric.Open(core.SourceSpec{Type: "scrape", Options: &metric.ScrapeOptions{
		Targets: metric.ScrapeTargets{URL: "http://{{labels.address}}/"}, Interval: 100 * time.Millisecond,
	}}, metric.Env{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.(io.Closer).Close() })
	watch(t, s, []core.Target{{Name: "e", Labels: map[string]string{"address": exporter}}})
	server := httptest.NewServer(metrictest.API(s))
	t.Cleanup(server.Close)
	return server.URL
}

// servePrometheus runs the real server on a free port.
func servePrometheus(t *testing.T, exporter string) string {
	dir := t.TempDir()
	rules := "groups:\n- name: g\n  interval: 1s\n  rules:\n" +
		"  - {alert: Always, expr: vector(1), annotations: {summary: it is true}}\n  - {alert: Never, expr: absent(vector(1))}\n"
	if err := os.WriteFile(filepath.Join(dir, "rules.yml"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("global: {scrape_interval: 1s}\nrule_files: [rules.yml]\nscrape_configs:\n- job_name: x\n  static_configs:\n"+
		"  - {targets: [%q], labels: {instance: e}}\n", exporter)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	var output strings.Builder
	server := exec.CommandContext(t.Context(), *binary, "--config.file="+file,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	server.Cancel = func() error { return server.Process.Signal(os.Interrupt) }
	server.WaitDelay = 10 * time.Second
	server.Stdout, server.Stderr = &output, &output
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the test's context has ended
		_ = server.Wait()
		if t.Failed() {
			t.Log(output.String())
		}
	})
	return "http://" + address
}
