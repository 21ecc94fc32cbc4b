package metric_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

const secret = "s3cr3t"

func answers(code int, contentType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

// silent never answers. It reads the request to its end, for only then does a server notice that the client has gone.
func silent(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// cut closes the connection instead of answering.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func isPermanent(err error) bool {
	p, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err)
	return ok && p.Permanent()
}

func TestPrometheusRefusals(t *testing.T) {
	const json = "application/json"
	failed := func(code int, text string) http.HandlerFunc {
		return answers(code, json, `{"status":"error","errorType":"x","error":"`+text+`"}`)
	}
	data := func(kind, result, warnings string) http.HandlerFunc {
		return answers(200, json,
			`{"status":"success","warnings":[`+warnings+`],"data":{"resultType":"`+kind+`","result":`+result+`}}`)
	}
	login := http.RedirectHandler("https://login.example/in?token="+secret, http.StatusFound)
	for name, c := range map[string]struct {
		server    http.HandlerFunc // nil: nobody listens
		want      string
		permanent bool
	}{
		"connection refused": {nil, "connection refused", false},
		"no answer":          {silent, "no answer within 30s", false},
		"half an answer":     {cut, "it closed the connection", false},
		"401":                {answers(401, "text/plain", "no"), "it refuses us (401); check basic, bearer or headers", true},
		"403":                {answers(403, json, `{}`), "it refuses us (403)", true},
		"404":                {answers(404, "text/html", "<html>"), "no Prometheus API there (404); check the path of url", true},
		"400":                {failed(400, "1:5: parse error: nope"), "bad query: 1:5: parse error: nope", true},
		"422":                {failed(422, "store down"), "it cannot evaluate the query: store down", false},
		"429":                {answers(429, "text/plain", "slow down"), "status 429 Too Many Requests", false},
		"503":                {failed(503, "starting up"), "status 503 Service Unavailable: starting up", false},
		"502, HTML":          {answers(502, "text/html", "<html>"), "status 502 Bad Gateway", false},
		"HTML":               {answers(200, "text/html; charset=utf-8", "<html>"), "it does not answer like the Prometheus API (text/html); check url", false},
		"a login":            {login.ServeHTTP, "it redirects to https://login.example; give the final url", true},
		"an empty object":    {answers(200, json, `{}`), `it answers with status ""`, false},
		"an error with 200":  {failed(200, "oh"), `it answers with status "error": oh`, false},
		"a part":             {data("vector", "[]", `"store 2 did not answer"`), "the answer may be incomplete: store 2 did not answer", false},
		"a matrix":           {data("matrix", "[]", ""), "the answer is a matrix; use a query that has one value", true},
		"a string":           {data("string", `[1,"x"]`, ""), "the answer is a string", true},
		"a native histogram": {data("vector", `[{"metric":{},"histogram":[1,{"count":"3"}]}]`, ""), "the answer is a native histogram", true},
		"a bad value":        {data("vector", `[{"metric":{},"value":[1,"x"]}]`, ""), "its samples cannot be read", false},
		"a bad scalar":       {data("scalar", "null", ""), "its scalar cannot be read", false},
		"too large":          {answers(200, json, strings.Repeat(" ", 17<<20)), "its answer is larger than 16 MiB", false},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			if c.server != nil {
				w.Serve(t, "prom:9090", c.server)
			}
			s := open(t, w, "prometheus", &metric.PrometheusOptions{
				URL: "http://user:" + secret + "@prom:9090/base?key=" + secret, Headers: map[string]core.Secret{"X-Key": secret},
			})
			expectError(t, w, s, `jobs`, "prom:9090: "+c.want)
			_, err := s.Query(t.Context(), core.Query{Text: `jobs`, At: w.Clock.Now()})
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "user") {
				t.Errorf("%v: shows a secret", err)
			}
			if isPermanent(err) != c.permanent {
				t.Errorf("%v: permanent is %t, want %t", err, isPermanent(err), c.permanent)
			}
		})
	}
	bubble(t, "remarks on style are no warnings", nil, func(t *testing.T, w *metrictest.World) {
		w.Serve(t, "prom:9090", data("vector", "[]", `"PromQL info: metric might not be a counter"`))
		s := open(t, w, "prometheus", &metric.PrometheusOptions{URL: "http://prom:9090"})
		expect(t, w, s, `jobs`)
	})
}

func TestPrometheusRequest(t *testing.T) {
	scalar := `{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]}}`
	for name, c := range map[string]struct {
		options metric.PrometheusOptions
		header  string
		want    string
	}{
		"basic":       {metric.PrometheusOptions{Basic: &metric.Basic{User: "u", Password: "p"}}, "Authorization", "Basic dTpw"},
		"in the url":  {metric.PrometheusOptions{URL: "http://u:p@prom:9090/base/"}, "Authorization", "Basic dTpw"},
		"bearer":      {metric.PrometheusOptions{Bearer: "tok"}, "Authorization", "Bearer tok"},
		"a header":    {metric.PrometheusOptions{Headers: map[string]core.Secret{"x-scope-orgid": "t1"}}, "X-Scope-Orgid", "t1"},
		"who we are":  {metric.PrometheusOptions{}, "User-Agent", "breakwater"},
		"a form":      {metric.PrometheusOptions{}, "Content-Type", "application/x-www-form-urlencoded"},
		"host header": {metric.PrometheusOptions{Headers: map[string]core.Secret{"Host": "other"}}, "Host", "other"},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			at := w.Clock.Now().Add(1500 * time.Millisecond)
			w.Serve(t, "prom:9090", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				r.Header.Set("Host", r.Host)
				if got := r.Header.Get(c.header); got != c.want {
					t.Errorf("%s: got %q, want %q", c.header, got, c.want)
				}
				if r.URL.Path != "/base/api/v1/query" || r.FormValue("query") != `a{b="c"}` || r.FormValue("time") != "946684801.500" {
					t.Errorf("got %s with %v", r.URL, r.Form)
				}
				answers(200, "application/json", scalar)(rw, r)
			}))
			if c.options.URL == "" {
				c.options.URL = "http://prom:9090/base"
			}
			s := open(t, w, "prometheus", &c.options)
			if _, err := s.Query(t.Context(), core.Query{Text: `a{b="c"}`, At: at}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	auth := map[string]core.Secret{"authorization": secret}
	for name, c := range map[string]struct {
		options metric.PrometheusOptions
		want    string
	}{
		"no scheme":         {metric.PrometheusOptions{URL: "prom:9090"}, "url is no URL of the form"},
		"another scheme":    {metric.PrometheusOptions{URL: "ftp://u:" + secret + "@prom"}, "url is no URL of the form"},
		"no host":           {metric.PrometheusOptions{URL: "http:///x"}, "url is no URL of the form"},
		"nonsense":          {metric.PrometheusOptions{URL: "http://u:" + secret + "@[x"}, "url is no URL of the form"},
		"two credentials":   {metric.PrometheusOptions{URL: "http://p", Basic: &metric.Basic{}, Bearer: secret}, "basic and bearer are both set"},
		"two of another":    {metric.PrometheusOptions{URL: "http://p", Headers: auth, Bearer: secret}, "Authorization is set beside"},
		"negative":          {metric.PrometheusOptions{URL: "http://p", Timeout: -1}, "must not be below zero"},
		"no file":           {metric.PrometheusOptions{URL: "http://p", TLS: &metric.TLS{CA: "ca.pem"}}, "tls.ca: "},
		"out of the folder": {metric.PrometheusOptions{URL: "http://p", TLS: &metric.TLS{CA: "../ca.pem"}}, "escapes"},
		"half a pair":       {metric.PrometheusOptions{URL: "http://p", TLS: &metric.TLS{Cert: "go.mod"}}, "tls.cert: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := metric.Open(core.SourceSpec{Type: "prometheus", Options: &c.options}, metric.Env{Dir: t.TempDir()})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("err = %v, want %s", err, c.want)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	const two = `{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`
	server := httptest.NewUnstartedServer(answers(200, "application/json", two))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	dir := t.TempDir()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), cert, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		tls  *metric.TLS
		want string
	}{
		"trusted":         {&metric.TLS{CA: "ca.pem"}, ""},
		"by another name": {&metric.TLS{CA: "ca.pem", ServerName: "example.com"}, ""},
		"any":             {&metric.TLS{InsecureSkipVerify: true}, ""},
		"not trusted":     {nil, "its certificate is not trusted"},
		"a wrong name":    {&metric.TLS{CA: "ca.pem", ServerName: "wrong.example"}, "its certificate is not trusted"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := metric.Open(core.SourceSpec{Type: "prometheus", Options: &metric.PrometheusOptions{
				URL: core.Secret(server.URL), TLS: c.tls,
			}}, metric.Env{Clock: metrictest.Clock{}, Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			defer s.(io.Closer).Close()
			switch _, err := s.Query(t.Context(), core.Query{Text: `2`, At: metrictest.Clock{}.Now()}); {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("err = %v, want %s", err, c.want)
			}
		})
	}
}

func TestPrometheusRange(t *testing.T) {
	matrix := func(result string) http.HandlerFunc {
		return answers(200, "application/json", `{"status":"success","data":{"resultType":"matrix","result":[`+result+`]}}`)
	}
	for name, c := range map[string]struct {
		server http.HandlerFunc
		step   time.Duration
		want   string
	}{
		"no instants between":       {matrix(`{"metric":{},"values":[[946684801.001,"1"]]}`), time.Second, "it answers for 2000-01-01T00:00:01.001Z, which was not asked"},
		"no instants before":        {matrix(`{"metric":{},"values":[[946684000,"1"]]}`), time.Second, "which was not asked"},
		"no instants after":         {matrix(`{"metric":{},"values":[[946684900,"1"]]}`), time.Second, "which was not asked"},
		"no histogram":              {matrix(`{"metric":{},"histograms":[[946684801,{}]]}`), time.Second, "the answer is a native histogram"},
		"no vector":                 {answers(200, "application/json", `{"status":"success","data":{"resultType":"vector","result":[]}}`), time.Second, "they are a vector"},
		"no answer without a state": {answers(200, "application/json", `{}`), time.Second, `it answers with status ""`},
		"no split millisecond":      {matrix(""), time.Microsecond, "no whole number of milliseconds"},
		"no backward step":          {matrix(""), -time.Second, "no whole number of milliseconds"},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "prom:9090", c.server)
			s := open(t, w, "prometheus", &metric.PrometheusOptions{URL: "http://prom:9090"})
			points, err := s.(core.Ranger).Range(t.Context(), core.Query{Text: `jobs`, At: w.Clock.Now().Add(5 * time.Second)}, c.step, 5)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v and error %v, want %s", points, err, c.want)
			}
		})
	}
	bubble(t, "the requests", nil, func(t *testing.T, w *metrictest.World) {
		var got []string
		w.Serve(t, "prom:9090", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			got = append(got, r.Method+" "+r.URL.Path+" "+r.FormValue("query")+" "+r.FormValue("start")+" "+r.FormValue("end")+" "+r.FormValue("step"))
			matrix("")(rw, r)
		}))
		s := open(t, w, "prometheus", &metric.PrometheusOptions{URL: "http://prom:9090"})
		at := w.Clock.Now().Add(11_001*time.Second + 1500*time.Microsecond)
		points, err := s.(core.Ranger).Range(t.Context(), core.Query{Text: `jobs`, At: at}, time.Second, 11_002)
		if err != nil || len(points) != 11_002 {
			t.Errorf("got %d points and error %v", len(points), err)
		}
		want := []string{
			"POST /api/v1/query_range jobs 946684800.001 946695799.001 1.000",
			"POST /api/v1/query_range jobs 946695800.001 946695801.001 1.000",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
	bubble(t, "as instant by instant", []string{"a", "b"}, func(t *testing.T, w *metrictest.World) {
		w.Show("a", "jobs 1\n")
		w.Wait(t, time.Second)
		s := openPrometheus(t, w)
		w.Wait(t, time.Minute)
		w.Show("b", "jobs 2\nodd NaN\n")
		w.Wait(t, time.Minute)
		for _, query := range []string{`jobs`, `sum(jobs)`, `odd`, `nothing`, `rate(jobs[20s])`} {
			const step, n = 7 * time.Second, 20
			points, err := s.(core.Ranger).Range(t.Context(), core.Query{Text: query, At: w.Clock.Now()}, step, n)
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				at := w.Clock.Now().Add(-time.Duration(n-1-i) * step)
				samples, err := s.Query(t.Context(), core.Query{Text: query, At: at})
				if err != nil || values(samples) != values(points[i]) {
					t.Errorf("%s at %v: %v, at many instants %v, %v", query, at, samples, points[i], err)
				}
			}
		}
	})
}

// values shows the values of samples in rising order.
func values(samples []core.Sample) string {
	var all []float64
	for _, s := range samples {
		all = append(all, s.Value)
	}
	slices.Sort(all)
	return fmt.Sprint(all)
}

func TestPrometheusAlarms(t *testing.T) {
	const epoch = 946684800
	rules := func(rules string) string {
		return `{"status":"success","data":{"groups":[{"name":"g","interval":15,"rules":[` + rules + `]}]}}`
	}
	rule := func(name, health, more string) string {
		return `{"type":"alerting","name":"` + name + `","health":"` + health + `","lastEvaluation":"2000-01-01T00:59:50Z"` + more + `}`
	}
	firing := func(name string, at ...int) string {
		var all []string
		for _, second := range at {
			all = append(all, fmt.Sprintf(`[%d,"1"]`, epoch+second))
		}
		return `{"metric":{"alertname":"` + name + `"},"values":[` + strings.Join(all, ",") + `]}`
	}
	both := rule("High", "ok", "") + "," + rule("Slow", "ok", "")
	for name, c := range map[string]struct {
		rules, points string
		blind         string
		high          [][2]int
		err           string
		permanent     bool
	}{
		"quiet":             {rules: rules(both)},
		"once":              {rules: rules(both), points: firing("High", 600, 900, 1800), high: [][2]int{{300, 900}, {1500, 1800}}},
		"from the start":    {rules: rules(both), points: firing("High", 300), high: [][2]int{{0, 300}}},
		"still":             {rules: rules(both), points: firing("High", 3300, 3600), high: [][2]int{{3000, 0}}},
		"another":           {rules: rules(both), points: firing("Slow", 600)},
		"two rules of one":  {rules: rules(both + "," + rule("High", "ok", "")), points: firing("High", 600), high: [][2]int{{300, 600}}},
		"a rule that fails": {rules: rules(both + "," + rule("High", "err", `,"lastError":"many-to-many"`)), blind: "its rule cannot be evaluated: many-to-many"},
		"not evaluated yet": {rules: rules(rule("High", "unknown", "") + "," + rule("Slow", "ok", "")), blind: `the health of its rule is "unknown"`},
		"no longer evaluated": {
			rules: strings.ReplaceAll(rules(both), "00:59:50", "00:56:50"), blind: "its rule was last evaluated at 2000-01-01T00:56:50Z",
		},
		"a misspelt name":  {rules: rules(rule("Hihg", "ok", "") + "," + rule("Slow", "ok", "")), err: `no alerting rule is named "High"`, permanent: true},
		"a recording rule": {rules: rules(strings.ReplaceAll(both, "alerting", "recording")), err: `no alerting rule is named "High"`, permanent: true},
		"no rules":         {rules: rules(""), err: `no alerting rule is named "High"`, permanent: true},
		"not rules":        {rules: `{"status":"success","data":[]}`, err: "its rules cannot be read"},
		"a part of them":   {rules: `{"status":"success","warnings":["store 2"],"data":{"groups":[]}}`, err: "the answer may be incomplete: store 2"},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			from := w.Clock.Now()
			w.Serve(t, "prom:9090", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/api/v1/rules" {
					if r.Method != http.MethodGet || r.URL.RawQuery != "type=alert" {
						t.Errorf("got %s %s", r.Method, r.URL)
					}
					answers(200, "application/json", c.rules)(rw, r)
					return
				}
				const series = `ALERTS{alertname=~"(?:High|Slow)",alertstate="firing"}`
				if got, want := r.FormValue("query"), "max by (alertname) ("+series+" or max_over_time("+series+"[5m]))"; got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if r.FormValue("start") != "946685100.000" || r.FormValue("end") != "946688400.000" || r.FormValue("step") != "300.000" {
					t.Errorf("got %v", r.Form)
				}
				answers(200, "application/json", `{"status":"success","data":{"resultType":"matrix","result":[`+c.points+`]}}`)(rw, r)
			}))
			s := open(t, w, "prometheus", &metric.PrometheusOptions{URL: "http://prom:9090", Interval: 5 * time.Minute})
			got, err := s.(core.Alarmist).Alarms(t.Context(), []string{"High", "Slow"}, from, from.Add(time.Hour))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || isPermanent(err) != c.permanent {
					t.Errorf("got %v and error %v, want %s, permanent %t", got, err, c.err, c.permanent)
				}
				return
			}
			if err != nil || len(got) != 2 || got[0].Name != "High" || got[1].Name != "Slow" {
				t.Fatalf("got %v and error %v", got, err)
			}
			expectAlarm(t, got[0], from, c.blind, c.high...)
		})
	}
}
