package ledger

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github"
)

// mayWrite is the permission that a ledger on GitHub needs.
const mayWrite = "contents: write"

// A githubLedger keeps each line under a ref of a repository on GitHub, in the format of [gitLedger], through the API: no
// clone is needed. A commit is an append; moving the ref on without force is the compare-and-swap. An append costs three
// requests, whatever the history: a tree, a commit, the ref.
type githubLedger struct {
	lot
	desk[githubHead]
	api   *github.Client
	clock core.Clock
}

// A githubHead is a head and the tree of its commit, which the next one is built on.
type githubHead struct {
	head
	tree string
}

func (h githubHead) tip() (end, bool) { return h.end, h.commit != "" }

func openGitHub(_ context.Context, place string, env Env) (store, error) {
	api, err := github.New(place, github.Env{Lookup: func(name string) string { return lookup(env.Environ, name) }, Clock: env.Clock, Waits: env.Waits})
	if err != nil {
		return nil, err
	}
	l := &githubLedger{api: api, clock: env.Clock}
	l.lot, l.desk = lot{l}, newDesk(l)
	return l, nil
}

// Pace implements [core.Metered]. A rollout of five waves that each bake for four hours may take 300 requests in all, of
// the thousand that a job's token has in each hour; that is with its statuses, a check run and deployments.
func (l *githubLedger) Pace() core.Pace {
	return core.Pace{Lease: 2 * time.Hour, Glance: 20 * time.Minute, Watch: time.Minute, Gather: 10 * time.Second}
}

// Requests implements [core.Counted].
func (l *githubLedger) Requests() int { return l.api.Requests() }

// look asks where the line's ref is now, and reads its newest segment if that is not known yet.
func (l *githubLedger) look(ctx context.Context, line core.Line) (githubHead, error) {
	commit, err := l.where(ctx, line)
	if err != nil {
		return githubHead{}, err
	}
	known := l.heads[line]
	if commit == known.commit {
		return known, nil
	}
	delete(l.heads, line)
	if commit == "" {
		return githubHead{}, nil
	}
	h, err := l.load(ctx, line, commit)
	if err != nil {
		return githubHead{}, err
	}
	l.heads[line] = h
	return h, nil
}

// where returns the commit that a line's ref points at; "" if there is no such ref. The refs are listed: to be told of
// one ref that it is not found could as well mean that the token may not see it.
func (l *githubLedger) where(ctx context.Context, line core.Line) (string, error) {
	refs, err := l.refs(ctx, refOf(line))
	return refs[refOf(line)], err
}

// refs are the commits of all refs with a prefix, by name.
func (l *githubLedger) refs(ctx context.Context, prefix string) (map[string]string, error) {
	found, _, err := l.api.Git.ListMatchingRefs(ctx, l.api.Owner, l.api.Name, &gh.ReferenceListOptions{Ref: prefix})
	if err != nil {
		return nil, l.refused(ctx, "show "+prefix, "contents: read", err)
	}
	refs := make(map[string]string, len(found))
	for _, ref := range found {
		refs[ref.GetRef()] = ref.GetObject().GetSHA()
	}
	return refs, nil
}

// load reads what a commit holds, of the segments only the newest.
func (l *githubLedger) load(ctx context.Context, line core.Line, commit string) (githubHead, error) {
	c, _, err := l.api.Git.GetCommit(ctx, l.api.Owner, l.api.Name, commit)
	if err != nil {
		return githubHead{}, l.refused(ctx, "show commit "+commit, "contents: read", err)
	}
	h := githubHead{head: head{commit: commit}, tree: c.GetTree().GetSHA()}
	tree, _, err := l.api.Git.GetTree(ctx, l.api.Owner, l.api.Name, h.tree, true)
	if err != nil {
		return githubHead{}, l.refused(ctx, "show tree "+h.tree, "contents: read", err)
	}
	if tree.GetTruncated() {
		return githubHead{}, fmt.Errorf("GitHub does not show the whole tree %s of %s: it is too large", h.tree, refOf(line))
	}
	var names []string
	for _, e := range tree.Entries {
		if e.GetType() == "blob" {
			names = append(names, e.GetPath())
			h.blobs = append(h.blobs, e.GetSHA())
		}
	}
	show := func(name string) string { return l.show(line, name) }
	if err := numbered(names, gitName, show); err != nil {
		return githubHead{}, err
	}
	last := len(h.blobs) - 1
	if last < 0 {
		return githubHead{}, &CorruptError{File: show(gitName(0)), Err: errors.New("it is missing")}
	}
	if h.open, err = l.blob(ctx, h.blobs[last]); err != nil {
		return githubHead{}, err
	}
	events, err := l.segments(line, h).parse(last, h.open)
	if err != nil {
		return githubHead{}, err
	}
	h.end = endOf(events[len(events)-1])
	return h, nil
}

func (l *githubLedger) blob(ctx context.Context, name string) ([]byte, error) {
	blob, _, err := l.api.Git.GetBlob(ctx, l.api.Owner, l.api.Name, name)
	if err != nil {
		return nil, l.refused(ctx, "show object "+name, "contents: read", err)
	}
	if blob.GetEncoding() != "base64" {
		return nil, fmt.Errorf("GitHub shows object %s as %q; want base64", name, blob.GetEncoding())
	}
	text, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(blob.GetContent(), "\n", ""))
	if err != nil {
		return nil, fmt.Errorf("object %s from GitHub: %w", name, err)
	}
	if got := objectName(text); got != name {
		return nil, fmt.Errorf("GitHub shows object %s with the content of %s", name, got)
	}
	return text, nil
}

// objectName is what git calls a file's content.
func objectName(text []byte) string {
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(text), text))
	return hex.EncodeToString(sum[:])
}

func (l *githubLedger) segments(line core.Line, h githubHead) segments {
	return segments{
		line:  line,
		count: len(h.blobs),
		step:  8, // each segment is a request
		name:  func(i int) string { return l.show(line, gitName(i)) },
		load: func(ctx context.Context, from, to int) ([][]byte, error) {
			texts := make([][]byte, 0, to-from)
			for i := from; i < to; i++ {
				if i == len(h.blobs)-1 {
					texts = append(texts, h.open)
					continue
				}
				text, err := l.blob(ctx, h.blobs[i])
				if err != nil {
					return nil, err
				}
				texts = append(texts, text)
			}
			return texts, nil
		},
	}
}

// show names a segment for people.
func (l *githubLedger) show(line core.Line, name string) string {
	return fmt.Sprintf("%s:%s of %s", refOf(line), name, l.api.Repository())
}

// add implements place.
func (l *githubLedger) add(ctx context.Context, line core.Line, h githubHead, text []byte, events []core.Event) error {
	next, err := l.commit(ctx, line, h, text, events)
	if err != nil {
		return err
	}
	return l.move(ctx, line, h, next, text)
}

// commit makes the commit that adds text to a head. No ref points at it yet. It is the same commit if it is made twice.
func (l *githubLedger) commit(ctx context.Context, line core.Line, h githubHead, text []byte, events []core.Event) (githubHead, error) {
	last := events[len(events)-1]
	grown, segment := h.grown(text, endOf(last))
	grown.blobs = append(grown.blobs, objectName(grown.open))
	file := &gh.TreeEntry{Path: gh.String(gitName(segment)), Mode: gh.String("100644"), Type: gh.String("blob"), Content: gh.String(string(grown.open))}
	tree, _, err := l.api.Git.CreateTree(ctx, l.api.Owner, l.api.Name, h.tree, []*gh.TreeEntry{file})
	if err != nil {
		return githubHead{}, l.refused(ctx, "take a tree", mayWrite, err)
	}
	by := &gh.CommitAuthor{Name: gh.String("Breakwater"), Email: gh.String("breakwater@localhost"),
		Date: &gh.Timestamp{Time: time.Unix(max(0, last.At.Unix()), 0).UTC()}}
	draft := &gh.Commit{Message: gh.String(summary(line, events)), Tree: tree, Author: by, Committer: by}
	if h.commit != "" {
		draft.Parents = []*gh.Commit{{SHA: gh.String(h.commit)}}
	}
	commit, _, err := l.api.Git.CreateCommit(ctx, l.api.Owner, l.api.Name, draft, nil)
	if err != nil {
		return githubHead{}, l.refused(ctx, "take a commit", mayWrite, err)
	}
	grown.commit = commit.GetSHA()
	return githubHead{grown, tree.GetSHA()}, nil
}

// move moves the ref from one head to the next. Whatever a failed move says, the ref decides what happened: the answer
// may have been lost after GitHub had done it.
func (l *githubLedger) move(ctx context.Context, line core.Line, from, to githubHead, text []byte) error {
	pause := firstPause
	for n := 1; ; n++ {
		moved := l.push(ctx, line, from, to)
		if moved == nil {
			l.heads[line] = to
			return nil
		}
		now, err := l.look(ctx, line)
		switch {
		case err != nil:
			return errors.Join(l.refused(ctx, "move "+refOf(line), mayWrite, moved), err)
		case now.commit == to.commit:
			return nil
		case now.commit != from.commit:
			ours, err := l.segments(line, now).holds(ctx, text, from.end.seq)
			if err != nil || ours {
				return err
			}
			return conflict(line, now.end, from.end.seq)
		case !contended(moved) || n == tries:
			return l.refused(ctx, "move "+refOf(line), mayWrite, moved)
		}
		// Another writer was at it at the same time, and did not get through either.
		if err := l.clock.Wait(ctx, l.clock.Now().Add(pause)); err != nil {
			return errors.Join(err, moved)
		}
		pause *= 2
	}
}

// contended reports whether a ref could not be moved although nobody says that we may not.
func contended(err error) bool {
	status := github.Status(err)
	return status == http.StatusConflict || status == http.StatusUnprocessableEntity
}

func (l *githubLedger) push(ctx context.Context, line core.Line, from, to githubHead) error {
	ref := &gh.Reference{Ref: gh.String(refOf(line)), Object: &gh.GitObject{SHA: gh.String(to.commit)}}
	if from.commit == "" {
		_, _, err := l.api.Git.CreateRef(ctx, l.api.Owner, l.api.Name, ref)
		return err
	}
	_, _, err := l.api.Git.UpdateRef(ctx, l.api.Owner, l.api.Name, ref, false)
	return err
}

// refused says what GitHub did not do. The end of ctx stays what it is.
func (l *githubLedger) refused(ctx context.Context, do, permission string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("GitHub was asked to %s: %w", do, ctx.Err())
	}
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		err = wrong.Err // its text repeats the whole address
	}
	return fmt.Errorf("the ledger in %s: %w", l.api.Repository(), github.Refused(do, permission, err))
}
