package metric

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A said is a service that always answers the same.
type said string

func (text said) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(text)))}, nil
}

func (text said) service() *service {
	return &service{http: &http.Client{Transport: text}, base: &url.URL{Scheme: "http", Host: "s"}, timeout: time.Minute}
}

// checkAlarms asks for two alarms, between 1970 and 2000: what comes back is two alarms or an error, and no episode that
// ends before it begins.
func checkAlarms(t *testing.T, s core.Alarmist) {
	from, until := time.Unix(0, 0), time.Unix(946684800, 0)
	all, err := s.Alarms(t.Context(), []string{"a", "1"}, from, until)
	if err != nil {
		return
	}
	if len(all) != 2 || all[0].Name != "a" || all[1].Name != "1" {
		t.Fatalf("got %v, want two alarms", all)
	}
	for _, alarm := range all {
		for _, e := range alarm.Episodes {
			if e.From.After(until) || !e.Until.IsZero() && e.Until.Before(e.From) {
				t.Errorf("%v is no episode of the stretch", e)
			}
		}
	}
}

// frozen is a clock that stands at the end of the stretch.
type frozen struct{ core.Clock }

func (frozen) Now() time.Time { return time.Unix(946684800, 0) }

func FuzzAlertmanagerAnswer(f *testing.F) {
	for _, text := range []string{
		`[{"labels":{"alertname":"a"},"annotations":{"summary":"x"},"startsAt":"1999-01-01T00:00:00Z"}]`, `[]`, `null`, `{}`, `[{}]`, "",
		`[{"labels":{"alertname":"a"},"startsAt":"9999-01-01T00:00:00Z"}]`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkAlarms(t, &alertmanager{service: said(text).service(), clock: frozen{}})
	})
}
