package check_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/check"
	"github.com/breakwater-ci/breakwater/core/shell"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A script is a source that answers from a list: the n-th query gets the n-th reply, and the last one for ever.
type script struct {
	replies []reply

	mu      sync.Mutex
	queries []string
	at      []time.Time
	when    []time.Time // by the clock of the test
}

type reply struct {
	samples []core.Sample
	err     error
	hangs   bool // until the context ends
}

// Fill knows $targets, $wave and $window. A word that it does not know is a mistake.
func (s *script) Fill(query string, v core.Variables) (string, error) {
	var names []string
	for _, t := range v.Targets {
		names = append(names, t.Name)
	}
	query = strings.NewReplacer("$targets", strings.Join(names, "|"), "$wave", v.Wave, "$window", core.Brief(v.Window)).Replace(query)
	if word := regexp.MustCompile(`\$\w+`).FindString(query); word != "" {
		return "", fmt.Errorf("%s is unknown", word)
	}
	return query, nil
}

func (s *script) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	s.mu.Lock()
	r := s.replies[min(len(s.queries), len(s.replies)-1)]
	s.queries, s.at, s.when = append(s.queries, q.Text), append(s.at, q.At), append(s.when, time.Now())
	s.mu.Unlock()
	if r.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return r.samples, r.err
}

// values answers with one sample each; nil is an answer without samples.
func values(all ...any) *script {
	s := new(script)
	for _, v := range all {
		switch v := v.(type) {
		case float64:
			s.replies = append(s.replies, reply{samples: []core.Sample{{Value: v}}})
		case error:
			s.replies = append(s.replies, reply{err: v})
		case []core.Sample:
			s.replies = append(s.replies, reply{samples: v})
		case nil:
			s.replies = append(s.replies, reply{})
		}
	}
	return s
}

// refusal is an error that no other try would mend.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) Permanent() bool { return true }

// A watcher is a source that sees only what it was told to watch.
type watcher struct {
	script
	err      error
	watched  [][]core.Target
	watching context.Context
}

func (w *watcher) Watch(ctx context.Context, targets []core.Target) error {
	w.watched, w.watching = append(w.watched, slices.Clone(targets)), ctx
	return w.err
}

func (*watcher) Window() time.Duration { return 90 * time.Second }

// A clock stands still.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func (c *clock) Wait(context.Context, time.Time) error { return nil }

func scope() core.Asked {
	return core.Asked{
		Rollout: "1", Wave: "one-box", Version: "v2", Previous: "v1", Since: start,
		Targets: []core.Target{
			{Name: "a.b-1", Labels: map[string]string{"region": "us"}},
			{Name: "a", Labels: map[string]string{"region": "eu"}},
		},
		Bake: core.Bake{Min: 10 * time.Minute, Every: time.Minute},
	}
}

func open(t *testing.T, asked core.Asked, sources map[string]core.Source, now *clock, checks ...core.Check) core.Looker {
	t.Helper()
	return openPlan(t, asked, &core.Plan{Checks: checks}, sources, now)
}

func openPlan(t *testing.T, asked core.Asked, p *core.Plan, sources map[string]core.Source, now *clock) core.Looker {
	t.Helper()
	run := shell.New(t.TempDir(), []string{"PATH=/usr/bin:/bin", "PROM_TOKEN=s3cr3t-token"})
	run.Grace = 50 * time.Millisecond
	l, err := check.New(p, sources, run, now).Open(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func threshold(c core.Threshold) core.Check {
	c.Source = "prom"
	if c.Query == "" {
		c.Query = "up"
	}
	return core.Check{Name: "cpu", Threshold: &c, Timeout: 30 * time.Second}
}

func is(t *testing.T, v core.Verdict, want core.VerdictKind, reason string) {
	t.Helper()
	if v.Verdict != want || v.Reason != reason {
		t.Errorf("got  %s: %s\nwant %s: %s", v.Verdict, v.Reason, want, reason)
	}
}
