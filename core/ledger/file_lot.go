package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// parkedFolder holds the marks, each an empty file with commas for the slashes of its name. No service has a name that
// begins with a dot.
const parkedFolder = ".parked"

func markFile(mark string) string { return strings.ReplaceAll(mark, "/", ",") }

// marks implements shelf.
func (l *fileLedger) marks(context.Context) ([]string, error) {
	found, err := os.ReadDir(filepath.Join(l.dir, parkedFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the markers of parked lines: %w%s", err, advice(err))
	}
	marks := make([]string, len(found))
	for i, f := range found {
		marks[i] = strings.ReplaceAll(f.Name(), ",", "/")
	}
	return marks, nil
}

// putMark implements shelf.
func (l *fileLedger) putMark(_ context.Context, line core.Line, mark string) error {
	if _, err := os.Stat(filepath.Join(l.dir, line.Service, line.Environment)); errors.Is(err, fs.ErrNotExist) {
		return errUnmarked(line)
	}
	folder := filepath.Join(l.dir, parkedFolder)
	err := os.MkdirAll(folder, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, markFile(mark)), nil, 0o644)
	}
	if err == nil {
		err = l.syncMarks(folder, l.dir)
	}
	if err != nil {
		return fmt.Errorf("the marker of %s: %w%s", line, err, advice(err))
	}
	return nil
}

// dropMarks implements shelf. A name that comes back after a power cut is a stale marker, so nothing is synced.
func (l *fileLedger) dropMarks(_ context.Context, line core.Line, marks []string) error {
	var failed []error
	for _, mark := range marks {
		if err := os.Remove(filepath.Join(l.dir, parkedFolder, markFile(mark))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, fmt.Errorf("the marker of %s: %w%s", line, err, advice(err)))
		}
	}
	return errors.Join(failed...)
}

// syncMarks makes the names in folders durable.
func (l *fileLedger) syncMarks(folders ...string) error {
	for _, path := range folders {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(l.disk.sync(f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
