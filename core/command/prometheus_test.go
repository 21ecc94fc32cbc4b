//go:build e2e

package command_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/command"
	"github.com/breakwater-ci/breakwater/core/report"
)

var prometheus = flag.String("prometheus", "", "a Prometheus binary, with its promtool beside it: ask the real server about a past that was made up")

// TestPrometheusBacktest writes two days of requests, errors and CPU of five targets into a real server, with an hour in
// which five times as many requests fail on one of them, and asks a plan's checks about that.
func TestPrometheusBacktest(t *testing.T) {
	if *prometheus == "" {
		t.Fatal("name the server with -prometheus")
	}
	until := time.Now().Add(-5 * time.Minute).Truncate(time.Minute)
	trouble := until.Add(-20 * time.Hour)
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("past.txt", madeUp(until.Add(-48*time.Hour), until, trouble))
	write("prometheus.yml", "global: {scrape_interval: 15s}\n")
	promtool := filepath.Join(filepath.Dir(*prometheus), "promtool")
	if out, err := exec.CommandContext(t.Context(), promtool, "tsdb", "create-blocks-from", "openmetrics",
		filepath.Join(dir, "past.txt"), filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	write("breakwater.yaml", fmt.Sprintf(`
version: 1
service: shop
environment: test
targets: [{name: a, labels: {tier: onebox}}, {name: b}, {name: c}, {name: d}, {name: e}]
waves: [{name: one, select: {tier: onebox}}, {name: rest, select: all}]
deploy: {run: "true"}
bake: {min: 30m, max: 2h, every: 1m}
sources: {prom: {type: prometheus, url: "http://%s"}}
checks:
  - name: errors
    compare:
      source: prom
      errors: sum(increase(http_requests_total{code="500",instance=~"$targets"}[$window]))
      total: sum(increase(http_requests_total{instance=~"$targets"}[$window]))
  - name: cpu
    compare: {source: prom, gauge: 'avg(cpu{instance=~"$targets"})', control: before}
`, serve(t, dir)))
	var stdout, stderr strings.Builder
	code := command.Main(t.Context(), []string{"backtest", "--json", "--until", until.Format(time.RFC3339), "--last", "24h", "--quiet", "6",
		"--at", trouble.Format(time.RFC3339), "--rise", "100%"}, command.Env{Stdout: &stdout, Stderr: &stderr, Dir: dir})
	var b report.Backtest
	if err := json.Unmarshal([]byte(stdout.String()), &b); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v\n%s\n%s", code, err, stdout.String(), stderr.String())
	}
	if g := b.Given; len(g) != 1 || g[0].Cause != core.CauseCheck || g[0].Check != "errors" || g[0].After > 15*time.Minute {
		t.Errorf("the trouble: %+v", g)
	}
	stopped := 0
	for _, o := range b.Quiet {
		if o.Cause == core.CauseCheck {
			stopped++
		}
		if o.Cause == core.CauseUnasked {
			t.Errorf("the server could not be asked: %+v", o)
		}
	}
	if len(b.Quiet) != 6 || stopped > 1 { // one in six would be bad luck, two is a mistake
		t.Errorf("quiet hours: %d of %d stopped: %+v", stopped, len(b.Quiet), b.Quiet)
	}
	for _, r := range b.Rises {
		seen := 0
		for _, s := range r.Sights {
			if s.Seen {
				seen++
			}
		}
		if seen == 0 {
			t.Errorf("%s never saw twice as much: %+v", r.Check, r.Sights)
		}
	}
}

// madeUp is a past in the OpenMetrics format, a sample every 15 seconds.
func madeUp(from, until, trouble time.Time) string {
	r := rand.New(rand.NewPCG(1, 2))
	poisson := func(mean float64) float64 {
		n, p := 0.0, r.Float64()
		for limit := math.Exp(-mean); p > limit; p *= r.Float64() {
			n++
		}
		return n
	}
	var b strings.Builder
	b.WriteString("# TYPE http_requests counter\n")
	for _, target := range "abcde" {
		for _, code := range []string{"200", "500"} {
			total := 0.0
			for at := from; at.Before(until); at = at.Add(15 * time.Second) {
				failing := 1.0
				if target == 'a' && !at.Before(trouble) && at.Before(trouble.Add(time.Hour)) {
					failing = 5
				}
				if code == "500" {
					total += poisson(2.5 * failing)
				} else {
					total += poisson(250)
				}
				fmt.Fprintf(&b, "http_requests_total{code=%q,instance=\"%c\"} %v %d\n", code, target, total, at.Unix())
			}
		}
	}
	b.WriteString("# TYPE cpu gauge\n")
	for _, target := range "abcde" {
		for at := from; at.Before(until); at = at.Add(15 * time.Second) {
			fmt.Fprintf(&b, "cpu{instance=\"%c\"} %.4f %d\n", target, 0.5*math.Exp(0.05*r.NormFloat64()), at.Unix())
		}
	}
	b.WriteString("# EOF\n")
	return b.String()
}

// serve runs the real server over the past in a folder, and returns its address once it answers.
func serve(t *testing.T, dir string) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	var output strings.Builder
	server := exec.CommandContext(t.Context(), *prometheus, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--storage.tsdb.retention.time=30d", "--web.listen-address="+address)
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
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(30 * time.Second); ; {
		resp, err := http.Get("http://" + address + "/-/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return address
			}
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("the server did not start: %v", err)
		}
	}
}
