package metric

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// ElasticsearchOptions are the options of a source of type elasticsearch.
type ElasticsearchOptions struct {
	URL       core.Secret `json:"url" jsonschema_description:"Address of Elasticsearch or OpenSearch."`
	Index     string      `json:"index" jsonschema_description:"Where to count: an index, a data stream, an alias or a pattern; several with commas between."`
	TimeField string      `json:"time_field,omitempty" jsonschema_description:"Field with the time of an event. Default: @timestamp."`
	APIKey    core.Secret `json:"api_key,omitempty" jsonschema_description:"API key, encoded, in place of basic or bearer."`
	Reach
	Interval time.Duration `json:"interval,omitempty" jsonschema_description:"How long an event takes until it can be found. Default: 15s."`
}

// An elasticsearch counts the events of a window that match a query: one number, and 0 is one. The query is a Lucene query
// string; the source adds the window.
//
// It asks _search for no hits and their number, for _count does not say when it was cut off or lacks a cluster. A pattern
// that matches no index is an error, like an index that does not exist: nothing can be counted there.
type elasticsearch struct {
	*service
	path      string
	timeField string
	interval  time.Duration
}

func newElasticsearch(o *ElasticsearchOptions, env Env) (core.Source, error) {
	switch {
	case o.Index == "" || o.Index == "." || o.Index == "..":
		return nil, errors.New("index must name where to count")
	case o.Interval < 0:
		return nil, errors.New("interval must not be below zero")
	}
	reach := o.Reach
	if o.APIKey != "" {
		var err error
		if reach, err = reach.with("Authorization", "ApiKey ", o.APIKey); err != nil {
			return nil, err
		}
	}
	s, err := newService(o.URL, reach, "api_key, basic or bearer", elasticError, env)
	if err != nil {
		return nil, err
	}
	return &elasticsearch{
		service: s, path: "/" + url.PathEscape(o.Index) + "/_search",
		timeField: cmp.Or(o.TimeField, "@timestamp"), interval: orDefault(o.Interval, 15*time.Second),
	}, nil
}

// An elasticReason is why something failed. The first cause says more than the whole does.
type elasticReason struct {
	Type   string          `json:"type"`
	Reason string          `json:"reason"`
	Causes []elasticReason `json:"root_cause"`
}

func (r elasticReason) String() string {
	for _, cause := range r.Causes {
		if text := cause.String(); text != "" {
			return text
		}
	}
	return cmp.Or(r.Reason, r.Type)
}

// elasticError is what a body says of an error: an object, or a text.
func elasticError(body []byte) string {
	var said struct {
		Error json.RawMessage `json:"error"`
	}
	_ = json.Unmarshal(body, &said)
	var text string
	if json.Unmarshal(said.Error, &text) == nil {
		return text
	}
	var why elasticReason
	_ = json.Unmarshal(said.Error, &why)
	return why.String()
}

// Window returns the shortest window that makes sense: with a shorter one no look would count an event that comes late.
func (e *elasticsearch) Window() time.Duration { return 4 * e.interval }

// Spans says that an answer always covers the window.
func (e *elasticsearch) Spans() bool { return true }

// Fill puts the variables into a query.
func (e *elasticsearch) Fill(query string, v core.Variables) (string, error) {
	return fillLucene(query, v)
}

// Query counts the events after the beginning of the window and up to its end.
func (e *elasticsearch) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	question, err := json.Marshal(map[string]any{"size": 0, "track_total_hits": true, "query": map[string]any{
		"bool": map[string]any{"filter": []any{
			map[string]any{"query_string": map[string]any{"query": q.Text}},
			map[string]any{"range": map[string]any{e.timeField: map[string]any{
				"gt": q.At.Add(-orDefault(q.Window, e.Window())).UnixMilli(), "lte": q.At.UnixMilli(), "format": "epoch_millis",
			}}},
		}},
	}})
	if err != nil {
		return nil, e.fail(true, err, "the query is not text")
	}
	body, err := e.send(ctx, http.MethodPost, e.path, url.Values{
		"ignore_unavailable": {"false"}, "allow_no_indices": {"false"}, "allow_partial_search_results": {"false"},
	}, "application/json", question)
	if err != nil {
		return nil, err
	}
	return e.count(body)
}

// count reads the number of hits. Whatever may not be all of them is an error.
func (e *elasticsearch) count(body []byte) ([]core.Sample, error) {
	var a struct {
		TimedOut   bool  `json:"timed_out"`
		Terminated bool  `json:"terminated_early"`
		Error      any   `json:"error"`
		Shards     parts `json:"_shards"`
		Clusters   parts `json:"_clusters"`
		Hits       struct {
			Total struct {
				Value    *float64 `json:"value"`
				Relation string   `json:"relation"`
			} `json:"total"`
		} `json:"hits"`
	}
	if err := e.read(body, &a); err != nil {
		return nil, err
	}
	switch total := a.Hits.Total; {
	case a.Error != nil:
		return nil, e.fail(false, nil, "it cannot answer: %s", clip(elasticError(body)))
	case a.TimedOut || a.Terminated:
		return nil, e.fail(false, nil, "the count is cut off: it took too long")
	case a.Clusters.lack():
		return nil, e.fail(false, nil, "the count is incomplete: %d of %d clusters answered", a.Clusters.Successful, a.Clusters.Total)
	case a.Shards.lack():
		why := ""
		if len(a.Shards.Failures) > 0 {
			why = ": " + clip(a.Shards.Failures[0].Reason.String())
		}
		return nil, e.fail(false, nil, "the count is incomplete: %d of %d shards answered%s", a.Shards.Successful, a.Shards.Total, why)
	case total.Value == nil || total.Relation != "eq":
		return nil, e.fail(false, nil, "it does not say how many events there are; Elasticsearch 7, OpenSearch 1 and later do")
	case a.Shards.Total == 0:
		return nil, e.fail(true, nil, "there is no index to count in; check index")
	default:
		return []core.Sample{{Value: *total.Value}}, nil
	}
}

// parts say how much of a search was done. A part that was skipped because nothing in it can match counts as successful.
type parts struct {
	Total      int `json:"total"`
	Successful int `json:"successful"`
	Failed     int `json:"failed"`
	Failures   []struct {
		Reason elasticReason `json:"reason"`
	} `json:"failures"`
}

func (p parts) lack() bool { return p.Failed > 0 || p.Successful != p.Total }

// lucene is the language of query strings:
//
//   - $targets and $labels.NAME are a list, host:$targets, without quotes: ("a" OR "b").
//   - $wave, $version and $previous are strings; in double quotes a part of one.
//   - There are no $from, $until and $window: the source adds the window.
//
// Within a regex, between slashes, there is no variable.
var lucene = language{quotes: `"`, bare: true, put: putLucene, regex: regexp.MustCompile(``)} // any slash begins one

var luceneStrings = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func putLucene(v term, in place) (string, error) {
	if err := readable(v); err != nil {
		return "", err
	}
	switch {
	case v.span > 0, !v.at.IsZero():
		return "", fmt.Errorf("%s has no place in a query string: the source counts in the window itself", v.name)
	case in.quote == '/':
		return "", fmt.Errorf("%s cannot stand in a regex: host:%s", v.name, v.name)
	case v.list && in.quote != 0:
		return "", fmt.Errorf("%s is a list; it stands without quotes: host:%s", v.name, v.name)
	case v.list:
		return "(" + quoted(v, `"`, luceneStrings, " OR ") + ")", nil
	case in.quote == 0:
		return quoted(v, `"`, luceneStrings, ""), nil
	default:
		return luceneStrings.Replace(v.texts[0]), nil
	}
}

func fillLucene(query string, v core.Variables) (string, error) {
	if strings.TrimSpace(query) == "" {
		return "", errors.New("the query is empty; * counts all events")
	}
	if luceneRange.MatchString(luceneString.ReplaceAllString(query, "")) {
		return "", errors.New("a range has a slash, which elsewhere begins a regex; put its ends in double quotes")
	}
	return lucene.Fill(query, v)
}

var (
	luceneString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	luceneRange  = regexp.MustCompile(`[\[{][^\]}]*/`)
)
