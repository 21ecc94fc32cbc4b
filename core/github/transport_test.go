package github

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// virtual is a clock on which time passes by waiting only.
type virtual struct{ now time.Time }

func (v *virtual) Now() time.Time { return v.now }

func (v *virtual) Wait(ctx context.Context, until time.Time) error {
	if until.After(v.now) {
		v.now = until
	}
	return ctx.Err()
}

func ask(ctx context.Context, c *Client, method, path string, answer any) error {
	req, err := c.NewRequest(method, "repos/octo/shop/"+path, nil)
	if err != nil {
		return err
	}
	_, err = c.Do(ctx, req, answer)
	return err
}

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// TestTransport: what is sent again, after how long, and what is not.
func TestTransport(t *testing.T) {
	reset := fmt.Sprint(noon.Add(40 * time.Minute).Unix())
	for name, c := range map[string]struct {
		method, path string
		status       int
		header       map[string]string
		body         string
		fails        int // times, and then it works
		want         int // status in the end
		sent         int
		least, most  time.Duration // waited
		says         string
	}{
		"at once":                              {method: "GET", path: "pulls", want: 200, sent: 1},
		"trouble that passes":                  {method: "GET", path: "pulls", status: 502, fails: 3, want: 200, sent: 4, least: 1500 * time.Millisecond, most: 6 * time.Second},
		"trouble that stays":                   {method: "GET", path: "pulls", status: 500, fails: 100, want: 500, sent: 6, least: 7 * time.Second, most: 24 * time.Second},
		"what may not be done twice is not":    {method: "POST", path: "actions/runs/1/rerun", status: 502, fails: 1, want: 502, sent: 1},
		"an object may be made twice":          {method: "POST", path: "git/trees", status: 502, fails: 1, want: 200, sent: 2, most: time.Second},
		"a status may be set twice":            {method: "POST", path: "statuses/1a", status: 502, fails: 1, want: 200, sent: 2, most: time.Second},
		"a run may be cancelled twice":         {method: "POST", path: "actions/runs/1/cancel", status: 502, fails: 1, want: 200, sent: 2, most: time.Second},
		"a workflow may not be started twice":  {method: "POST", path: "actions/workflows/deploy.yml/dispatches", status: 502, fails: 1, want: 502, sent: 1},
		"no right to it":                       {method: "GET", path: "pulls", status: 403, fails: 100, want: 403, sent: 1},
		"a pause that is asked for":            {method: "POST", path: "actions/runs/1/rerun", status: 403, header: map[string]string{"Retry-After": "90"}, fails: 2, want: 200, sent: 3, least: 180 * time.Second, most: 180 * time.Second, says: "asks for a pause"},
		"the hour's requests are used up":      {method: "GET", path: "pulls", status: 403, header: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}, fails: 1, want: 200, sent: 2, least: 40 * time.Minute, most: 41 * time.Minute, says: "used up its requests"},
		"a secondary limit that names no time": {method: "GET", path: "pulls", status: 403, body: `{"message":"You have exceeded a secondary rate limit"}`, fails: 2, want: 200, sent: 3, least: 3 * time.Minute, most: 3 * time.Minute, says: "secondary"},
	} {
		t.Run(name, func(t *testing.T) {
			left := c.fails
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if left > 0 {
					left--
					for k, v := range c.header {
						w.Header().Set(k, v)
					}
					w.WriteHeader(c.status)
					fmt.Fprint(w, c.body)
					return
				}
				fmt.Fprint(w, "{}")
			}))
			defer server.Close()
			clock, said := &virtual{noon}, ""
			client, err := New("octo/shop", Env{Clock: clock, Waits: func(why string, _ time.Time) { said = why }, Lookup: func(name string) string {
				return map[string]string{"GITHUB_TOKEN": "x", "GITHUB_API_URL": server.URL}[name]
			}})
			if err != nil {
				t.Fatal(err)
			}
			err = ask(t.Context(), client, c.method, c.path, nil)
			got := Status(err)
			if err == nil {
				got = http.StatusOK
			}
			if waited := clock.now.Sub(noon); got != c.want || client.Requests() != c.sent || waited < c.least || waited > c.most {
				t.Errorf("%d after %d requests and %s: %v", got, client.Requests(), waited, err)
			}
			if !strings.Contains(said, c.says) || c.says == "" && said != "" {
				t.Errorf("it said %q; want %q", said, c.says)
			}
		})
	}
}

// TestConditional: where a ref is, is asked with the tag of the answer before.
func TestConditional(t *testing.T) {
	tagged := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			tagged++
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, `[{"ref":"refs/heads/main"}]`)
	}))
	defer server.Close()
	client, err := New("octo/shop", Env{Clock: &virtual{noon}, Lookup: func(name string) string {
		return map[string]string{"GITHUB_TOKEN": "x", "GITHUB_API_URL": server.URL}[name]
	}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var refs []struct{ Ref string }
		if err := ask(t.Context(), client, "GET", "git/matching-refs/heads", &refs); err != nil || len(refs) != 1 {
			t.Errorf("%+v, %v", refs, err)
		}
	}
	if tagged != 2 {
		t.Errorf("%d requests had the tag; want 2", tagged)
	}
}

// TestRepeatable: what a repository is called does not make its requests harmless.
func TestRepeatable(t *testing.T) {
	for path, want := range map[string]bool{
		"/repos/git/statuses/actions/workflows/deploy.yml/dispatches": false,
		"/repos/octo/git/actions/runs/1/rerun":                        false,
		"/api/v3/repos/octo/shop/git/trees":                           true,
		"/repos/octo/shop/statuses/1a":                                true,
	} {
		if got := repeatable(httptest.NewRequest("POST", "https://api.github.com"+path, nil)); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}
