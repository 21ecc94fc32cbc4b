package gitlab

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core/patient"
)

// service is how GitLab wants to be asked. It may be at work on the same thing for somebody else.
var service = patient.Service{Name: "GitLab", Repeatable: repeatable, Limit: limit,
	Busy: func(status int) bool { return status == http.StatusConflict }}

// repeatable tells which requests may be sent again when nobody knows what became of them. A commit of ours is refused
// the second time, because it takes away a file that is gone then; a status of a commit is the same when it is set twice,
// and what is cancelled is cancelled.
func repeatable(req *http.Request) bool {
	path := req.URL.Path
	return req.Method != http.MethodPost || strings.HasSuffix(path, "/repository/commits") || strings.Contains(path, "/statuses/") || strings.HasSuffix(path, "/cancel")
}

// limit reads from an answer that a rate limit was hit, and until when to wait.
func limit(got patient.Answer, now time.Time, pause time.Duration) (until time.Time, why string) {
	if got.Status != http.StatusTooManyRequests {
		return time.Time{}, ""
	}
	why = "GitLab's rate limit is hit"
	if seconds, err := strconv.Atoi(got.Header.Get("Retry-After")); err == nil && seconds >= 0 {
		return now.Add(time.Duration(seconds) * time.Second), why
	}
	if reset, err := strconv.ParseInt(got.Header.Get("RateLimit-Reset"), 10, 64); err == nil && time.Unix(reset, 0).After(now) {
		return time.Unix(reset, 0).Add(time.Second), why
	}
	return now.Add(pause), why
}
