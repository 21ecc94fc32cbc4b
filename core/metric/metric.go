// Package metric is the room of metric sources: the places that answer a query with numbers. Each kind of source is
// one file and one line in [Kinds].
//
//	alertmanager  asks a Prometheus Alertmanager which alerts fire now; it knows alarms only
//	cloudwatch    asks Amazon CloudWatch for metrics, and its alarms
//	command       runs a script of the plan that prints numbers
//	datadog       asks Datadog for metrics, and its monitors
//	dynatrace     asks Dynatrace for metrics
//	elasticsearch counts events in Elasticsearch or OpenSearch
//	grafana       asks Grafana for the state of its own alert rules; it knows alarms only
//	graphite      asks Graphite, or whatever speaks its render API
//	http          gets JSON from any service
//	influxdb      asks InfluxDB, in InfluxQL or in Flux
//	newrelic      asks New Relic in NRQL
//	prometheus    asks a Prometheus server, or whatever speaks its HTTP API: Thanos, Mimir, VictoriaMetrics
//	scrape        no monitoring system at all: reads the targets' own /metrics into memory while a wave bakes
//
// A source answers with samples, with no samples when there is no data, or with an error when it could not be asked.
// Whatever is only partly known is an error too: unknown is never healthy. An error for which asking again is of no
// use (a bad query, refused credentials) has a method Permanent() bool that returns true. No error shows a secret.
//
// Every source also has a method Close() error, which ends what the source keeps open. One that answers queries has
// Window() time.Duration, the shortest $window that makes sense for them: where it samples, four times the distance between
// two samples. A command and an http have none: how often their numbers change is not known. One that
// asks for the window itself, whatever its query says, has Spans() bool that returns true.
package metric

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// A Kind is one technology that can answer queries.
type Kind struct {
	Options any                                                  // pointer to the zero value of the kind's options
	fill    func(query string, v core.Variables) (string, error) // nil: it answers no queries
	check   func(filled string) error                            // finds mistakes in a query without asking anybody; nil: finds none
	Spans   bool                                                 // a query covers the window that it is asked with, whatever it says
	Alarms  bool                                                 // its sources are a [core.Alarmist]
	Watches bool                                                 // its sources are a [core.Watcher]
	Open    func(options any, env Env) (core.Source, error)
}

// CheckQuery finds mistakes in a query as a plan has it, variables included. It asks nobody.
func (k Kind) CheckQuery(query string) error {
	if k.fill == nil {
		return errors.New("it answers no queries; it knows alarms only")
	}
	filled, err := k.fill(query, sample(query))
	if err != nil || k.check == nil {
		return err
	}
	return k.check(filled)
}

// Kinds are the kinds of source, by the name that stands under type in the plan.
var Kinds = map[string]Kind{
	"alertmanager":  {Options: new(AlertmanagerOptions), Alarms: true, Open: opener(newAlertmanager)},
	"cloudwatch":    {Options: new(CloudwatchOptions), Spans: true, fill: fillCloudWatch, check: checkCloudWatch, Alarms: true, Open: opener(newCloudWatch)},
	"command":       {Options: new(CommandOptions), Spans: true, fill: fillCommand, Open: opener(newCommand)},
	"datadog":       {Options: new(DatadogOptions), Spans: true, fill: datadogQL.Fill, check: checkDatadog, Alarms: true, Open: opener(newDatadog)},
	"dynatrace":     {Options: new(DynatraceOptions), Spans: true, fill: selector.Fill, Open: opener(newDynatrace)},
	"elasticsearch": {Options: new(ElasticsearchOptions), Spans: true, fill: fillLucene, Open: opener(newElasticsearch)},
	"grafana":       {Options: new(GrafanaOptions), Alarms: true, Open: opener(newGrafana)},
	"graphite":      {Options: new(GraphiteOptions), Spans: true, fill: graphiteQL("").Fill, check: checkGraphite, Open: opener(newGraphite)},
	"http":          {Options: new(HTTPOptions), fill: form{join: ","}.fill, check: checkBelow, Open: opener(newHTTP)},
	"influxdb":      {Options: new(InfluxDBOptions), fill: fillInflux, Open: opener(newInfluxDB)},
	"newrelic":      {Options: new(NewrelicOptions), Spans: true, fill: nrql.Fill, check: checkNRQL, Open: opener(newNewrelic)},
	"prometheus":    {Options: new(PrometheusOptions), fill: promQL.Fill, check: checkPromQL, Alarms: true, Open: opener(newPrometheus)},
	"scrape":        {Options: new(ScrapeOptions), Watches: true, fill: promQL.Fill, check: checkPromQL, Open: opener(newScrape)},
}

// Forgets reports whether a source that a plan describes can only tell what is now, or what it saw itself.
func Forgets(spec core.SourceSpec) bool {
	switch o := spec.Options.(type) {
	case *ScrapeOptions:
		return true
	case *CommandOptions:
		return !o.Past
	case *HTTPOptions:
		return !o.Past
	default:
		return false
	}
}

// Env is what a source needs from the process that it runs in.
type Env struct {
	Clock core.Clock
	// Shell runs the scripts of a plan.
	Shell *shell.Runner
	// Dir is the folder in which the relative paths of a plan start.
	Dir string
	// Proxy returns the proxy for a request to a monitoring system, nil for none. The targets of a scrape are
	// reached directly.
	Proxy func(*http.Request) (*url.URL, error)
	// Lookup is the environment, for sources whose credentials it holds. Nil: it is empty.
	Lookup func(name string) string
	// Answered is told the headers of every answer over HTTP. It may be called by several goroutines at once. Nil: nobody
	// wants to know.
	Answered func(http.Header)
	// Dial opens connections. Nil means those of the operating system.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Open opens the source that a plan describes. It asks nobody yet: an error is a mistake in the plan.
func Open(spec core.SourceSpec, env Env) (core.Source, error) {
	kind, ok := Kinds[spec.Type]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(Kinds)), ", ")
		return nil, fmt.Errorf("no source has type %q; the types are %s", spec.Type, known)
	}
	source, err := kind.Open(spec.Options, env)
	if err != nil {
		return nil, fmt.Errorf("source of type %s: %w", spec.Type, err)
	}
	return source, nil
}

// opener makes the Open of a kind from a function that takes the kind's own options.
func opener[O any](open func(*O, Env) (core.Source, error)) func(any, Env) (core.Source, error) {
	return func(options any, env Env) (core.Source, error) {
		own, ok := options.(*O)
		if !ok || own == nil {
			return nil, fmt.Errorf("options are %T, not %T", options, own)
		}
		return open(own, env)
	}
}

// A failure says that a source could not be asked. Its text is short, and holds no secret.
type failure struct {
	text      string
	permanent bool
	cause     error // what errors.Is finds; it is not printed
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.cause }

// Permanent reports whether asking again is of no use.
func (f *failure) Permanent() bool { return f.permanent }
