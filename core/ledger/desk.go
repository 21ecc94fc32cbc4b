package ledger

import (
	"context"
	"iter"

	"github.com/breakwater-ci/breakwater/core"
)

// A desk is what ledgers have in common that keep segments somewhere where each use is a request: one operation happens at a
// time, and what was last seen of a line is not asked for again.
type desk[H header] struct {
	place[H]
	turn  turn
	heads map[core.Line]H // as last seen
}

// A header says where a line ends.
type header interface {
	// tip is the end of the line; it is not known whether there is one if ok is false.
	tip() (at end, ok bool)
}

// A place is where the segments are. Each method is called while nobody else has a turn, but for the load of the segments.
type place[H header] interface {
	// look asks where a line ends now.
	look(ctx context.Context, line core.Line) (H, error)
	segments(line core.Line, h H) segments
	// add writes text, which is that of the events, behind the end of a line.
	add(ctx context.Context, line core.Line, h H, text []byte, events []core.Event) error
}

func newDesk[H header](p place[H]) desk[H] {
	return desk[H]{place: p, turn: newTurn(), heads: make(map[core.Line]H)}
}

// Read implements [core.Ledger].
func (d *desk[H]) Read(ctx context.Context, line core.Line) ([]core.Event, error) {
	h, err := d.current(ctx, line)
	if err != nil {
		return nil, err
	}
	return d.segments(line, h).newest(ctx)
}

// History implements [core.Historian].
func (d *desk[H]) History(ctx context.Context, line core.Line) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		h, err := d.current(ctx, line)
		if err != nil {
			yield(core.Event{}, err)
			return
		}
		d.segments(line, h).all(ctx)(yield)
	}
}

func (d *desk[H]) current(ctx context.Context, line core.Line) (h H, err error) {
	if err := d.turn.begin(ctx, line); err != nil {
		return h, err
	}
	defer d.turn.done()
	return d.look(ctx, line)
}

// Append implements [core.Ledger].
func (d *desk[H]) Append(ctx context.Context, line core.Line, after int64, events []core.Event) error {
	if err := admit(line, after, events); err != nil {
		return err
	}
	if err := d.turn.begin(ctx, line); err != nil {
		return err
	}
	defer d.turn.done()
	h := d.heads[line]
	at, known := h.tip()
	if at.seq != after || !known {
		var err error
		if h, err = d.look(ctx, line); err != nil {
			return err
		}
		at, _ = h.tip()
	}
	if at.seq != after {
		return conflict(line, at, after)
	}
	text, err := encode(line, at, events)
	if err != nil {
		return err
	}
	return d.add(ctx, line, h, text, events)
}
