package gitlab

import gl "github.com/xanzy/go-gitlab"

// calls are the operations of GitLab's API that Breakwater uses, by the library's names. A program that reflects on types keeps
// every method of every type that it can reach; so no type here has the library's client in it, with a thousand of them.
type calls struct {
	Branches struct {
		ListBranches func(pid any, opts *gl.ListBranchesOptions, options ...gl.RequestOptionFunc) ([]*gl.Branch, *gl.Response, error)
	}
	Commits struct {
		CreateCommit              func(pid any, opt *gl.CreateCommitOptions, options ...gl.RequestOptionFunc) (*gl.Commit, *gl.Response, error)
		GetCommitStatuses         func(pid any, sha string, opt *gl.GetCommitStatusesOptions, options ...gl.RequestOptionFunc) ([]*gl.CommitStatus, *gl.Response, error)
		ListMergeRequestsByCommit func(pid any, sha string, options ...gl.RequestOptionFunc) ([]*gl.MergeRequest, *gl.Response, error)
		SetCommitStatus           func(pid any, sha string, opt *gl.SetCommitStatusOptions, options ...gl.RequestOptionFunc) (*gl.CommitStatus, *gl.Response, error)
	}
	Deployments struct {
		CreateProjectDeployment func(pid any, opt *gl.CreateProjectDeploymentOptions, options ...gl.RequestOptionFunc) (*gl.Deployment, *gl.Response, error)
		ListProjectDeployments  func(pid any, opts *gl.ListProjectDeploymentsOptions, options ...gl.RequestOptionFunc) ([]*gl.Deployment, *gl.Response, error)
		UpdateProjectDeployment func(pid any, deployment int, opt *gl.UpdateProjectDeploymentOptions, options ...gl.RequestOptionFunc) (*gl.Deployment, *gl.Response, error)
	}
	ExternalStatusChecks struct {
		SetExternalStatusCheckStatus func(pid any, mergeRequest int, opt *gl.SetExternalStatusCheckStatusOptions, options ...gl.RequestOptionFunc) (*gl.Response, error)
	}
	FreezePeriods struct {
		ListFreezePeriods func(pid any, opt *gl.ListFreezePeriodsOptions, options ...gl.RequestOptionFunc) ([]*gl.FreezePeriod, *gl.Response, error)
	}
	Jobs struct {
		CancelJob        func(pid any, jobID int, options ...gl.RequestOptionFunc) (*gl.Job, *gl.Response, error)
		GetJob           func(pid any, jobID int, options ...gl.RequestOptionFunc) (*gl.Job, *gl.Response, error)
		ListPipelineJobs func(pid any, pipelineID int, opts *gl.ListJobsOptions, options ...gl.RequestOptionFunc) ([]*gl.Job, *gl.Response, error)
		PlayJob          func(pid any, jobID int, opt *gl.PlayJobOptions, options ...gl.RequestOptionFunc) (*gl.Job, *gl.Response, error)
		RetryJob         func(pid any, jobID int, options ...gl.RequestOptionFunc) (*gl.Job, *gl.Response, error)
	}
	MergeRequests struct {
		GetMergeRequest          func(pid any, mergeRequest int, opt *gl.GetMergeRequestsOptions, options ...gl.RequestOptionFunc) (*gl.MergeRequest, *gl.Response, error)
		ListProjectMergeRequests func(pid any, opt *gl.ListProjectMergeRequestsOptions, options ...gl.RequestOptionFunc) ([]*gl.MergeRequest, *gl.Response, error)
	}
	Notes struct {
		CreateMergeRequestNote func(pid any, mergeRequest int, opt *gl.CreateMergeRequestNoteOptions, options ...gl.RequestOptionFunc) (*gl.Note, *gl.Response, error)
		ListMergeRequestNotes  func(pid any, mergeRequest int, opt *gl.ListMergeRequestNotesOptions, options ...gl.RequestOptionFunc) ([]*gl.Note, *gl.Response, error)
		UpdateMergeRequestNote func(pid any, mergeRequest, note int, opt *gl.UpdateMergeRequestNoteOptions, options ...gl.RequestOptionFunc) (*gl.Note, *gl.Response, error)
	}
	PersonalAccessTokens struct {
		GetSinglePersonalAccessToken func(options ...gl.RequestOptionFunc) (*gl.PersonalAccessToken, *gl.Response, error)
	}
	Pipelines struct {
		CancelPipelineBuild  func(pid any, pipeline int, options ...gl.RequestOptionFunc) (*gl.Pipeline, *gl.Response, error)
		CreatePipeline       func(pid any, opt *gl.CreatePipelineOptions, options ...gl.RequestOptionFunc) (*gl.Pipeline, *gl.Response, error)
		GetPipeline          func(pid any, pipeline int, options ...gl.RequestOptionFunc) (*gl.Pipeline, *gl.Response, error)
		GetPipelineVariables func(pid any, pipeline int, options ...gl.RequestOptionFunc) ([]*gl.PipelineVariable, *gl.Response, error)
		ListProjectPipelines func(pid any, opt *gl.ListProjectPipelinesOptions, options ...gl.RequestOptionFunc) ([]*gl.PipelineInfo, *gl.Response, error)
	}
	Projects struct {
		GetProject func(pid any, opt *gl.GetProjectOptions, options ...gl.RequestOptionFunc) (*gl.Project, *gl.Response, error)
	}
	Repositories struct {
		ListTree func(pid any, opt *gl.ListTreeOptions, options ...gl.RequestOptionFunc) ([]*gl.TreeNode, *gl.Response, error)
	}
	RepositoryFiles struct {
		GetFile func(pid any, fileName string, opt *gl.GetFileOptions, options ...gl.RequestOptionFunc) (*gl.File, *gl.Response, error)
	}
	Users struct {
		CurrentUser func(options ...gl.RequestOptionFunc) (*gl.User, *gl.Response, error)
	}
}

//lint:ignore SA1019 this file, client.go and api*.go are all that know the library: a move to its successor is these
func callsOf(api *gl.Client) (c calls) {
	c.Branches.ListBranches = api.Branches.ListBranches
	c.Commits.CreateCommit = api.Commits.CreateCommit
	c.Commits.GetCommitStatuses = api.Commits.GetCommitStatuses
	c.Commits.ListMergeRequestsByCommit = api.Commits.ListMergeRequestsByCommit
	c.Commits.SetCommitStatus = api.Commits.SetCommitStatus
	c.Deployments.CreateProjectDeployment = api.Deployments.CreateProjectDeployment
	c.Deployments.ListProjectDeployments = api.Deployments.ListProjectDeployments
	c.Deployments.UpdateProjectDeployment = api.Deployments.UpdateProjectDeployment
	c.ExternalStatusChecks.SetExternalStatusCheckStatus = api.ExternalStatusChecks.SetExternalStatusCheckStatus
	c.FreezePeriods.ListFreezePeriods = api.FreezePeriods.ListFreezePeriods
	c.Jobs.CancelJob = api.Jobs.CancelJob
	c.Jobs.GetJob = api.Jobs.GetJob
	c.Jobs.ListPipelineJobs = api.Jobs.ListPipelineJobs
	c.Jobs.PlayJob = api.Jobs.PlayJob
	c.Jobs.RetryJob = api.Jobs.RetryJob
	c.MergeRequests.GetMergeRequest = api.MergeRequests.GetMergeRequest
	c.MergeRequests.ListProjectMergeRequests = api.MergeRequests.ListProjectMergeRequests
	c.Notes.CreateMergeRequestNote = api.Notes.CreateMergeRequestNote
	c.Notes.ListMergeRequestNotes = api.Notes.ListMergeRequestNotes
	c.Notes.UpdateMergeRequestNote = api.Notes.UpdateMergeRequestNote
	c.PersonalAccessTokens.GetSinglePersonalAccessToken = api.PersonalAccessTokens.GetSinglePersonalAccessToken
	c.Pipelines.CancelPipelineBuild = api.Pipelines.CancelPipelineBuild
	c.Pipelines.CreatePipeline = api.Pipelines.CreatePipeline
	c.Pipelines.GetPipeline = api.Pipelines.GetPipeline
	c.Pipelines.GetPipelineVariables = api.Pipelines.GetPipelineVariables
	c.Pipelines.ListProjectPipelines = api.Pipelines.ListProjectPipelines
	c.Projects.GetProject = api.Projects.GetProject
	c.Repositories.ListTree = api.Repositories.ListTree
	c.RepositoryFiles.GetFile = api.RepositoryFiles.GetFile
	c.Users.CurrentUser = api.Users.CurrentUser
	return c
}
