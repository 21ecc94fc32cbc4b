package metric_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

func openElastic(t *testing.T, w *metrictest.World) core.Source {
	return open(t, w, "elasticsearch", &metric.ElasticsearchOptions{
		URL: "http://es/base?key=" + secret, Index: "logs-*,<app-{now/d}>", APIKey: secret,
	})
}

// hits is what _search answers when so many events match.
func hits(count any) http.HandlerFunc {
	return answers(200, "application/json", fmt.Sprintf(`{"took":3,"timed_out":false,"_shards":{"total":9,"successful":9,"skipped":7,"failed":0},`+
		`"hits":{"total":{"value":%v,"relation":"eq"},"max_score":null,"hits":[]}}`, count))
}

func TestElasticsearchRequest(t *testing.T) {
	for name, c := range map[string]struct {
		options metric.ElasticsearchOptions
		header  string
		field   string
	}{
		"an API key":   {metric.ElasticsearchOptions{APIKey: "a2V5"}, "ApiKey a2V5", "@timestamp"},
		"basic":        {metric.ElasticsearchOptions{Reach: metric.Reach{Basic: &metric.Basic{User: "u", Password: "p"}}}, "Basic dTpw", "@timestamp"},
		"another time": {metric.ElasticsearchOptions{Reach: metric.Reach{Bearer: "x"}, TimeField: "at"}, "Bearer x", "at"},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			at := w.Clock.Now().Add(1500 * time.Millisecond)
			w.Serve(t, "es:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if got := r.Method + " " + r.URL.EscapedPath(); got != "POST /base/logs-%2A%2C%3Capp-%7Bnow%2Fd%7D%3E/_search" {
					t.Errorf("got %s", got)
				}
				if got := r.URL.RawQuery; got != "allow_no_indices=false&allow_partial_search_results=false&ignore_unavailable=false" {
					t.Errorf("got %s", got)
				}
				if r.Header.Get("Authorization") != c.header || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("got %v", r.Header)
				}
				body, _ := io.ReadAll(r.Body)
				want := `{"query":{"bool":{"filter":[{"query_string":{"query":"level:\"error\" \u003c"}},` +
					`{"range":{"` + c.field + `":{"format":"epoch_millis","gt":946684501500,"lte":946684801500}}}]}},"size":0,"track_total_hits":true}`
				if string(body) != want {
					t.Errorf("got  %s\nwant %s", body, want)
				}
				hits(0)(rw, r)
			}))
			c.options.URL, c.options.Index = "http://es/base", "logs-*,<app-{now/d}>"
			s := open(t, w, "elasticsearch", &c.options)
			samples, err := s.Query(t.Context(), core.Query{Text: `level:"error" <`, At: at, Window: 5 * time.Minute})
			if err != nil || len(samples) != 1 || samples[0].Value != 0 {
				t.Errorf("got %v and %v, want 0", samples, err)
			}
		})
	}
}

func TestElasticsearchRefusals(t *testing.T) {
	testRefusals(t, "es:80", openElastic, query("level:error"))
	const json = "application/json"
	rest := func(shards, more string) http.HandlerFunc {
		return answers(200, json, `{"_shards":{`+shards+`},"hits":{"total":{"value":3,"relation":"eq"}}`+more+`}`)
	}
	const all = `"total":1,"successful":1,"failed":0`
	failed := func(code int, kind, reason string) http.HandlerFunc {
		return answers(code, json, `{"error":{"root_cause":[{"type":"`+kind+`","reason":"`+reason+`"}],"type":"search_phase_execution_exception","reason":"all shards failed"},"status":400}`)
	}
	for name, c := range map[string]struct {
		answer    http.HandlerFunc
		want      string
		permanent bool
	}{
		"a bad query":        {failed(400, "query_shard_exception", "Failed to parse query [a:(b]"), "it refuses the query (400): Failed to parse query [a:(b]", true},
		"no index":           {failed(404, "index_not_found_exception", "no such index [logs]"), "(404); check url: no such index [logs]", true},
		"no rights":          {failed(403, "security_exception", "action [indices:data/read/search] is unauthorized"), "it refuses us (403); check api_key, basic or bearer: action", true},
		"no shards":          {failed(503, "no_shard_available_action_exception", ""), "status 503 Service Unavailable: no_shard_available", false},
		"too much":           {failed(429, "es_rejected_execution_exception", "rejected"), "status 429 Too Many Requests: rejected", false},
		"an error as a text": {answers(400, json, `{"error":"nope","status":400}`), "it refuses the query (400): nope", true},
		"an error with 200":  {answers(200, json, `{"error":{"type":"x","reason":"oh"}}`), "it cannot answer: oh", false},
		"a shard failed":     {rest(`"total":2,"successful":1,"failed":1,"failures":[{"reason":{"type":"t","reason":"disk"}}]`, ""), "the count is incomplete: 1 of 2 shards answered: disk", false},
		"a shard is missing": {rest(`"total":2,"successful":1,"failed":0`, ""), "the count is incomplete: 1 of 2 shards answered", false},
		"a cluster skipped":  {rest(all, `,"_clusters":{"total":2,"successful":1,"skipped":1}`), "the count is incomplete: 1 of 2 clusters answered", false},
		"zero shards":        {rest(`"total":0,"successful":0,"failed":0`, ""), "there is no index to count in; check index", true},
		"timed out":          {rest(all, `,"timed_out":true`), "the count is cut off", false},
		"terminated":         {rest(all, `,"terminated_early":true`), "the count is cut off", false},
		"an empty object":    {answers(200, json, `{}`), "it does not say how many events there are", false},
		"at least so many":   {answers(200, json, `{"_shards":{`+all+`},"hits":{"total":{"value":10000,"relation":"gte"}}}`), "it does not say how many events there are", false},
		"version 6":          {answers(200, json, `{"_shards":{`+all+`},"hits":{"total":3}}`), "it does not answer in the form that is expected", false},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "es:80", c.answer)
			err := query("level:error")(t.Context(), openElastic(t, w), w.Clock.Now())
			if err == nil || !strings.Contains(err.Error(), c.want) || isPermanent(err) != c.permanent || strings.Contains(err.Error(), secret) {
				t.Errorf("err = %v, want %s, permanent %t", err, c.want, c.permanent)
			}
		})
	}
}

func TestElasticsearchCounts(t *testing.T) {
	for count, want := range map[string]float64{"0": 0, "12345678": 12345678} {
		bubble(t, count, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "es:80", hits(count))
			s := openElastic(t, w)
			expect(t, w, s, "level:error", want)
			if spans, ok := s.(interface{ Spans() bool }); !ok || !spans.Spans() {
				t.Error("it covers the window, and does not say so")
			}
		})
	}
	bubble(t, "a window of its own", nil, func(t *testing.T, w *metrictest.World) {
		w.Serve(t, "es:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			var body struct {
				Query struct {
					Bool struct {
						Filter []struct {
							Range map[string]struct{ GT, LTE int64 }
						}
					}
				}
			}
			_ = json.NewDecoder(r.Body).Decode(&body)
			if got := body.Query.Bool.Filter[1].Range["@timestamp"]; got.LTE-got.GT != 60_000 {
				t.Errorf("got %v, want a minute", got)
			}
			hits(1)(rw, r)
		}))
		expect(t, w, openElastic(t, w), "level:error", 1)
	})
}

func TestElasticsearchOptions(t *testing.T) {
	for want, o := range map[string]metric.ElasticsearchOptions{
		"index must name where to count":     {URL: "http://e"},
		"index must name":                    {URL: "http://e", Index: ".."},
		"interval must not be below zero":    {URL: "http://e", Index: "i", Interval: -1},
		"url is no URL":                      {URL: "es:9200", Index: "i"},
		"there are two ways to authenticate": {URL: "http://e", Index: "i", APIKey: secret, Reach: metric.Reach{Basic: &metric.Basic{Password: secret}}},
	} {
		_, err := metric.Open(core.SourceSpec{Type: "elasticsearch", Options: &o}, metric.Env{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
}

func TestElasticsearchFill(t *testing.T) {
	asked := core.Variables{
		Targets: []core.Target{{Name: `b" OR *:* OR "`}, {Name: `a\`, Labels: map[string]string{"zone": "z/1"}}, {Name: `c", `}},
		Version: "1.2 \"ü\"\n*", Wave: "one-box", Window: time.Minute, At: time.Unix(1e9, 0),
	}
	bubble(t, "fill", nil, func(t *testing.T, w *metrictest.World) {
		s := openElastic(t, w)
		for query, want := range map[string]string{
			`level:error AND host:$targets`:                 `level:error AND host:("a\\" OR "b\" OR *:* OR \"" OR "c\", ")`,
			`host:$labels.zone`:                             `host:("z/1")`,
			`v:$version OR v:"v$version"`:                   "v:\"1.2 \\\"ü\\\"\n*\" OR v:\"v1.2 \\\"ü\\\"\n*\"",
			`path:/it"s/ AND w:$wave`:                       `path:/it"s/ AND w:"one-box"`,
			`say:\"hi AND w:$wave`:                          `say:\"hi AND w:"one-box"`,
			`say:"\"" AND w:$wave`:                          `say:"\"" AND w:"one-box"`,
			`ratio:a\/b AND w:"$wave" AND x:/a\/"/ w:$wave`: `ratio:a\/b AND w:"one-box" AND x:/a\/"/ w:"one-box"`,
		} {
			if got, err := s.Fill(query, asked); err != nil || got != want {
				t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
			}
		}
		asked.Wave = "\xff"
		for query, want := range map[string]string{
			` `:                        "the query is empty",
			`a:[x/y TO "z/z"] w:$wave`: "a range has a slash",
			`host:"$targets"`:          "$targets is a list; it stands without quotes",
			`host:/$targets/`:          "$targets cannot stand in a regex",
			`a/b c:"$version" d/`:      "$version cannot stand in a regex",
			`w:$wave`:                  `$wave is "\xff"`,
			`at:[$from TO $until]`:     "$from has no place in a query string",
			`a:$window`:                "$window has no place in a query string",
			`host:$labels.region`:      "$labels.region is empty",
		} {
			if got, err := s.Fill(query, asked); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
			}
		}
	})
	if err := metric.Kinds["elasticsearch"].CheckQuery(`host:"$targets"`); err == nil {
		t.Error("a list in quotes is taken")
	}
}
