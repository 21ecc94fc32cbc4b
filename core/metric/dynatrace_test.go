package metric_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

func openDynatrace(t *testing.T, w *metrictest.World) core.Source {
	return open(t, w, "dynatrace", &metric.DynatraceOptions{URL: "http://dt/e/abc", Token: secret})
}

const dynatraceQuery = `builtin:host.cpu.usage:filter(or(eq("dt.entity.host","HOST-1"))):splitBy("host"):max`

// metrics is an answer with these results.
func metrics(results ...string) http.HandlerFunc {
	return answers(200, "application/json", `{"totalCount":1,"nextPageKey":null,"resolution":"Inf","result":[`+strings.Join(results, ",")+`]}`)
}

func result(more string, data ...string) string {
	return `{"metricId":"m","dataPointCountRatio":1.8E-5,"dimensionCountRatio":3.0E-5,` + more + `"data":[` + strings.Join(data, ",") + `]}`
}

func TestDynatraceAnswers(t *testing.T) {
	metrictest.Answers(t, metrictest.Service{
		Address: "dt:80", Query: dynatraceQuery,
		Asked: func(r *http.Request) (from, until time.Time) {
			since, _ := strconv.ParseInt(r.FormValue("from"), 10, 64)
			to, _ := strconv.ParseInt(r.FormValue("to"), 10, 64)
			return time.UnixMilli(since), time.UnixMilli(to)
		},
		Answer: func(w http.ResponseWriter, r *http.Request, all []core.Sample) {
			var data []string
			for _, s := range all {
				data = append(data, fmt.Sprintf(`{"dimensions":[%q],"dimensionMap":{"host":%q},"timestamps":[946684800000],"values":[%v]}`,
					s.Labels["host"], s.Labels["host"], s.Value))
			}
			metrics(result("", data...))(w, r)
		},
		Refuse: answers(400, "application/json", `{"error":{"code":400,"message":"Constraints violated.","constraintViolations":[`+
			`{"path":"metricSelector","message":"could not be parsed","parameterLocation":"QUERY"}]}}`),
	}, openDynatrace)
}

func TestDynatraceRequest(t *testing.T) {
	const window = 5*time.Minute + 30*time.Second
	for name, c := range map[string]struct {
		late       time.Duration
		window     time.Duration
		from, till int // seconds after the hour
	}{
		"whole minutes":          {0, 5 * time.Minute, -300, 0},
		"the minutes within":     {90*time.Second + time.Millisecond, window, -180, 60},
		"one minute at least":    {59 * time.Second, time.Second, -60, 0},
		"no window":              {0, 0, -240, 0},
		"begins with the minute": {30 * time.Second, window, -300, 0},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			hour := w.Clock.Now()
			w.Serve(t, "dt:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				want := url.Values{
					"metricSelector": {dynatraceQuery}, "resolution": {"Inf"},
					"from": {fmt.Sprint(hour.UnixMilli() + int64(c.from)*1000)}, "to": {fmt.Sprint(hour.UnixMilli() + int64(c.till)*1000)},
				}
				if r.Method != "GET" || r.URL.Path != "/e/abc/api/v2/metrics/query" || r.URL.RawQuery != want.Encode() {
					t.Errorf("got  %s %s\nwant %s", r.Method, r.URL, want.Encode())
				}
				if r.Header.Get("Authorization") != "Api-Token "+secret || r.Header.Get("Accept") != "application/json" {
					t.Errorf("got %v", r.Header)
				}
				metrics(result("", `{"values":[1]}`))(rw, r)
			}))
			s := openDynatrace(t, w)
			if _, err := s.Query(t.Context(), core.Query{Text: dynatraceQuery, At: hour.Add(c.late), Window: c.window}); err != nil {
				t.Error(err)
			}
			if spans, ok := s.(interface{ Spans() bool }); !ok || !spans.Spans() {
				t.Error("it covers the window, and does not say so")
			}
		})
	}
}

func TestDynatraceRefusals(t *testing.T) {
	testRefusals(t, "dt:80", openDynatrace, query(dynatraceQuery))
	const json = "application/json"
	failed := func(code int, message string) http.HandlerFunc {
		return answers(code, json, `{"error":{"code":`+fmt.Sprint(code)+`,"message":"`+message+`"}}`)
	}
	for name, c := range map[string]struct {
		answer    http.HandlerFunc
		want      string
		permanent bool
	}{
		"no scope":           {failed(403, "Token is missing required scope"), "it refuses us (403); check token and its scope metrics.read: Token is missing", true},
		"no such metric":     {failed(404, "metric not found"), "(404); check url: metric not found", true},
		"a violation":        {answers(400, json, `{"error":{"message":"Constraints violated.","constraintViolations":[{"message":"no key"}]}}`), "it refuses the query (400): no key", true},
		"too many requests":  {failed(429, "slow down"), "status 429 Too Many Requests: slow down", false},
		"an error with 200":  {failed(200, "oh"), "it cannot answer: oh", false},
		"no result":          {answers(200, json, `{"totalCount":0}`), "there is no result; check url", false},
		"a warning":          {answers(200, json, `{"result":[],"warnings":["The dimension key has been referenced"]}`), "the answer may be incomplete: The dimension key", false},
		"a metric's warning": {metrics(result(`"warnings":["the limit is reached"],`)), "the answer may be incomplete: the limit is reached", false},
		"too many series":    {metrics(`{"metricId":"m","dimensionCountRatio":1.2,"data":[]}`), "the answer is cut off: m reads more series", true},
		"too many points":    {metrics(`{"metricId":"m","dataPointCountRatio":"1.2","data":[]}`), "the answer is cut off: m reads more series", true},
		"another page":       {answers(200, json, `{"result":[],"nextPageKey":"AAA"}`), "it has more pages", false},
		"two values":         {metrics(result("", `{"values":[1,null]}`)), "a series of m has 2 values; aggregate it", true},
		"a text":             {metrics(result("", `{"values":["x"]}`)), "it does not answer in the form that is expected", false},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "dt:80", c.answer)
			err := query(dynatraceQuery)(t.Context(), openDynatrace(t, w), w.Clock.Now())
			if err == nil || !strings.Contains(err.Error(), c.want) || isPermanent(err) != c.permanent || strings.Contains(err.Error(), secret) {
				t.Errorf("err = %v, want %s, permanent %t", err, c.want, c.permanent)
			}
		})
	}
}

func TestDynatraceValues(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   []float64
	}{
		"no metric":              {metrics(), nil},
		"no series":              {metrics(result("")), nil},
		"null is no data":        {metrics(result("", `{"values":[null]}`, `{"values":[]}`)), nil},
		"zero is a value":        {metrics(result("", `{"dimensionMap":{"a":null},"values":[0]}`)), []float64{0}},
		"two metrics":            {metrics(result("", `{"values":[1]}`), result("", `{"dimensionMap":{"a":"b"},"values":[2]}`)), []float64{1, 2}},
		"a key that says null":   {answers(200, "application/json", `{"nextPageKey":"null","result":[`+result("", `{"values":[3]}`)+`]}`), []float64{3}},
		"a ratio of exactly one": {metrics(`{"dimensionCountRatio":1,"data":[{"values":[4]}]}`), []float64{4}},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "dt:80", c.answer)
			expect(t, w, openDynatrace(t, w), dynatraceQuery, c.want...)
		})
	}
	bubble(t, "names the metric among several", nil, func(t *testing.T, w *metrictest.World) {
		w.Serve(t, "dt:80", metrics(result("", `{"values":[1]}`), result("", `{"values":[2]}`)))
		samples, err := openDynatrace(t, w).Query(t.Context(), core.Query{Text: dynatraceQuery, At: w.Clock.Now()})
		if err != nil || len(samples) != 2 || samples[1].Labels["metric"] != "m" {
			t.Errorf("got %v and %v", samples, err)
		}
	})
}

func TestDynatraceOptions(t *testing.T) {
	for want, o := range map[string]metric.DynatraceOptions{
		"url is no URL":                      {URL: "abc.live.dynatrace.com"},
		"there are two ways to authenticate": {URL: "http://d", Token: secret, Reach: metric.Reach{Bearer: secret}},
		"timeout must not be below zero":     {URL: "http://d", Reach: metric.Reach{Timeout: -1}},
	} {
		_, err := metric.Open(core.SourceSpec{Type: "dynatrace", Options: &o}, metric.Env{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
}

func TestDynatraceFill(t *testing.T) {
	asked := core.Variables{
		Targets: []core.Target{{Name: `b"),eq("x","~`, Labels: map[string]string{"zone": "eu"}}, {Name: `a\`, Labels: map[string]string{"zone": "us"}}},
		Version: `1~2"ü`, Wave: "one-box", Window: time.Minute, At: time.Unix(1e9, 0),
	}
	bubble(t, "fill", nil, func(t *testing.T, w *metrictest.World) {
		s := openDynatrace(t, w)
		for query, want := range map[string]string{
			`m:filter(or(eq("h~"",$targets)))`:                       `m:filter(or(eq("h~"","a\"),eq("h~"","b~"),eq(~"x~",~"~~")))`,
			`m:filter(and( ne ( "h" , $targets)))`:                   `m:filter(and( ne ( "h" , "a\"),ne("h","b~"),eq(~"x~",~"~~")))`,
			`m:filter(or(eq("z",$labels.zone),eq("v",$version)))`:    `m:filter(or(eq("z","eu"),eq("z","us"),eq("v","1~~2~"ü")))`,
			`m:filter(prefix("v","v$version"))`:                      `m:filter(prefix("v","v1~~2~"ü"))`,
			`"ext:~"A~" it":filter(eq("w","$wave"))`:                 `"ext:~"A~" it":filter(eq("w","one-box"))`,
			`in("h",entitySelector("type(HOST),tag($labels.zone)"))`: `in("h",entitySelector("type(HOST),tag(~"eu~",~"us~")"))`,
			`in("h",entitySelector("tag(~"$wave~")"))`:               `in("h",entitySelector("tag(~"one-box~")"))`,
		} {
			if got, err := s.Fill(query, asked); err != nil || got != want {
				t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
			}
		}
		asked.Wave = "\x00"
		for query, want := range map[string]string{
			`eq("h","$targets")`:                      "$targets is a list; it stands without quotes",
			`m:filter(eq("h",$targets))`:              `$targets is a list; it stands in or(eq(`,
			`m:filter(and(eq("h",$targets)))`:         `$targets is a list; it stands in or(eq(`,
			`m:filter(or(ne("h",$targets)))`:          `$targets is a list; it stands in or(eq(`,
			`entitySelector("entityName.in($targets)`: "cannot stand in an entity selector",
			`entitySelector("tag(~"$version~")")`:     "cannot stand in an entity selector",
			`eq("w",$wave)`:                           `$wave is "\x00"`,
			`m:timeshift(-$window)`:                   "$window has no place in a metric selector",
			`$from`:                                   "$from has no place in a metric selector",
		} {
			if got, err := s.Fill(query, asked); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s\ngot  %s, %v\nwant %s", query, got, err, want)
			}
		}
	})
	if err := metric.Kinds["dynatrace"].CheckQuery(`m:filter(eq("h",$targets))`); err == nil {
		t.Error("a list in eq alone is taken")
	}
}
