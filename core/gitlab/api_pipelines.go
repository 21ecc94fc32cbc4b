package gitlab

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	gl "github.com/xanzy/go-gitlab"
)

// Jobs are those of a pipeline, of each name the newest.
func (c *Client) Jobs(ctx context.Context, pipeline int) ([]Job, error) {
	found, err := pages(func(page gl.ListOptions) ([]*gl.Job, *gl.Response, error) {
		return c.api.Jobs.ListPipelineJobs(c.Project, pipeline, &gl.ListJobsOptions{ListOptions: page}, gl.WithContext(ctx))
	})
	all := make([]Job, len(found))
	for i, j := range found {
		all[i] = aJob(j)
	}
	return all, err
}

// Retry starts a job that is over again, as a new job of the same name.
func (c *Client) Retry(ctx context.Context, job int) error {
	_, _, err := c.api.Jobs.RetryJob(c.Project, job, gl.WithContext(ctx))
	return plain(err)
}

// Runs are the jobs of a pipeline with those that were retried since, in the order in which they were created; with
// statuses, those that have one of them.
func (c *Client) Runs(ctx context.Context, pipeline int, statuses ...string) ([]Job, error) {
	options := gl.ListJobsOptions{IncludeRetried: gl.Ptr(true)}
	if statuses != nil {
		options.Scope = new([]gl.BuildStateValue)
		for _, s := range statuses {
			*options.Scope = append(*options.Scope, gl.BuildStateValue(s))
		}
	}
	found, err := pages(func(page gl.ListOptions) ([]*gl.Job, *gl.Response, error) {
		options := options
		options.ListOptions = page
		return c.api.Jobs.ListPipelineJobs(c.Project, pipeline, &options, gl.WithContext(ctx))
	})
	all := make(map[int]Job, len(found)) // what is new shifts the pages, so one may come twice
	for _, j := range found {
		all[j.ID] = aJob(j)
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Job) int { return cmp.Compare(a.ID, b.ID) }), err
}

func aJob(j *gl.Job) Job {
	return Job{j.ID, j.Name, j.Status, j.WebURL, j.FailureReason, j.AllowFailure, at(j.CreatedAt), at(j.StartedAt), at(j.FinishedAt)}
}

func at(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// JobOf shows one job.
func (c *Client) JobOf(ctx context.Context, id int) (Job, error) {
	j, _, err := c.api.Jobs.GetJob(c.Project, id, gl.WithContext(ctx))
	if err != nil {
		return Job{}, plain(err)
	}
	return aJob(j), nil
}

// Play starts a manual job with variables of its own. One that is over already would be started again without them.
func (c *Client) Play(ctx context.Context, id int, variables map[string]string) (Job, error) {
	var all []*gl.JobVariableOptions
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		all = append(all, &gl.JobVariableOptions{Key: &name, Value: gl.Ptr(variables[name])})
	}
	j, _, err := c.api.Jobs.PlayJob(c.Project, id, &gl.PlayJobOptions{JobVariablesAttributes: &all}, gl.WithContext(ctx))
	if err != nil {
		return Job{}, plain(err)
	}
	return aJob(j), nil
}

// CancelJob asks GitLab to end a job, which it does a little later. One that is over stays as it is.
func (c *Client) CancelJob(ctx context.Context, id int) error {
	_, _, err := c.api.Jobs.CancelJob(c.Project, id, gl.WithContext(ctx))
	return plain(err)
}

// Start creates a pipeline.
func (c *Client) Start(ctx context.Context, ref string, variables map[string]string) (Pipeline, error) {
	var all []*gl.PipelineVariableOptions
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		all = append(all, &gl.PipelineVariableOptions{Key: &name, Value: gl.Ptr(variables[name])})
	}
	p, _, err := c.api.Pipelines.CreatePipeline(c.Project, &gl.CreatePipelineOptions{Ref: &ref, Variables: &all}, gl.WithContext(ctx))
	if err != nil {
		return Pipeline{}, plain(err)
	}
	return aPipeline(p), nil
}

func aPipeline(p *gl.Pipeline) Pipeline {
	return Pipeline{p.ID, string(p.Source), p.Status, p.Ref, p.WebURL}
}

// PipelineOf shows one pipeline.
func (c *Client) PipelineOf(ctx context.Context, id int) (Pipeline, error) {
	p, _, err := c.api.Pipelines.GetPipeline(c.Project, id, gl.WithContext(ctx))
	if err != nil {
		return Pipeline{}, plain(err)
	}
	return aPipeline(p), nil
}

// Started are the newest hundred pipelines of a ref that were created through the API, the newest first.
func (c *Client) Started(ctx context.Context, ref string) ([]Pipeline, error) {
	found, _, err := c.api.Pipelines.ListProjectPipelines(c.Project, &gl.ListProjectPipelinesOptions{
		ListOptions: gl.ListOptions{PerPage: pageSize}, Ref: &ref, Source: gl.Ptr("api")}, gl.WithContext(ctx))
	all := make([]Pipeline, len(found))
	for i, p := range found {
		all[i] = Pipeline{p.ID, p.Source, p.Status, p.Ref, p.WebURL}
	}
	return all, plain(err)
}

// Variables are those that a pipeline was created with.
func (c *Client) Variables(ctx context.Context, pipeline int) (map[string]string, error) {
	found, _, err := c.api.Pipelines.GetPipelineVariables(c.Project, pipeline, gl.WithContext(ctx))
	if err != nil {
		return nil, plain(err)
	}
	all := make(map[string]string, len(found))
	for _, v := range found {
		all[v.Key] = v.Value
	}
	return all, nil
}

// CancelPipeline asks GitLab to end a pipeline, which it does a little later. One that is over stays as it is.
func (c *Client) CancelPipeline(ctx context.Context, id int) error {
	_, _, err := c.api.Pipelines.CancelPipelineBuild(c.Project, id, gl.WithContext(ctx))
	return plain(err)
}
