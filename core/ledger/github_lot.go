package ledger

import (
	"context"
	"errors"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
)

// marks implements shelf: one request, however many lines there are.
func (l *githubLedger) marks(ctx context.Context) ([]string, error) {
	refs, err := l.refs(ctx, parkedRefs)
	if err != nil {
		return nil, err
	}
	marks := make([]string, 0, len(refs))
	for ref := range refs {
		marks = append(marks, strings.TrimPrefix(ref, parkedRefs))
	}
	return marks, nil
}

// putMark implements shelf. It is one request where the process has read or written the line already.
func (l *githubLedger) putMark(ctx context.Context, line core.Line, mark string) error {
	if err := l.turn.begin(ctx, line); err != nil {
		return err
	}
	defer l.turn.done()
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
	ref := parkedRefs + mark
	_, _, err := l.api.Git.CreateRef(ctx, l.api.Owner, l.api.Name, &gh.Reference{Ref: gh.String(ref), Object: &gh.GitObject{SHA: gh.String(h.commit)}})
	return l.settled(ctx, "take "+ref, ref, true, err)
}

// dropMarks implements shelf.
func (l *githubLedger) dropMarks(ctx context.Context, line core.Line, marks []string) error {
	if err := l.turn.begin(ctx, line); err != nil {
		return err
	}
	defer l.turn.done()
	var failed []error
	for _, mark := range marks {
		ref := parkedRefs + mark
		_, err := l.api.Git.DeleteRef(ctx, l.api.Owner, l.api.Name, ref)
		failed = append(failed, l.settled(ctx, "remove "+ref, ref, false, err))
	}
	return errors.Join(failed...)
}

// settled is nil if a ref is there, or is not, as was wanted. GitHub says the same (422) of what was done by a request
// whose answer was lost, or by somebody else, as of what it does not do; so it is asked.
func (l *githubLedger) settled(ctx context.Context, do, ref string, want bool, failed error) error {
	if failed == nil {
		return nil
	}
	refused := l.refused(ctx, do, mayWrite, failed)
	if !contended(failed) {
		return refused
	}
	refs, err := l.refs(ctx, ref)
	if err != nil {
		return errors.Join(refused, err)
	}
	if _, there := refs[ref]; there == want {
		return nil
	}
	return refused
}
