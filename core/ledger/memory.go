package ledger

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/breakwater-ci/breakwater/core"
)

// Memory is a ledger that lasts as long as the process. It keeps events as the text that the other ledgers write, so
// what comes back is what a file would give and shares nothing with what went in.
type Memory struct {
	lot
	mu     sync.Mutex
	lines  map[core.Line]*memoryLine
	parked map[string]bool // marks
}

type memoryLine struct {
	text   []byte
	newest int // offset of the newest rollout's first event
	end    end
}

// NewMemory returns an empty ledger.
func NewMemory() *Memory {
	m := &Memory{lines: make(map[core.Line]*memoryLine), parked: make(map[string]bool)}
	m.lot = lot{m}
	return m
}

// Read implements [core.Ledger].
func (m *Memory) Read(ctx context.Context, line core.Line) ([]core.Event, error) {
	text, newest, err := m.text(ctx, line)
	if err != nil {
		return nil, err
	}
	events, _, err := parse("memory", line, text[newest:])
	return events, err
}

// History implements [core.Historian].
func (m *Memory) History(ctx context.Context, line core.Line) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		text, _, err := m.text(ctx, line)
		if err != nil {
			yield(core.Event{}, err)
			return
		}
		one := segments{
			line:  line,
			count: min(1, len(text)),
			step:  1,
			name:  func(int) string { return "memory" },
			load:  func(context.Context, int, int) ([][]byte, error) { return [][]byte{text}, nil },
		}
		one.all(ctx)(yield)
	}
}

// text returns what is written so far. It is only ever appended to, so it can be read without the lock.
func (m *Memory) text(ctx context.Context, line core.Line) (text []byte, newest int, err error) {
	if err := checkLine(line); err != nil {
		return nil, 0, err
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.lines[line]
	if l == nil {
		return nil, 0, nil
	}
	return l.text, l.newest, nil
}

// Append implements [core.Ledger].
func (m *Memory) Append(ctx context.Context, line core.Line, after int64, events []core.Event) error {
	if err := admit(line, after, events); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.lines[line]
	if l == nil {
		l = &memoryLine{}
	}
	if l.end.seq != after {
		return conflict(line, l.end, after)
	}
	text, err := encode(line, l.end, events)
	if err != nil {
		return err
	}
	if start := lastStarted(events); start >= 0 {
		l.newest = len(l.text)
		for range start {
			l.newest += bytes.IndexByte(text[l.newest-len(l.text):], '\n') + 1
		}
	}
	l.text = append(l.text, text...)
	l.end = endOf(events[len(events)-1])
	m.lines[line] = l
	return nil
}

// marks implements shelf.
func (m *Memory) marks(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.parked)), nil
}

// putMark implements shelf.
func (m *Memory) putMark(_ context.Context, line core.Line, mark string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lines[line] == nil {
		return errUnmarked(line)
	}
	m.parked[mark] = true
	return nil
}

// dropMarks implements shelf.
func (m *Memory) dropMarks(_ context.Context, _ core.Line, marks []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mark := range marks {
		delete(m.parked, mark)
	}
	return nil
}
