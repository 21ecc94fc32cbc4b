package metric_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

func openGrafana(t *testing.T, w *metrictest.World) core.Source {
	return open(t, w, "grafana", &metric.GrafanaOptions{URL: "http://gf/?key=" + secret, Reach: metric.Reach{Bearer: "glsa_" + secret}})
}

const (
	grafanaRules = `[{"id":7,"uid":"u7","orgID":1,"folderUID":"f","ruleGroup":"g","title":"High","isPaused":false},` +
		`{"id":8,"uid":"u8","orgID":1,"folderUID":"f","ruleGroup":"g","title":"Slow","isPaused":false}]`
	grafanaQuiet = `{"state":"inactive","name":"High","uid":"u7","health":"ok","type":"alerting","lastEvaluation":"2000-01-01T00:59:50Z",` +
		`"alerts":[{"labels":{"alertname":"High"},"annotations":{},"state":"Normal","activeAt":"1999-12-31T00:00:00Z","value":""}]}`
)

func grafanaStatuses(rules ...string) string {
	return `{"status":"success","data":{"groups":[{"name":"g","file":"folder","interval":60,"rules":[` + strings.Join(rules, ",") + `]}],"totals":{}}}`
}

func TestGrafanaRefusals(t *testing.T) {
	testRefusals(t, "gf:80", openGrafana, alarms("High"))
	step := func(path, text string, code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			all := map[string]string{
				"/api/v1/provisioning/alert-rules": grafanaRules, "/api/prometheus/grafana/api/v1/rules": grafanaStatuses(grafanaQuiet), "/api/annotations": "[]",
			}
			if r.URL.Path == path {
				answers(code, "application/json", text)(w, r)
				return
			}
			answers(200, "application/json", all[r.URL.Path])(w, r)
		}
	}
	for name, c := range map[string]struct {
		server    http.HandlerFunc
		name      string
		want      string
		permanent bool
	}{
		"no permission":    {step("/api/v1/provisioning/alert-rules", `{"message":"You'll need additional permissions"}`, 403), "High", "gf: it refuses us (403); check bearer and the permissions of its service account: You'll need", true},
		"no annotations":   {step("/api/annotations", `{"message":"Access denied"}`, 403), "High", "gf: it refuses us (403)", true},
		"annotations down": {step("/api/annotations", `{"message":"Failed to get annotations"}`, 500), "High", "gf: status 500 Internal Server Error: Failed to get annotations", false},
		"no list of them":  {step("/api/annotations", `{}`, 200), "High", "gf: it does not answer in the form that is expected", false},
		"rules fail":       {step("/api/prometheus/grafana/api/v1/rules", `{"status":"error","error":"failure getting rules"}`, 200), "High", `gf: it answers with status "error": failure getting rules`, false},
		"rules are cut":    {step("/api/prometheus/grafana/api/v1/rules", `{"status":"succ`, 200), "High", "gf: it does not answer in the form that is expected", false},
		"a misspelt name":  {step("", "", 0), "Hihg", `gf: no alert rule has the title or uid "Hihg"`, true},
		"two of a title":   {step("/api/v1/provisioning/alert-rules", strings.ReplaceAll(grafanaRules, "Slow", "High"), 200), "High", `gf: 2 alert rules have the title "High"; give the uid of one`, true},
		"no rules":         {step("/api/v1/provisioning/alert-rules", `[]`, 200), "High", `gf: no alert rule has the title or uid "High"`, true},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			w.Serve(t, "gf:80", c.server)
			err := alarms(c.name)(t.Context(), openGrafana(t, w), w.Clock.Now())
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || isPermanent(err) != c.permanent || strings.Contains(err.Error(), secret) {
				t.Errorf("err = %v, want %s, permanent %t", err, c.want, c.permanent)
			}
		})
	}
}

func TestGrafanaAlarms(t *testing.T) {
	const epoch = 946684800
	// changed is a change of one instance, seconds after from.
	changed := func(host string, at int, prev, next string) string {
		return fmt.Sprintf(`{"id":1,"alertId":7,"alertName":"High","dashboardId":0,"panelId":0,"newState":%q,"prevState":%q,"time":%d,"timeEnd":%d,`+
			`"text":"High {alertname=High, host=%s} - B=%d.000000","tags":[],"data":{}}`, next, prev, (epoch+at)*1000, (epoch+at)*1000, host, at)
	}
	status := func(health, state, active string) string {
		return `{"name":"High","uid":"u7","health":"` + health + `","lastError":"no datasource","lastEvaluation":"2000-01-01T00:59:50Z",` +
			`"alerts":[{"annotations":{"summary":"too many"},"state":"` + state + `","activeAt":"` + active + `"}]}`
	}
	long := "1999-12-31T00:00:00Z"
	many := make([]string, 5000)
	for i := range many {
		many[i] = changed("a", 1, "Normal", "Pending")
	}
	for name, c := range map[string]struct {
		name     string // of the rule; default: High
		rules    string
		statuses string
		changes  []string // newest first, as Grafana sends them
		late     time.Duration
		blind    string
		want     [][2]int
	}{
		"quiet":              {},
		"by uid":             {name: "u7"},
		"fired and resolved": {changes: []string{changed("a", 900, "Alerting", "Normal"), changed("a", 600, "Pending", "Alerting"), changed("a", 540, "Normal", "Pending")}, want: [][2]int{{600, 900}}},
		"twice":              {changes: []string{changed("a", 1300, "Alerting", "Normal"), changed("a", 1200, "Normal", "Alerting"), changed("a", 900, "Alerting", "Normal"), changed("a", 600, "Normal", "Alerting")}, want: [][2]int{{600, 900}, {1200, 1300}}},
		"two instances":      {changes: []string{changed("b", 950, "Alerting", "Normal"), changed("a", 900, "Alerting", "Normal"), changed("b", 650, "Normal", "Alerting"), changed("a", 600, "Normal", "Alerting")}, want: [][2]int{{600, 900}, {650, 950}}},
		"firing before":      {changes: []string{changed("a", 900, "Alerting", "Normal")}, want: [][2]int{{0, 900}}},
		"still firing":       {changes: []string{changed("a", 600, "Normal", "Alerting")}, statuses: grafanaStatuses(status("ok", "Alerting", "2000-01-01T00:10:00Z")), want: [][2]int{{600, 0}}},
		"all the time":       {statuses: grafanaStatuses(status("ok", "Alerting", long)), want: [][2]int{{0, 0}}},
		"a change is lost":   {statuses: grafanaStatuses(status("ok", "Alerting", "2000-01-01T00:10:00Z")), want: [][2]int{{600, 0}}},
		"recovering":         {changes: []string{changed("a", 700, "Alerting", "Recovering"), changed("a", 600, "Normal", "Alerting")}, statuses: grafanaStatuses(status("ok", "Recovering", "2000-01-01T00:10:00Z")), want: [][2]int{{600, 0}}},
		"no data alerts":     {changes: []string{changed("a", 900, "Alerting (NoData)", "Normal"), changed("a", 600, "Normal", "Alerting (NoData)")}, want: [][2]int{{600, 900}}},
		"no data is normal":  {changes: []string{changed("a", 600, "Normal", "Normal (NoData)")}},
		"the series is gone": {changes: []string{changed("a", 900, "Alerting", "Normal (MissingSeries)"), changed("a", 600, "Normal", "Alerting")}, want: [][2]int{{600, 900}}},
		"fired later":        {late: time.Hour, changes: []string{changed("a", 3900, "Alerting", "Normal"), changed("a", 3800, "Normal", "Alerting")}},
		"until later":        {late: time.Hour, changes: []string{changed("a", 3900, "Alerting", "Normal")}, want: [][2]int{{0, 0}}},
		"fires now, later":   {late: time.Hour, statuses: grafanaStatuses(status("ok", "Alerting", "2000-01-01T01:30:00Z"))},
		"pending":            {statuses: grafanaStatuses(status("ok", "Pending", long)), changes: []string{changed("a", 600, "Normal", "Pending")}},
		"no data":            {statuses: grafanaStatuses(status("nodata", "NoData", long)), blind: `an instance is in state "NoData"`},
		"had no data":        {changes: []string{changed("a", 600, "NoData", "Normal"), changed("a", 500, "Normal", "NoData")}, blind: "at 2000-01-01T00:08:20Z an instance changed from Normal to NoData"},
		"an error":           {statuses: grafanaStatuses(status("error", "Error", long)), blind: "the rule cannot be evaluated: no datasource"},
		"an error is normal": {changes: []string{changed("a", 600, "Normal", "Normal (Error)")}, blind: "an instance changed from Normal to Normal (Error)"},
		"it was paused":      {changes: []string{changed("a", 600, "Alerting", "Normal (Paused)")}, blind: "to Normal (Paused)", want: [][2]int{{0, 600}}},
		"a state of its own": {changes: []string{changed("a", 600, "Normal", "Odd")}, blind: "to Odd"},
		"paused":             {rules: strings.Replace(grafanaRules, `"isPaused":false`, `"isPaused":true`, 1), blind: "the rule is paused"},
		"never evaluated":    {statuses: grafanaStatuses(), blind: "the rule has not been evaluated"},
		"health not known":   {statuses: grafanaStatuses(status("unknown", "Normal", long)), blind: `the health of the rule is "unknown"`},
		"evaluated long ago": {statuses: strings.ReplaceAll(grafanaStatuses(grafanaQuiet), "00:59:50", "00:56:50"), blind: "the rule was last evaluated at 2000-01-01T00:56:50Z"},
		"too many changes":   {changes: many, blind: "it changed 5000 times"},
		"without uids":       {statuses: strings.ReplaceAll(grafanaStatuses(status("ok", "Alerting", long)), `"uid":"u7",`, ""), want: [][2]int{{0, 0}}},
		"of another rule":    {statuses: grafanaStatuses(grafanaQuiet, strings.ReplaceAll(status("ok", "Alerting", long), "u7", "u9"))},
	} {
		bubble(t, name, nil, func(t *testing.T, w *metrictest.World) {
			from := w.Clock.Now()
			w.Wait(t, time.Hour+c.late)
			if c.rules == "" {
				c.rules = grafanaRules
			}
			if c.statuses == "" {
				c.statuses = grafanaStatuses(grafanaQuiet)
			}
			if c.name == "" {
				c.name = "High"
			}
			w.Serve(t, "gf:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer glsa_"+secret {
					t.Errorf("got %s with %v", r.Method, r.Header)
				}
				text := map[string]string{
					"/api/v1/provisioning/alert-rules": c.rules, "/api/prometheus/grafana/api/v1/rules": c.statuses,
					"/api/annotations": "[" + strings.Join(c.changes, ",") + "]",
				}[r.URL.Path]
				now := fmt.Sprint(w.Clock.Now().UnixMilli())
				if q := r.URL.Query(); r.URL.Path == "/api/annotations" && (q.Get("type") != "alert" || q.Get("alertId") != "7" ||
					q.Get("from") != "946684800000" || q.Get("to") != now || q.Get("limit") != "5000") {
					t.Errorf("got %s", r.URL)
				}
				answers(200, "application/json", text)(rw, r)
			}))
			got, err := openGrafana(t, w).(core.Alarmist).Alarms(t.Context(), []string{c.name}, from, from.Add(time.Hour))
			if err != nil || len(got) != 1 || got[0].Name != c.name {
				t.Fatalf("got %v and error %v", got, err)
			}
			expectAlarm(t, got[0], from, c.blind, c.want...)
		})
	}
}
