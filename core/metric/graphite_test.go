package metric_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

func openGraphite(t *testing.T, w *metrictest.World) core.Source {
	return open(t, w, "graphite", &metric.GraphiteOptions{
		URL: "http://user:" + secret + "@g/?key=" + secret, Reach: metric.Reach{Headers: map[string]core.Secret{"X-Key": secret}},
	})
}

const graphiteQuery = `aliasByNode(shop.{a,b}.errors, 1)`

func TestGraphiteAnswers(t *testing.T) {
	metrictest.Answers(t, metrictest.Service{
		Address: "g:80", Query: graphiteQuery,
		Asked: func(r *http.Request) (from, until time.Time) {
			return unixParameter(r, "from"), unixParameter(r, "until")
		},
		Answer: func(w http.ResponseWriter, r *http.Request, series []core.Sample) {
			var all []string
			for _, s := range series {
				all = append(all, fmt.Sprintf(`{"target":%q,"tags":{"name":"x","host":%q},"datapoints":[[null,%d],[%v,%d]]}`,
					s.Labels["host"], s.Labels["host"], unixParameter(r, "until").Unix()-60, s.Value, unixParameter(r, "until").Unix()))
			}
			answers(200, "application/json", "["+strings.Join(all, ", ")+"]")(w, r)
		},
		Refuse: answers(400, "text/plain", "Invalid target: aliasByNode("),
	}, openGraphite)
}

func TestGraphiteRefusals(t *testing.T) {
	testRefusals(t, "g:80", openGraphite, query(graphiteQuery))
	for name, c := range map[string]struct {
		answer    http.HandlerFunc
		want      string
		permanent bool
	}{
		"a bad query":          {answers(400, "text/plain", "Invalid target: x("), "g: it refuses the query (400): Invalid target: x(", true},
		"a bad query, as HTML": {answers(400, "text/html", "<h1>Bad</h1>"), "g: it refuses the query (400)", true},
		"a bad query, as JSON": {answers(400, "application/json", `{"error":"x"}`), "g: it refuses the query (400): x", true},
		"a point of nothing":   {answers(200, "application/json", `[{"target":"a","datapoints":[[]]}]`), "g: a point of its answer has no time", false},
		"no time":              {answers(200, "application/json", `[{"target":"a","datapoints":[[1,null]]}]`), "g: a point of its answer has no time", false},
		"an object":            {answers(200, "application/json", `{}`), "g: it does not answer in the form that is expected", false},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "g:80", c.answer)
			err := query(graphiteQuery)(t.Context(), openGraphite(t, w), w.Clock.Now())
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || isPermanent(err) != c.permanent || strings.Contains(err.Error(), secret) {
				t.Errorf("err = %v, want %s, permanent %t", err, c.want, c.permanent)
			}
		})
	}
	bubble(t, "an empty query", nil, func(t *testing.T, w *metrictest.World) {
		if err := query(" ")(t.Context(), openGraphite(t, w), w.Clock.Now()); err == nil || !isPermanent(err) {
			t.Errorf("err = %v", err)
		}
	})
}

func TestGraphiteQuery(t *testing.T) {
	const from = 946684500
	answer := fmt.Sprintf(`[{"target":"a","datapoints":[[100,%d],[1,%d],[null,%d],[2,%d],[6.0,%d],[100,%d]]},{"target":"b","datapoints":[[null,%d]]},{"target":"c","datapoints":[]}]`,
		from, from+60, from+120, from+180, from+300, from+360, from+60)
	for points, want := range map[string]float64{"": 3, "avg": 3, "sum": 9, "last": 6, "max": 6, "min": 1} {
		bubble(t, points, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "g:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				const form = "format=json&from=946684500&target=shop.a.errors&until=946684800"
				if r.Method+" "+r.URL.RequestURI() != "POST /graphite/render" || r.PostForm.Encode() != form || r.Header.Get("X-Key") != "k" {
					t.Errorf("got %s %s %v", r.Method, r.URL, r.PostForm)
				}
				answers(200, "application/json", answer)(rw, r)
			}))
			s := open(t, w, "graphite", &metric.GraphiteOptions{
				URL: "http://g/graphite", Points: points, Reach: metric.Reach{Headers: map[string]core.Secret{"X-Key": "k"}},
			})
			samples, err := s.Query(t.Context(), core.Query{Text: " shop.a.errors\n", At: w.Clock.Now().Add(999e6), Window: 5 * time.Minute})
			if err != nil || len(samples) != 1 || samples[0].Value != want || !maps.Equal(samples[0].Labels, map[string]string{"target": "a"}) {
				t.Errorf("got %v and error %v, want %v", samples, err, want)
			}
		})
	}
}

func TestGraphiteOptions(t *testing.T) {
	for want, o := range map[string]metric.GraphiteOptions{
		"url is no URL":                     {URL: "graphite:8080"},
		`points is "average"; the ways are`: {URL: "http://g", Points: "average"},
		"interval must not be below zero":   {URL: "http://g", Interval: -1},
		`dots is "*"`:                       {URL: "http://g", Dots: "*"},
	} {
		_, err := metric.Open(core.SourceSpec{Type: "graphite", Options: &o}, metric.Env{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
	for query, want := range map[string]string{
		`sumSeries(shop.$targets.errors)`:                           "",
		`seriesByTag('name=errors','host=~$targets$','v=$version')`: "",
		`grep(shop.*.errors, '\.$targets\.')`:                       "",
		`summarize(shop.$targets.errors, '$window', 'sum')`:         "",
		`grep(shop.*.errors, '$targets')`:                           "$targets is a regex, and Graphite finds it anywhere",
		`shop.x.errors-$from`:                                       "$from has no place",
		``:                                                          "the query is empty",
	} {
		err := metric.Kinds["graphite"].CheckQuery(query)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: err = %v, want %s", query, err, want)
		}
	}
}
