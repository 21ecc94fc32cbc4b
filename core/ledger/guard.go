package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/breakwater-ci/breakwater/core"
)

// A guard refuses a ledger that went back behind what this process has seen of it: somebody removed or rewrote it, and
// going on from there would do everything a second time.
type guard struct {
	store
	name string

	mu   sync.Mutex
	seen map[core.Line]int64 // number of the newest event
}

func newGuard(name string, s store) *guard {
	return &guard{store: s, name: name, seen: make(map[core.Line]int64)}
}

// Read implements [core.Ledger].
func (g *guard) Read(ctx context.Context, line core.Line) ([]core.Event, error) {
	before := g.newest(line) // a slow read may be overtaken by another goroutine's append
	events, err := g.store.Read(ctx, line)
	if err != nil {
		return nil, err
	}
	var last int64
	if len(events) > 0 {
		last = events[len(events)-1].Seq
	}
	if last < before {
		return nil, fmt.Errorf("the ledger on %s went back from event %d to %d on %s: somebody removed or rewrote it; "+
			"put the newer state back, nothing is done until then", g.name, before, last, line)
	}
	g.saw(line, last)
	return events, nil
}

// Append implements [core.Ledger].
func (g *guard) Append(ctx context.Context, line core.Line, after int64, events []core.Event) error {
	err := g.store.Append(ctx, line, after, events)
	switch {
	case err == nil:
		g.saw(line, after+int64(len(events)))
	case errors.Is(err, core.ErrConflict):
		if _, back := g.Read(ctx, line); back != nil {
			return back
		}
	}
	return err
}

// Pace implements [core.Metered] for a ledger that is one.
func (g *guard) Pace() core.Pace {
	if m, ok := g.store.(core.Metered); ok {
		return m.Pace()
	}
	return core.Pace{}
}

// Requests implements [core.Counted] for a ledger that is one.
func (g *guard) Requests() int {
	if c, ok := g.store.(core.Counted); ok {
		return c.Requests()
	}
	return 0
}

// Close removes what the ledger keeps on this machine while it works.
func (g *guard) Close() error {
	if c, ok := g.store.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (g *guard) newest(line core.Line) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen[line]
}

func (g *guard) saw(line core.Line, seq int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen[line] = max(g.seen[line], seq)
}
