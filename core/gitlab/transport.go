package gitlab

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
	"sync/atomic"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	patience   = 30 * time.Second       // for one answer
	tries      = 6                      // of a request whose answer is an error on GitLab's side: about 15 s in all
	firstPause = 500 * time.Millisecond // doubles with each try, and is spread by half to either side
	limitPause = time.Minute            // least wait at a limit that does not say how long; doubles
	largest    = 100 << 20              // bytes of an answer
)

// A transport sends a request until there is an answer worth having. An answer is read to its end here, so one that is
// cut off counts as none.
type transport struct {
	next  http.RoundTripper
	clock core.Clock
	waits func(why string, until time.Time)
	sent  atomic.Int64
}

// An answer is what GitLab said, read to its end.
type answer struct {
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
	pause, limited := firstPause, limitPause
	for n := 1; ; {
		got, err := t.once(ctx, req, body)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		until, why := t.limit(got, limited)
		switch {
		case !until.IsZero(): // GitLab did nothing: any request may be sent again, however often that takes
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

// once sends a request once.
func (t *transport) once(ctx context.Context, req *http.Request, body []byte) (answer, error) {
	t.sent.Add(1)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req = req.Clone(ctx)
	if body != nil {
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, largest))
	if err != nil {
		return answer{}, fmt.Errorf("the answer of GitLab was cut off: %w", err)
	}
	return answer{resp.StatusCode, resp.Header, text}, nil
}

// repeatable tells which requests may be sent again when nobody knows what became of them. A commit of ours is refused
// the second time, because it takes away a file that is gone then; a status of a commit is the same when it is set twice,
// and what is cancelled is cancelled.
func repeatable(req *http.Request) bool {
	path := req.URL.Path
	return req.Method != http.MethodPost || strings.HasSuffix(path, "/repository/commits") || strings.Contains(path, "/statuses/") || strings.HasSuffix(path, "/cancel")
}

// failed reports whether there is no answer, or one that says that GitLab is in trouble, or at work on the same thing for
// somebody else.
func failed(got answer, err error) bool {
	return err != nil || got.status >= 500 || got.status == http.StatusRequestTimeout || got.status == http.StatusConflict
}

// limit reads from an answer that a rate limit was hit, and until when to wait.
func (t *transport) limit(got answer, pause time.Duration) (until time.Time, why string) {
	if got.status != http.StatusTooManyRequests {
		return time.Time{}, ""
	}
	why = "GitLab's rate limit is hit"
	now := t.clock.Now()
	if seconds, err := strconv.Atoi(got.header.Get("Retry-After")); err == nil && seconds >= 0 {
		return now.Add(time.Duration(seconds) * time.Second), why
	}
	if reset, err := strconv.ParseInt(got.header.Get("RateLimit-Reset"), 10, 64); err == nil && time.Unix(reset, 0).After(now) {
		return time.Unix(reset, 0).Add(time.Second), why
	}
	return now.Add(pause), why
}

func (a answer) response(req *http.Request) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, cmp.Or(http.StatusText(a.status), "unknown")), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: a.header.Clone(), Request: req,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}
}
