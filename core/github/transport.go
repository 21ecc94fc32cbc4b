package github

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	patience   = 30 * time.Second       // for one answer
	tries      = 6                      // of a request whose answer is an error on GitHub's side: about 15 s in all
	firstPause = 500 * time.Millisecond // doubles with each try, and is spread by half to either side
	secondary  = time.Minute            // least wait at a secondary limit that does not say how long; doubles
	largest    = 100 << 20              // bytes of an answer; GitHub gives no larger object
)

// A transport sends a request until there is an answer worth having. An answer is read to its end here, so one that is
// cut off counts as none.
type transport struct {
	next  http.RoundTripper
	clock core.Clock
	waits func(why string, until time.Time)
	sent  atomic.Int64

	mu    sync.Mutex
	known map[string]answer // by URL: what may be asked for again with its ETag
}

// An answer is what GitHub said, read to its end.
type answer struct {
	etag   string
	status int
	header http.Header
	body   []byte
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	var body []byte
	if req.Body != nil {
		defer req.Body.Close()
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	pause, limited := firstPause, secondary
	for n := 1; ; {
		got, err := t.once(ctx, req, body)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		until, why := t.limit(got, limited)
		switch {
		case !until.IsZero(): // GitHub did nothing: any request may be sent again, however often that takes
			limited *= 2
		case !failed(got, err) || !repeatable(req) || n == tries:
			if err != nil {
				return nil, err
			}
			return got.response(req), nil
		default:
			n++
			until = t.clock.Now().Add(time.Duration(float64(pause) * (0.5 + rand.Float64())))
			pause *= 2
		}
		if why != "" && t.waits != nil {
			t.waits(why, until)
		}
		if waitErr := t.clock.Wait(ctx, until); waitErr != nil {
			return nil, errors.Join(waitErr, err)
		}
	}
}

// once sends a request once. What was asked for before is asked for with its ETag: where nothing is new, the answer is
// short and does not count against the limit.
func (t *transport) once(ctx context.Context, req *http.Request, body []byte) (answer, error) {
	t.sent.Add(1)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req = req.Clone(ctx)
	if body != nil {
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	where := req.URL.String()
	var old answer
	if conditional(req) {
		t.mu.Lock()
		old = t.known[where]
		t.mu.Unlock()
		if old.etag != "" {
			req.Header.Set("If-None-Match", old.etag)
		}
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, largest))
	if err != nil {
		return answer{}, fmt.Errorf("the answer of GitHub was cut off: %w", err)
	}
	if resp.StatusCode == http.StatusNotModified {
		return old, nil
	}
	got := answer{etag: resp.Header.Get("ETag"), status: resp.StatusCode, header: resp.Header, body: text}
	if conditional(req) && got.etag != "" && got.status == http.StatusOK {
		t.mu.Lock()
		t.known[where] = got
		t.mu.Unlock()
	}
	return got, nil
}

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

// failed reports whether there is no answer, or one that says that GitHub is in trouble.
func failed(got answer, err error) bool {
	return err != nil || got.status >= 500 || got.status == http.StatusRequestTimeout
}

// limit reads from an answer that a rate limit was hit, and until when to wait.
func (t *transport) limit(got answer, pause time.Duration) (until time.Time, why string) {
	if got.status != http.StatusForbidden && got.status != http.StatusTooManyRequests {
		return time.Time{}, ""
	}
	now := t.clock.Now()
	if seconds, err := strconv.Atoi(got.header.Get("Retry-After")); err == nil && seconds >= 0 {
		return now.Add(time.Duration(seconds) * time.Second), "GitHub asks for a pause"
	}
	if got.header.Get("X-RateLimit-Remaining") == "0" {
		if reset, err := strconv.ParseInt(got.header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			return latest(now, time.Unix(reset, 0)).Add(time.Second), "The token has used up its requests of this hour"
		}
	}
	if got.status == http.StatusTooManyRequests || strings.Contains(string(got.body), "secondary rate limit") {
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

func (a answer) response(req *http.Request) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, cmp.Or(http.StatusText(a.status), "unknown")), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: a.header.Clone(), Request: req,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}
}
