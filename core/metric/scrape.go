package metric

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/breakwater-ci/breakwater/core"
)

// ScrapeOptions are the options of a source of type scrape.
type ScrapeOptions struct {
	Targets   ScrapeTargets          `json:"targets" jsonschema_description:"Where the targets show their metrics."`
	Interval  time.Duration          `json:"interval,omitempty" jsonschema_description:"Time between two scrapes of a target. Default: 5s."`
	Timeout   time.Duration          `json:"timeout,omitempty" jsonschema_description:"Longest time for one scrape, at most interval. Default: interval."`
	Retention time.Duration          `json:"retention,omitempty" jsonschema_description:"How long samples are kept. A query cannot reach further back, so it must be at least as long as the longest bake. Default: 6h."`
	Headers   map[string]core.Secret `json:"headers,omitempty" jsonschema_description:"Headers to send."`
	Basic     *Basic                 `json:"basic,omitempty" jsonschema_description:"Name and password for basic authentication."`
	Bearer    core.Secret            `json:"bearer,omitempty" jsonschema_description:"Token for bearer authentication."`
	TLS       *TLS                   `json:"tls,omitempty" jsonschema_description:"Whom to trust, and our own certificate."`
}

// Keeps is how far back a query can reach.
func (o *ScrapeOptions) Keeps() time.Duration { return orDefault(o.Retention, 6*time.Hour) }

// ScrapeTargets says where the targets show their metrics.
type ScrapeTargets struct {
	URL core.Secret `json:"url" jsonschema_description:"Address of a target's metrics; {{target}} is its name, {{labels.NAME}} one of its labels."`
}

// The bounds of scraping.
const (
	scrapeLimit   = 16 << 20         // bytes of one answer
	scrapeSeries  = 20_000           // series of one target
	scrapeSlots   = 256              // scrapes at the same time
	queryTimeout  = 30 * time.Second // of one evaluation
	queryLookback = 5 * time.Minute  // how old the newest sample of a series may be, as in Prometheus
	querySamples  = 50_000_000       // samples that one evaluation may hold, as in Prometheus
)

// A scrape reads the metrics of the targets that it is told to watch, keeps them in memory, and answers PromQL with
// Prometheus' own engine.
//
// It does what Prometheus does: a series up for each target, 0 after a scrape that failed; an end to every series that
// a target no longer shows; counter resets left to PromQL. A series has the labels instance and target, which are the
// target's name, so that either can be matched with $targets, and address, which is the host and port.
//
// Memory is bounded by the constants above and by the retention: 1 to 10 bytes a sample, and some hundred a series.
type scrape struct {
	language
	template []segment
	interval time.Duration
	timeout  time.Duration
	client   *http.Client
	clock    core.Clock
	engine   *promql.Engine
	store    *store
	slots    chan struct{}

	watching sync.Mutex // held by Watch and Close
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu    sync.Mutex
	known map[string]*scraped // every target ever watched, by name
}

// A scraped is a target with what its last scrape left behind.
type scraped struct {
	name   string
	url    string
	host   string
	own    []labels.Label
	health labels.Labels
	live   []*series // series of the last scrape; belongs to the goroutine of the target
	cause  error     // why the last scrape failed; guarded by scrape.mu
}

func newScrape(o *ScrapeOptions, env Env) (core.Source, error) {
	interval := orDefault(o.Interval, 5*time.Second)
	timeout := orDefault(o.Timeout, interval)
	retention := o.Keeps()
	if interval < 0 || timeout < 0 || timeout > interval || retention < 4*interval {
		return nil, errors.New("interval must be above zero, timeout at most interval, retention at least four intervals")
	}
	template, err := parseTemplate(o.Targets.URL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("targets.url %w", err)
	}
	way := access{headers: o.Headers, basic: o.Basic, bearer: o.Bearer, tls: o.TLS, limit: scrapeLimit}
	client, err := way.client(env)
	if err != nil {
		return nil, err
	}
	return &scrape{
		language: promQL, template: template, interval: interval, timeout: timeout, client: client, clock: env.Clock,
		engine: promql.NewEngine(promql.EngineOpts{
			MaxSamples: querySamples, Timeout: queryTimeout, LookbackDelta: queryLookback,
			EnableAtModifier: true, EnableNegativeOffset: true,
		}),
		store: newStore(retention.Milliseconds(), storeSeries),
		slots: make(chan struct{}, scrapeSlots),
		stop:  func() {},
		known: map[string]*scraped{},
	}, nil
}

// Window returns the shortest window that makes sense in a query.
func (s *scrape) Window() time.Duration { return 4 * s.interval }

// Watch scrapes the targets from now on, in place of those before, until ctx ends or [scrape.Close]. A target that was
// watched before keeps its history, and its series go on; those of a target that is no longer watched end now.
func (s *scrape) Watch(ctx context.Context, targets []core.Target) error {
	next := make(map[string]*scraped, len(targets))
	var wrong []error
	for _, t := range targets {
		one, err := s.locate(t)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		next[t.Name] = one
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	s.watching.Lock()
	defer s.watching.Unlock()
	s.stop()
	s.running.Wait()
	start := s.clock.Now()
	s.replace(next, start)
	ctx, s.stop = context.WithCancel(ctx)
	for _, one := range next {
		s.running.Go(func() { s.follow(ctx, one, start) })
	}
	return nil
}

// Close ends the scraping and waits for its end. Queries are answered from what was seen until then.
func (s *scrape) Close() error {
	s.watching.Lock()
	defer s.watching.Unlock()
	s.stop()
	s.running.Wait()
	s.client.CloseIdleConnections()
	return nil
}

// replace makes next the targets that are watched. No goroutine of an earlier Watch is left.
func (s *scrape) replace(next map[string]*scraped, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, old := range s.known {
		if one := next[name]; one != nil && one.host == old.host {
			one.live = old.live
		} else {
			s.store.expire(now.UnixMilli(), old.live)
			old.live = nil
		}
	}
	maps.Copy(s.known, next)
}

// follow scrapes one target on a steady grid until ctx ends. An instant that was missed, because the machine slept, is
// left out; one that is late, because the target is slow, is not.
func (s *scrape) follow(ctx context.Context, one *scraped, at time.Time) {
	for s.clock.Wait(ctx, at) == nil {
		s.once(ctx, one)
		late := s.clock.Now().Sub(at)
		at = at.Add(max(late.Truncate(s.interval)-s.interval, 0) + s.interval)
	}
}

// once scrapes a target once. A scrape that was cut because nobody is interested any more says nothing of the target.
func (s *scrape) once(ctx context.Context, one *scraped) {
	began := s.clock.Now()
	points, err := s.fetch(ctx, one)
	if ctx.Err() != nil {
		return
	}
	one.live, err = s.store.commit(began.UnixMilli(), one.health, points, one.live, err)
	s.mu.Lock()
	one.cause = err
	s.mu.Unlock()
}

// fetch reads the metrics of a target.
func (s *scrape) fetch(ctx context.Context, one *scraped) ([]point, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("not tried: %d other scrapes took all of %s", scrapeSlots, s.timeout)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, one.url, nil)
	if err != nil {
		return nil, errors.New("the request cannot be made")
	}
	req.Header.Set("Accept", accept)
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, errors.New(reason(err, s.timeout))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, errors.New(reason(err, s.timeout))
	}
	return parseExposition(body, resp.Header.Get("Content-Type"), one.own, scrapeSeries)
}

// Query answers from what was scraped. If no target was scraped in the four intervals before at, because it lies
// before the first scrape or after the last, there is no data, whatever the query says. If every scrape in that time
// failed, the source could not be asked: that is an error, for a query would take silence for health. Only queries
// about the series up alone are answered then, for that they failed is known.
func (s *scrape) Query(ctx context.Context, question core.Query) ([]core.Sample, error) {
	query, at := question.Text, question.At
	expr, err := parseQuery(query)
	if err != nil {
		return nil, &failure{text: "bad query: " + err.Error(), permanent: true}
	}
	if !onlyHealth(expr) {
		if seen, err := s.reached(at); err != nil || !seen {
			return nil, err
		}
	}
	q, err := s.engine.NewInstantQuery(ctx, s.store, nil, query, at)
	if err != nil {
		return nil, &failure{text: "bad query: " + err.Error(), permanent: true}
	}
	defer q.Close()
	result := q.Exec(ctx)
	if ctx.Err() != nil {
		return nil, &failure{text: "no answer yet when we stopped waiting", cause: ctx.Err()}
	}
	if result.Err != nil {
		return nil, &failure{text: "the query cannot be evaluated: " + clip(result.Err.Error()), cause: result.Err}
	}
	warnings, _ := result.Warnings.AsStrings(query, 0, 0)
	if err := partly(warnings); err != nil {
		return nil, &failure{text: err.Error()}
	}
	return samplesOf(result.Value)
}

// onlyHealth reports whether a query is about the series up and nothing else.
func onlyHealth(expr parser.Expr) bool {
	selectors, others := 0, 0
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if v, ok := node.(*parser.VectorSelector); ok {
			if selectors++; v.Name != "up" {
				others++
			}
		}
		return nil
	})
	return selectors > 0 && others == 0
}

// reached reports whether a scrape came through in the time before at. It is an error if all that were tried failed.
func (s *scrape) reached(at time.Time) (bool, error) {
	from, to := at.Add(-s.Window()).UnixMilli()+1, at.UnixMilli()
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed []*scraped
	for _, name := range slices.Sorted(maps.Keys(s.known)) {
		switch all, good := s.store.tries(s.known[name].health, from, to); {
		case good > 0:
			return true, nil
		case all > 0:
			failed = append(failed, s.known[name])
		}
	}
	if len(failed) == 0 {
		return false, nil
	}
	text := fmt.Sprintf("none of %d targets could be scraped", len(failed))
	for _, one := range failed {
		if one.cause != nil { // nil: it came through since
			return false, &failure{text: fmt.Sprintf("%s; %s at %s: %v", text, one.name, one.host, one.cause), cause: one.cause}
		}
	}
	return false, &failure{text: text + " at that time"}
}

// samplesOf turns an answer of the engine into samples.
func samplesOf(v parser.Value) ([]core.Sample, error) {
	switch v := v.(type) {
	case promql.Scalar:
		return []core.Sample{{Value: v.V}}, nil
	case promql.Vector:
		samples := make([]core.Sample, len(v))
		for i, one := range v {
			if one.H != nil {
				return nil, &failure{text: errHistogram.Error(), permanent: true}
			}
			samples[i] = core.Sample{Labels: one.Metric.Map(), Value: one.F}
		}
		return samples, nil
	default:
		return nil, &failure{text: wrongType(string(v.Type())).Error(), permanent: true}
	}
}

// A segment of a template is a text, or else the name of a value.
type segment struct {
	text  string
	value string // target or labels.NAME
}

// parseTemplate cuts a URL at its {{values}}.
func parseTemplate(template string) ([]segment, error) {
	var segments []segment
	rest := template
	for {
		text, after, more := strings.Cut(rest, "{{")
		segments = append(segments, segment{text: text})
		if !more {
			break
		}
		name, left, closed := strings.Cut(after, "}}")
		name = strings.TrimSpace(name)
		label, isLabel := strings.CutPrefix(name, "labels.")
		if !closed || name != "target" && (!isLabel || label == "") {
			return nil, errors.New("may hold {{target}} and {{labels.NAME}} only")
		}
		segments, rest = append(segments, segment{value: name}), left
	}
	if !strings.HasPrefix(template, "http://") && !strings.HasPrefix(template, "https://") {
		return nil, errors.New("must start with http:// or https://")
	}
	return segments, nil
}

// locate fills in the address of a target.
func (s *scrape) locate(t core.Target) (*scraped, error) {
	var b strings.Builder
	for _, seg := range s.template {
		b.WriteString(seg.text)
		if seg.value == "" {
			continue
		}
		v := t.Name
		if label, ok := strings.CutPrefix(seg.value, "labels."); ok {
			if v, ok = t.Labels[label]; !ok {
				return nil, fmt.Errorf("target %q has no label %q, which the targets.url of its source asks for", t.Name, label)
			}
		}
		b.WriteString(escape(v))
	}
	u, err := checkURL(b.String())
	if err != nil {
		return nil, fmt.Errorf("targets.url, filled in for target %q, %w", t.Name, err)
	}
	own := []labels.Label{
		{Name: "address", Value: u.Host}, {Name: "instance", Value: t.Name}, {Name: "target", Value: t.Name},
	}
	health := labels.New(append(slices.Clone(own), labels.Label{Name: model.MetricNameLabel, Value: "up"})...)
	return &scraped{name: t.Name, url: u.String(), host: u.Host, own: own, health: health}, nil
}

// escape makes a value safe for any part of a URL, as a value only. The colon stays: a label may be host:port.
func escape(v string) string {
	return strings.NewReplacer("+", "%20", "%3A", ":").Replace(url.QueryEscape(v))
}
