package metric_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

func openAlertmanager(t *testing.T, w *metrictest.World) core.Source {
	return open(t, w, "alertmanager", &metric.AlertmanagerOptions{
		URL: "http://user:" + secret + "@am/base?key=" + secret, Reach: metric.Reach{Headers: map[string]core.Secret{"X-Scope-OrgID": secret}},
	})
}

func TestAlertmanagerRefusals(t *testing.T) {
	testRefusals(t, "am:80", openAlertmanager, alarms("High"))
	bubble(t, "a bad request", nil, func(t *testing.T, w *metrictest.World) {
		w.Serve(t, "am:80", answers(400, "application/json", `"bad matcher format: x"`))
		err := alarms("High")(t.Context(), openAlertmanager(t, w), w.Clock.Now())
		if err == nil || err.Error() != "am: it refuses the query (400): bad matcher format: x" || !isPermanent(err) {
			t.Errorf("err = %v", err)
		}
	})
}

func TestAlertmanagerAlarms(t *testing.T) {
	alert := func(name, starts, state string) string {
		return `{"labels":{"alertname":"` + name + `","instance":"a"},"annotations":{"summary":"too many errors"},"startsAt":"` + starts + `",` +
			`"endsAt":"2000-01-01T02:00:00Z","updatedAt":"2000-01-01T00:59:00Z","fingerprint":"f","receivers":[{"name":"r"}],` +
			`"status":{"state":"` + state + `","silencedBy":[],"inhibitedBy":[]}}`
	}
	for name, c := range map[string]struct {
		alerts string
		late   time.Duration
		blind  string
		want   [][2]int
	}{
		"quiet":            {},
		"firing":           {alerts: alert("High", "2000-01-01T00:10:00.000Z", "active"), want: [][2]int{{600, 0}}},
		"silenced":         {alerts: alert("High", "2000-01-01T00:10:00Z", "suppressed"), want: [][2]int{{600, 0}}},
		"not yet routed":   {alerts: alert("High", "2000-01-01T00:10:00Z", "unprocessed"), want: [][2]int{{600, 0}}},
		"since before":     {alerts: alert("High", "1999-12-31T23:00:00Z", "active"), want: [][2]int{{0, 0}}},
		"after the end":    {alerts: alert("High", "2000-01-01T01:00:01Z", "active"), late: time.Minute},
		"another":          {alerts: alert("Higher", "2000-01-01T00:10:00Z", "active")},
		"two, sorted":      {alerts: alert("High", "2000-01-01T00:20:00Z", "active") + "," + alert("High", "2000-01-01T00:10:00Z", "active"), want: [][2]int{{600, 0}, {1200, 0}}},
		"a look that late": {late: 3 * time.Minute, blind: "an Alertmanager knows only what fires now, not what fired at 2000-01-01T01:00:00Z"},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			from := w.Clock.Now()
			w.Wait(t, time.Hour+c.late)
			w.Serve(t, "am:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				if r.Method != http.MethodGet || r.URL.Path != "/base/api/v2/alerts" || q.Get("key") != secret || r.Header.Get("X-Scope-OrgID") != secret {
					t.Errorf("got %s %s", r.Method, r.URL)
				}
				if q.Get("filter") != `alertname=~"(?:High|a\\.\"b\\\\\n)"` || q.Get("silenced")+q.Get("inhibited")+q.Get("active")+q.Get("unprocessed") != "truetruetruetrue" {
					t.Errorf("got %v", q)
				}
				answers(200, "application/json", "["+c.alerts+"]")(rw, r)
			}))
			s := openAlertmanager(t, w)
			got, err := s.(core.Alarmist).Alarms(t.Context(), []string{"High", "a.\"b\\\n"}, from, from.Add(time.Hour))
			if err != nil || len(got) != 2 {
				t.Fatalf("got %v and error %v", got, err)
			}
			expectAlarm(t, got[0], from, c.blind, c.want...)
			expectAlarm(t, got[1], from, c.blind)
			for _, e := range got[0].Episodes {
				if e.Text != "too many errors" {
					t.Errorf("text = %q", e.Text)
				}
			}
		})
	}
}

// TestMute asks sources that know alarms only for numbers.
func TestMute(t *testing.T) {
	for kind, options := range map[string]any{"alertmanager": &metric.AlertmanagerOptions{URL: "http://a"}} {
		bubble(t, kind, nil, func(t *testing.T, w *metrictest.World) {
			s := open(t, w, kind, options)
			if _, err := s.Query(t.Context(), core.Query{}); err == nil || !isPermanent(err) {
				t.Errorf("query: err = %v, want a permanent one", err)
			}
			if _, err := s.Fill("x", core.Variables{}); err == nil || !isPermanent(err) {
				t.Errorf("fill: err = %v, want a permanent one", err)
			}
			if err := metric.Kinds[kind].CheckQuery("x"); err == nil || !strings.Contains(err.Error(), "it knows alarms only") {
				t.Errorf("check: err = %v", err)
			}
			if !metric.Kinds[kind].Alarms {
				t.Error("it does not say that it knows alarms")
			}
		})
	}
}

func TestAlertmanagerOptions(t *testing.T) {
	for want, o := range map[string]metric.AlertmanagerOptions{
		"url is no URL of the form":     {URL: "am:9093"},
		"timeout must not be below":     {URL: "http://am", Reach: metric.Reach{Timeout: -1}},
		"basic and bearer are both set": {URL: "http://am", Reach: metric.Reach{Bearer: secret, Basic: &metric.Basic{}}},
	} {
		_, err := metric.Open(core.SourceSpec{Type: "alertmanager", Options: &o}, metric.Env{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
}
