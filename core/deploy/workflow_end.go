package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// completed is the status of a run that is over.
const completed = "completed"

// How often a run is looked at: a quarter of an hour is 18 looks. One that finds nothing new does not count against the
// token's limit.
const (
	firstLook   = 10 * time.Second
	longestLook = time.Minute
)

// await waits until a run is over, and keeps what GitHub shows of it up to date. While GitHub is in trouble it goes on:
// so does the run.
func (w *workflow) await(ctx context.Context, run *gh.WorkflowRun) error {
	for pause := firstLook; ; pause = min(pause*3/2, longestLook) {
		if err := w.clock.Wait(ctx, w.clock.Now().Add(pause)); err != nil {
			return err
		}
		switch err := w.look(ctx, run); {
		case err == nil && run.GetStatus() == completed:
			return nil
		case refusal(err):
			return fmt.Errorf("nobody knows how its run ends, which may be going on: %w", github.Refused("show "+run.GetHTMLURL(), mayStart, err))
		}
	}
}

func (w *workflow) look(ctx context.Context, run *gh.WorkflowRun) error {
	now, _, err := w.api.Actions.GetWorkflowRunByID(ctx, w.api.Owner, w.api.Name, run.GetID())
	if err != nil {
		return err
	}
	*run = *now
	return nil
}

// halt ends the run of an act whose ctx has ended. There is no error if the run was faster.
func (w *workflow) halt(ctx context.Context, run *gh.WorkflowRun, act core.Act) error {
	was := cmp.Or(run.GetStatus(), "not looked at yet")
	err := w.stop(ctx, run)
	switch {
	case err != nil:
		return fmt.Errorf("%w, while its run was %s; before anything else is put on %s: %w", stopped(ctx), was, act.Target.Name, err)
	case run.GetConclusion() == "success":
		return nil
	default:
		return fmt.Errorf("%w, while its run was %s; it ended with %s: %s", stopped(ctx), was, conclusion(run), run.GetHTMLURL())
	}
}

// stop cancels a run and returns once it is over. The error says that this could not be confirmed.
func (w *workflow) stop(ctx context.Context, run *gh.WorkflowRun) error {
	ctx, pauses, cancel := aftermath(ctx)
	defer cancel()
	_, asked := w.api.Actions.CancelWorkflowRunByID(ctx, w.api.Owner, w.api.Name, run.GetID())
	if _, accepted := errors.AsType[*gh.AcceptedError](asked); accepted || github.Status(asked) == http.StatusConflict {
		asked = nil // it ends, or has ended
	}
	if asked != nil {
		asked = github.Refused("cancel it", mayStart, asked)
	}
	for n := 0; ; n++ {
		err := w.look(ctx, run)
		if err == nil && run.GetStatus() == completed {
			return nil
		}
		if n == len(pauses) || w.clock.Wait(ctx, w.clock.Now().Add(pauses[n])) != nil {
			if asked == nil {
				asked = err
			}
			return errors.Join(fmt.Errorf("nobody knows that it has stopped: see to that at %s", run.GetHTMLURL()), asked)
		}
	}
}

// conclusion is how a run has ended.
func conclusion(run *gh.WorkflowRun) string { return cmp.Or(run.GetConclusion(), "no conclusion") }

// failures says which steps of a run have failed, or jobs that had none.
func (w *workflow) failures(ctx context.Context, run *gh.WorkflowRun) (all []string) {
	jobs, _, err := w.api.Actions.ListWorkflowJobs(ctx, w.api.Owner, w.api.Name, run.GetID(), &gh.ListWorkflowJobsOptions{ListOptions: gh.ListOptions{PerPage: 100}})
	if err != nil {
		return []string{github.Refused("show its jobs", mayStart, err).Error()}
	}
	bad := func(conclusion string) bool { return conclusion == "failure" || conclusion == "timed_out" }
	for _, job := range jobs.Jobs {
		if !bad(job.GetConclusion()) {
			continue
		}
		said := "job " + shell.OneLine(job.GetName())
		for _, step := range job.Steps {
			if bad(step.GetConclusion()) {
				said += ", step " + shell.OneLine(step.GetName())
			}
		}
		all = append(all, said)
	}
	return all
}
