package actions

import (
	"context"
	"fmt"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github"
)

var _ core.Commenter = (*Forge)(nil)

// commentLimit is the longest comment, in bytes: GitHub takes 65,536 characters.
const commentLimit = 65_000

// Comment implements [core.Commenter]: there is one comment for each name on each pull request that the commit came from.
// It is known again by its first line, which GitHub does not show. Only a comment of a bot is changed: anybody can write
// such a line.
func (f *Forge) Comment(ctx context.Context, commit, name, text string) error {
	api, err := f.api()
	if err != nil {
		return err
	}
	pulls, _, err := api.PullRequests.ListPullRequestsWithCommit(ctx, api.Owner, api.Name, commit, nil)
	if err != nil {
		return github.Refused("show the pull requests of commit "+commit, "pull-requests: write", err)
	}
	first := fmt.Sprintf("<!-- breakwater %s -->\n", name)
	quiet := strings.ReplaceAll(text, "@", "@\u200b") // text from anywhere must not call people here
	body := first + cut(quiet, commentLimit-len(first))
	for _, p := range pulls {
		if err := f.commentOn(ctx, api, p.GetNumber(), first, body); err != nil {
			return err
		}
	}
	return nil
}

func (f *Forge) commentOn(ctx context.Context, api *github.Client, pull int, first, body string) error {
	ask := &gh.IssueListCommentsOptions{ListOptions: gh.ListOptions{PerPage: 100}}
	for ask.Page = 1; ask.Page != 0; {
		all, answer, err := api.Issues.ListComments(ctx, api.Owner, api.Name, pull, ask)
		if err != nil {
			return github.Refused(fmt.Sprintf("show the comments of #%d", pull), "pull-requests: write", err)
		}
		for _, c := range all {
			if c.GetUser().GetType() == "Bot" && strings.HasPrefix(c.GetBody(), first) {
				_, _, err := api.Issues.EditComment(ctx, api.Owner, api.Name, c.GetID(), &gh.IssueComment{Body: &body})
				if err != nil {
					return github.Refused(fmt.Sprintf("change the comment on #%d", pull), "pull-requests: write", err)
				}
				return nil
			}
		}
		ask.Page = answer.NextPage
	}
	if _, _, err := api.Issues.CreateComment(ctx, api.Owner, api.Name, pull, &gh.IssueComment{Body: &body}); err != nil {
		return github.Refused(fmt.Sprintf("comment on #%d", pull), "pull-requests: write", err)
	}
	return nil
}
