package github

import (
	"context"
	"net/http"

	"github.com/google/go-github/v60/github"
)

// calls are the operations of GitHub's API that Breakwater uses, by the library's names. A program that reflects on types keeps
// every method of every type that it can reach; so no type here has the library's client in it, with a thousand of them.
type calls struct {
	NewRequest func(method, path string, body any, o ...github.RequestOption) (*http.Request, error)
	Do         func(ctx context.Context, req *http.Request, into any) (*github.Response, error)
	Actions    struct {
		CancelWorkflowRunByID      func(ctx context.Context, owner, repo string, runID int64) (*github.Response, error)
		GetWorkflowRunByID         func(ctx context.Context, owner, repo string, runID int64) (*github.WorkflowRun, *github.Response, error)
		ListWorkflowJobs           func(ctx context.Context, owner, repo string, runID int64, opts *github.ListWorkflowJobsOptions) (*github.Jobs, *github.Response, error)
		ListWorkflowJobsAttempt    func(ctx context.Context, owner, repo string, runID, attemptNumber int64, opts *github.ListOptions) (*github.Jobs, *github.Response, error)
		ListWorkflowRunsByFileName func(ctx context.Context, owner, repo, workflowFileName string, opts *github.ListWorkflowRunsOptions) (*github.WorkflowRuns, *github.Response, error)
		RerunWorkflowByID          func(ctx context.Context, owner, repo string, runID int64) (*github.Response, error)
	}
	Checks struct {
		CreateCheckRun          func(ctx context.Context, owner, repo string, opts github.CreateCheckRunOptions) (*github.CheckRun, *github.Response, error)
		ListCheckRunAnnotations func(ctx context.Context, owner, repo string, checkRunID int64, opts *github.ListOptions) ([]*github.CheckRunAnnotation, *github.Response, error)
		ListCheckRunsForRef     func(ctx context.Context, owner, repo, ref string, opts *github.ListCheckRunsOptions) (*github.ListCheckRunsResults, *github.Response, error)
		UpdateCheckRun          func(ctx context.Context, owner, repo string, checkRunID int64, opts github.UpdateCheckRunOptions) (*github.CheckRun, *github.Response, error)
	}
	Git struct {
		CreateCommit     func(ctx context.Context, owner string, repo string, commit *github.Commit, opts *github.CreateCommitOptions) (*github.Commit, *github.Response, error)
		CreateRef        func(ctx context.Context, owner string, repo string, ref *github.Reference) (*github.Reference, *github.Response, error)
		CreateTree       func(ctx context.Context, owner string, repo string, baseTree string, entries []*github.TreeEntry) (*github.Tree, *github.Response, error)
		DeleteRef        func(ctx context.Context, owner string, repo string, ref string) (*github.Response, error)
		GetBlob          func(ctx context.Context, owner string, repo string, sha string) (*github.Blob, *github.Response, error)
		GetCommit        func(ctx context.Context, owner string, repo string, sha string) (*github.Commit, *github.Response, error)
		GetTree          func(ctx context.Context, owner string, repo string, sha string, recursive bool) (*github.Tree, *github.Response, error)
		ListMatchingRefs func(ctx context.Context, owner, repo string, opts *github.ReferenceListOptions) ([]*github.Reference, *github.Response, error)
		UpdateRef        func(ctx context.Context, owner string, repo string, ref *github.Reference, force bool) (*github.Reference, *github.Response, error)
	}
	Issues struct {
		CreateComment func(ctx context.Context, owner string, repo string, number int, comment *github.IssueComment) (*github.IssueComment, *github.Response, error)
		EditComment   func(ctx context.Context, owner string, repo string, commentID int64, comment *github.IssueComment) (*github.IssueComment, *github.Response, error)
		ListComments  func(ctx context.Context, owner string, repo string, number int, opts *github.IssueListCommentsOptions) ([]*github.IssueComment, *github.Response, error)
	}
	PullRequests struct {
		List                       func(ctx context.Context, owner string, repo string, opts *github.PullRequestListOptions) ([]*github.PullRequest, *github.Response, error)
		ListPullRequestsWithCommit func(ctx context.Context, owner, repo, sha string, opts *github.ListOptions) ([]*github.PullRequest, *github.Response, error)
	}
	Repositories struct {
		CreateDeployment       func(ctx context.Context, owner, repo string, request *github.DeploymentRequest) (*github.Deployment, *github.Response, error)
		CreateDeploymentStatus func(ctx context.Context, owner, repo string, deployment int64, request *github.DeploymentStatusRequest) (*github.DeploymentStatus, *github.Response, error)
		CreateStatus           func(ctx context.Context, owner, repo, ref string, status *github.RepoStatus) (*github.RepoStatus, *github.Response, error)
		Get                    func(ctx context.Context, owner, repo string) (*github.Repository, *github.Response, error)
		GetCombinedStatus      func(ctx context.Context, owner, repo, ref string, opts *github.ListOptions) (*github.CombinedStatus, *github.Response, error)
		ListDeploymentStatuses func(ctx context.Context, owner, repo string, deployment int64, opts *github.ListOptions) ([]*github.DeploymentStatus, *github.Response, error)
		ListDeployments        func(ctx context.Context, owner, repo string, opts *github.DeploymentsListOptions) ([]*github.Deployment, *github.Response, error)
	}
}

func callsOf(api *github.Client) (c calls) {
	c.NewRequest, c.Do = api.NewRequest, api.Do
	c.Actions.CancelWorkflowRunByID = api.Actions.CancelWorkflowRunByID
	c.Actions.GetWorkflowRunByID = api.Actions.GetWorkflowRunByID
	c.Actions.ListWorkflowJobs = api.Actions.ListWorkflowJobs
	c.Actions.ListWorkflowJobsAttempt = api.Actions.ListWorkflowJobsAttempt
	c.Actions.ListWorkflowRunsByFileName = api.Actions.ListWorkflowRunsByFileName
	c.Actions.RerunWorkflowByID = api.Actions.RerunWorkflowByID
	c.Checks.CreateCheckRun = api.Checks.CreateCheckRun
	c.Checks.ListCheckRunAnnotations = api.Checks.ListCheckRunAnnotations
	c.Checks.ListCheckRunsForRef = api.Checks.ListCheckRunsForRef
	c.Checks.UpdateCheckRun = api.Checks.UpdateCheckRun
	c.Git.CreateCommit = api.Git.CreateCommit
	c.Git.CreateRef = api.Git.CreateRef
	c.Git.CreateTree = api.Git.CreateTree
	c.Git.DeleteRef = api.Git.DeleteRef
	c.Git.GetBlob = api.Git.GetBlob
	c.Git.GetCommit = api.Git.GetCommit
	c.Git.GetTree = api.Git.GetTree
	c.Git.ListMatchingRefs = api.Git.ListMatchingRefs
	c.Git.UpdateRef = api.Git.UpdateRef
	c.Issues.CreateComment = api.Issues.CreateComment
	c.Issues.EditComment = api.Issues.EditComment
	c.Issues.ListComments = api.Issues.ListComments
	c.PullRequests.List = api.PullRequests.List
	c.PullRequests.ListPullRequestsWithCommit = api.PullRequests.ListPullRequestsWithCommit
	c.Repositories.CreateDeployment = api.Repositories.CreateDeployment
	c.Repositories.CreateDeploymentStatus = api.Repositories.CreateDeploymentStatus
	c.Repositories.CreateStatus = api.Repositories.CreateStatus
	c.Repositories.Get = api.Repositories.Get
	c.Repositories.GetCombinedStatus = api.Repositories.GetCombinedStatus
	c.Repositories.ListDeploymentStatuses = api.Repositories.ListDeploymentStatuses
	c.Repositories.ListDeployments = api.Repositories.ListDeployments
	return c
}
