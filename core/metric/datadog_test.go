package metric_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

func openDatadog(t *testing.T, w *metrictest.World) core.Source {
	return open(t, w, "datadog", &metric.DatadogOptions{URL: "http://dd", APIKey: "api-" + secret, AppKey: "app-" + secret})
}

const (
	errorCount = `sum:http.errors{host IN (a,b)} by {host}.as_count()`
	totalCount = `sum:http.hits{host IN (a,b)} by {host}.as_count()`
)

func TestDatadogAnswers(t *testing.T) {
	metrictest.Answers(t, metrictest.Service{
		Address: "dd:80", Query: errorCount,
		Asked: func(r *http.Request) (from, until time.Time) {
			return unixParameter(r, "from"), unixParameter(r, "to")
		},
		Answer: func(w http.ResponseWriter, r *http.Request, series []core.Sample) {
			all := []string{}
			for _, s := range series {
				all = append(all, datadogSeries(s.Labels["host"], [2]any{unixParameter(r, "from").UnixMilli(), s.Value}))
			}
			answers(200, "application/json", datadogAnswer(all...))(w, r)
		},
		Refuse: answers(400, "application/json", `{"errors":["Error parsing query: unable to parse x"]}`),
	}, openDatadog)
}

func unixParameter(r *http.Request, name string) time.Time {
	seconds, _ := strconv.ParseInt(r.FormValue(name), 10, 64)
	return time.Unix(seconds, 0)
}

func datadogAnswer(series ...string) string {
	return `{"status":"ok","res_type":"time_series","resp_version":1,"query":"q","from_date":1,"to_date":2,"group_by":["host"],"message":"",` +
		`"series":[` + strings.Join(series, ",") + `]}`
}

// datadogSeries is a series of one host, with points of milliseconds and a value.
func datadogSeries(host string, points ...[2]any) string {
	text, _ := json.Marshal(points)
	return `{"unit":[{"family":"network","name":"error","plural":"errors"},null],"query_index":0,"aggr":"sum","metric":"http.errors",` +
		`"tag_set":["host:` + host + `"],"scope":"host:` + host + `","interval":20,"length":3,"start":1,"end":2,"pointlist":` + string(text) + `}`
}

func TestDatadogRefusals(t *testing.T) {
	t.Run("query", func(t *testing.T) { testRefusals(t, "dd:80", openDatadog, query(errorCount)) })
	t.Run("monitor by id", func(t *testing.T) { testRefusals(t, "dd:80", openDatadog, alarms("12")) })
	for name, c := range map[string]struct {
		answer    http.HandlerFunc
		want      string
		permanent bool
	}{
		"403":               {answers(403, "application/json", `{"errors":["Forbidden"]}`), "it refuses us (403); check api_key, app_key and the scopes of the latter: Forbidden", true},
		"400":               {answers(400, "application/json", `{"errors":["Rule 'x' did not match"]}`), "it refuses the query (400): Rule 'x' did not match", true},
		"429":               {answers(429, "application/json", `{"errors":["Rate limit of 100 requests in 60 seconds reached."]}`), "status 429 Too Many Requests: Rate limit", false},
		"an error with 200": {answers(200, "application/json", `{"status":"error","error":"timed out","series":[]}`), `it answers with status "error": timed out`, false},
		"no status":         {answers(200, "application/json", `{}`), `it answers with status ""`, false},
		"a point of nothing": {
			answers(200, "application/json", datadogAnswer(`{"pointlist":[[]]}`)), "a point of its answer has no time", false,
		},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "dd:80", c.answer)
			err := query(errorCount)(t.Context(), openDatadog(t, w), w.Clock.Now())
			if err == nil || !strings.HasPrefix(err.Error(), "dd: "+c.want) || isPermanent(err) != c.permanent || strings.Contains(err.Error(), secret) {
				t.Errorf("err = %v, want %s, permanent %t", err, c.want, c.permanent)
			}
		})
	}
}

func TestDatadogQuery(t *testing.T) {
	at := time.Date(2000, 1, 1, 1, 0, 0, 5e8, time.UTC)
	point := func(secondsBefore int, value any) [2]any {
		return [2]any{float64(at.Unix()-int64(secondsBefore)) * 1e3, value}
	}
	three := []string{
		datadogSeries("a", point(320, 100.0), point(300, 1.0), point(200, nil), point(100, 2.0), point(20, 6.0), point(0, 100.0)),
		datadogSeries("b", point(100, 8.0)), datadogSeries("c", point(100, nil)), datadogSeries("d"),
	}
	for name, c := range map[string]struct {
		query, points string
		answers       map[string][]string // by query
		want          map[string]float64
		err           string
	}{
		"a count is added up":      {query: errorCount, answers: map[string][]string{errorCount: three}, want: map[string]float64{"a": 9, "b": 8}},
		"a gauge is averaged":      {query: `avg:load{*}`, answers: map[string][]string{`avg:load{*}`: three}, want: map[string]float64{"a": 3, "b": 8}},
		"a rate is averaged":       {query: `sum:x{*}.as_rate()`, answers: map[string][]string{`sum:x{*}.as_rate()`: three}, want: map[string]float64{"a": 3, "b": 8}},
		"the option says last":     {query: errorCount, points: "last", answers: map[string][]string{errorCount: three}, want: map[string]float64{"a": 6, "b": 8}},
		"the option says max":      {query: `avg:x{*}`, points: "max", answers: map[string][]string{`avg:x{*}`: three}, want: map[string]float64{"a": 6, "b": 8}},
		"the option says min":      {query: `avg:x{*}`, points: "min", answers: map[string][]string{`avg:x{*}`: three}, want: map[string]float64{"a": 1, "b": 8}},
		"the option says how much": {query: errorCount + " - 1", points: "sum", answers: map[string][]string{errorCount + " - 1": three}, want: map[string]float64{"a": 9, "b": 8}},
		"a ratio of sums": {
			query: errorCount + " / " + totalCount, answers: map[string][]string{
				errorCount: {datadogSeries("a", point(100, 1.0), point(80, 1.0)), datadogSeries("b", point(80, 1.0))},
				totalCount: {datadogSeries("a", point(100, 10.0), point(80, 90.0)), datadogSeries("c", point(80, 1.0))},
			}, want: map[string]float64{"a": 0.02},
		},
		"a ratio of nothing":    {query: errorCount + " / " + totalCount, answers: map[string][]string{}, want: map[string]float64{}},
		"a formula over counts": {query: errorCount + " - " + totalCount, err: "points of this formula cannot be made one number"},
		"an empty query":        {query: " ", err: "the query is empty"},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "dd:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != "/base/api/v1/query" || r.Header.Get("Dd-Api-Key") != "api" || r.Header.Get("Dd-Application-Key") != "app" {
					t.Errorf("got %s %s with %v", r.Method, r.URL, r.Header)
				}
				if r.FormValue("from") != "946688100" || r.FormValue("to") != "946688400" || len(r.URL.Query()) != 3 {
					t.Errorf("got %s", r.URL.RawQuery)
				}
				answers(200, "application/json", datadogAnswer(c.answers[r.FormValue("query")]...))(rw, r)
			}))
			s := open(t, w, "datadog", &metric.DatadogOptions{URL: "http://dd/base/", APIKey: "api", AppKey: "app", Points: c.points})
			samples, err := s.Query(t.Context(), core.Query{Text: c.query, At: at, Window: 5 * time.Minute})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || !isPermanent(err) {
					t.Errorf("got %v and error %v, want %s", samples, err, c.err)
				}
				return
			}
			got := map[string]float64{}
			for _, one := range samples {
				got[one.Labels["host"]] = one.Value
			}
			if err != nil || !maps.Equal(got, c.want) {
				t.Errorf("got %v and error %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestDatadogOptions(t *testing.T) {
	for want, o := range map[string]metric.DatadogOptions{
		"api_key and app_key must both be set": {APIKey: secret},
		"site and url are both set":            {APIKey: secret, AppKey: secret, Site: "datadoghq.eu", URL: "http://x"},
		`site is "https://datadoghq.eu"`:       {APIKey: secret, AppKey: secret, Site: "https://datadoghq.eu"},
		"url is no URL":                        {APIKey: secret, AppKey: secret, URL: "api.datadoghq.eu"},
		`points is "mean"; the ways are [avg`:  {APIKey: secret, AppKey: secret, Points: "mean"},
	} {
		_, err := metric.Open(core.SourceSpec{Type: "datadog", Options: &o}, metric.Env{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
	o := metric.DatadogOptions{APIKey: secret, AppKey: secret, Reach: metric.Reach{Headers: map[string]core.Secret{"X-A": "b"}}}
	if _, err := metric.Open(core.SourceSpec{Type: "datadog", Options: &o}, metric.Env{}); err != nil || len(o.Headers) != 1 {
		t.Errorf("err = %v, headers are now %v", err, o.Headers)
	}
}

func TestDatadogCheck(t *testing.T) {
	for query, want := range map[string]string{
		`sum:e{host IN ($targets)}.as_count()`:                                              "",
		`sum:e{host IN ($targets)} by {host}.as_count().rollup(sum, $window)`:               "",
		`default_zero(sum:e{v:$version}.as_count()) / sum:h{v:$version}.as_count()`:         "",
		`p95:latency{host IN ($targets) AND zone IN ($labels.zone)}`:                        "",
		`sum:e{host IN ($targets)}.as_count() / avg:h{host IN ($targets)}`:                  "points of this formula",
		`100 * sum:e{host IN ($targets)}.as_count() / sum:h{host IN ($targets)}.as_count()`: "points of this formula",
		`sum:e{host:$targets}.as_count()`:                                                   "$targets is a list",
		`avg:e{*} > $from`:                                                                  "$from has no place",
		"":                                                                                  "the query is empty",
	} {
		err := metric.Kinds["datadog"].CheckQuery(query)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: err = %v, want %s", query, err, want)
		}
	}
}

func TestDatadogAlarms(t *testing.T) {
	const epoch = 946684800
	// group is a group with what it remembers, in seconds after from; -1: nothing.
	group := func(status string, triggered, resolved, noData int) string {
		stamp := func(seconds int) string {
			if seconds == -1 {
				return "null"
			}
			return strconv.Itoa(epoch + seconds)
		}
		return fmt.Sprintf(`{"name":"g","status":%q,"last_triggered_ts":%s,"last_resolved_ts":%s,"last_nodata_ts":%s,"last_notified_ts":null}`,
			status, stamp(triggered), stamp(resolved), stamp(noData))
	}
	const never = -1
	old := -7200
	for name, c := range map[string]struct {
		groups  string // of the object state.groups
		monitor string // more of the monitor
		blind   string
		want    [][2]int
	}{
		"quiet":                     {groups: `"*":` + group("OK", never, never, never)},
		"firing":                    {groups: `"*":` + group("Alert", 600, never, never), want: [][2]int{{600, 0}}},
		"firing since before":       {groups: `"*":` + group("Alert", old, never, never), want: [][2]int{{0, 0}}},
		"fired and resolved":        {groups: `"*":` + group("OK", 600, 900, never), want: [][2]int{{600, 900}}},
		"fired before, resolved in": {groups: `"*":` + group("OK", old, 900, never), want: [][2]int{{0, 900}}},
		"resolved before":           {groups: `"*":` + group("OK", old, old+60, never)},
		"two groups":                {groups: `"host:b":` + group("OK", 1200, 1300, never) + `,"host:a":` + group("Alert", 1300, never, never) + `,"host:c":` + group("OK", never, never, never), want: [][2]int{{1200, 1300}, {1300, 0}}},
		"fired after the stretch":   {groups: `"*":` + group("Alert", 3700, never, never), blind: "it fired later, at 2000-01-01T01:01:40Z"},
		"fired after and resolved":  {groups: `"*":` + group("OK", 3700, 3800, never), blind: "it fired later"},
		"no data":                   {groups: `"host:a":` + group("No Data", never, never, 600), blind: `group host:a: its state is "No Data"`},
		"had no data":               {groups: `"*":` + group("OK", never, never, 600), blind: "it had no data at 2000-01-01T00:10:00Z"},
		"had no data before":        {groups: `"*":` + group("OK", never, never, old)},
		"ignored":                   {groups: `"*":` + group("Ignored", never, never, never), blind: `its state is "Ignored"`},
		"no end":                    {groups: `"*":` + group("OK", 600, never, never), blind: "does not remember when it recovered"},
		"a warning":                 {groups: `"*":` + group("Warn", old, never, never), blind: "does not remember", monitor: `"options":{"thresholds":{"critical":2,"warning":1}},`},
		"a warning or an alert":     {groups: `"*":` + group("OK", 600, 900, never), blind: "does not remember whether that was a warning", monitor: `"options":{"thresholds":{"critical":2,"warning":1}},`},
		"an alert with a warning":   {groups: `"*":` + group("Alert", 600, never, never), monitor: `"options":{"thresholds":{"critical":2,"warning":1}},`, want: [][2]int{{600, 0}}},
		"one group hides none":      {groups: `"host:a":` + group("No Data", never, never, never) + `,"host:b":` + group("Alert", 600, never, never), blind: `group host:a`, want: [][2]int{{600, 0}}},
		"muted":                     {groups: `"*":` + group("Alert", 600, never, never), monitor: `"matching_downtimes":[{"id":1,"scope":["*"]}],`, want: [][2]int{{600, 0}}},
		"made in the stretch":       {groups: `"*":` + group("OK", never, never, never), monitor: `"created":"2000-01-01T00:10:00.123456+00:00",`, blind: "the monitor was made at 2000-01-01T00:10:00Z"},
		"no groups, quiet":          {monitor: `"overall_state":"OK","overall_state_modified":"1999-12-31T00:00:00+00:00",`},
		"no groups, firing":         {monitor: `"overall_state":"Alert","overall_state_modified":"2000-01-01T00:10:00+00:00",`, want: [][2]int{{600, 0}}},
		"no groups, changed":        {monitor: `"overall_state":"OK","overall_state_modified":"2000-01-01T00:10:00+00:00",`, blind: "does not remember what was before its state OK"},
		"no groups, no time":        {monitor: `"overall_state":"OK","overall_state_modified":1,`, blind: "does not remember what was before its state OK"},
		"no groups, no data":        {monitor: `"overall_state":"No Data",`, blind: `its state is "No Data"`},
		"nothing at all":            {blind: `its state is ""`},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			from := w.Clock.Now()
			text := `{"id":12,"name":"High","type":"query alert","deleted":null,"multi":true,` + c.monitor + `"state":{"groups":{` + c.groups + `}}}`
			w.Serve(t, "dd:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method+" "+r.URL.RequestURI() != "GET /api/v1/monitor/12?group_states=all" {
					t.Errorf("got %s %s", r.Method, r.URL)
				}
				answers(200, "application/json", text)(rw, r)
			}))
			got, err := openDatadog(t, w).(core.Alarmist).Alarms(t.Context(), []string{"12"}, from, from.Add(time.Hour))
			if err != nil || len(got) != 1 || got[0].Name != "12" {
				t.Fatalf("got %v and error %v", got, err)
			}
			expectAlarm(t, got[0], from, c.blind, c.want...)
		})
	}
}

func TestDatadogMonitorByName(t *testing.T) {
	for name, c := range map[string]struct {
		monitors map[int]string // name by id
		deleted  int
		want     string
	}{
		"one of its own name": {monitors: map[int]string{1: "High errors", 2: "High"}},
		"on the second page":  {monitors: map[int]string{150: "High"}},
		"none":                {monitors: map[int]string{1: "High errors"}, want: `no monitor is named "High"`},
		"none at all":         {want: `no monitor is named "High"`},
		"two":                 {monitors: map[int]string{1: "High", 120: "High"}, want: `2 monitors are named "High"; give the id of one`},
		"deleted":             {monitors: map[int]string{1: "High"}, deleted: 1, want: `no monitor is named "High"`},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			var pages []string
			last := 0
			if len(c.monitors) > 0 {
				last = slices.Max(slices.Collect(maps.Keys(c.monitors)))
			}
			w.Serve(t, "dd:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/api/v1/monitor" || r.FormValue("name") != "High" || r.FormValue("group_states") != "all" || r.FormValue("page_size") != "100" {
					t.Errorf("got %s", r.URL)
				}
				page, _ := strconv.Atoi(r.FormValue("page"))
				pages = append(pages, r.FormValue("page"))
				all := []string{}
				for id := page*100 + 1; id <= min(last, page*100+100); id++ {
					name, deleted := c.monitors[id], "null"
					if name == "" {
						name = "High and low"
					}
					if id == c.deleted {
						deleted = `"2000-01-01T00:00:00Z"`
					}
					all = append(all, fmt.Sprintf(`{"id":%d,"name":%q,"deleted":%s,"state":{"groups":{"*":{"status":"OK"}}}}`, id, name, deleted))
				}
				answers(200, "application/json", "["+strings.Join(all, ",")+"]")(rw, r)
			}))
			got, err := openDatadog(t, w).(core.Alarmist).Alarms(t.Context(), []string{"High"}, w.Clock.Now(), w.Clock.Now().Add(time.Hour))
			if c.want == "" && (err != nil || got[0].Name != "High" || got[0].Blind != "") {
				t.Errorf("got %v and error %v", got, err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !isPermanent(err)) {
				t.Errorf("got %v and error %v, want %s", got, err, c.want)
			}
			if len(pages) != last/100+1 {
				t.Errorf("asked for pages %v", pages)
			}
		})
	}
	bubble(t, "no such id", nil, func(t *testing.T, w *metrictest.World) {
		w.Serve(t, "dd:80", answers(404, "application/json", `{"errors":["Monitor not found"]}`))
		err := alarms("12")(t.Context(), openDatadog(t, w), w.Clock.Now())
		if err == nil || !strings.Contains(err.Error(), "Monitor not found") || !isPermanent(err) {
			t.Errorf("err = %v", err)
		}
	})
	bubble(t, "another id", nil, func(t *testing.T, w *metrictest.World) {
		w.Serve(t, "dd:80", answers(200, "application/json", `{"id":13}`))
		err := alarms("12")(t.Context(), openDatadog(t, w), w.Clock.Now())
		if err == nil || !strings.Contains(err.Error(), "it has no monitor 12") || !isPermanent(err) {
			t.Errorf("err = %v", err)
		}
	})
}
