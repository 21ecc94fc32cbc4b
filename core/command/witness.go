package command

import (
	"context"
	"errors"
	"iter"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/report"
)

// A witness is a ledger that shows the report what is read from it: the looks of processes before this one, without a
// request more.
type witness struct {
	core.Ledger
	looks *report.Looks
}

// Read implements [core.Ledger].
func (w witness) Read(ctx context.Context, line core.Line) ([]core.Event, error) {
	events, err := w.Ledger.Read(ctx, line)
	if err == nil {
		w.looks.Read(events)
	}
	return events, err
}

// History implements [core.Historian] for a ledger that is one.
func (w witness) History(ctx context.Context, line core.Line) iter.Seq2[core.Event, error] {
	if past, ok := w.Ledger.(core.Historian); ok {
		return past.History(ctx, line)
	}
	return func(yield func(core.Event, error) bool) { yield(core.Event{}, errOnlyNewest) }
}

// errOnlyNewest says that a ledger knows nothing of the past.
var errOnlyNewest = errors.New("this ledger keeps only the newest rollout; breakwater status shows it")
