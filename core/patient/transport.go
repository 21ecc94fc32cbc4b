// Package patient sends requests to services that are slow, busy or in trouble at times: it tries again what may be tried
// again, waits where it is asked to, and asks with an ETag for what it has seen. It waits by an injected clock.
package patient

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	// Patience is for one answer, to its end.
	Patience = 30 * time.Second

	tries      = 6                      // of a request that a service could not answer: about 15 s in all
	firstPause = 500 * time.Millisecond // doubles with each try, and is spread by half to either side
	limitPause = time.Minute            // least wait at a limit that does not say how long; doubles
	largest    = 100 << 20              // bytes of an answer
)

// A Service says how one wants to be asked.
type Service struct {
	Name string

	// Repeatable tells which requests may be sent again when nobody knows what became of them.
	Repeatable func(*http.Request) bool

	// Conditional tells which questions are asked again and again, so that an ETag saves an answer. Nil: none.
	Conditional func(*http.Request) bool

	// Busy tells which status, beside those of trouble on the side of the service, says that it is worth another try. Nil:
	// none.
	Busy func(status int) bool

	// Limit reads from an answer that a rate limit was hit, and until when to wait; zero: none was. pause is for a limit
	// that does not say how long.
	Limit func(a Answer, now time.Time, pause time.Duration) (until time.Time, why string)
}

func (s Service) conditional(req *http.Request) bool {
	return s.Conditional != nil && s.Conditional(req)
}

func (s Service) busy(status int) bool {
	return status >= 500 || status == http.StatusRequestTimeout || s.Busy != nil && s.Busy(status)
}

// A Transport sends a request until there is an answer worth having. An answer is read to its end here, so one that is
// cut off counts as none.
type Transport struct {
	Service
	Next  http.RoundTripper
	Clock core.Clock
	Waits func(why string, until time.Time) // is told why nothing happens; nil: nobody is

	sent atomic.Int64

	mu    sync.Mutex
	known map[string]Answer // by URL: what may be asked for again with its ETag
}

// An Answer is what a service said, read to its end.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	etag   string
}

// Requests counts those that were sent, each try of each.
func (t *Transport) Requests() int { return int(t.sent.Load()) }

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
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
		until, why := t.Limit(got, t.Clock.Now(), limited)
		switch {
		case !until.IsZero(): // it did nothing: any request may be sent again, however often that takes
			limited *= 2
		case err == nil && !t.busy(got.Status) || !t.Repeatable(req) || n == tries:
			if err != nil {
				return nil, err
			}
			return got.response(req), nil
		default:
			n++
			until = t.Clock.Now().Add(time.Duration(float64(pause) * (0.5 + rand.Float64())))
			pause *= 2
		}
		if why != "" && t.Waits != nil {
			t.Waits(why, until)
		}
		if waitErr := t.Clock.Wait(ctx, until); waitErr != nil {
			return nil, errors.Join(waitErr, err)
		}
	}
}

// once sends a request once. What was asked for before is asked for with its ETag: where nothing is new, the answer is
// short and does not count against the limit.
func (t *Transport) once(ctx context.Context, req *http.Request, body []byte) (Answer, error) {
	t.sent.Add(1)
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	req = req.Clone(ctx)
	if body != nil {
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	where := req.URL.String()
	var old Answer
	if t.conditional(req) {
		t.mu.Lock()
		old = t.known[where]
		t.mu.Unlock()
		if old.etag != "" {
			req.Header.Set("If-None-Match", old.etag)
		}
	}
	resp, err := t.Next.RoundTrip(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, largest))
	if err != nil {
		return Answer{}, fmt.Errorf("the answer of %s was cut off: %w", t.Name, err)
	}
	if resp.StatusCode == http.StatusNotModified {
		return old, nil
	}
	got := Answer{Status: resp.StatusCode, Header: resp.Header, Body: text, etag: resp.Header.Get("ETag")}
	if t.conditional(req) && got.etag != "" && got.Status == http.StatusOK {
		t.mu.Lock()
		if t.known == nil {
			t.known = make(map[string]Answer)
		}
		t.known[where] = got
		t.mu.Unlock()
	}
	return got, nil
}

func (a Answer) response(req *http.Request) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.Status, cmp.Or(http.StatusText(a.Status), "unknown")), StatusCode: a.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: a.Header.Clone(), Request: req,
		Body: io.NopCloser(bytes.NewReader(a.Body)), ContentLength: int64(len(a.Body)),
	}
}
