package actions

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github"
)

var _ core.Foreman = (*Forge)(nil)

// Crew implements [core.Foreman]: the run and the attempt are those of the job.
func (f *Forge) Crew(context.Context) (run string, attempt int, err error) {
	return f.job.Actor.Run, f.job.Actor.Attempt, nil
}

// Jobs implements [core.Foreman] for runs of the job's repository.
func (f *Forge) Jobs(ctx context.Context, run string, attempt int) ([]core.RunJob, error) {
	api, err := f.api()
	if err != nil {
		return nil, err
	}
	id, err := runID(api, run)
	if err != nil {
		return nil, err
	}
	var all []core.RunJob
	page := gh.ListOptions{PerPage: 100}
	for page.Page = 1; page.Page != 0; {
		jobs, answer, err := api.Actions.ListWorkflowJobsAttempt(ctx, api.Owner, api.Name, id, int64(attempt), &page)
		if err != nil {
			return nil, github.Refused(fmt.Sprintf("show the jobs of attempt %d of run %s", attempt, run), "actions: read", err)
		}
		for _, j := range jobs.Jobs {
			all = append(all, jobOf(j))
		}
		page.Page = answer.NextPage
	}
	return all, nil
}

func jobOf(j *gh.WorkflowJob) core.RunJob {
	job := core.RunJob{ID: j.GetID(), Name: j.GetName(), Said: j.GetConclusion(), URL: j.GetHTMLURL()}
	if j.GetStatus() != "completed" {
		return job
	}
	job.Took = max(0, j.GetCompletedAt().Sub(j.GetStartedAt().Time))
	switch ran := len(j.Steps) > 0; {
	case job.Said == "success":
		job.Outcome = core.OutcomeDone
	case job.Said == "skipped", job.Said == "cancelled" && !ran: // it never got a runner
		job.Outcome = core.OutcomeUntouched
	case job.Said == "cancelled":
		job.Outcome = core.OutcomeCut
	default:
		job.Outcome = core.OutcomeFailed
	}
	return job
}

// runID is the number of a run of the job's repository, which is named as in [core.Actor.Run].
func runID(api *github.Client, run string) (int64, error) {
	number, ok := strings.CutPrefix(run, api.Repository()+"/actions/runs/")
	id, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("run %q is none of %s: tick in the repository that the rollout runs in", run, api.Repository())
	}
	return id, nil
}
