package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A lineDir is the folder of one line, locked until it is closed. Everything in it is opened below the ledger's own
// folder, because the names come from a plan.
type lineDir struct {
	base string // the ledger's folder
	line core.Line
	root *os.Root
	held *os.File // the lock; nil where nobody ever wrote
}

func (d *lineDir) path() string            { return filepath.Join(d.base, d.line.Service, d.line.Environment) }
func (d *lineDir) file(segment int) string { return filepath.Join(d.path(), fileName(segment)) }

// lock opens the folder of a line and waits for its lock: shared to read, exclusive to write, which makes the folder.
func (l *fileLedger) lock(ctx context.Context, line core.Line, how int) (*lineDir, error) {
	d := &lineDir{base: l.dir, line: line}
	writing := how == syscall.LOCK_EX
	if err := d.open(writing); err != nil {
		return nil, d.explain(err)
	}
	flags := os.O_RDONLY
	if writing {
		flags = os.O_RDWR | os.O_CREATE
	}
	held, err := d.root.OpenFile("lock", flags, 0o644)
	switch {
	case !writing && errors.Is(err, fs.ErrNotExist):
		return d, nil
	case err != nil:
		d.close()
		return nil, d.explain(err)
	}
	d.held = held
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := syscall.Flock(int(held.Fd()), how|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			err = l.clock.Wait(ctx, l.clock.Now().Add(pause))
		case err == nil:
			return d, nil
		}
		if err != nil && !errors.Is(err, syscall.EINTR) {
			d.close()
			return nil, fmt.Errorf("lock %s: %w", held.Name(), err)
		}
	}
}

func (d *lineDir) open(writing bool) error {
	if writing {
		if err := os.MkdirAll(d.base, 0o755); err != nil {
			return err
		}
	}
	base, err := os.OpenRoot(d.base)
	if err != nil {
		return err
	}
	defer base.Close()
	if writing {
		if err := base.MkdirAll(d.line.String(), 0o755); err != nil {
			return err
		}
	}
	d.root, err = base.OpenRoot(d.line.String())
	return err
}

func (d *lineDir) close() {
	if d.held != nil {
		d.held.Close() // and so gives back the lock
	}
	d.root.Close()
}

// count returns how many segments there are, and fails if one is missing among them.
func (d *lineDir) count() (int, error) {
	folder, err := d.root.Open(".")
	if err != nil {
		return 0, d.explain(err)
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return 0, d.explain(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, ".jsonl") })
	slices.Sort(names)
	return len(names), numbered(names, fileName, func(name string) string { return filepath.Join(d.path(), name) })
}

// read returns the text of a segment. It needs no lock, so it may come after close.
func (d *lineDir) read(segment int) ([]byte, error) {
	f, err := os.OpenInRoot(d.base, filepath.Join(d.line.String(), fileName(segment)))
	if err != nil {
		return nil, d.explain(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, d.explain(err)
	}
	return text, nil
}

// A fileTail is where the next append goes.
type fileTail struct {
	segment int
	whole   int64 // bytes of the segment that are whole appends
	size    int64 // bytes of the segment; what is above whole was cut off
	end     end
}

// tail finds where the line ends. It reads only the last events, however long the history is.
func (d *lineDir) tail() (fileTail, error) {
	count, err := d.count()
	if err != nil || count == 0 {
		return fileTail{}, err
	}
	at, err := d.tailOf(count - 1)
	if err != nil || at.whole > 0 || count == 1 {
		return at, err
	}
	before, err := d.tailOf(count - 2) // the append that began the newest segment was cut off
	if err == nil && (before.whole == 0 || before.whole < before.size) {
		err = &CorruptError{File: d.file(count - 2), Err: fmt.Errorf("it is cut off after byte %d", before.whole)}
	}
	at.end = before.end
	return at, err
}

// tailOf finds the last whole append of a segment, by reading more and more of its end.
func (d *lineDir) tailOf(segment int) (fileTail, error) {
	f, err := d.root.Open(fileName(segment))
	if err != nil {
		return fileTail{}, d.explain(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fileTail{}, d.explain(err)
	}
	at := fileTail{segment: segment, size: info.Size()}
	for chunk := int64(4 << 10); ; chunk *= 2 {
		from := max(0, at.size-chunk)
		text := make([]byte, at.size-from)
		if _, err := f.ReadAt(text, from); err != nil {
			return fileTail{}, d.explain(err)
		}
		whole, last, err := lastWhole(d.line, text, from == 0)
		if err != nil {
			return fileTail{}, d.locate(segment, err)
		}
		if whole > 0 {
			at.whole, at.end = from+int64(whole), last
		}
		if whole > 0 || from == 0 {
			return at, nil
		}
	}
}

// lastWhole finds the last whole append in the end of a segment and returns where it stops; 0 if there is none. top
// says that text is the whole segment.
func lastWhole(line core.Line, text []byte, top bool) (int, end, error) {
	for stop := bytes.LastIndexByte(text, '\n'); stop >= 0; {
		before := bytes.LastIndexByte(text[:stop], '\n')
		if before < 0 && !top {
			break
		}
		r, _, err := decode(line, text[before+1:stop])
		if err != nil {
			return 0, end{}, err
		}
		if !r.More {
			return stop + 1, endOf(r.Event), nil
		}
		stop = before
	}
	return 0, end{}, nil
}

// locate reads a whole segment to say which line and byte of it is wrong.
func (d *lineDir) locate(segment int, why error) error {
	text, err := d.read(segment)
	if err != nil {
		return err
	}
	if _, _, err := parse(d.file(segment), d.line, text); err != nil {
		return err
	}
	return &CorruptError{File: d.file(segment), Err: why}
}

// disk is the part of an append that a full or broken disk makes fail.
type disk struct {
	write func(f *os.File, text []byte) (int, error)
	sync  func(f *os.File) error
}

// append writes text at a tail. If any of it fails, what was written is taken back: an append whose durability is not
// known counts as not written.
func (k disk) append(d *lineDir, at fileTail, text []byte) error {
	f, err := d.root.OpenFile(fileName(at.segment), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return d.explain(err)
	}
	defer f.Close()
	if at.size > at.whole {
		if err := f.Truncate(at.whole); err != nil {
			return d.explain(err)
		}
	}
	if _, err = k.write(f, text); err == nil {
		err = k.sync(f)
	}
	if err == nil && at.whole == 0 {
		err = k.syncFolders(d, at.segment == 0)
	}
	if err == nil {
		return nil
	}
	if undo := f.Truncate(at.whole); undo != nil {
		return errors.Join(d.explain(err), fmt.Errorf("what was written could not be taken back: %w", undo))
	}
	return d.explain(err)
}

// syncFolders makes a new segment's name durable, and for the first one those of the folders above it.
func (k disk) syncFolders(d *lineDir, first bool) error {
	paths := []string{d.path()}
	if first {
		paths = append(paths, filepath.Dir(d.path()), d.base, filepath.Dir(d.base))
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(k.sync(f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// explain adds where it happened and what to do to an error of the operating system.
func (d *lineDir) explain(err error) error {
	return fmt.Errorf("ledger of %s in %s: %w%s", d.line, d.base, err, advice(err))
}

func advice(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "; give this user access to it"
	case errors.Is(err, syscall.EROFS):
		return "; name a folder that can be written"
	case errors.Is(err, syscall.ENOTDIR):
		return "; a part of the path is a file, name a folder"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "; nothing was added, free some space and run again"
	case errors.Is(err, syscall.EFBIG):
		return "; nothing was added, raise the limit on the size of files"
	default:
		return ""
	}
}
