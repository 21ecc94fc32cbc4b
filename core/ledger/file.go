package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"syscall"

	"github.com/breakwater-ci/breakwater/core"
)

// fileSegment is the size in bytes above which a segment in a folder is sealed.
const fileSegment = 1 << 20

// A fileLedger keeps each line in a folder of its own, locked while it is read or written.
type fileLedger struct {
	lot
	dir   string
	clock core.Clock
	disk  disk
	limit int64
}

func openFile(_ context.Context, place string, env Env) (store, error) {
	dir := place
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(env.Dir, dir)
	}
	switch info, err := os.Stat(dir); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w%s", err, advice(err))
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("%s is a file; name a folder", dir)
	}
	l := &fileLedger{dir: dir, clock: env.Clock, limit: fileSegment, disk: disk{write: (*os.File).Write, sync: (*os.File).Sync}}
	l.lot = lot{l}
	return l, nil
}

func fileName(i int) string { return fmt.Sprintf("%06d.jsonl", i) }

// Read implements [core.Ledger].
func (l *fileLedger) Read(ctx context.Context, line core.Line) ([]core.Event, error) {
	s, err := l.segments(ctx, line)
	if err != nil {
		return nil, err
	}
	return s.newest(ctx)
}

// History implements [core.Historian].
func (l *fileLedger) History(ctx context.Context, line core.Line) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		s, err := l.segments(ctx, line)
		if err != nil {
			yield(core.Event{}, err)
			return
		}
		s.all(ctx)(yield)
	}
}

// segments returns the segments as they are now. The newest is read under the lock, so that nothing is seen of an
// append that may still be undone; the others never change.
func (l *fileLedger) segments(ctx context.Context, line core.Line) (segments, error) {
	if err := checkLine(line); err != nil {
		return segments{}, err
	}
	if err := ctx.Err(); err != nil {
		return segments{}, err
	}
	none := segments{line: line}
	d, err := l.lock(ctx, line, syscall.LOCK_SH)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	defer d.close()
	count, err := d.count()
	if err != nil || count == 0 {
		return none, err
	}
	newest, err := d.read(count - 1)
	if err != nil {
		return none, err
	}
	load := func(ctx context.Context, from, to int) ([][]byte, error) {
		var texts [][]byte
		for i := from; i < to; i++ {
			if i == count-1 {
				texts = append(texts, newest)
				continue
			}
			text, err := d.read(i)
			if err := errors.Join(ctx.Err(), err); err != nil {
				return nil, err
			}
			texts = append(texts, text)
		}
		return texts, nil
	}
	return segments{line: line, count: count, step: 1, name: d.file, load: load, tears: true}, nil
}

// Append implements [core.Ledger].
func (l *fileLedger) Append(ctx context.Context, line core.Line, after int64, events []core.Event) error {
	if err := admit(line, after, events); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	d, err := l.lock(ctx, line, syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer d.close()
	at, err := d.tail()
	if err != nil {
		return err
	}
	if at.end.seq != after {
		return conflict(line, at.end, after)
	}
	text, err := encode(line, at.end, events)
	if err != nil {
		return err
	}
	if at.whole > l.limit {
		at = fileTail{segment: at.segment + 1}
	}
	return l.disk.append(d, at, text)
}
