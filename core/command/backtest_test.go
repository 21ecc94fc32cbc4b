package command_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/command"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
	"github.com/breakwater-ci/breakwater/core/report"
)

// now is when the backtests of these tests are asked; an hour of trouble on target a began a day before.
var (
	now     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	trouble = now.Add(-24 * time.Hour)
)

// A past is a source that knows how five targets served: about 1,000 requests a minute each, 1% of which fail. What it
// answers depends on nothing but the query and the instant.
type past struct{ core.Source }

func (past) Query(_ context.Context, q core.Query) ([]core.Sample, error) {
	sum := 0.0
	for _, target := range []string{"a", "b", "c", "d", "e"} {
		if !strings.Contains(q.Text, target+"|") && !strings.Contains(q.Text, target+`"`) && !strings.Contains(q.Text, "|"+target+")") {
			continue
		}
		mean := 1000.0
		if strings.HasPrefix(q.Text, "errors") {
			mean = 10
			if target == "a" && q.At.After(trouble) && q.At.Before(trouble.Add(time.Hour)) {
				mean = 60
			}
		}
		h := fnv.New64a()
		fmt.Fprint(h, q.Text[:6], target, q.At.Unix())
		sum += math.Max(0, math.Round(mean+math.Sqrt(mean)*rand.New(rand.NewPCG(h.Sum64(), 1)).NormFloat64()))
	}
	return []core.Sample{{Value: sum}}, nil
}

const backtested = `
version: 1
service: shop
environment: test
targets: [{name: a, labels: {tier: onebox}}, {name: b}, {name: c}, {name: d}, {name: e}]
waves: [{name: one, select: {tier: onebox}}, {name: rest, select: all}]
deploy: {run: "true"}
bake: {min: 30m, max: 1h, every: 1m}
sources:
  prom: {type: prometheus, url: "%s"}
  own: {type: scrape, targets: {url: "http://{{target}}"}}
checks:
  - name: errors
    compare:
      source: prom
      errors: errors{i=~"$targets"} offset $window # the stand-in looks at how a query begins, and at the targets
      total: total_{i=~"$targets"} offset $window
  - {name: own, threshold: {source: own, query: up, min: 1}}
  - {name: smoke, run: "exit 1"}
`

func TestBacktest(t *testing.T) {
	server := httptest.NewServer(metrictest.API(past{}))
	defer server.Close()
	plan := fmt.Sprintf(backtested, server.URL)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte(plan), 0o644); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	code := command.Main(t.Context(), []string{"backtest", "--json", "--until", now.Format(time.RFC3339), "--last", "72h", "--quiet", "8",
		"--at", trouble.Format(time.RFC3339), "--rise", "100%"}, command.Env{Stdout: &stdout, Stderr: &stderr, Dir: dir})
	var b report.Backtest
	if err := json.Unmarshal([]byte(stdout.String()), &b); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v\n%s\n%s", code, err, stdout.String(), stderr.String())
	}
	if len(b.Left) != 2 || !strings.Contains(strings.Join(b.Left, " "), "smoke is a command") {
		t.Errorf("left out: %q", b.Left)
	}
	if len(b.Quiet) != 8 {
		t.Errorf("%d quiet deployments", len(b.Quiet))
	}
	for _, o := range b.Quiet {
		if o.Cause == core.CauseCheck {
			t.Errorf("a healthy release was stopped: %+v", o)
		}
	}
	if len(b.Given) != 1 || b.Given[0].Check != "errors" || b.Given[0].Wave != "one" || b.Given[0].After > 10*time.Minute {
		t.Errorf("the trouble: %+v", b.Given)
	}
	if len(b.Rises) != 1 || len(b.Rises[0].Sights) != 7 { // the last would not have the time
		t.Fatalf("rises: %+v", b.Rises)
	}
	for _, s := range b.Rises[0].Sights {
		if !s.Seen || s.After <= 0 || s.After > time.Hour {
			t.Errorf("twice as many errors: %+v", s)
		}
	}
	if !strings.Contains(stderr.String(), "quiet hours: 8 of 8") {
		t.Errorf("no progress: %s", stderr.String())
	}
}

// TestBacktestText prints the same for people, and asks about a rollout of the ledger.
func TestBacktestText(t *testing.T) {
	server := httptest.NewServer(metrictest.API(past{}))
	defer server.Close()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const quick = `
version: 1
service: shop
environment: test
targets: [{name: a}, {name: b}]
waves: [{name: one, select: all}]
deploy: {run: "true"}
bake: {min: 0s, every: 100ms}
sources: {prom: {type: prometheus, url: "%s"}}
checks: [{name: errors, threshold: {source: prom, query: 'errors{i=~"$targets"}', max: %d}}]
`
	environ := []string{"PATH=" + os.Getenv("PATH")}
	write("breakwater.yaml", fmt.Sprintf(quick, server.URL, 1000))
	var out strings.Builder
	env := command.Env{Stdout: &out, Stderr: &out, Dir: dir, Environ: environ}
	if code := command.Main(t.Context(), []string{"run", "--version", "v1", "--first-release"}, env); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out.String())
	}
	write("breakwater.yaml", fmt.Sprintf(quick, server.URL, 1))
	out.Reset()
	if code := command.Main(t.Context(), []string{"backtest", "--last", "1h", "--quiet", "0"}, env); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out.String())
	}
	for _, want := range []string{"shop/test: the checks, asked about ", "something was always being rolled out", "shop-test-1", "would stop it in one"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it never said %q:\n%s", want, out.String())
		}
	}
	out.Reset()
	write("breakwater.yaml", strings.Replace(fmt.Sprintf(quick, server.URL, 1), "min: 0s, every: 100ms", "min: 3h", 1))
	if code := command.Main(t.Context(), []string{"backtest", "--last", "1h"}, env); code != 2 || !strings.Contains(out.String(), "go further back with --last") {
		t.Errorf("exit code %d\n%s", code, out.String())
	}
}
