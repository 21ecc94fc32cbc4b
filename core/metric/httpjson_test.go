package metric_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

func openHTTP(t *testing.T, w *metrictest.World) core.Source {
	return open(t, w, "http", &metric.HTTPOptions{
		URL: "http://u:" + secret + "@api/base?key=" + secret, Path: "hosts.*.errors", Label: "host",
		Reach: metric.Reach{Headers: map[string]core.Secret{"X-Key": secret}},
	})
}

const httpQuery = `/v1/errors?from=946688100&until=946688400`

func TestHTTPAnswers(t *testing.T) {
	metrictest.Answers(t, metrictest.Service{
		Address: "api:80", Query: httpQuery,
		Asked: func(r *http.Request) (from, until time.Time) {
			since, _ := strconv.ParseInt(r.FormValue("from"), 10, 64)
			to, _ := strconv.ParseInt(r.FormValue("until"), 10, 64)
			return time.Unix(since, 0), time.Unix(to, 0)
		},
		Answer: func(w http.ResponseWriter, r *http.Request, all []core.Sample) {
			var parts []string
			for _, s := range all {
				parts = append(parts, fmt.Sprintf(`%q:{"errors":%v}`, s.Labels["host"], s.Value))
			}
			answers(200, "application/json", `{"hosts":{`+strings.Join(parts, ",")+`}}`)(w, r)
		},
		Refuse: answers(400, "application/json", `{"error":"no such parameter"}`),
	}, openHTTP)
}

func TestHTTPRequest(t *testing.T) {
	bubble(t, "request", nil, func(t *testing.T, w *metrictest.World) {
		w.Serve(t, "api:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if got := r.Method + " " + r.URL.EscapedPath(); got != "GET /base/v1/a%2Fb%3F/errors" {
				t.Errorf("got %s", got)
			}
			if got := r.URL.Query(); got.Get("key") != secret || got.Get("host") != "a&b=c d" || len(got) != 2 {
				t.Errorf("got %v", got)
			}
			if r.Header.Get("X-Key") != secret || r.Header.Get("Authorization") == "" {
				t.Errorf("got %v", r.Header)
			}
			answers(200, "application/json", `{}`)(rw, r)
		}))
		expect(t, w, openHTTP(t, w), `/v1/a%2Fb%3F/errors?host=a%26b%3Dc+d`)
	})
}

func TestHTTPRefusals(t *testing.T) {
	testRefusals(t, "api:80", func(t *testing.T, w *metrictest.World) core.Source {
		return open(t, w, "http", &metric.HTTPOptions{URL: "http://u:" + secret + "@api?key=" + secret, Path: "a.b"})
	}, func(ctx context.Context, s core.Source, at time.Time) error {
		samples, err := s.Query(ctx, core.Query{Text: "/x", At: at})
		// Null and a text are JSON like any other: TestHTTPValues has them.
		if err == nil && len(samples) == 0 || err != nil && strings.Contains(err.Error(), "the answer is no object") {
			return errors.New("api: it does not answer in the form that is expected")
		}
		return err
	})
}

func TestHTTPValues(t *testing.T) {
	for name, c := range map[string]struct {
		path, answer string
		want         []float64
		labels       string // of the last sample
		fails        string
	}{
		"a number":               {path: "", answer: `1.5`, want: []float64{1.5}},
		"a list":                 {path: "", answer: `[1, null, "2"]`, want: []float64{1, 2}},
		"a path":                 {path: "data.0.value", answer: `{"data":[{"value":0}]}`, want: []float64{0}},
		"a text":                 {path: "v", answer: `{"v":" -1.5e3 "}`, want: []float64{-1500}},
		"each of a list":         {path: "d.*.v", answer: `{"d":[{"v":1},{},{"v":null},{"v":4}]}`, want: []float64{1, 4}, labels: "3"},
		"each of an object":      {path: "*.*", answer: `{"a":{"x":1},"b":{"y":2}}`, want: []float64{1, 2}, labels: "b.y"},
		"a dot in a name":        {path: `a\.b.\*.c\\d`, answer: `{"a.b":{"*":{"c\\d":3}}}`, want: []float64{3}},
		"a place in an object":   {path: "0", answer: `{"0":5}`, want: []float64{5}},
		"null":                   {path: "a.b", answer: `{"a":null}`},
		"a missing path":         {path: "a.b", answer: `{"b":1}`},
		"a missing place":        {path: "a.7", answer: `{"a":[1]}`},
		"the end is null":        {path: "a", answer: `{"a":null}`},
		"an empty list":          {path: "a", answer: `{"a":[]}`},
		"a whole null":           {path: "", answer: `null`},
		"no number":              {path: "a", answer: `{"a":"N/A"}`, fails: `a is "N/A", not a number`},
		"an empty text":          {path: "a", answer: `{"a":""}`, fails: `a is "", not a number`},
		"a boolean":              {path: "a", answer: `{"a":true}`, fails: `a is true, not a number`},
		"an object":              {path: "a", answer: `{"a":{"b":1}}`, fails: "a is an object or a list of lists, not a number; path must go on"},
		"a list of lists":        {path: "a", answer: `{"a":[[1]]}`, fails: "a.0 is an object or a list of lists"},
		"too large a number":     {path: "", answer: `1e999`, fails: `the answer is "1e999", not a number`},
		"a name in a list":       {path: "a.b", answer: `{"a":[1]}`, fails: `a is a list; path goes on with a place in it, or with *, not with "b"`},
		"a negative place":       {path: "a.-1", answer: `{"a":[1]}`, fails: `a is a list; path goes on`},
		"on from a number":       {path: "a.b", answer: `{"a":1}`, fails: `a is no object and no list, but path goes on with "b"`},
		"an error among numbers": {path: "*", answer: `[1,"x"]`, fails: `1 is "x", not a number`},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "api:80", answers(200, "application/json", c.answer))
			s := open(t, w, "http", &metric.HTTPOptions{URL: "http://api", Path: c.path})
			if c.fails == "" {
				expect(t, w, s, "/", c.want...)
				samples, _ := s.Query(t.Context(), core.Query{Text: "/", At: w.Clock.Now()})
				if c.labels != "" && samples[len(samples)-1].Labels["item"] != c.labels {
					t.Errorf("got %v, want the label %s", samples, c.labels)
				}
				return
			}
			expectError(t, w, s, "/", "api: "+c.fails)
			if _, err := s.Query(t.Context(), core.Query{Text: "/", At: w.Clock.Now()}); !isPermanent(err) {
				t.Errorf("%v: is not permanent", err)
			}
		})
	}
	bubble(t, "more than JSON", nil, func(t *testing.T, w *metrictest.World) {
		w.Serve(t, "api:80", answers(200, "application/json", `1 2`))
		expectError(t, w, open(t, w, "http", &metric.HTTPOptions{URL: "http://api"}), "/", "it does not answer in the form that is expected of it, JSON")
	})
}

func TestHTTPPast(t *testing.T) {
	for past, want := range map[bool][]float64{false: nil, true: {7}} {
		bubble(t, strconv.FormatBool(past), nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "api:80", answers(200, "application/json", "7"))
			s := open(t, w, "http", &metric.HTTPOptions{URL: "http://api", Past: past})
			expectAt(t, s, "/", w.Clock.Now().Add(-time.Minute), 7)
			expectAt(t, s, "/", w.Clock.Now().Add(-2*time.Minute), want...)
			samples, err := s.Query(t.Context(), core.Query{Text: "/", At: w.Clock.Now().Add(-time.Minute), Window: time.Minute})
			if err != nil || len(samples) != len(want) {
				t.Errorf("a window ago: got %v and %v", samples, err)
			}
		})
	}
}

func TestHTTPOptions(t *testing.T) {
	for want, o := range map[string]metric.HTTPOptions{
		"url is no URL":                  {URL: "api"},
		`time is "iso"; the forms are`:   {URL: "http://a", Time: "iso"},
		`path "a..b" has an empty part`:  {URL: "http://a", Path: "a..b"},
		`path "." has an empty part`:     {URL: "http://a", Path: "."},
		"timeout must not be below zero": {URL: "http://a", Reach: metric.Reach{Timeout: -1}},
	} {
		_, err := metric.Open(core.SourceSpec{Type: "http", Options: &o}, metric.Env{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
}

func TestHTTPFill(t *testing.T) {
	asked := core.Variables{
		Targets: []core.Target{{Name: `b/c?"é`, Labels: map[string]string{"zone": "eu;x"}}, {Name: "a b&"}},
		Version: "1+2%", Wave: "..", Window: 1500 * time.Millisecond, At: time.Unix(1e9, 5e8),
	}
	bubble(t, "fill", nil, func(t *testing.T, w *metrictest.World) {
		s := open(t, w, "http", &metric.HTTPOptions{URL: "http://api"})
		other := open(t, w, "http", &metric.HTTPOptions{URL: "http://api", Join: ";", Time: "unix_ms"})
		seconds := open(t, w, "http", &metric.HTTPOptions{URL: "http://api", Time: "unix"})
		for _, c := range []struct {
			source      core.Source
			query, want string
		}{
			{s, `/v/$version/$targets?v=$version&h=$targets`, `/v/1+2%25/a%20b&%2Cb%2Fc%3F%22%C3%A9?v=1%2B2%25&h=a+b%26%2Cb%2Fc%3F%22%C3%A9`},
			{s, `/?w=$wave&p=$previous&s=$window`, `/?w=..&p=&s=2`},
			{s, `/?f=$from&u=$until`, `/?f=2001-09-09T01%3A46%3A39Z&u=2001-09-09T01%3A46%3A40.5Z`},
			{s, `/?price=$5&host=it's"$labels.zone"`, `/?price=$5&host=it's"eu%3Bx"`},
			{other, `/?h=$targets&u=$until`, `/?h=a+b%26%3Bb%2Fc%3F%22%C3%A9&u=1000000000500`},
			{seconds, `/$until`, `/1000000000`},
		} {
			if got, err := c.source.Fill(c.query, asked); err != nil || got != c.want {
				t.Errorf("%s\ngot  %s, %v\nwant %s", c.query, got, err, c.want)
			}
		}
		for query, want := range map[string]string{
			`/$previous/x`:         "$previous is empty, and would leave out a part",
			`/x?$target`:           "$target is unknown",
			`/x?h=$labels.country`: "$labels.country is empty",
		} {
			if got, err := s.Fill(query, asked); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
			}
		}
		if _, err := other.Fill(`/?z=$labels.zone`, asked); err == nil || !strings.Contains(err.Error(), `"eu;x", which contains ";"; choose another join`) {
			t.Errorf("a value with what stands between values: %v", err)
		}
		filled, err := s.Fill(`/$wave/secrets`, asked)
		if err != nil {
			t.Fatal(err)
		}
		expectError(t, w, s, filled, `bad query: its path has the part "..", which leads elsewhere`)
	})
	for query, want := range map[string]string{
		`/v1/errors?h=$targets`: "",
		`?h=$targets`:           "",
		``:                      "it is the end of an address",
		`v1/errors`:             "it is the end of an address",
		`//other/v1`:            "it is no path with parameters",
		`http://other/v1`:       "it is the end of an address",
		`/x#y`:                  "it is no path with parameters",
		`/%zz`:                  "it is no path with parameters",
		`/x?a=%zz`:              "its parameters cannot be read",
		`/x?a=1;b=2`:            "its parameters cannot be read",
		`/../x`:                 `its path has the part ".."`,
		`/%2e%2e/x`:             `its path has the part ".."`,
	} {
		err := metric.Kinds["http"].CheckQuery(query)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: err = %v, want %s", query, err, want)
		}
	}
}
