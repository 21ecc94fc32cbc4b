package codecommit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"
	"github.com/aws/aws-sdk-go-v2/service/codecommit/types"

	"github.com/breakwater-ci/breakwater/core/aws"
)

// A Pull is a pull request.
type Pull struct {
	ID, Title string
	Open      bool
	Revision  string // changes with each push to its source
	Branch    string // that it is to enter
	Commit    string // the tip of its source
	Into      string // the tip of that branch
	Merged    string // the commit that it became; empty: it was not merged
	Rules     []Rule // what it waits for
}

// A Rule is an approval rule of a pull request.
type Rule struct {
	Name  string
	pools [][]string // patterns of who counts, for each of its statements; empty: anybody does
	blind bool       // its text is not understood
}

// Counts reports whether an approval by somebody counts for the rule. What is not understood counts.
func (r Rule) Counts(arn string) bool {
	return r.blind || slices.ContainsFunc(r.pools, func(pool []string) bool {
		return len(pool) == 0 || slices.ContainsFunc(pool, func(pattern string) bool { return covers(pattern, arn) })
	})
}

// covers reports whether a member of an approval pool stands for an ARN: one with wildcards, or CodeCommitApprovers:ACCOUNT:NAME,
// which stands for whatever has that name in the account.
func covers(pattern, arn string) bool {
	if short, ok := strings.CutPrefix(pattern, "CodeCommitApprovers:"); ok {
		account, name, _ := strings.Cut(short, ":")
		parts := strings.SplitN(arn, ":", 6) // arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
		if len(parts) < 6 || parts[4] != account {
			return false
		}
		_, rest, _ := strings.Cut(parts[5], "/")
		return matches(name, parts[5]) || matches(name, rest)
	}
	return matches(pattern, arn) || matches(pattern, roleOf(arn))
}

// roleOf is the ARN of the role that a session is of; that of anybody else stays.
func roleOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || !strings.HasPrefix(parts[5], "assumed-role/") {
		return arn
	}
	role, _, _ := strings.Cut(strings.TrimPrefix(parts[5], "assumed-role/"), "/")
	return parts[0] + ":" + parts[1] + ":iam::" + parts[4] + ":role/" + role
}

func matches(pattern, text string) bool {
	wild := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	ok, err := regexp.MatchString("^(?:"+wild+")$", text)
	return ok || err != nil
}

func ruleOf(is types.ApprovalRule) Rule {
	r := Rule{Name: sdk.ToString(is.ApprovalRuleName)}
	var said struct {
		Statements []struct{ ApprovalPoolMembers []string }
	}
	if err := json.Unmarshal([]byte(sdk.ToString(is.ApprovalRuleContent)), &said); err != nil || len(said.Statements) == 0 {
		r.blind = true
	}
	for _, s := range said.Statements {
		r.pools = append(r.pools, s.ApprovalPoolMembers)
	}
	return r
}

// Pulls are the ids of the pull requests of a repository that are open, or of those that are not, newest first.
func (c *Client) Pulls(ctx context.Context, repository string, open bool) (ids []string, err error) {
	status := types.PullRequestStatusEnumClosed
	if open {
		status = types.PullRequestStatusEnumOpen
	}
	err = each(func(token *string) (*string, error) {
		out, err := c.calls.pulls(ctx, &codecommit.ListPullRequestsInput{RepositoryName: &repository, PullRequestStatus: status, NextToken: token})
		if err != nil {
			return nil, err
		}
		ids = append(ids, out.PullRequestIds...)
		return out.NextToken, nil
	})
	if err != nil {
		return nil, refused("list the pull requests of "+repository, "ListPullRequests", repository, err)
	}
	slices.SortFunc(ids, func(a, b string) int { return number(b) - number(a) })
	return ids, nil
}

// number is the id of a pull request, which counts; 0 if it is none.
func number(id string) int {
	n, _ := strconv.Atoi(id)
	return n
}

// Pull looks at a pull request of a repository.
func (c *Client) Pull(ctx context.Context, repository, id string) (Pull, error) {
	out, err := c.calls.pull(ctx, &codecommit.GetPullRequestInput{PullRequestId: &id})
	if err != nil {
		return Pull{}, refused("show pull request #"+id, "GetPullRequest", repository, err)
	}
	is := out.PullRequest
	if is == nil {
		return Pull{}, errors.New("AWS does not show pull request #" + id + ": its answer is empty")
	}
	p := Pull{ID: id, Title: sdk.ToString(is.Title), Open: is.PullRequestStatus == types.PullRequestStatusEnumOpen, Revision: sdk.ToString(is.RevisionId)}
	for _, t := range is.PullRequestTargets {
		if sdk.ToString(t.RepositoryName) != repository {
			continue
		}
		p.Branch = strings.TrimPrefix(sdk.ToString(t.DestinationReference), "refs/heads/")
		p.Commit, p.Into = sdk.ToString(t.SourceCommit), sdk.ToString(t.DestinationCommit)
		if t.MergeMetadata != nil && t.MergeMetadata.IsMerged {
			p.Merged = sdk.ToString(t.MergeMetadata.MergeCommitId)
		}
	}
	for _, rule := range is.ApprovalRules {
		p.Rules = append(p.Rules, ruleOf(rule))
	}
	return p, nil
}

// Thread is where the comments on a pull request are.
func (p Pull) Thread(repository, request string) Thread {
	return Thread{Repository: repository, Pull: p.ID, Commit: p.Commit, Before: p.Into, Request: request}
}

// Approvals are the ARNs of who approves a pull request at its revision.
func (c *Client) Approvals(ctx context.Context, repository string, p Pull) (by []string, err error) {
	out, err := c.calls.approvals(ctx, &codecommit.GetPullRequestApprovalStatesInput{PullRequestId: &p.ID, RevisionId: &p.Revision})
	if err != nil {
		return nil, refused("show who approves pull request #"+p.ID, "GetPullRequestApprovalStates", repository, err)
	}
	for _, a := range out.Approvals {
		if a.ApprovalState == types.ApprovalStateApprove {
			by = append(by, sdk.ToString(a.UserArn))
		}
	}
	return by, nil
}

// ErrStale says that a pull request has another revision by now, or is closed: who wants to approve it looks at it again.
var ErrStale = errors.New("the pull request has changed")

// Approve says of a pull request, at its revision, that we approve it, or takes that back.
func (c *Client) Approve(ctx context.Context, repository string, p Pull, yes bool) error {
	state := types.ApprovalStateRevoke
	if yes {
		state = types.ApprovalStateApprove
	}
	err := c.calls.approve(ctx, &codecommit.UpdatePullRequestApprovalStateInput{PullRequestId: &p.ID, RevisionId: &p.Revision, ApprovalState: state})
	switch aws.Code(err) {
	case "":
	case "RevisionNotCurrentException", "PullRequestAlreadyClosedException":
		return fmt.Errorf("#%s: %w", p.ID, ErrStale)
	case "PullRequestCannotBeApprovedByAuthorException":
		return fmt.Errorf("the job itself has opened pull request #%s, and CodeCommit takes no approval by its author: open it as somebody else, or approve with another role", p.ID)
	}
	if err != nil {
		return refused("take an approval of pull request #"+p.ID, "UpdatePullRequestApprovalState", repository, err)
	}
	return nil
}
