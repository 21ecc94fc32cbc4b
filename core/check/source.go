package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

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

// series fills a query in and asks it at n instants, the last of them v.At and a step apart, oldest first.
func (s source) series(ctx context.Context, query string, v core.Variables, step time.Duration, n int) ([][]core.Sample, error) {
	if ranger, ok := s.Source.(core.Ranger); ok && s.broken == nil {
		text, err := s.Fill(query, v)
		if s.broken = err; err == nil {
			q := core.Query{Text: text, At: v.At, Window: v.Window}
			return patiently(ctx, s, func(ctx context.Context) ([][]core.Sample, error) { return ranger.Range(ctx, q, step, n) })
		}
	}
	answers := make([][]core.Sample, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel / 4)
	for i := range answers {
		g.Go(func() (err error) {
			then := v
			then.At = v.At.Add(-time.Duration(n-1-i) * step)
			_, answers[i], err = s.put(ctx, query, then)
			return err
		})
	}
	return answers, g.Wait()
}

// ask queries the source.
func (s source) ask(ctx context.Context, q core.Query) ([]core.Sample, error) {
	return patiently(ctx, s, func(ctx context.Context) ([]core.Sample, error) { return s.Query(ctx, q) })
}

// patiently asks, and asks again after a growing, random pause while that fails.
func patiently[T any](ctx context.Context, s source, ask func(context.Context) (T, error)) (T, error) {
	var none T
	if s.broken != nil {
		return none, fmt.Errorf("source %s could not be asked: %w", s.name, s.broken)
	}
	pause := backoff.NewExponentialBackOff()
	pause.Multiplier = 2
	pause.MaxInterval = leastPatience
	tries := 0
	answer, err := backoff.Retry(ctx, func() (T, error) {
		tries++
		answer, err := within(ctx, s.timeout, ask)
		if p, ok := errors.AsType[permanent](err); ok && p.Permanent() {
			return none, backoff.Permanent(err)
		}
		return answer, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(s.patience))
	switch {
	case err == nil:
		return answer, nil
	case tries > 1:
		return none, fmt.Errorf("source %s could not be asked, tried %d times: %w", s.name, tries, err)
	default:
		return none, fmt.Errorf("source %s could not be asked: %w", s.name, err)
	}
}

// within asks once, and waits no longer than that for the answer; 0 is as long as it takes.
func within[T any](ctx context.Context, timeout time.Duration, ask func(context.Context) (T, error)) (T, error) {
	if timeout == 0 {
		return ask(ctx)
	}
	late := fmt.Errorf("no answer within %s", core.Brief(timeout))
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, late)
	defer cancel()
	answer, err := ask(ctx)
	if err != nil && context.Cause(ctx) == late {
		return answer, late
	}
	return answer, err
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
