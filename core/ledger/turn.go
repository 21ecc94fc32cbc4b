package ledger

import (
	"context"

	"github.com/breakwater-ci/breakwater/core"
)

// A turn lets one operation of a ledger happen at a time. It holds a token; a lock could not be waited for with a context.
type turn chan struct{}

func newTurn() turn {
	t := make(turn, 1)
	t <- struct{}{}
	return t
}

// begin waits for the turn of an operation on a line.
func (t turn) begin(ctx context.Context, line core.Line) error {
	if err := checkLine(line); err != nil {
		return err
	}
	return t.take(ctx)
}

// take waits for the turn of an operation on no line in particular.
func (t turn) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-t:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) done() { t <- struct{}{} }
