package actions

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// statusJob is a job whose API is a server of the test.
func statusJob(t *testing.T, token string, serve http.HandlerFunc) *Forge {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	f, ok := New([]string{"GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=acme/shop", "GITHUB_SHA=1a2b", "GITHUB_RUN_ID=7", "GITHUB_RUN_ATTEMPT=1",
		"GITHUB_TOKEN=" + token, "GITHUB_API_URL=" + server.URL}, io.Discard, io.Discard, clock{})
	if !ok || f.Err() != nil {
		t.Fatal(f.Err())
	}
	return f
}

// TestStatuses: statuses and check runs of every page, one for each name, and of several with the same name the worst.
func TestStatuses(t *testing.T) {
	f := statusJob(t, "s3cr3t", func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer s3cr3t" {
			t.Errorf("authorized by %q", got)
		}
		page := r.URL.Query().Get("page")
		if page == "1" {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?page=2>; rel="next"`, r.Host, r.URL.Path))
		}
		switch r.URL.Path + " " + page {
		case "/repos/acme/shop/commits/1a2b/status 1":
			io.WriteString(w, `{"state":"failure","total_count":4,"statuses":[{"context":"build","state":"success","description":"built"},{"context":"slow","state":"pending"}]}`)
		case "/repos/acme/shop/commits/1a2b/status 2":
			io.WriteString(w, `{"state":"failure","total_count":4,"statuses":[{"context":"broken","state":"error","description":"no runner"},{"context":"both","state":"success"}]}`)
		case "/repos/acme/shop/commits/1a2b/check-runs 1":
			io.WriteString(w, `{"total_count":5,"check_runs":[{"name":"unit","status":"completed","conclusion":"success","output":{"title":null}},
				{"name":"both","status":"completed","conclusion":"failure","output":{"title":"3 tests failed"}},
				{"name":"queued","status":"queued","conclusion":null}]}`)
		case "/repos/acme/shop/commits/1a2b/check-runs 2":
			io.WriteString(w, `{"total_count":5,"check_runs":[{"name":"left out","status":"completed","conclusion":"skipped"},{"name":"unit","status":"in_progress"}]}`)
		default:
			t.Errorf("asked for %s", r.URL)
			http.NotFound(w, r)
		}
	})
	got, err := f.Statuses(t.Context(), "1a2b")
	want := []core.Status{
		{Name: "build", State: core.StatusSuccess, Description: "built"},
		{Name: "slow", State: core.StatusPending},
		{Name: "broken", State: core.StatusFailure, Description: "no runner"},
		{Name: "both", State: core.StatusFailure, Description: "3 tests failed"},
		{Name: "unit", State: core.StatusPending},
		{Name: "queued", State: core.StatusPending},
		{Name: "left out", State: core.StatusFailure, Description: "skipped"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestStatusesThatAreNotShown: an error says what was asked for and what to do, and never holds the token.
func TestStatusesThatAreNotShown(t *testing.T) {
	for _, c := range []struct {
		name, token string
		code        int
		body        string
		want        string
	}{
		{"no token", "", 200, "", "there is no token for GitHub: set GITHUB_TOKEN, in a workflow by env: {GITHUB_TOKEN: ${{ github.token }}}"},
		{"a wrong one", "s3cr3t", 401, `{"message":"Bad credentials"}`, "GitHub does not show the statuses of commit 1a2b: Bad credentials (401); the token is wrong or has expired"},
		{"no permission", "s3cr3t", 403, `{"message":"Resource not accessible by integration"}`,
			"GitHub does not show the statuses of commit 1a2b: Resource not accessible by integration (403); the job needs permissions: {statuses: read}"},
		{"nothing there", "s3cr3t", 404, `{"message":"Not Found"}`, "GitHub does not show the statuses of commit 1a2b: Not Found (404); the job needs permissions: {statuses: read}"},
		{"out of order", "s3cr3t", 502, `<html>`, "GitHub does not show the statuses of commit 1a2b:  (502)"},
		{"cut off", "s3cr3t", 200, `{"statuses":[{"context"`, "GitHub could not be asked to show the statuses of commit 1a2b: unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := statusJob(t, c.token, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.code)
				io.WriteString(w, c.body)
			})
			have, err := f.Statuses(t.Context(), "1a2b")
			if err == nil || err.Error() != c.want || have != nil {
				t.Errorf("%v, %v", have, err)
			}
			if err != nil && strings.Contains(err.Error(), "s3cr3t") {
				t.Error("the token is in the error")
			}
		})
	}
}
