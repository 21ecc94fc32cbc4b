package ledger

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
)

// marksFolder has an empty file for each mark, by its name.
const marksFolder = ".breakwater-parked"

// marks implements shelf: two requests, and one more for each further hundred marks.
func (l *gitlabLedger) marks(ctx context.Context) ([]string, error) {
	branch, err := l.api.Head(ctx, gitlabBranch)
	if err != nil || branch == "" {
		if err != nil {
			err = l.refused(ctx, "show branch "+gitlabBranch, err)
		}
		return nil, err
	}
	files, err := l.api.Files(ctx, branch, marksFolder, true)
	if err != nil {
		return nil, l.refused(ctx, "show folder "+marksFolder, err)
	}
	for i := range files {
		files[i] = strings.TrimPrefix(files[i], marksFolder+"/")
	}
	return files, nil
}

// putMark implements shelf.
func (l *gitlabLedger) putMark(ctx context.Context, line core.Line, mark string) error {
	if err := l.turn.begin(ctx, line); err != nil {
		return err
	}
	defer l.turn.done()
	h := l.heads[line]
	if h.end.seq == 0 {
		var err error
		if h, err = l.look(ctx, line); err != nil {
			return err
		}
	}
	if h.end.seq == 0 {
		return errUnmarked(line)
	}
	return l.settle(ctx, "parked "+line.String(), func(there []string) []gitlab.Change {
		if slices.Contains(there, mark) {
			return nil
		}
		return []gitlab.Change{{Action: "create", Path: marksFolder + "/" + mark}}
	})
}

// dropMarks implements shelf.
func (l *gitlabLedger) dropMarks(ctx context.Context, line core.Line, marks []string) error {
	if err := l.turn.begin(ctx, line); err != nil {
		return err
	}
	defer l.turn.done()
	return l.settle(ctx, "no longer parked as it was: "+line.String(), func(there []string) []gitlab.Change {
		var changes []gitlab.Change
		for _, mark := range marks {
			if slices.Contains(there, mark) {
				changes = append(changes, gitlab.Change{Action: "delete", Path: marksFolder + "/" + mark})
			}
		}
		return changes
	})
}

// settle commits what is to change of the marks that are there, and again from what is there then if GitLab refuses it:
// another writer may have been at it, or the answer was lost.
func (l *gitlabLedger) settle(ctx context.Context, message string, changes func(there []string) []gitlab.Change) error {
	pause := firstPause
	for n := 1; ; n++ {
		there, err := l.marks(ctx)
		if err != nil {
			return err
		}
		todo := changes(there)
		if len(todo) == 0 {
			return nil
		}
		_, err = l.change(ctx, false, message, todo)
		if err == nil {
			return nil
		}
		refused := l.refused(ctx, "take a commit to "+gitlabBranch, err)
		if gitlab.Code(err) != http.StatusBadRequest || n == tries {
			return refused
		}
		if err := l.clock.Wait(ctx, l.clock.Now().Add(pause)); err != nil {
			return errors.Join(err, refused)
		}
		pause *= 2
	}
}
