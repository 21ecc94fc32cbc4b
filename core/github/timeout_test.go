package github

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core/patient"
)

// A silence takes requests and does not answer the first few of them.
type silence struct{ left, sent int }

func (s *silence) RoundTrip(req *http.Request) (*http.Response, error) {
	s.sent++
	if s.left > 0 {
		s.left--
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
}

// real is the clock of the bubble that the test runs in.
type real struct{}

func (real) Now() time.Time { return time.Now() }

func (real) Wait(ctx context.Context, until time.Time) error {
	select {
	case <-time.After(time.Until(until)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestSilence: a server that takes a request and never answers holds nothing up for long. What may be asked twice is asked
// again, a job that is cancelled does not wait, and a change that may not be made twice is not.
func TestSilence(t *testing.T) {
	for name, c := range map[string]struct {
		method, path string
		silent       int
		cancel       time.Duration
		sent         int
		fails        error
		most         time.Duration
	}{
		"one answer is lost":        {method: "GET", path: "/repos/octo/shop/pulls", silent: 1, sent: 2, most: patient.Patience + 2*time.Second},
		"nobody answers":            {method: "GET", path: "/repos/octo/shop/pulls", silent: 100, sent: 6, fails: context.DeadlineExceeded, most: 6*patient.Patience + 24*time.Second},
		"it may not be asked twice": {method: "POST", path: "/repos/octo/shop/actions/runs/1/rerun", silent: 100, sent: 1, fails: context.DeadlineExceeded, most: patient.Patience},
		"the job is cancelled":      {method: "GET", path: "/repos/octo/shop/pulls", silent: 100, cancel: 3 * time.Second, sent: 1, fails: context.Canceled, most: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &silence{left: c.silent}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.cancel > 0 {
					time.AfterFunc(c.cancel, cancel)
				}
				req, err := http.NewRequestWithContext(ctx, c.method, "https://api.github.com"+c.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				resp, err := (&patient.Transport{Service: service, Next: server, Clock: real{}}).RoundTrip(req)
				if err == nil {
					resp.Body.Close()
				}
				if !errors.Is(err, c.fails) || server.sent != c.sent || time.Since(began) > c.most {
					t.Errorf("%v after %s and %d requests", err, time.Since(began), server.sent)
				}
			})
		})
	}
}
