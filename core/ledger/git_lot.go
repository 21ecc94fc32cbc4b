package ledger

import (
	"context"
	"fmt"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// parkedRefs are the refs that are marks: SERVICE/ENVIRONMENT/DUE-ONCE below it. They are beside the lines' refs, so that
// none can be taken for a line, and point at a commit of their line, because a ref has to point at something.
const parkedRefs = "refs/breakwater-parked/"

// marks implements shelf: one git ls-remote, however many lines there are.
func (l *gitLedger) marks(ctx context.Context) (marks []string, err error) {
	if err := l.turn.take(ctx); err != nil {
		return nil, err
	}
	defer l.turn.done()
	err = l.retry(ctx, "read", parkedRefs, func() error {
		out, err := l.remote.ask(ctx, nil, "ls-remote", "--quiet", alias, parkedRefs+"*")
		if err != nil {
			return err
		}
		marks = nil
		for entry := range strings.Lines(string(out)) {
			_, ref, _ := strings.Cut(strings.TrimSpace(entry), "\t")
			if mark, ok := strings.CutPrefix(ref, parkedRefs); ok {
				marks = append(marks, mark)
			}
		}
		return nil
	})
	return marks, err
}

// putMark implements shelf.
func (l *gitLedger) putMark(ctx context.Context, line core.Line, mark string) error {
	if err := l.turn.begin(ctx, line); err != nil {
		return err
	}
	defer l.turn.done()
	ref := parkedRefs + mark
	return l.retry(ctx, "write", ref, func() error {
		h := l.heads[line]
		if h.commit == "" {
			var err error
			if h, err = l.look(ctx, line); err != nil {
				return err
			}
		}
		if h.commit == "" {
			return errUnmarked(line)
		}
		// Without force and without a lease: a push that got through unnoticed finds its own work.
		return l.remote.set(ctx, h.commit+":"+ref)
	})
}

// dropMarks implements shelf. A mark that is gone already is no longer asked for when it is tried again.
func (l *gitLedger) dropMarks(ctx context.Context, line core.Line, marks []string) error {
	if err := l.turn.begin(ctx, line); err != nil {
		return err
	}
	defer l.turn.done()
	return l.retry(ctx, "write", parkedRefs+line.String(), func() error {
		out, err := l.remote.ask(ctx, nil, "ls-remote", "--quiet", alias, parkedRefs+line.String()+"/*")
		if err != nil {
			return err
		}
		var gone []string
		for _, mark := range marks {
			if strings.Contains(string(out), "\t"+parkedRefs+mark+"\n") {
				gone = append(gone, ":"+parkedRefs+mark)
			}
		}
		if len(gone) == 0 {
			return nil
		}
		return l.remote.set(ctx, gone...)
	})
}

// errUnmarked says that a line without events cannot be parked.
func errUnmarked(line core.Line) error {
	return fmt.Errorf("%s has no events, so it cannot be parked", line)
}
