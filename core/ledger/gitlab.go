package ledger

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
)

const (
	// gitlabBranch holds all lines: GitLab's API writes to branches only. It starts from the default branch, because the
	// API cannot make one that starts from nothing.
	gitlabBranch = "breakwater-ledger"

	// linesFolder has a folder for each line: segments, named as in [gitName], and one empty file whose name says where
	// the line ends, see [gitlabHead.token].
	linesFolder = ".breakwater-lines"

	// quiet in the message of a commit keeps GitLab from starting a pipeline for it.
	quiet = "\n\n[skip ci]\n"

	// apiScope is what a token needs for a ledger.
	apiScope = "the scope api and a role that may push to the branch " + gitlabBranch
)

// A gitlabLedger keeps lines in files of a branch, through GitLab's commits API: no clone is needed, and no push. An
// append is one commit.
//
// GitLab refuses to update a file that has another last commit than the one that is named. But it looks before it commits,
// and not while it does: two writers can both pass. So an append also takes away the file that says where the line ends,
// and makes the next one. That two commits cannot both do: GitLab's git server applies each to what the branch holds then.
type gitlabLedger struct {
	lot
	desk[gitlabHead]
	api   *gitlab.Client
	env   func(name string) string
	clock core.Clock
}

// A gitlabHead is where a line ends.
type gitlabHead struct {
	branch  string // commit of the branch; empty: there is no such branch
	segment int    // the newest
	last    string // commit that changed the newest segment last
	open    []byte // text of the newest segment
	end     end
}

func (h gitlabHead) tip() (end, bool) { return h.end, h.branch != "" }

// token is the name of the file that says where the line ends.
func (h gitlabHead) token() string { return fmt.Sprintf("end-%d-%d", h.segment, h.end.seq) }

func openGitLab(_ context.Context, place string, env Env) (store, error) {
	get := func(name string) string { return lookup(env.Environ, name) }
	api, err := gitlab.New(place, gitlab.Env{Lookup: get, Clock: env.Clock, Waits: env.Waits})
	if err != nil {
		return nil, err
	}
	if api.ByJob() {
		return nil, errors.New("GitLab does not let a job's own token make commits: set BREAKWATER_TOKEN to a project access token with " + apiScope)
	}
	l := &gitlabLedger{api: api, env: get, clock: env.Clock}
	l.lot, l.desk = lot{l}, newDesk(l)
	return l, nil
}

// Pace implements [core.Metered]: each append shows in a branch that people see, and each is a commit.
func (l *gitlabLedger) Pace() core.Pace {
	return core.Pace{Lease: time.Hour, Glance: 10 * time.Minute, Watch: time.Minute, Gather: 10 * time.Second}
}

// Requests implements [core.Counted].
func (l *gitlabLedger) Requests() int { return l.api.Requests() }

func folderOf(line core.Line) string { return linesFolder + "/" + line.String() }

// look asks where the branch is now, then where the line ends there, and reads the newest segment if that is not known
// yet. All of it is as of one commit.
func (l *gitlabLedger) look(ctx context.Context, line core.Line) (gitlabHead, error) {
	branch, err := l.api.Head(ctx, gitlabBranch)
	if err != nil {
		return gitlabHead{}, l.refused(ctx, "show branch "+gitlabBranch, err)
	}
	known := l.heads[line]
	if branch == known.branch {
		return known, nil
	}
	delete(l.heads, line)
	if branch == "" {
		return gitlabHead{}, nil
	}
	h, err := l.ends(ctx, line, branch)
	if err != nil {
		return gitlabHead{}, err
	}
	if h.end.seq == known.end.seq && h.segment == known.segment && known.branch != "" { // another line has moved the branch
		known.branch = branch
		h = known
	} else if h.end.seq > 0 {
		if err := l.load(ctx, line, &h); err != nil {
			return gitlabHead{}, err
		}
	}
	l.heads[line] = h
	return h, nil
}

// ends reads from the names in a line's folder where it ends.
func (l *gitlabLedger) ends(ctx context.Context, line core.Line, branch string) (gitlabHead, error) {
	h := gitlabHead{branch: branch}
	there, err := l.api.Files(ctx, branch, folderOf(line), false)
	if err != nil {
		return h, l.refused(ctx, "show folder "+folderOf(line), err)
	}
	tokens := 0
	for _, name := range there {
		if text, ok := strings.CutPrefix(path.Base(name), "end-"); ok {
			segment, seq, _ := strings.Cut(text, "-")
			var err1, err2 error
			h.segment, err1 = strconv.Atoi(segment)
			h.end.seq, err2 = strconv.ParseInt(seq, 10, 64)
			if err := errors.Join(err1, err2); err != nil || h.token() != path.Base(name) || h.end.seq < 1 || h.segment < 0 {
				return h, &CorruptError{File: l.show(name), Err: errors.New("its name does not say where the line ends")}
			}
			tokens++
		}
	}
	if tokens != 1 && len(there) > 0 {
		return h, &CorruptError{File: l.show(folderOf(line)), Err: fmt.Errorf("%d files in it say where the line ends", tokens)}
	}
	return h, nil
}

// load reads the newest segment of a line.
func (l *gitlabLedger) load(ctx context.Context, line core.Line, h *gitlabHead) error {
	text, last, err := l.api.File(ctx, h.branch, path.Join(folderOf(line), gitName(h.segment)))
	if err != nil {
		return l.refused(ctx, "show the newest segment of "+line.String(), err)
	}
	events, err := l.segments(line, *h).parse(h.segment, text)
	if err != nil {
		return err
	}
	told := h.token()
	h.open, h.last, h.end = text, last, endOf(events[len(events)-1])
	if h.token() != told {
		return &CorruptError{File: l.show(path.Join(folderOf(line), gitName(h.segment))), Err: fmt.Errorf("it ends at event %d, and %s says another", h.end.seq, told)}
	}
	return nil
}

func (l *gitlabLedger) segments(line core.Line, h gitlabHead) segments {
	count := 0
	if h.end.seq > 0 {
		count = h.segment + 1
	}
	return segments{
		line:  line,
		count: count,
		step:  8, // each segment is a request
		name:  func(i int) string { return l.show(path.Join(folderOf(line), gitName(i))) },
		load: func(ctx context.Context, from, to int) ([][]byte, error) {
			texts := make([][]byte, 0, to-from)
			for i := from; i < to; i++ {
				if i == h.segment {
					texts = append(texts, h.open)
					continue
				}
				text, _, err := l.api.File(ctx, h.branch, path.Join(folderOf(line), gitName(i)))
				if err != nil {
					return nil, l.refused(ctx, "show a segment of "+line.String(), err)
				}
				texts = append(texts, text)
			}
			return texts, nil
		},
	}
}

// show names a file for people.
func (l *gitlabLedger) show(file string) string {
	return fmt.Sprintf("%s:%s of %s", gitlabBranch, file, l.api.Project)
}

// add implements place: it makes the commit that adds text to a line. Whatever a refusal says, the line decides what happened: the answer may
// have been lost after GitLab had done it, and a commit to another line may have been in the way.
func (l *gitlabLedger) add(ctx context.Context, line core.Line, from gitlabHead, text []byte, events []core.Event) error {
	pause := firstPause
	for n := 1; ; n++ {
		next, err := l.commit(ctx, line, from, text, events)
		if err == nil {
			l.heads[line] = next
			return nil
		}
		refused := l.refused(ctx, "take a commit to "+gitlabBranch, err)
		now, err2 := l.look(ctx, line)
		switch {
		case err2 != nil:
			return errors.Join(refused, err2)
		case now.end != from.end:
			ours, err := l.segments(line, now).holds(ctx, text, from.end.seq)
			if err != nil || ours {
				return err
			}
			return conflict(line, now.end, from.end.seq)
		case gitlab.Code(err) != http.StatusBadRequest || n == tries:
			return refused
		}
		from = now
		if err := l.clock.Wait(ctx, l.clock.Now().Add(pause)); err != nil {
			return errors.Join(err, refused)
		}
		pause *= 2
	}
}

// commit makes the commit of an append, and returns where the line ends then.
func (l *gitlabLedger) commit(ctx context.Context, line core.Line, h gitlabHead, text []byte, events []core.Event) (gitlabHead, error) {
	folder := folderOf(line)
	next := gitlabHead{segment: h.segment, end: endOf(events[len(events)-1])}
	segment := gitlab.Change{Action: "create"}
	switch {
	case h.end.seq == 0: // the first of the line
		next.open = text
	case len(h.open) > gitSegment:
		next.segment++
		next.open = text
	default:
		next.open = append(h.open[:len(h.open):len(h.open)], text...)
		segment.Action, segment.Last = "update", h.last
	}
	segment.Path, segment.Text = path.Join(folder, gitName(next.segment)), string(next.open)
	changes := []gitlab.Change{segment, {Action: "create", Path: path.Join(folder, next.token())}}
	if h.end.seq > 0 {
		changes = append(changes, gitlab.Change{Action: "delete", Path: path.Join(folder, h.token())})
	}
	var err error
	next.branch, err = l.change(ctx, h.branch == "", summary(line, events), changes)
	next.last = next.branch
	return next, err
}

// change commits to the branch, and makes it first if it is not there.
func (l *gitlabLedger) change(ctx context.Context, first bool, message string, changes []gitlab.Change) (string, error) {
	k := gitlab.Commit{Branch: gitlabBranch, Message: message + quiet, Changes: changes}
	if first {
		if k.Start = l.env("CI_DEFAULT_BRANCH"); k.Start == "" {
			var err error
			if k.Start, err = l.api.DefaultBranch(ctx); err != nil {
				return "", err
			}
		}
	}
	return l.api.Commit(ctx, k)
}

// refused says what GitLab did not do. The end of ctx stays what it is.
func (l *gitlabLedger) refused(ctx context.Context, do string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("GitLab was asked to %s: %w", do, ctx.Err())
	}
	return fmt.Errorf("the ledger in %s: %w", l.api.Project, l.api.Refused(do, apiScope, err))
}
