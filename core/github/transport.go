package github

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core/patient"
)

// service is how GitHub wants to be asked.
var service = patient.Service{Name: "GitHub", Repeatable: repeatable, Conditional: conditional, Limit: limit}

// conditional tells which questions are asked again and again: where a ref is, and how far a run.
func conditional(req *http.Request) bool {
	what := within(req)
	return req.Method == http.MethodGet &&
		(strings.HasPrefix(what, "git/ref/") || strings.HasPrefix(what, "git/matching-refs/") || strings.HasPrefix(what, "actions/runs/"))
}

// repeatable tells which requests may be sent again when nobody knows what became of them. An object of git, and a
// status of a commit or of a deployment, are the same when they are made twice; a run that was cancelled twice was cancelled.
func repeatable(req *http.Request) bool {
	what := within(req)
	return req.Method != http.MethodPost || strings.HasPrefix(what, "git/") || strings.HasPrefix(what, "statuses/") ||
		strings.HasPrefix(what, "deployments/") && strings.HasSuffix(what, "/statuses") || strings.HasSuffix(what, "/cancel")
}

// within is the path of a request below its repository, whose own name may be any word.
func within(req *http.Request) string {
	_, path, _ := strings.Cut(req.URL.Path, "/repos/")
	parts := strings.SplitN(path, "/", 3)
	return parts[len(parts)-1]
}

// limit reads from an answer that a rate limit was hit, and until when to wait.
func limit(got patient.Answer, now time.Time, pause time.Duration) (until time.Time, why string) {
	if got.Status != http.StatusForbidden && got.Status != http.StatusTooManyRequests {
		return time.Time{}, ""
	}
	if seconds, err := strconv.Atoi(got.Header.Get("Retry-After")); err == nil && seconds >= 0 {
		return now.Add(time.Duration(seconds) * time.Second), "GitHub asks for a pause"
	}
	if got.Header.Get("X-RateLimit-Remaining") == "0" {
		if reset, err := strconv.ParseInt(got.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			return latest(now, time.Unix(reset, 0)).Add(time.Second), "The token has used up its requests of this hour"
		}
	}
	if got.Status == http.StatusTooManyRequests || strings.Contains(string(got.Body), "secondary rate limit") {
		return now.Add(pause), "GitHub's secondary rate limit is hit"
	}
	return time.Time{}, ""
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
