package report

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func one(t *testing.T, url string, client *http.Client) core.Notifier {
	t.Helper()
	n, err := Notifiers([]core.Secret{core.Secret(url)}, client)
	if err != nil {
		t.Fatal(err)
	}
	return n[0]
}

func TestWebhook(t *testing.T) {
	var got map[string]any
	var user string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, _, _ = req.BasicAuth()
		body, _ := io.ReadAll(req.Body)
		if err := json.Unmarshal(body, &got); err != nil || req.Method != http.MethodPost ||
			req.Header.Get("Content-Type") != "application/json" || req.URL.RequestURI() != "/services/T0/B0?x=1" {
			t.Errorf("%s %s: %v", req.Method, req.URL, err)
		}
	}))
	defer server.Close()
	url := strings.Replace(server.URL, "http://", "http://me:pass@", 1) + "/services/T0/B0?x=1"
	if err := one(t, url, server.Client()).Notify(t.Context(), failing(t).rollout()); err != nil {
		t.Fatal(err)
	}
	want := "checkout/production v2.3.1: rolling-back. Check errors: 2.1% is above max 0.5%."
	if got["text"] != want || got["state"] != "rolling-back" || got["version"] != "v2.3.1" || user != "me" {
		t.Errorf("got %v as %q", got, user)
	}
}

func TestWebhookRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Error(w, "no such hook: "+req.URL.Path, http.StatusNotFound)
	}))
	defer server.Close()
	err := one(t, server.URL+"/s3cret", server.Client()).Notify(t.Context(), &core.Rollout{})
	if want := "notify " + server.URL + ": answered 404 Not Found; check the URL"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestNotifyEndsWithContext: a dead receiver holds nobody up for longer than the context.
func TestNotifyEndsWithContext(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	host := strings.TrimPrefix(server.URL, "http://")
	for _, url := range []string{server.URL + "/s3cret", "generic://" + host + "/s3cret?disabletls=yes"} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		err := one(t, url, server.Client()).Notify(ctx, &core.Rollout{})
		if err == nil || !strings.Contains(err.Error(), "deadline exceeded") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestShoutrrr(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		got = string(body)
	}))
	defer server.Close()
	url := "generic://" + strings.TrimPrefix(server.URL, "http://") + "/hook?disabletls=yes"
	if err := one(t, url, nil).Notify(t.Context(), failing(t).rollout()); err != nil {
		t.Fatal(err)
	}
	if want := "checkout/production v2.3.1: rolling-back. Check errors: 2.1% is above max 0.5%."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNotifyErrorsKeepSecrets: whatever goes wrong, nobody reads a URL's secret parts in an error.
func TestNotifyErrorsKeepSecrets(t *testing.T) {
	down := &http.Client{Transport: dead{}}
	for _, url := range []string{
		"https://user:s3cretpass@hooks.example.com/services/s3cretpath?token=s3crettoken#s3cretfrag",
		"https://hooks.example.com/s3cret%2Fpath",
		"https:///s3cret", "s3cret", "://s3cret", "https://host:s3cret/", "https://host/%zz?s3cret", "nothing://s3cret",
		"slack://s3cret@s3cret", "discord://s3crettoken@", "telegram://s3cret@telegram?chats=", "teams://s3cret@s3cret/s3cret",
		"smtp://user:s3cret@127.0.0.1:1/?from=s3cret", "gotify://127.0.0.1:1/s3crettoken?disabletls=yes",
		"ntfy://user:s3cret@127.0.0.1:1/s3cret?scheme=http", "generic+https://127.0.0.1:1/s3cret?token=s3cret",
	} {
		notifiers, err := Notifiers([]core.Secret{core.Secret(url)}, down)
		if err == nil {
			err = notifiers[0].Notify(t.Context(), &core.Rollout{})
		}
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// dead is a network that is down, with an error that quotes what it was asked for.
type dead struct{}

func (dead) RoundTrip(req *http.Request) (*http.Response, error) {
	return nil, errors.New("no route for " + req.URL.String())
}

func TestNotifiersSayEverythingAtOnce(t *testing.T) {
	_, err := Notifiers([]core.Secret{"https://ok.example.com/x", "nope", "carrier-pigeon://coop"}, http.DefaultClient)
	if err == nil {
		t.Fatal("no error")
	}
	said := strings.Split(err.Error(), "\n")
	if len(said) != 2 || said[0] != "notify: entry 2: is not a URL; write it like https://host/path or slack://token@channel" ||
		!strings.HasPrefix(said[1], `notify: entry 3: no notifier is named "carrier-pigeon"; known are: bark, discord, `) ||
		strings.Contains(said[1], "logger") {
		t.Error(err)
	}
}
