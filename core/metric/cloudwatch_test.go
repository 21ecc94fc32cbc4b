package metric_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/aws/cloudwatchtest"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

const cloudAddress = "http://cloudwatch:80"

// cloudHits is a list of metrics, one for each host, that come a minute apart.
const cloudHits = `[
  {"Id": "a", "MetricStat": {"Metric": {"Namespace": "App", "MetricName": "hits", "Dimensions": [{"Name": "host", "Value": "a"}]}, "Period": 60, "Stat": "Sum"}},
  {"Id": "b", "MetricStat": {"Metric": {"Namespace": "App", "MetricName": "hits", "Dimensions": [{"Name": "host", "Value": "b"}]}, "Period": 60, "Stat": "Sum"}},
  {"Id": "c", "MetricStat": {"Metric": {"Namespace": "App", "MetricName": "hits", "Dimensions": [{"Name": "host", "Value": "c"}]}, "Period": 60, "Stat": "Sum"}}]`

func openCloudWatch(t *testing.T, w *metrictest.World, o metric.CloudwatchOptions) core.Source {
	t.Helper()
	s, err := metric.Open(core.SourceSpec{Type: "cloudwatch", Options: &o}, metric.Env{Clock: w.Clock, Dial: w.Dial, Lookup: cloudwatchtest.Lookup(cloudAddress)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.(io.Closer).Close() })
	return s
}

func TestCloudWatchAnswers(t *testing.T) {
	metrictest.Answers(t, metrictest.Service{
		Address: "cloudwatch:80",
		Query:   cloudHits,
		Asked: func(r *http.Request) (from, until time.Time) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			in, err := cbor.Decode(body)
			if err != nil {
				t.Error(err)
				return
			}
			from, _ = cbor.AsTime(in.(cbor.Map)["StartTime"])
			until, _ = cbor.AsTime(in.(cbor.Map)["EndTime"])
			return from, until
		},
		Answer: func(w http.ResponseWriter, r *http.Request, series []core.Sample) {
			server := cloudwatchtest.Handler(t)
			for _, s := range series {
				server.Report("App", "hits", s.Labels, time.Now().Add(-time.Minute), s.Value)
				server.Report("App", "hits", s.Labels, time.Now(), 1000)                   // is of the next window
				server.Report("App", "hits", s.Labels, time.Now().Add(-time.Hour/2), 1000) // was of one before
			}
			server.ServeHTTP(w, r)
		},
		Refuse: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cloudwatchtest.Refuse(400, "ValidationError", "Error in expression 'q': invalid syntax")(w, r, nil)
		}),
	}, func(t *testing.T, w *metrictest.World) core.Source {
		return openCloudWatch(t, w, metric.CloudwatchOptions{})
	})
}

// inCloud runs a test in a bubble with a CloudWatch. It is noon, and some seconds.
func inCloud(t *testing.T, o metric.CloudwatchOptions, test func(t *testing.T, w *metrictest.World, server *cloudwatchtest.Server, s core.Source)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := metrictest.NewWorld(t)
		server := cloudwatchtest.Handler(t)
		w.Serve(t, "cloudwatch:80", server)
		w.Wait(t, 12*time.Hour+42*time.Second)
		test(t, w, server, openCloudWatch(t, w, o))
	})
}

// stat is a list of one metric.
func stat(name, period, statistic string) string {
	return fmt.Sprintf(`[{"Id": "m", "MetricStat": {"Metric": {"Namespace": "App", "MetricName": %q}, "Period": %s, "Stat": %q}}]`, name, period, statistic)
}

// TestCloudWatchWindows: which points make the number of a window, and what cannot be made one.
func TestCloudWatchWindows(t *testing.T) {
	inCloud(t, metric.CloudwatchOptions{}, func(t *testing.T, w *metrictest.World, server *cloudwatchtest.Server, s core.Source) {
		now := w.Clock.Now()
		for minute := range 30 {
			server.Report("App", "hits", nil, now.Truncate(time.Minute).Add(-time.Duration(minute)*time.Minute+time.Second), float64(minute))
		}
		for _, c := range []struct {
			query  string
			window time.Duration
			want   float64
		}{
			{stat("hits", "60", "Sum"), 4 * time.Minute, 1 + 2 + 3 + 4}, // minute 0 is not over yet
			{stat("hits", "60", "SampleCount"), 4 * time.Minute, 4},
			{stat("hits", "60", "Maximum"), 4 * time.Minute, 4},
			{stat("hits", "60", "Minimum"), 4 * time.Minute, 1},
			{stat("hits", "60", "Sum"), 3*time.Minute + time.Second, 1 + 2 + 3 + 4}, // whole periods
			{stat("hits", "120", "Sum"), 4 * time.Minute, 1 + 2 + 3 + 4},
			{stat("hits", "300", "Average"), 5 * time.Minute, 3},
			{stat("hits", "300", "p50"), 5 * time.Minute, 3},
		} {
			if got := numbersOf(askWindow(t, w, s, c.query, c.window)); len(got) != 1 || got[0] != c.want {
				t.Errorf("%s over %s is %v; want %v", c.query, c.window, got, c.want)
			}
		}
		for query, want := range map[string]string{
			stat("hits", "60", "Average"):      "write $window as its period",
			stat("hits", "60", "p99"):          "write $window as its period",
			stat("hits", "600", "Sum"):         "longer than the window",
			stat("hits", "90", "Sum"):          "CloudWatch has 1, 5, 10, 20, 30 and multiples of 60",
			`[]`:                               "the query is empty",
			`[{"Id": "m"}]`:                    "must have one of",
			`[{"Id": "M", "Expression": "x"}]`: "begins with a small letter",
			`[{"id": 1}`:                       "no JSON of GetMetricData",
			`SUM(m1)`:                          "says no period",
			``:                                 "the query is empty",
		} {
			_, err := s.Query(t.Context(), core.Query{Text: query, At: now, Window: 5 * time.Minute})
			refusedForGood(t, err, want)
		}
		for age, want := range map[time.Duration]string{4 * time.Hour: "", 16 * 24 * time.Hour: "points of 1m are gone", 64 * 24 * time.Hour: "use a period of 1h"} {
			_, err := s.Query(t.Context(), core.Query{Text: stat("hits", "60", "Sum"), At: now.Add(-age), Window: 5 * time.Minute})
			if want == "" && err != nil {
				t.Errorf("%s ago: %v", age, err)
			} else if want != "" {
				refusedForGood(t, err, want)
			}
		}
	})
}

// TestCloudWatchRange: many instants are one question, and each has the answer that it would have had alone.
func TestCloudWatchRange(t *testing.T) {
	inCloud(t, metric.CloudwatchOptions{}, func(t *testing.T, w *metrictest.World, server *cloudwatchtest.Server, s core.Source) {
		now := w.Clock.Now()
		for minute := range 60 {
			if minute != 17 {
				server.Report("App", "hits", nil, now.Add(-time.Duration(minute)*time.Minute), float64(minute))
			}
		}
		for _, period := range []string{"60", "300"} {
			q := core.Query{Text: stat("hits", period, "Sum"), At: now, Window: 5 * time.Minute}
			before := len(server.Asked())
			all, err := s.(core.Ranger).Range(t.Context(), q, 5*time.Minute, 8)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(server.Asked()) - before; n != 1 {
				t.Errorf("it takes %d requests", n)
			}
			for i := range all {
				then := q
				then.At = now.Add(-time.Duration(7-i) * 5 * time.Minute)
				alone, err := s.Query(t.Context(), then)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.EqualFunc(alone, all[i], func(a, b core.Sample) bool { return a.Value == b.Value && maps.Equal(a.Labels, b.Labels) }) {
					t.Errorf("at %s: %v in a range and %v alone", then.At, all[i], alone)
				}
			}
		}
	})
}

// TestCloudWatchIncomplete: only what is complete counts.
func TestCloudWatchIncomplete(t *testing.T) {
	const query = `SUM(SEARCH('{App} MetricName="hits"', 'Sum', 60))`
	inCloud(t, metric.CloudwatchOptions{}, func(t *testing.T, w *metrictest.World, server *cloudwatchtest.Server, s core.Source) {
		for status, want := range map[string]string{"Complete": "", "PartialData": "not whole (PartialData): Fake all is not well", "InternalError": "InternalError", "Forbidden": "Forbidden"} {
			server.Expressions(func(_ string, from, _ time.Time) []cloudwatchtest.Result {
				return []cloudwatchtest.Result{{Label: "x", Times: []time.Time{from}, Values: []float64{7}, Status: status, Messages: []string{"all is not well"}}}
			})
			samples, err := s.Query(t.Context(), core.Query{Text: query, At: w.Clock.Now(), Window: 5 * time.Minute})
			switch {
			case want == "" && (err != nil || len(samples) != 1 || samples[0].Value != 7):
				t.Errorf("%s: %v, %v", status, samples, err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("%s: %v, %v; want an error with %q", status, samples, err, want)
			}
		}
		for minute := range 10 {
			server.Report("App", "hits", nil, w.Clock.Now().Add(-time.Duration(minute)*time.Minute), 1)
		}
		server.Page(2) // points of one metric come in three parts, the first two of them partial
		if got := numbersOf(askWindow(t, w, s, stat("hits", "60", "Sum"), 5*time.Minute)); len(got) != 1 || got[0] != 5 {
			t.Errorf("in pages: %v; want 5", got)
		}
	})
}

// TestCloudWatchFill: what a variable holds is data, whatever it holds.
func TestCloudWatchFill(t *testing.T) {
	evil := []string{`x" OR "y`, `x' + 1`, `\`, "a\nb", `x"}]},{"Id":"z"`, `$version`, `") , 'Sum'`}
	v := core.Variables{Targets: []core.Target{{Name: "b"}, {Name: "a"}}, Version: "v1", Wave: "w", Previous: "v0", Window: 150 * time.Second}
	fill := func(query string, v core.Variables) (string, error) {
		o := metric.CloudwatchOptions{}
		s, err := metric.Open(core.SourceSpec{Type: "cloudwatch", Options: &o}, metric.Env{Lookup: cloudwatchtest.Lookup(cloudAddress)})
		if err != nil {
			t.Fatal(err)
		}
		return s.Fill(query, v)
	}
	for query, want := range map[string]string{
		`SUM(SEARCH('{App,host,v} MetricName="hits" host=$targets v=$version', 'Sum', 60))`: `SUM(SEARCH('{App,host,v} MetricName="hits" host=("a" OR "b") v="v1"', 'Sum', 60))`,
		`SEARCH('{App} x', 'p99', $window)`:                                                 `SEARCH('{App} x', 'p99', 180)`,
		`SELECT SUM(x) FROM App WHERE v = $version AND w != $wave`:                          `SELECT SUM(x) FROM App WHERE v = 'v1' AND w != 'w'`,
		`[{"Id": "e", "Expression": "METRICS()", "Period": "$window"}]`:                     `[{"Id":"e","Expression":"METRICS()","Period":180}]`,
	} {
		if got, err := fill(query, v); err != nil || got != want {
			t.Errorf("%s\nbecomes %s, %v\nwant    %s", query, got, err, want)
		}
	}
	const list = `[{"Id":"m","MetricStat":{"Metric":{"Namespace":"App","MetricName":"hits","Dimensions":[{"Name":"host","Value":"$targets"},{"Name":"v","Value":"alias:$version"}]},"Period":60,"Stat":"Sum"}}]`
	for query, want := range map[string]string{
		`SEARCH('{App} host="$targets"', 'Sum', 60)`:            "without quotes",
		`SEARCH('{App} $targets', 'Sum', 60)`:                   "after =",
		`SUM($targets)`:                                         "stands only inside of SEARCH",
		`SELECT SUM(x) FROM App WHERE v = '$version'`:           "without quotes",
		`SELECT SUM(x) FROM App WHERE h = $targets`:             "has 2 values",
		`SELECT SUM(x) FROM $version`:                           "stands only in WHERE",
		`SEARCH('{App} a=$from', 'Sum', 60)`:                    "asks for the window itself",
		strings.Replace(list, "alias:$version", "$targets", 1):  "two dimensions of m are lists",
		strings.Replace(list, "alias:", "$labels.x", 1):         "$labels.x is empty",
		strings.Replace(list, "alias:$version", "x$targets", 1): "only $wave, $version and $previous",
		strings.Replace(list, "alias:$version", "$window", 1):   "no place in a dimension",
	} {
		if got, err := fill(query, v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s becomes %s, %v; want an error with %q", query, got, err, want)
		}
	}
	for _, text := range evil {
		bad := v
		bad.Version, bad.Targets = text, []core.Target{{Name: text}, {Name: "a"}}
		for _, query := range []string{`SEARCH('{App} v=$version', 'Sum', 60)`, `SEARCH('{App} host=$targets', 'Sum', 60)`, `SELECT SUM(x) FROM App WHERE v = $version`} {
			if text == "$version" {
				continue // is a text like any other
			}
			if got, err := fill(query, bad); err == nil {
				t.Errorf("%q becomes %s", text, got)
			}
		}
		filled, err := fill(list, bad)
		if err != nil {
			t.Errorf("%q in a list: %v", text, err)
			continue
		}
		inCloud(t, metric.CloudwatchOptions{}, func(t *testing.T, w *metrictest.World, server *cloudwatchtest.Server, s core.Source) {
			dims := map[string]string{"host": text, "v": "alias:" + text}
			server.Report("App", "hits", dims, w.Clock.Now().Add(-2*time.Minute), 3)
			samples := askWindow(t, w, s, filled, 5*time.Minute)
			if len(samples) != 1 || samples[0].Labels["host"] != text || samples[0].Value != 3 {
				t.Errorf("%q: %v", text, samples)
			}
		})
	}
}

// TestCloudWatchManyTargets: a metric for each of many targets is a few questions; an expression over them is refused.
func TestCloudWatchManyTargets(t *testing.T) {
	inCloud(t, metric.CloudwatchOptions{}, func(t *testing.T, w *metrictest.World, server *cloudwatchtest.Server, s core.Source) {
		v := core.Variables{Window: 5 * time.Minute, At: w.Clock.Now()}
		for i := range 1100 {
			name := fmt.Sprintf("host-%04d", i)
			v.Targets = append(v.Targets, core.Target{Name: name})
			server.Report("App", "hits", map[string]string{"host": name}, w.Clock.Now().Add(-2*time.Minute), 1)
		}
		server.Page(10_000)
		const metrics = `{"Id":"m","ReturnData":%s,"MetricStat":{"Metric":{"Namespace":"App","MetricName":"hits","Dimensions":[{"Name":"host","Value":"$targets"}]},"Period":60,"Stat":"Sum"}}`
		query, err := s.Fill("["+fmt.Sprintf(metrics, "true")+"]", v)
		if err != nil {
			t.Fatal(err)
		}
		if got := askWindow(t, w, s, query, v.Window); len(got) != 1100 || len(server.Asked()) != 3 {
			t.Errorf("%d samples by %q", len(got), server.Asked())
		}
		query, err = s.Fill(`[`+fmt.Sprintf(metrics, "false")+`,{"Id":"all","Expression":"SUM(METRICS(\"m\"))","Period":"$window"}]`, v)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Query(t.Context(), core.Query{Text: query, At: v.At, Window: v.Window})
		refusedForGood(t, err, "takes 500 at once")
	})
}

// TestCloudWatchRefuses: which action of IAM is missing, and whether to ask again.
func TestCloudWatchRefuses(t *testing.T) {
	denied := cloudwatchtest.Refuse(403, "AccessDenied", "User is not authorized to perform this")
	inCloud(t, metric.CloudwatchOptions{}, func(t *testing.T, w *metrictest.World, server *cloudwatchtest.Server, s core.Source) {
		server.Alarms(cloudwatchtest.NewAlarm("x", "MetricAlarm", w.Clock.Now().Add(-time.Hour)))
		for action, ask := range map[string]func() error{
			"GetMetricData": func() error {
				_, err := s.Query(t.Context(), core.Query{Text: cloudHits, At: w.Clock.Now(), Window: 5 * time.Minute})
				return err
			},
			"DescribeAlarms": func() error {
				_, err := s.(core.Alarmist).Alarms(t.Context(), []string{"x"}, w.Clock.Now().Add(-time.Minute), w.Clock.Now())
				return err
			},
			"DescribeAlarmHistory": func() error {
				_, err := s.(core.Alarmist).Alarms(t.Context(), []string{"x"}, w.Clock.Now().Add(-time.Minute), w.Clock.Now())
				return err
			},
		} {
			only := func(do cloudwatchtest.Meddler, times int) cloudwatchtest.Meddler {
				return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
					if strings.HasSuffix(r.URL.Path, "/"+action) && times > 0 {
						times--
						do(w, r, serve)
						return
					}
					serve(w, r)
				}
			}
			server.Meddle(only(denied, 100))
			refusedForGood(t, ask(), `allow cloudwatch:`+action+` on "*"`)
			for name, do := range map[string]cloudwatchtest.Meddler{
				"throttled": cloudwatchtest.Refuse(400, "ThrottlingException", "Rate exceeded"),
				"trouble":   cloudwatchtest.Refuse(500, "InternalServiceFault", "x"),
				"lost":      func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) },
			} {
				server.Meddle(only(do, 1))
				if err := ask(); err != nil {
					t.Errorf("%s %s once: %v", action, name, err)
				}
				server.Meddle(only(do, 1000))
				if err := ask(); err == nil || permanent(err) {
					t.Errorf("%s %s for ever: %v; want an error that is not permanent", action, name, err)
				}
			}
			server.Meddle(nil)
		}
	})
}

// TestCloudWatchAccount: nothing is asked in another account, and a role is taken before anything else.
func TestCloudWatchAccount(t *testing.T) {
	options := func(role, account string) metric.CloudwatchOptions {
		return metric.CloudwatchOptions{Options: aws.Options{Role: role, Account: account, Region: cloudwatchtest.Region}}
	}
	ask := func(t *testing.T, w *metrictest.World, s core.Source) error {
		_, err := s.Query(t.Context(), core.Query{Text: cloudHits, At: w.Clock.Now(), Window: 5 * time.Minute})
		return err
	}
	inCloud(t, options("", "210987654321"), func(t *testing.T, w *metrictest.World, server *cloudwatchtest.Server, s core.Source) {
		refusedForGood(t, ask(t, w, s), "of AWS account 123456789012 and must be of 210987654321")
		if got := server.Asked(); !slices.Equal(got, []string{"sts:GetCallerIdentity AKIDTEST"}) {
			t.Errorf("it asked %q", got)
		}
	})
	inCloud(t, options(cloudwatchtest.Role, cloudwatchtest.Account), func(t *testing.T, w *metrictest.World, server *cloudwatchtest.Server, s core.Source) {
		for range 2 {
			if err := ask(t, w, s); err != nil {
				t.Fatal(err)
			}
		}
		w.Wait(t, 2*time.Hour) // the session of the role has ended
		if err := ask(t, w, s); err != nil {
			t.Fatal(err)
		}
		want := []string{"sts:AssumeRole AKIDTEST", "sts:GetCallerIdentity ASIAROLE", "cloudwatch:GetMetricData ASIAROLE", "cloudwatch:GetMetricData ASIAROLE",
			"sts:AssumeRole AKIDTEST", "cloudwatch:GetMetricData ASIAROLE"}
		if got := server.Asked(); !slices.Equal(got, want) {
			t.Errorf("it asked %q; want %q", got, want)
		}
	})
	inCloud(t, options("arn:aws:iam::123456789012:role/other", ""), func(t *testing.T, w *metrictest.World, _ *cloudwatchtest.Server, s core.Source) {
		refusedForGood(t, ask(t, w, s), "give us the role arn:aws:iam::123456789012:role/other", "allow sts:AssumeRole")
	})
	for want, o := range map[string]metric.CloudwatchOptions{
		"not 12 digits":      options("", "12"),
		"role is in account": options(cloudwatchtest.Role, "210987654321"),
		"timeout must not":   {Timeout: -1},
		"not a name as":      {Options: aws.Options{Region: "Ireland"}},
		"which region?":      {},
	} {
		_, err := metric.Open(core.SourceSpec{Type: "cloudwatch", Options: &o}, metric.Env{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", o, err, want)
		}
	}
}

func askWindow(t *testing.T, w *metrictest.World, s core.Source, query string, window time.Duration) []core.Sample {
	t.Helper()
	samples, err := s.Query(t.Context(), core.Query{Text: query, At: w.Clock.Now(), Window: window})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return samples
}

func numbersOf(samples []core.Sample) []float64 {
	var all []float64
	for _, s := range samples {
		all = append(all, s.Value)
	}
	return all
}

func permanent(err error) bool {
	p, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err)
	return ok && p.Permanent()
}

// refusedForGood checks an error that asking again would meet again.
func refusedForGood(t *testing.T, err error, wants ...string) {
	t.Helper()
	if err == nil || !permanent(err) {
		t.Errorf("error %v; want a permanent one with %q", err, wants)
		return
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want %q in it", err, want)
		}
	}
}
