package codecommit

import (
	"context"
	"fmt"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"

	"github.com/breakwater-ci/breakwater/core/aws"
)

// A Client asks CodeCommit in one region. It is safe for concurrent use.
type Client struct {
	calls   calls
	session *aws.Session
}

// calls are what is asked of CodeCommit. A program that reflects on types keeps every method of every type that it can reach;
// so no type here has the client in it, with all of its operations.
type calls struct {
	branch         func(context.Context, *codecommit.GetBranchInput) (*codecommit.GetBranchOutput, error)
	commit         func(context.Context, *codecommit.GetCommitInput) (*codecommit.GetCommitOutput, error)
	file           func(context.Context, *codecommit.GetFileInput) (*codecommit.GetFileOutput, error)
	pulls          func(context.Context, *codecommit.ListPullRequestsInput) (*codecommit.ListPullRequestsOutput, error)
	pull           func(context.Context, *codecommit.GetPullRequestInput) (*codecommit.GetPullRequestOutput, error)
	approvals      func(context.Context, *codecommit.GetPullRequestApprovalStatesInput) (*codecommit.GetPullRequestApprovalStatesOutput, error)
	approve        func(context.Context, *codecommit.UpdatePullRequestApprovalStateInput) error
	commitComments func(context.Context, *codecommit.GetCommentsForComparedCommitInput) (*codecommit.GetCommentsForComparedCommitOutput, error)
	pullComments   func(context.Context, *codecommit.GetCommentsForPullRequestInput) (*codecommit.GetCommentsForPullRequestOutput, error)
	onCommit       func(context.Context, *codecommit.PostCommentForComparedCommitInput) (*codecommit.PostCommentForComparedCommitOutput, error)
	onPull         func(context.Context, *codecommit.PostCommentForPullRequestInput) (*codecommit.PostCommentForPullRequestOutput, error)
	edit           func(context.Context, *codecommit.UpdateCommentInput) error
}

// Open makes a client. It asks nobody yet.
func Open(ctx context.Context, o aws.Options, env aws.Env) (*Client, error) {
	session, err := aws.Open(ctx, o, env)
	if err != nil {
		return nil, err
	}
	return &Client{callsOf(session), session}, nil
}

func callsOf(session *aws.Session) calls {
	api := codecommit.NewFromConfig(session.Config)
	return calls{
		branch: func(ctx context.Context, in *codecommit.GetBranchInput) (*codecommit.GetBranchOutput, error) {
			return api.GetBranch(ctx, in)
		},
		commit: func(ctx context.Context, in *codecommit.GetCommitInput) (*codecommit.GetCommitOutput, error) {
			return api.GetCommit(ctx, in)
		},
		file: func(ctx context.Context, in *codecommit.GetFileInput) (*codecommit.GetFileOutput, error) {
			return api.GetFile(ctx, in)
		},
		pulls: func(ctx context.Context, in *codecommit.ListPullRequestsInput) (*codecommit.ListPullRequestsOutput, error) {
			return api.ListPullRequests(ctx, in)
		},
		pull: func(ctx context.Context, in *codecommit.GetPullRequestInput) (*codecommit.GetPullRequestOutput, error) {
			return api.GetPullRequest(ctx, in)
		},
		approvals: func(ctx context.Context, in *codecommit.GetPullRequestApprovalStatesInput) (*codecommit.GetPullRequestApprovalStatesOutput, error) {
			return api.GetPullRequestApprovalStates(ctx, in)
		},
		approve: func(ctx context.Context, in *codecommit.UpdatePullRequestApprovalStateInput) error {
			_, err := api.UpdatePullRequestApprovalState(ctx, in)
			return err
		},
		commitComments: func(ctx context.Context, in *codecommit.GetCommentsForComparedCommitInput) (*codecommit.GetCommentsForComparedCommitOutput, error) {
			return api.GetCommentsForComparedCommit(ctx, in)
		},
		pullComments: func(ctx context.Context, in *codecommit.GetCommentsForPullRequestInput) (*codecommit.GetCommentsForPullRequestOutput, error) {
			return api.GetCommentsForPullRequest(ctx, in)
		},
		onCommit: func(ctx context.Context, in *codecommit.PostCommentForComparedCommitInput) (*codecommit.PostCommentForComparedCommitOutput, error) {
			return api.PostCommentForComparedCommit(ctx, in)
		},
		onPull: func(ctx context.Context, in *codecommit.PostCommentForPullRequestInput) (*codecommit.PostCommentForPullRequestOutput, error) {
			return api.PostCommentForPullRequest(ctx, in)
		},
		edit: func(ctx context.Context, in *codecommit.UpdateCommentInput) error {
			_, err := api.UpdateComment(ctx, in)
			return err
		},
	}
}

// Close closes the connections that are kept for the next request.
func (c *Client) Close() error { return c.session.Close() }

// Requests counts those that were sent.
func (c *Client) Requests() int { return c.session.Requests() }

// Region is where the repositories are.
func (c *Client) Region() string { return c.session.Config.Region }

// Me is the ARN of who asks.
func (c *Client) Me(ctx context.Context) (string, error) {
	who, err := c.session.Identify(ctx)
	return who.ARN, err
}

// SameRole reports whether two ARNs are of one identity: sessions of one role are, whatever their names.
func SameRole(a, b string) bool { return identity(a) == identity(b) }

func identity(arn string) string {
	if strings.Contains(arn, ":assumed-role/") {
		return arn[:strings.LastIndexByte(arn, '/')]
	}
	return arn
}

// refused says what CodeCommit did not do, and which action on a repository permits it.
func refused(do, action, repository string, err error) error {
	on := "the repository " + repository
	if repository == "" {
		on = "the repositories"
	}
	return aws.Refused(do, fmt.Sprintf("codecommit:%s on %s", action, on), err)
}

// A Commit is what CodeCommit says of one.
type Commit struct {
	ID     string
	Parent string    // the first; empty: it is the initial commit
	Asked  time.Time // when CodeCommit answered, by its own clock; zero: it did not say
}

// Commit looks at a commit by its full id.
func (c *Client) Commit(ctx context.Context, repository, id string) (Commit, error) {
	out, err := c.calls.commit(ctx, &codecommit.GetCommitInput{RepositoryName: &repository, CommitId: &id})
	if err != nil {
		return Commit{}, refused(fmt.Sprintf("show commit %s of %s", id, repository), "GetCommit", repository, err)
	}
	is := Commit{ID: id}
	is.Asked, _ = awsmiddleware.GetServerTime(out.ResultMetadata)
	if out.Commit != nil && len(out.Commit.Parents) > 0 {
		is.Parent = out.Commit.Parents[0]
	}
	return is, nil
}

// each calls next with the token of each page, until there is none.
func each(next func(token *string) (*string, error)) error {
	var token *string
	for {
		more, err := next(token)
		if err != nil || sdk.ToString(more) == "" {
			return err
		}
		if sdk.ToString(more) == sdk.ToString(token) {
			return fmt.Errorf("AWS gives the same page of a list again and again")
		}
		token = more
	}
}
