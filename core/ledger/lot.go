package ledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A shelf is where a ledger keeps marks. A mark is nothing but its name, so that a list of names tells all there is to
// know: to look into each would be a request for each.
type shelf interface {
	marks(ctx context.Context) ([]string, error)
	// putMark is done if the mark is there already: a name is used once.
	putMark(ctx context.Context, line core.Line, mark string) error
	// dropMarks is done where a mark is gone already.
	dropMarks(ctx context.Context, line core.Line, marks []string) error
}

// A lot is [core.Lot] on a shelf.
type lot struct{ shelf }

// Parked implements [core.Lot].
func (l lot) Parked(ctx context.Context) ([]core.Marker, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	marks, err := l.marks(ctx)
	if err != nil {
		return nil, err
	}
	return markers(marks), nil
}

// Park implements [core.Lot]. The new mark is there before an old one goes, so that the line is never without.
func (l lot) Park(ctx context.Context, was core.Marker, due time.Time) error {
	if err := checkLine(was.Line); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !due.IsZero() {
		if err := l.putMark(ctx, was.Line, newMark(was.Line, due)); err != nil {
			return err
		}
	}
	if len(was.Marks) == 0 {
		return nil
	}
	return l.dropMarks(ctx, was.Line, was.Marks)
}

// newMark names a mark: SERVICE/ENVIRONMENT/DUE-ONCE, where DUE is a Unix time, rounded up: a look before its time would
// find nothing. ONCE keeps two marks of the same instant apart, so that who takes the older one away cannot meet the newer.
func newMark(line core.Line, due time.Time) string {
	at := due.Unix()
	if due.Nanosecond() > 0 {
		at++
	}
	return fmt.Sprintf("%s/%d-%s", line, at, strings.ToLower(rand.Text()[:10]))
}

// markers reads the names of marks, one marker for each line. Of several marks of a line the earliest counts: to come too
// soon costs a look. A mark whose instant cannot be read is due at once; what names no line is no mark.
func markers(marks []string) []core.Marker {
	var all []core.Marker
	for _, mark := range slices.Sorted(slices.Values(marks)) {
		parts := strings.Split(mark, "/")
		if len(parts) != 3 {
			continue
		}
		line := core.Line{Service: parts[0], Environment: parts[1]}
		if checkLine(line) != nil {
			continue
		}
		at, _, _ := strings.Cut(parts[2], "-")
		due := time.Unix(0, 0).UTC()
		if seconds, err := strconv.ParseInt(at, 10, 64); err == nil {
			due = time.Unix(seconds, 0).UTC()
		}
		if last := len(all) - 1; last >= 0 && all[last].Line == line {
			all[last].Marks = append(all[last].Marks, mark)
			if due.Before(all[last].Due) {
				all[last].Due = due
			}
			continue
		}
		all = append(all, core.Marker{Line: line, Due: due, Marks: []string{mark}})
	}
	slices.SortFunc(all, func(a, b core.Marker) int { return cmp.Compare(a.Line.String(), b.Line.String()) })
	return all
}
