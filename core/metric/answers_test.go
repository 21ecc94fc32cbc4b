package metric_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

// testRefusals lets the service at an address answer in every wrong way that does not depend on its language. No error
// may show the secret, and only what cannot change by itself is permanent.
func testRefusals(t *testing.T, address string, open func(*testing.T, *metrictest.World) core.Source,
	ask func(context.Context, core.Source, time.Time) error,
) {
	const json = "application/json"
	login := http.RedirectHandler("https://login.example/in?token="+secret, http.StatusFound)
	for name, c := range map[string]struct {
		server    http.HandlerFunc // nil: nobody listens
		want      string
		permanent bool
	}{
		"connection refused":      {nil, "connection refused", false},
		"no answer":               {silent, "no answer within 30s", false},
		"half an answer":          {cut, "it closed the connection", false},
		"401":                     {answers(401, json, `{}`), "it refuses us (401); check ", true},
		"403":                     {answers(403, "text/plain", "no"), "it refuses us (403); check ", true},
		"404":                     {answers(404, "text/html", "<html>"), "(404)", true},
		"429":                     {answers(429, json, `{}`), "status 429 Too Many Requests", false},
		"500":                     {answers(500, "text/plain", "oh"), "status 500 Internal Server Error", false},
		"503, HTML":               {answers(503, "text/html", "<html>"), "status 503 Service Unavailable", false},
		"HTML":                    {answers(200, "text/html", "<html>"), "it does not answer in the form that is expected", false},
		"nothing":                 {answers(200, json, ""), "it does not answer in the form that is expected", false},
		"null":                    {answers(200, json, "null\n"), "it does not answer in the form that is expected", false},
		"a text":                  {answers(200, json, `"x"`), "it does not answer in the form that is expected", false},
		"JSON that ends too soon": {answers(200, json, `[{"a":`), "it does not answer in the form that is expected", false},
		"a login":                 {login.ServeHTTP, "it redirects to https://login.example; give the final url", true},
		"too large":               {answers(200, json, strings.Repeat(" ", 17<<20)), "its answer is larger than 16 MiB", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := metrictest.NewWorld(t)
				if c.server != nil {
					w.Serve(t, address, c.server)
				}
				err := ask(t.Context(), open(t, w), w.Clock.Now())
				host := strings.TrimSuffix(address, ":80")
				if err == nil || !strings.HasPrefix(err.Error(), host) || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("err = %v, want %s: %s", err, host, c.want)
				}
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%v: shows a secret", err)
				}
				if isPermanent(err) != c.permanent {
					t.Errorf("%v: permanent is %t, want %t", err, isPermanent(err), c.permanent)
				}
			})
		})
	}
}

// query is how testRefusals asks a source for numbers.
func query(text string) func(context.Context, core.Source, time.Time) error {
	return func(ctx context.Context, s core.Source, at time.Time) error {
		_, err := s.Query(ctx, core.Query{Text: text, At: at, Window: 5 * time.Minute})
		return err
	}
}

// alarms is how testRefusals asks a source for alarms.
func alarms(names ...string) func(context.Context, core.Source, time.Time) error {
	return func(ctx context.Context, s core.Source, at time.Time) error {
		_, err := s.(core.Alarmist).Alarms(ctx, names, at.Add(-time.Hour), at)
		return err
	}
}

// expectAlarm compares what a source says of one alarm, with instants as seconds after from; an end of 0 is none.
func expectAlarm(t *testing.T, got core.Alarm, from time.Time, blind string, episodes ...[2]int) {
	t.Helper()
	if blind == "" && got.Blind != "" || !strings.Contains(got.Blind, blind) {
		t.Errorf("blind = %q, want %q", got.Blind, blind)
	}
	var all [][2]int
	for _, e := range got.Episodes {
		one := [2]int{int(e.From.Sub(from).Seconds())}
		if !e.Until.IsZero() {
			one[1] = int(e.Until.Sub(from).Seconds())
		}
		all = append(all, one)
	}
	if len(all) != len(episodes) {
		t.Fatalf("%s: episodes %v, want %v", got.Name, all, episodes)
	}
	for i := range all {
		if all[i] != episodes[i] {
			t.Errorf("%s: episodes %v, want %v", got.Name, all, episodes)
		}
	}
}
