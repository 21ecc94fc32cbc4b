package codecommit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"
	"github.com/aws/aws-sdk-go-v2/service/codecommit/types"

	"github.com/breakwater-ci/breakwater/core/aws"
)

// CommentLimit is the longest comment, in characters.
const CommentLimit = 10240

// A Comment is one on a commit or on a pull request.
type Comment struct {
	ID, Author, Text string
	Made             time.Time
}

// A Thread is where comments are: on a commit, or on a pull request.
type Thread struct {
	Repository string
	Pull       string // id of the pull request; empty: the comments are on the commit
	Commit     string // on it; of a pull request the tip of its source
	Before     string // what that is compared with; empty: it is the initial commit
	Request    string // the job that writes: what it says twice is said once
}

func (t Thread) name() string {
	if t.Pull != "" {
		return "pull request #" + t.Pull
	}
	return "commit " + t.Commit
}

// Comments are those that are there, newest first.
func (c *Client) Comments(ctx context.Context, t Thread) (all []Comment, err error) {
	action := "GetCommentsForComparedCommit"
	if t.Pull != "" {
		action = "GetCommentsForPullRequest"
	}
	err = each(func(token *string) (*string, error) {
		said, next, err := c.comments(ctx, t, token)
		for _, is := range said {
			if !is.Deleted {
				all = append(all, Comment{sdk.ToString(is.CommentId), sdk.ToString(is.AuthorArn), sdk.ToString(is.Content), sdk.ToTime(is.CreationDate)})
			}
		}
		return next, err
	})
	if err != nil {
		return nil, refused("show the comments on "+t.name(), action, t.Repository, err)
	}
	slices.SortStableFunc(all, func(a, b Comment) int { return cmp.Or(b.Made.Compare(a.Made), strings.Compare(a.ID, b.ID)) })
	return all, nil
}

// comments is one page of them.
func (c *Client) comments(ctx context.Context, t Thread, token *string) (all []types.Comment, next *string, err error) {
	if t.Pull != "" {
		out, err := c.calls.pullComments(ctx, &codecommit.GetCommentsForPullRequestInput{PullRequestId: &t.Pull, RepositoryName: &t.Repository, NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		for _, about := range out.CommentsForPullRequestData {
			all = append(all, about.Comments...)
		}
		return all, out.NextToken, nil
	}
	out, err := c.calls.commitComments(ctx, &codecommit.GetCommentsForComparedCommitInput{RepositoryName: &t.Repository, AfterCommitId: &t.Commit, NextToken: token})
	if err != nil {
		return nil, nil, err
	}
	for _, about := range out.CommentsForComparedCommitData {
		all = append(all, about.Comments...)
	}
	return all, out.NextToken, nil
}

// Post adds a comment and returns its id. One whose answer was lost is not added again.
func (c *Client) Post(ctx context.Context, t Thread, text string) (string, error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{t.Repository, t.Pull, t.Commit, t.Before, t.Request, text}))
	token := new(hex.EncodeToString(sum[:]))
	var before *string
	if t.Before != "" {
		before = &t.Before
	}
	if t.Pull != "" {
		out, err := c.calls.onPull(ctx, &codecommit.PostCommentForPullRequestInput{PullRequestId: &t.Pull, RepositoryName: &t.Repository,
			BeforeCommitId: before, AfterCommitId: &t.Commit, Content: &text, ClientRequestToken: token})
		if err != nil {
			return "", refused("take a comment on "+t.name(), "PostCommentForPullRequest", t.Repository, err)
		}
		return id(out.Comment), nil
	}
	out, err := c.calls.onCommit(ctx, &codecommit.PostCommentForComparedCommitInput{RepositoryName: &t.Repository,
		BeforeCommitId: before, AfterCommitId: &t.Commit, Content: &text, ClientRequestToken: token})
	if err != nil {
		return "", refused("take a comment on "+t.name(), "PostCommentForComparedCommit", t.Repository, err)
	}
	return id(out.Comment), nil
}

func id(c *types.Comment) string {
	if c == nil {
		return ""
	}
	return sdk.ToString(c.CommentId)
}

// Edit replaces the text of a comment. It reports false for one that is gone, or that somebody else has written: then there
// is none to edit.
func (c *Client) Edit(ctx context.Context, t Thread, id, text string) (bool, error) {
	err := c.calls.edit(ctx, &codecommit.UpdateCommentInput{CommentId: &id, Content: &text})
	switch aws.Code(err) {
	case "CommentDoesNotExistException", "CommentDeletedException", "CommentNotCreatedByCallerException":
		return false, nil
	}
	if err != nil {
		return false, refused("change a comment on "+t.name(), "UpdateComment", t.Repository, err)
	}
	return true, nil
}
