package gitlab

import (
	"context"
	"fmt"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
)

var _ core.Commenter = (*Forge)(nil)

// noteLimit is the longest note, in bytes: GitLab takes 1,000,000 characters.
const noteLimit = 900_000

// Comment implements [core.Commenter]: there is one note for each name on each merge request that the commit came from. It
// is known again by its first line, which GitLab does not show. Only a note of the token's own user is changed: anybody can
// write such a line.
func (f *Forge) Comment(ctx context.Context, commit, name, text string) error {
	api, err := f.api()
	if err != nil {
		return err
	}
	merges, err := api.MergeRequestsOf(ctx, commit)
	if err != nil {
		return api.Refused("show the merge requests of commit "+commit, writeScope, err)
	}
	if len(merges) == 0 {
		return nil
	}
	me, err := api.Me(ctx)
	if err != nil {
		return api.Refused("say who the token is", writeScope, err)
	}
	first := fmt.Sprintf("<!-- breakwater %s -->\n", name)
	body := first + quiet(cut(text, noteLimit))
	for _, iid := range merges {
		if err := f.noteOn(ctx, api, iid, me, first, body); err != nil {
			return api.Refused(fmt.Sprintf("take a note on !%d", iid), writeScope, err)
		}
	}
	return nil
}

func (f *Forge) noteOn(ctx context.Context, api *gitlab.Client, iid, me int, first, body string) error {
	notes, err := api.Notes(ctx, iid)
	if err != nil {
		return err
	}
	for _, n := range notes {
		if n.Author == me && strings.HasPrefix(n.Body, first) {
			return api.ChangeNote(ctx, iid, n.ID, body)
		}
	}
	return api.AddNote(ctx, iid, body)
}

// quiet keeps a text from doing more than being read: in a note @ calls people, and a line that begins with a slash is a
// command to GitLab, such as to merge. Both get a character in between that does not show.
func quiet(text string) string {
	const nothing = "\u200b"
	var b strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(text, "\r", "\n")) {
		bare := strings.TrimLeft(line, " \t")
		if strings.HasPrefix(bare, "/") {
			line = line[:len(line)-len(bare)] + nothing + bare
		}
		b.WriteString(strings.ReplaceAll(line, "@", "@"+nothing))
	}
	return b.String()
}

// cut returns as many whole lines of a text as there is room for.
func cut(text string, room int) string {
	if len(text) <= room {
		return text
	}
	const note = "_The report is longer than fits here. This is its beginning._\n\n"
	return note + text[:strings.LastIndexByte(text[:room-len(note)], '\n')+1]
}
