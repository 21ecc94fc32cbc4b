package command

import (
	"context"
	"errors"
	"iter"
	"time"

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

// Parked implements [core.Lot] for a ledger that is one.
func (w witness) Parked(ctx context.Context) ([]core.Marker, error) {
	if lot, ok := w.Ledger.(core.Lot); ok {
		return lot.Parked(ctx)
	}
	return nil, errNoLot
}

// Park implements [core.Lot] for a ledger that is one.
func (w witness) Park(ctx context.Context, was core.Marker, due time.Time) error {
	if lot, ok := w.Ledger.(core.Lot); ok {
		return lot.Park(ctx, was, due)
	}
	return errNoLot
}

// errNoLot says that a ledger keeps no markers of parked lines.
var errNoLot = errors.New("this ledger does not know which lines are parked")

// errOnlyNewest says that a ledger knows nothing of the past.
var errOnlyNewest = errors.New("this ledger keeps only the newest rollout; breakwater status shows it")
