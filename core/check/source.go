package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/breakwater-ci/breakwater/core"
)

// A look goes on asking a source that fails for as long as there is between two looks, within these bounds: a short
// outage is bridged, and a long one is known within a minute.
const (
	leastPatience = 10 * time.Second
	mostPatience  = time.Minute
)

// A source is a source of the plan that is asked with patience.
type source struct {
	core.Source
	name     string
	timeout  time.Duration // of one try; 0: none
	patience time.Duration // no new try starts later than this
	broken   error         // why it need not be asked at all
}

func newSource(name string, s core.Source, timeout, every time.Duration) source {
	return source{Source: s, name: name, timeout: timeout, patience: min(max(every, leastPatience), mostPatience)}
}

// permanent is an error that another try would meet again, such as a query that is refused.
type permanent interface {
	error
	Permanent() bool
}

// put fills a query in and asks it. It also returns the query as it was sent.
func (s source) put(ctx context.Context, query string, v core.Variables) (sent string, samples []core.Sample, err error) {
	if s.broken == nil {
		sent, s.broken = s.Fill(query, v)
	}
	samples, err = s.ask(ctx, core.Query{Text: sent, At: v.At, Window: v.Window})
	return sent, samples, err
}

// ask queries the source, and again after a growing, random pause while that fails.
func (s source) ask(ctx context.Context, q core.Query) ([]core.Sample, error) {
	if s.broken != nil {
		return nil, fmt.Errorf("source %s could not be asked: %w", s.name, s.broken)
	}
	pause := backoff.NewExponentialBackOff()
	pause.Multiplier = 2
	pause.MaxInterval = leastPatience
	tries := 0
	samples, err := backoff.Retry(ctx, func() ([]core.Sample, error) {
		tries++
		samples, err := s.try(ctx, q)
		if p, ok := errors.AsType[permanent](err); ok && p.Permanent() {
			return nil, backoff.Permanent(err)
		}
		return samples, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(s.patience))
	switch {
	case err == nil:
		return samples, nil
	case tries > 1:
		return nil, fmt.Errorf("source %s could not be asked, tried %d times: %w", s.name, tries, err)
	default:
		return nil, fmt.Errorf("source %s could not be asked: %w", s.name, err)
	}
}

func (s source) try(ctx context.Context, q core.Query) ([]core.Sample, error) {
	if s.timeout == 0 {
		return s.Query(ctx, q)
	}
	late := fmt.Errorf("no answer within %s", core.Brief(s.timeout))
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, late)
	defer cancel()
	samples, err := s.Query(ctx, q)
	if err != nil && context.Cause(ctx) == late {
		return nil, late
	}
	return samples, err
}

// shortest is the shortest window that a source can fill: for one that scrapes, a few scrapes.
func (s source) shortest() time.Duration {
	if w, ok := s.Source.(interface{ Window() time.Duration }); ok {
		return w.Window()
	}
	return 0
}

// reaches reports whether the answer to a query covers the window before the instant that is asked about: the query
// says so, or the source always does.
func (s source) reaches(query string) bool {
	spanning, ok := s.Source.(interface{ Spans() bool })
	return ok && spanning.Spans() || strings.Contains(query, "$window") || strings.Contains(query, "$from")
}

func (s source) watches() bool {
	_, ok := s.Source.(core.Watcher)
	return ok
}
