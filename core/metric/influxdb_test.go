package metric_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

func openInflux(t *testing.T, w *metrictest.World) core.Source {
	return open(t, w, "influxdb", &metric.InfluxDBOptions{
		URL: "http://influx/base?key=" + secret, Database: "app", Retention: "week", Org: "ops", Token: secret, Interval: time.Minute,
	})
}

const (
	influxQuery = `SELECT sum(errors) FROM http WHERE time > '2000-01-01T00:55:00Z' AND time <= '2000-01-01T01:00:00Z' GROUP BY host`
	fluxQuery   = `from(bucket: "app") |> range(start: 2000-01-01T00:55:00Z, stop: 2000-01-01T01:00:00Z) |> sum()`
)

// series is an answer in InfluxQL with one series.
func series(columns string, rows ...string) http.HandlerFunc {
	return answers(200, "application/json", `{"results":[{"statement_id":0,"series":[{"name":"http","columns":[`+columns+`],"values":[`+strings.Join(rows, ",")+`]}]}]}`)
}

// tables is an answer in Flux.
func tables(lines ...string) http.HandlerFunc {
	return answers(200, "text/csv; charset=utf-8", strings.Join(lines, "\r\n")+"\r\n")
}

var fluxHead = []string{
	"#datatype,string,long,dateTime:RFC3339,double,string,string",
	"#group,false,false,false,false,true,true",
	"#default,_result,,,,,",
	",result,table,_time,_value,_field,host",
}

func with(lines []string, more ...string) []string {
	return append(lines[:len(lines):len(lines)], more...)
}

var times = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`)

// asks reads from a query which stretch it is about.
func asks(query string) (from, until time.Time) {
	if found := times.FindAllString(query, -1); len(found) == 2 {
		from, _ = time.Parse(time.RFC3339, found[0])
		until, _ = time.Parse(time.RFC3339, found[1])
	}
	return from, until
}

func TestInfluxQLAnswers(t *testing.T) {
	metrictest.Answers(t, metrictest.Service{
		Address: "influx:80", Query: influxQuery,
		Asked: func(r *http.Request) (from, until time.Time) { return asks(r.FormValue("q")) },
		Answer: func(w http.ResponseWriter, r *http.Request, all []core.Sample) {
			var parts []string
			for _, s := range all {
				parts = append(parts, fmt.Sprintf(`{"name":"http","tags":{"host":%q},"columns":["time","sum"],"values":[["2000-01-01T00:55:00Z",%v]]}`,
					s.Labels["host"], s.Value))
			}
			found := ""
			if len(parts) > 0 {
				found = `,"series":[` + strings.Join(parts, ",") + `]`
			}
			answers(200, "application/json", `{"results":[{"statement_id":0`+found+`}]}`)(w, r)
		},
		Refuse: answers(400, "application/json", `{"error":"error parsing query: found EOF, expected FROM at line 1, char 9"}`),
	}, openInflux)
}

func TestFluxAnswers(t *testing.T) {
	metrictest.Answers(t, metrictest.Service{
		Address: "influx:80", Query: fluxQuery,
		Asked: func(r *http.Request) (from, until time.Time) {
			var body struct{ Query string }
			_ = json.NewDecoder(r.Body).Decode(&body)
			return asks(body.Query)
		},
		Answer: func(w http.ResponseWriter, r *http.Request, all []core.Sample) {
			lines := fluxHead
			for i, s := range all {
				lines = with(lines, fmt.Sprintf(",,%d,2000-01-01T01:00:00Z,%v,errors,%s", i, s.Value, s.Labels["host"]))
			}
			if len(all) == 0 {
				lines = []string{""}
			}
			tables(lines...)(w, r)
		},
		Refuse: answers(400, "application/json", `{"code":"invalid","message":"compilation failed: error @1:1-1:5: undefined identifier form"}`),
	}, openInflux)
}

func TestInfluxRequests(t *testing.T) {
	at := time.Date(2000, 1, 1, 1, 0, 0, 5e8, time.UTC)
	for text, want := range map[string]string{
		influxQuery: "/base/query",
		fluxQuery:   "/base/api/v2/query",
	} {
		bubble(t, want, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "influx:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method != "POST" || r.URL.Path != want || r.URL.Query().Get("key") != secret || r.Header.Get("Authorization") != "Token "+secret {
					t.Errorf("got %s %s with %v", r.Method, r.URL, r.Header)
				}
				if text == influxQuery {
					if r.FormValue("q") != text || r.FormValue("db") != "app" || r.FormValue("rp") != "week" || len(r.Form) != 4 {
						t.Errorf("got %v", r.Form)
					}
					series(`"time","sum"`, `["2000-01-01T00:55:00Z",1]`)(rw, r)
					return
				}
				var body struct {
					Query, Type, Now string
					Dialect          struct {
						Header      bool
						Annotations []string
					}
				}
				_ = json.NewDecoder(r.Body).Decode(&body)
				if got := fmt.Sprint(body); r.URL.Query().Get("org") != "ops" ||
					got != "{"+fluxQuery+" flux 2000-01-01T01:00:00.5Z {true [datatype group default]}}" {
					t.Errorf("got %s and %s", r.URL, got)
				}
				tables(with(fluxHead, ",,0,2000-01-01T01:00:00Z,1,errors,a")...)(rw, r)
			}))
			expectAt(t, openInflux(t, w), text, at, 1)
		})
	}
}

func TestInfluxRefusals(t *testing.T) {
	testRefusals(t, "influx:80", openInflux, query(influxQuery))
	const json = "application/json"
	result := func(text string) http.HandlerFunc { return answers(200, json, `{"results":[`+text+`]}`) }
	row := ",,0,2000-01-01T01:00:00Z,1,errors,a"
	for name, c := range map[string]struct {
		query     string
		answer    http.HandlerFunc
		want      string
		permanent bool
	}{
		"a bad query":              {influxQuery, answers(400, json, `{"error":"error parsing query: nope"}`), "it refuses the query (400): error parsing query: nope", true},
		"no database":              {influxQuery, result(`{"error":"database not found: app"}`), "it cannot answer: database not found: app", true},
		"an error with 200":        {influxQuery, result(`{"error":"timeout"}`), "it cannot answer: timeout", false},
		"an error for all":         {influxQuery, answers(200, json, `{"error":"shutting down"}`), "it cannot answer: shutting down", false},
		"a warning":                {influxQuery, result(`{"messages":[{"level":"warning","text":"shard 3 is gone"}]}`), "the answer may be incomplete: shard 3 is gone", false},
		"a part of the series":     {influxQuery, result(`{"partial":true}`), "the answer is cut off", false},
		"a part of a series":       {influxQuery, result(`{"series":[{"partial":true}]}`), "the answer is cut off", false},
		"an empty object":          {influxQuery, answers(200, json, `{}`), "there are no results", false},
		"two statements":           {influxQuery, result(`{},{}`), "the query has 2 statements; keep one", true},
		"two rows":                 {influxQuery, series(`"time","sum"`, `["a",1]`, `["b",null]`), "a series has 2 rows; aggregate them to one", true},
		"two numbers":              {influxQuery, series(`"time","sum","max"`, `["a",1,2]`), "a series has the columns time, sum, max; select one number", true},
		"no time":                  {influxQuery, series(`"key","value"`, `["a",1]`), "a series has the columns key, value", true},
		"a text":                   {influxQuery, series(`"time","last"`, `["a","1"]`), `last is "1", not a number`, true},
		"a boolean":                {influxQuery, series(`"time","last"`, `["a",true]`), `last is "true", not a number`, true},
		"half a row":               {influxQuery, series(`"time","last"`, `["a"]`), "a row does not have the columns", false},
		"Flux, 401":                {fluxQuery, answers(401, json, `{"code":"unauthorized","message":"unauthorized access"}`), "it refuses us (401); check token, basic or bearer: unauthorized access", true},
		"Flux, no bucket":          {fluxQuery, answers(404, json, `{"code":"not found","message":"could not find bucket \"app\""}`), `(404); check url: could not find bucket "app"`, true},
		"Flux, too many queries":   {fluxQuery, answers(429, json, `{"code":"too many requests","message":"slow down"}`), "status 429 Too Many Requests: slow down", false},
		"Flux, an error with 200":  {fluxQuery, tables("#datatype,string,string", "#group,true,true", "#default,,", ",error,reference", ",out of memory,897"), "it stopped answering: out of memory", false},
		"Flux, an error after all": {fluxQuery, tables(with(fluxHead, row, "", "#datatype,string,long", ",error,reference", ",out of memory,897")...), "it stopped answering: out of memory", false},
		"Flux, HTML":               {fluxQuery, answers(200, "text/html", "<html>"), "there is no #datatype; check url", false},
		"Flux, JSON":               {fluxQuery, answers(200, json, "{}"), "there is no #datatype; check url", false},
		"Flux, cut":                {fluxQuery, cut, "it closed the connection", false},
		"Flux, half a row":         {fluxQuery, tables(with(fluxHead, ",,0,2000")...), "a row has 4 columns and its header 7", false},
		"Flux, half a text":        {fluxQuery, tables(with(fluxHead, `,,0,"2000`)...), "its table cannot be read", false},
		"Flux, two rows":           {fluxQuery, tables(with(fluxHead, row, row)...), "a table has more than one row; aggregate them", true},
		"Flux, a text":             {fluxQuery, tables("#datatype,string,long,string", ",result,table,_value", ",,0,1"), "_value is a string, not a number", true},
		"Flux, no value":           {fluxQuery, tables("#datatype,string,long,double", ",result,table,mean", ",,0,1"), "a table has no column _value, but result, table, mean", true},
		"Flux, a bad number":       {fluxQuery, tables("#datatype,string,long,double", ",result,table,_value", ",,0,1x"), `_value is "1x", not a number`, true},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "influx:80", c.answer)
			err := query(c.query)(t.Context(), openInflux(t, w), w.Clock.Now())
			if err == nil || !strings.Contains(err.Error(), c.want) || isPermanent(err) != c.permanent || strings.Contains(err.Error(), secret) {
				t.Errorf("err = %v, want %s, permanent %t", err, c.want, c.permanent)
			}
		})
	}
}

func TestInfluxValues(t *testing.T) {
	for name, c := range map[string]struct {
		query  string
		answer http.HandlerFunc
		want   []float64
	}{
		"null is no data":              {influxQuery, series(`"time","mean"`, `["a",null]`), nil},
		"zero is a value":              {influxQuery, series(`"time","count"`, `["a",0]`), []float64{0}},
		"a series without rows":        {influxQuery, series(`"time","mean"`), nil},
		"Flux, nothing":                {fluxQuery, tables(), nil},
		"Flux, null is no data":        {fluxQuery, tables(with(fluxHead, ",,0,2000-01-01T01:00:00Z,,errors,a")...), nil},
		"Flux, zero is a value":        {fluxQuery, tables(with(fluxHead, ",,0,2000-01-01T01:00:00Z,0,errors,a")...), []float64{0}},
		"Flux, no rows":                {fluxQuery, tables(fluxHead...), nil},
		"Flux, two forms of tables":    {fluxQuery, tables(with(fluxHead, ",,0,2000-01-01T01:00:00Z,1,errors,a", "", "#datatype,string,long,long", "#group,false,false,false", "#default,_result,,", ",result,table,_value", ",,1,2")...), []float64{1, 2}},
		"Flux, a default":              {fluxQuery, tables("#datatype,string,long,double", "#default,_result,0,7", ",result,table,_value", ",,,"), []float64{7}},
		"Flux, the same table, yields": {fluxQuery, tables(with(fluxHead, ",a,0,2000-01-01T01:00:00Z,1,errors,a", ",b,0,2000-01-01T01:00:00Z,2,errors,a")...), []float64{1, 2}},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "influx:80", c.answer)
			expect(t, w, openInflux(t, w), c.query, c.want...)
		})
	}
}

func TestInfluxOptions(t *testing.T) {
	for want, o := range map[string]metric.InfluxDBOptions{
		"set database for InfluxQL, org for Flux": {URL: "http://i"},
		"interval must not be below zero":         {URL: "http://i", Org: "o", Interval: -1},
		"timeout must not be below zero":          {URL: "http://i", Org: "o", Reach: metric.Reach{Timeout: -1}},
		"url is no URL":                           {URL: "influx:80", Org: "o"},
		"there are two ways to authenticate":      {URL: "http://i", Org: "o", Token: secret, Reach: metric.Reach{Bearer: secret}},
		"keep one of token, basic, bearer":        {URL: "http://i", Org: "o", Token: secret, Reach: metric.Reach{Headers: map[string]core.Secret{"authorization": secret}}},
	} {
		_, err := metric.Open(core.SourceSpec{Type: "influxdb", Options: &o}, metric.Env{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
}

func TestInfluxFill(t *testing.T) {
	asked := core.Variables{
		Targets: []core.Target{{Name: `b/"'\`, Labels: map[string]string{"zone": "z1"}}, {Name: "a.1"}},
		Wave:    "one-box", Version: "1'2\"3\\${x}\n/", Window: 5 * time.Minute, At: time.Unix(1e9, 5e8),
	}
	bubble(t, "fill", nil, func(t *testing.T, w *metrictest.World) {
		s := openInflux(t, w)
		for query, want := range map[string]string{
			`SELECT sum(x)/sum(y) FROM z WHERE h =~ /^$targets$/`:     `SELECT sum(x)/sum(y) FROM z WHERE h =~ /^(?:a\.1|b\/"'[\\])$/`,
			`SELECT x FROM /z'z/ WHERE v = '$version'`:                `SELECT x FROM /z'z/ WHERE v = '1\'2"3\\${x}\n/'`,
			`select x from z where v !~ /$version/`:                   `select x from z where v !~ /1'2"3[\\]\$\{x\}\n\//`,
			`SELECT x FROM z WHERE time > $from AND time <= '$until'`: `SELECT x FROM z WHERE time > '2001-09-09T01:41:40.5Z' AND time <= '2001-09-09T01:46:40.5Z'`,
			`SELECT x FROM z GROUP BY time($window)`:                  `SELECT x FROM z GROUP BY time(5m)`,
			"-- it's\nSELECT a/b FROM z WHERE w = '$wave'":            "-- it's\nSELECT a/b FROM z WHERE w = 'one-box'",
			"/* it's */ SELECT a FROM z WHERE w = '$wave'":            "/* it's */ SELECT a FROM z WHERE w = 'one-box'",
			`SELECT "it's" FROM z WHERE w = 'it\'s' AND v='$wave'`:    `SELECT "it's" FROM z WHERE w = 'it\'s' AND v='one-box'`,
			`SELECT x FROM z WHERE h =~ /\\\/$labels.zone/`:           `SELECT x FROM z WHERE h =~ /\\\/z1/`,

			`from(bucket:"x") |> filter(fn: (r) => contains(value: r.host, set: [$targets]))`: `from(bucket:"x") |> filter(fn: (r) => contains(value: r.host, set: ["a.1", "b/\"'\\"]))`,
			`f(fn: (r) => r.host =~ /^$targets$/ and r.v == "$version")`:                      `f(fn: (r) => r.host =~ /^(?:a\.1|b\/"'[\\])$/ and r.v == "1'2\"3\\\x24{x}\n/")`,
			`f(fn: (r) => r.v == $version)`:                                                   `f(fn: (r) => r.v == "1'2\"3\\\x24{x}\n/")`,
			`range(start: $from, stop: $until) |> window(every: $window) // don't`:            `range(start: 2001-09-09T01:41:40.5Z, stop: 2001-09-09T01:46:40.5Z) |> window(every: 5m) // don't`,
			`x = a / b y = "/" + "$wave" z = 1 / 2`:                                           `x = a / b y = "/" + "one-box" z = 1 / 2`,
		} {
			if got, err := s.Fill(query, asked); err != nil || got != want {
				t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
			}
		}
		asked.Previous = "a\rb"
		asked.Wave = "a\x00"
		for query, want := range map[string]string{
			`SELECT x FROM z WHERE h = '$targets'`:  "$targets is a regex; it stands between slashes",
			`SELECT x FROM z WHERE h = $targets`:    "$targets is a regex; it stands between slashes",
			`SELECT x FROM z WHERE v = $version`:    "$version must stand in single quotes",
			`SELECT x FROM z WHERE v = "$version"`:  "$version must stand in single quotes",
			`SELECT x FROM z WHERE v = '$previous'`: "$previous contains a carriage return",
			`SELECT x FROM z WHERE v = '$wave'`:     "$wave is \"a\\x00\", which is no text",
			`f(set: ["$targets"])`:                  "$targets is a list; it stands without quotes",
			`f(v: "a${"$version"}")`:                "${ cannot be told from a part of a string",
			`f(v: "$$version")`:                     "$$ cannot be told from a part of a string",
			`f(v: "$wave")`:                         "$wave is \"a\\x00\"",
			`f(v: $target)`:                         "$target is unknown",
		} {
			if got, err := s.Fill(query, asked); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
			}
		}
		one := open(t, w, "influxdb", &metric.InfluxDBOptions{URL: "http://i", Org: "o"})
		if _, err := one.Fill("SELECT x FROM y", asked); err == nil || !strings.Contains(err.Error(), "needs the source's option database") {
			t.Errorf("InfluxQL without a database: %v", err)
		}
		one = open(t, w, "influxdb", &metric.InfluxDBOptions{URL: "http://i", Database: "d"})
		if _, err := one.Fill("from()", asked); err == nil || !strings.Contains(err.Error(), "needs the source's option org") {
			t.Errorf("Flux without an org: %v", err)
		}
	})
	if err := metric.Kinds["influxdb"].CheckQuery(`SELECT sum(x) FROM y WHERE h = '$targets'`); err == nil {
		t.Error("a regex in quotes is taken")
	}
}
