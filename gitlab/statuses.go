package gitlab

import (
	"context"
	"fmt"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
)

var (
	_ core.StatusReader = (*Forge)(nil)
	_ core.StatusWriter = (*Forge)(nil)
)

const (
	readScope  = "the scope read_api"
	writeScope = "the scope api and the role Developer"
)

// SetStatus shows a status on a commit, with a link to this job, in the pipeline that is known to be the commit's: it
// counts there as a job does. Without a token that may do so, the result of the job is all that shows; that is said once.
func (f *Forge) SetStatus(ctx context.Context, commit string, s core.Status) error {
	api, err := f.api()
	if err != nil {
		return err
	}
	if api.ByJob() {
		f.unseen.Do(func() {
			f.out.Annotate(core.Annotation{Title: "Status", Message: fmt.Sprintf("GitLab takes no status of a commit from a job's own token, so %s does not show; "+
				"the result of this job does. Set BREAKWATER_TOKEN to a project access token with %s for it.", s.Name, writeScope)})
		})
		return nil
	}
	status := gitlab.Status{Name: s.Name, Description: s.Description, URL: f.job.Actor.URL, State: "running"}
	switch s.State {
	case core.StatusSuccess:
		status.State = "success"
	case core.StatusFailure:
		status.State = "failed"
	}
	status.Pipeline, status.Ref = f.pipelineOf(commit)
	err = api.SetStatus(ctx, commit, status)
	if gitlab.Code(err) == 400 && status.State == "running" && strings.Contains(err.Error(), "Cannot transition status") {
		return nil // it is running already; GitLab keeps the sentence of then
	}
	if err != nil {
		return api.Refused("set the status of commit "+commit, writeScope, err)
	}
	return nil
}

// pipelineOf is the pipeline in which a commit's statuses count, and its ref where that is known; zero values leave it to
// GitLab.
func (f *Forge) pipelineOf(commit string) (id int, ref string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id = f.pipelines[commit]; id != 0 || commit != f.job.Commit {
		return id, ""
	}
	if f.env.Get("CI_MERGE_REQUEST_IID") == "" { // else the ref of the pipeline is none that a variable names
		ref = f.env.Get("CI_COMMIT_REF_NAME")
	}
	return f.pipeline, ref
}

// Statuses returns the statuses and the jobs of a commit, and as "pipeline SOURCE" its other pipelines, one for each name.
// On one ref the newest pipeline counts, and of several refs the worst. Only what GitLab calls a success is green: a job
// that was skipped has proven nothing.
func (f *Forge) Statuses(ctx context.Context, commit string) ([]core.Status, error) {
	api, err := f.api()
	if err != nil {
		return nil, err
	}
	have, err := api.Statuses(ctx, commit)
	if err != nil {
		return nil, api.Refused("show the statuses of commit "+commit, readScope, err)
	}
	pipelines, err := api.Pipelines(ctx, commit)
	if err != nil {
		return nil, api.Refused("show the pipelines of commit "+commit, readScope, err)
	}
	for _, p := range pipelines {
		if p.ID != f.pipeline { // that one waits for us
			have = append(have, gitlab.Status{Name: "pipeline " + p.Source, State: p.Status, Description: fmt.Sprintf("pipeline %d is %s", p.ID, p.Status), Ref: p.Ref, Pipeline: p.ID})
		}
	}
	type place struct{ name, ref string }
	newest := make(map[place]int)
	for _, s := range have {
		at := place{s.Name, s.Ref}
		newest[at] = max(newest[at], s.Pipeline)
	}
	var all core.Worst
	for _, s := range have {
		if s.Pipeline == newest[place{s.Name, s.Ref}] {
			all.Add(core.Status{Name: s.Name, State: stateOf(s.State), Description: s.Description})
		}
	}
	return all, nil
}

// stateOf reads the state of a status, a job or a pipeline.
func stateOf(said string) core.StatusState {
	switch said {
	case "success":
		return core.StatusSuccess
	case "created", "waiting_for_resource", "preparing", "pending", "running", "manual", "scheduled":
		return core.StatusPending
	default:
		return core.StatusFailure
	}
}
