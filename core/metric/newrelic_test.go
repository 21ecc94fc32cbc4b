package metric_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

func openNewrelic(t *testing.T, w *metrictest.World) core.Source {
	return open(t, w, "newrelic", &metric.NewrelicOptions{URL: "http://nr", Account: 12, APIKey: "NRAK-" + secret})
}

const nrqlQuery = `SELECT count(*) FROM Transaction WHERE host IN ('a', 'b') FACET host`

// asked is what a request to NerdGraph asks.
func asked(r *http.Request) (query, nrql string, account, timeout int) {
	var body struct {
		Query     string `json:"query"`
		Variables struct {
			Account int    `json:"account"`
			Timeout int    `json:"timeout"`
			NRQL    string `json:"nrql"`
		} `json:"variables"`
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	return body.Query, body.Variables.NRQL, body.Variables.Account, body.Variables.Timeout
}

func newrelicAnswer(facets string, rows ...string) http.HandlerFunc {
	return answers(200, "application/json", `{"data":{"actor":{"account":{"nrql":{"metadata":{"facets":`+facets+`},"results":[`+strings.Join(rows, ",")+`]}}}}}`)
}

var sinceUntil = regexp.MustCompile(`SINCE (\d+) UNTIL (\d+)$`)

func TestNewrelicAnswers(t *testing.T) {
	metrictest.Answers(t, metrictest.Service{
		Address: "nr:80", Query: nrqlQuery,
		Asked: func(r *http.Request) (from, until time.Time) {
			_, nrql, _, _ := asked(r)
			found := sinceUntil.FindStringSubmatch(nrql)
			if found == nil {
				return
			}
			since, _ := strconv.ParseInt(found[1], 10, 64)
			to, _ := strconv.ParseInt(found[2], 10, 64)
			return time.UnixMilli(since), time.UnixMilli(to)
		},
		Answer: func(w http.ResponseWriter, r *http.Request, series []core.Sample) {
			var rows []string
			for _, s := range series {
				rows = append(rows, fmt.Sprintf(`{"facet":%q,"host":%q,"count":%v}`, s.Labels["host"], s.Labels["host"], s.Value))
			}
			newrelicAnswer(`["host"]`, rows...)(w, r)
		},
		Refuse: answers(200, "application/json", `{"data":{"actor":{"account":{"nrql":null}}},"errors":[{"extensions":{"errorClass":"SERVER_ERROR",`+
			`"errorCode":"NRDB:1102004"},"message":"NRQL Syntax Error: Error at line 1 position 8, unexpected 'x'","path":["actor","account","nrql"]}]}`),
	}, openNewrelic)
}

func TestNewrelicRefusals(t *testing.T) {
	testRefusals(t, "nr:80", openNewrelic, query(nrqlQuery))
	const json = "application/json"
	failed := func(class, message string) http.HandlerFunc {
		return answers(200, json, `{"data":{"actor":{"account":{"nrql":null}}},"errors":[{"message":"`+message+`","extensions":{"errorClass":"`+class+`"}}]}`)
	}
	for name, c := range map[string]struct {
		answer    http.HandlerFunc
		want      string
		permanent bool
	}{
		"a bad key":               {answers(401, json, `{"errors":[{"message":"Api-Key not found"}]}`), "it refuses us (401); check api_key: Api-Key not found", true},
		"a timeout":               {failed("TIMEOUT", "Your query timed out"), "it answers with an error: Your query timed out", false},
		"a limit":                 {failed("TOO_MANY_REQUESTS", "Too many requests"), "it answers with an error: Too many requests", false},
		"an error without a text": {failed("SERVER_ERROR", ""), "it answers with an error: SERVER_ERROR", false},
		"another account":         {failed("ACCESS_DENIED", "You are not authorized to query account 12"), "not authorized to query account 12", true},
		"no account":              {answers(200, json, `{"data":{"actor":{"account":null}}}`), "it answers without results; check account", false},
		"no results":              {answers(200, json, `{"data":{"actor":{"account":{"nrql":{"results":null}}}}}`), "it answers without results", false},
		"an empty object":         {answers(200, json, `{}`), "it answers without results", false},
		"two numbers":             {newrelicAnswer("null", `{"count":1,"average.duration":2}`), "a row has 2 numbers (average.duration, count); select one", true},
		"a number and null":       {newrelicAnswer("null", `{"count":0,"average.duration":null}`), "a row has 2 numbers", true},
		"two percentiles":         {newrelicAnswer("null", `{"percentile.duration":{"50":1,"95":2}}`), "a row has 2 numbers (percentile.duration.50, percentile.duration.95)", true},
		"a text":                  {newrelicAnswer("null", `{"latest.name":"x"}`), "a row has no number; select one, as count(*)", true},
		"nothing":                 {newrelicAnswer("null", `{}`), "a row has no number", true},
		"a list":                  {newrelicAnswer("null", `{"uniques.host":["a",1]}`), "a row has no number", true},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "nr:80", c.answer)
			err := query(nrqlQuery)(t.Context(), openNewrelic(t, w), w.Clock.Now())
			if err == nil || !strings.Contains(err.Error(), c.want) || isPermanent(err) != c.permanent || strings.Contains(err.Error(), secret) {
				t.Errorf("err = %v, want %s, permanent %t", err, c.want, c.permanent)
			}
		})
	}
}

func TestNewrelicQuery(t *testing.T) {
	const window = "SINCE 946684500500 UNTIL 946684800500"
	for name, c := range map[string]struct {
		query  string
		facets string
		rows   []string
		sent   string
		want   map[string]float64 // by the labels
	}{
		"a count":            {"SELECT count(*) FROM T", "null", []string{`{"count":3}`}, "SELECT count(*) FROM T\n" + window, map[string]float64{"map[]": 3}},
		"of nothing":         {"SELECT average(x) FROM T", "null", []string{`{"average.x":null}`}, "SELECT average(x) FROM T\n" + window, map[string]float64{}},
		"a percentile":       {"SELECT percentile(x, 95) FROM T", "null", []string{`{"percentile.x":{"95":1.5}}`}, "SELECT percentile(x, 95) FROM T\n" + window, map[string]float64{"map[]": 1.5}},
		"a percentile, none": {"SELECT percentile(x, 95) FROM T", "null", []string{`{"percentile.x":{"95":null}}`}, "SELECT percentile(x, 95) FROM T\n" + window, map[string]float64{}},
		"groups": {
			"FROM T SELECT count(*) facet host", `["host"]`, []string{`{"facet":"a","host":"a","count":3}`, `{"facet":"b","host":"b","count":4}`},
			"FROM T SELECT count(*) facet host\nLIMIT MAX " + window, map[string]float64{"map[host:a]": 3, "map[host:b]": 4},
		},
		"groups with a limit": {
			"SELECT count(*) FROM T FACET a, code LIMIT 5", `["a","code"]`, []string{`{"facet":["x",200],"a":"x","code":200,"count":3}`},
			"SELECT count(*) FROM T FACET a, code LIMIT 5\n" + window, map[string]float64{"map[a:x code:200]": 3},
		},
		"groups of the null": {"SELECT count(*) FROM T FACET a", `["a"]`, []string{`{"facet":null,"a":null,"count":3}`}, "SELECT count(*) FROM T FACET a\nLIMIT MAX " + window, map[string]float64{"map[]": 3}},
		"a comment at the end": {
			"SELECT count(*) FROM T -- don't", "null", []string{`{"count":3}`}, "SELECT count(*) FROM T -- don't\n" + window, map[string]float64{"map[]": 3},
		},
		"no rows": {"SELECT count(*) FROM T FACET a LIMIT 3", `["a"]`, nil, "SELECT count(*) FROM T FACET a LIMIT 3\n" + window, map[string]float64{}},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "nr:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || r.URL.RequestURI() != "/base/graphql" || r.Header.Get("Api-Key") != "key" || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("got %s %s with %v", r.Method, r.URL, r.Header)
				}
				query, nrql, account, timeout := asked(r)
				if nrql != c.sent || account != 12 || timeout != 59 || !strings.HasPrefix(query, "query($account: Int!, $nrql: Nrql!, $timeout: Seconds)") {
					t.Errorf("got %s\n%q, want\n%q; account %d, timeout %d", query, nrql, c.sent, account, timeout)
				}
				newrelicAnswer(c.facets, c.rows...)(rw, r)
			}))
			s := open(t, w, "newrelic", &metric.NewrelicOptions{URL: "http://nr/base", Account: 12, APIKey: "key", Reach: metric.Reach{Timeout: time.Minute}})
			samples, err := s.Query(t.Context(), core.Query{Text: c.query, At: w.Clock.Now().Add(5e8), Window: 5 * time.Minute})
			got := map[string]float64{}
			for _, one := range samples {
				got[fmt.Sprint(one.Labels)] = one.Value
			}
			if err != nil || !maps.Equal(got, c.want) {
				t.Errorf("got %v and error %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestNewrelicCheck(t *testing.T) {
	for query, want := range map[string]string{
		`SELECT count(*) FROM Transaction WHERE host IN ($targets) AND appVersion = $version FACET host`: "",
		`FROM Metric SELECT rate(sum(x), $window) WHERE zone IN ($labels.zone)`:                          "",
		`SELECT average(n) FROM (SELECT count(*) AS n FROM T TIMESERIES)`:                                "",
		`SELECT count(*) FROM T WHERE name = 'since until' AND b = "x"`:                                  "",
		"SELECT count(*) FROM T WHERE `since` = 1":                                                       "",
		`SELECT count(*) FROM T SINCE 1 hour ago`:                                                        "the query says SINCE; leave it out",
		`SELECT count(*) FROM T since 1 hour ago until now`:                                              "the query says SINCE",
		`SELECT count(*) FROM T UNTIL now`:                                                               "the query says UNTIL",
		`SELECT count(*) FROM (SELECT x FROM T SINCE today)`:                                             "the query says SINCE",
		`SELECT count(*) FROM T TIMESERIES`:                                                              "the query says TIMESERIES",
		"SELECT count(*) FROM T COMPARE \n WITH 1 week ago":                                              "the query says COMPARE WITH",
		`SELECT count(*)`:                     "the query has no FROM",
		`SHOW EVENT TYPES`:                    "the query has no SELECT",
		``:                                    "the query has no SELECT",
		`SELECT count(*) FROM T // x`:         "a comment begins with //",
		`SELECT count(*) FROM T /* x */`:      "a comment begins with /*",
		`SELECT count(*) FROM T WHERE a = 'b`: "a string begins with ' and does not end",
		`SELECT count(*) FROM T WHERE host = $targets`: "$targets is a list of strings",
	} {
		err := metric.Kinds["newrelic"].CheckQuery(query)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: err = %v, want %s", query, err, want)
		}
	}
	bubble(t, "before it asks", nil, func(t *testing.T, w *metrictest.World) {
		err := query(`SELECT count(*) FROM T SINCE today`)(t.Context(), openNewrelic(t, w), w.Clock.Now())
		if err == nil || !isPermanent(err) || !strings.Contains(err.Error(), "the query says SINCE") {
			t.Errorf("err = %v", err)
		}
	})
}

func TestNewrelicOptions(t *testing.T) {
	for want, o := range map[string]metric.NewrelicOptions{
		"api_key must be set":         {Account: 1},
		"account must be the id":      {APIKey: secret},
		"account must be":             {APIKey: secret, Account: -1},
		"region and url are both set": {APIKey: secret, Account: 1, Region: "eu", URL: "http://x"},
		`region is "EU"; the regions`: {APIKey: secret, Account: 1, Region: "EU"},
		"url is no URL":               {APIKey: secret, Account: 1, URL: "x"},
		"timeout must not be below":   {APIKey: secret, Account: 1, Reach: metric.Reach{Timeout: -1}},
	} {
		_, err := metric.Open(core.SourceSpec{Type: "newrelic", Options: &o}, metric.Env{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
	for _, region := range []string{"", "us", "eu"} {
		s, err := metric.Open(core.SourceSpec{Type: "newrelic", Options: &metric.NewrelicOptions{APIKey: secret, Account: 1, Region: region}}, metric.Env{})
		if err != nil {
			t.Fatal(err)
		}
		_ = s.(io.Closer).Close()
	}
}
