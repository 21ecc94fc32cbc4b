package codebuild

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/codecommit"
	"github.com/breakwater-ci/breakwater/core/plain"
)

var (
	_ core.StatusWriter = (*source)(nil)
	_ core.Commenter    = (*source)(nil)
)

// newest is how many pull requests are looked at for the one that a commit came from: CodeCommit does not tell.
const newest = 30

// A saying is a comment that this process knows to be there.
type saying struct{ id, text string }

// SetStatus implements [core.StatusWriter]. CodeCommit has no statuses, so there is one comment on the commit for each name.
func (s *source) SetStatus(ctx context.Context, commit string, st core.Status) error {
	api, err := s.api(ctx)
	if err != nil {
		return err
	}
	t, err := s.thread(ctx, api, commit)
	if err != nil {
		return err
	}
	first, text := s.status(st)
	return s.say(ctx, api, t, first, text+fmt.Sprintf("\n[Build %d](%s)\n", s.job.Actor.Attempt, s.job.Actor.URL), true)
}

// status is a status as a comment, and the words that it begins with whatever it says.
func (s *source) status(st core.Status) (first, text string) {
	first = "Breakwater: **" + escaped(st.Name) + "** "
	return first, fmt.Sprintf("%sis **%s**: %s\n", first, escaped(string(st.State)), escaped(s.out.redacted(st.Description)))
}

// Comment implements [core.Commenter]: there is one comment for each name on each pull request that the commit came from, as
// far as those are among the newest. A commit of none of them has it itself.
func (s *source) Comment(ctx context.Context, commit, name, text string) error {
	api, err := s.api(ctx)
	if err != nil {
		return err
	}
	first := "Breakwater: **the report of " + escaped(name) + "**\n\n"
	text = first + cut(s.out.redacted(text), codecommit.CommentLimit-utf8.RuneCountInString(first))
	pulls, err := s.pullsOf(ctx, api, commit)
	if err != nil {
		return err
	}
	for _, p := range pulls {
		if err := s.say(ctx, api, p.Thread(s.from.Repository, s.request()), first, text, true); err != nil {
			return err
		}
	}
	if len(pulls) > 0 {
		return nil
	}
	t, err := s.thread(ctx, api, commit)
	if err != nil {
		return err
	}
	return s.say(ctx, api, t, first, text, true)
}

// pullsOf are the pull requests that a commit came from: those that became it, else those whose source it is.
func (s *source) pullsOf(ctx context.Context, api *codecommit.Client, commit string) (from []codecommit.Pull, err error) {
	closed, err := api.Pulls(ctx, s.from.Repository, false)
	if err != nil {
		return nil, err
	}
	open, err := api.Pulls(ctx, s.from.Repository, true)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Concat(closed[:min(newest, len(closed))], open[:min(newest, len(open))]) {
		p, err := api.Pull(ctx, s.from.Repository, id)
		if err != nil {
			return nil, err
		}
		if p.Merged == commit {
			return []codecommit.Pull{p}, nil
		}
		if p.Commit == commit {
			from = append(from, p)
		}
	}
	return from, nil
}

// thread is where the comments on a commit are.
func (s *source) thread(ctx context.Context, api *codecommit.Client, commit string) (codecommit.Thread, error) {
	t := codecommit.Thread{Repository: s.from.Repository, Commit: commit, Request: s.request()}
	if !codecommit.IsCommit(commit) {
		return t, fmt.Errorf("%q is no full id of a commit, so CodeCommit has nothing to comment on", plain.Line(commit, 80))
	}
	s.mu.Lock()
	parent, known := s.parents[commit]
	s.mu.Unlock()
	if !known {
		is, err := api.Commit(ctx, s.from.Repository, commit)
		if err != nil {
			return t, err
		}
		parent = is.Parent
		s.mu.Lock()
		s.parents[commit] = parent
		s.mu.Unlock()
	}
	t.Before = parent
	return t, nil
}

// say puts a text in the place of our newest comment that begins with the same words. Anybody could have written those, so
// only one by our own role is ours. CodeCommit may take each session of a role for somebody else, who has to write a new one.
// Where there is none it makes one only if that is asked for.
func (s *source) say(ctx context.Context, api *codecommit.Client, t codecommit.Thread, first, text string, anew bool) error {
	key := t.Pull + "@" + t.Commit + " " + first
	if t.Pull != "" {
		key = t.Pull + " " + first
	}
	s.mu.Lock()
	was, known := s.said[key]
	s.mu.Unlock()
	if !known {
		var err error
		if was, known, err = s.find(ctx, api, t, first); err != nil {
			return err
		}
	}
	switch {
	case known && was.text == text:
	case known:
		changed, err := api.Edit(ctx, t, was.id, text)
		if err != nil {
			return err
		}
		if !changed {
			was.id = ""
		}
	case !anew:
		return nil
	}
	if was.id == "" {
		var err error
		if was.id, err = api.Post(ctx, t, text); err != nil {
			return err
		}
	}
	if was.id == "" {
		return nil // it was taken, and what it is called is to be found again
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said[key] = saying{was.id, text}
	return nil
}

// find looks for our newest comment that begins with some words.
func (s *source) find(ctx context.Context, api *codecommit.Client, t codecommit.Thread, first string) (saying, bool, error) {
	me, err := api.Me(ctx)
	if err != nil {
		return saying{}, false, err
	}
	all, err := api.Comments(ctx, t)
	if err != nil {
		return saying{}, false, err
	}
	for _, c := range all {
		if codecommit.SameRole(c.Author, me) && strings.HasPrefix(c.Text, first) {
			return saying{c.ID, c.Text}, true, nil
		}
	}
	return saying{}, false, nil
}

// escaped is a text from anywhere as a part of one line of Markdown that shows it as it is.
func escaped(text string) string { return plain.Markdown(plain.Line(text, valueLimit)) }

// cut returns as many whole lines of a text as there is room for, in characters.
func cut(text string, room int) string {
	if utf8.RuneCountInString(text) <= room {
		return text
	}
	const note = "_The report is longer than fits here. This is its beginning; the artifact breakwater-report.md has all of it._\n\n"
	kept := string([]rune(text)[:room-utf8.RuneCountInString(note)])
	return note + kept[:strings.LastIndexByte(kept, '\n')+1]
}
