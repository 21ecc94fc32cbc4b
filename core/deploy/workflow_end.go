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

// pauses are those between looks at what is about to happen on GitHub: 45 s in all. A job that was cancelled is killed
// after about ten seconds, in which it must also write down what it knows, so it looks for hasty of them only.
var pauses = []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 15 * time.Second}

const hasty = 2

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

// aftermath is the time for what must be done whether or not ctx has ended, and the pauses in it: little, if the job is
// going to be killed, and never the whole minute that the engine leaves after a timeout.
func aftermath(ctx context.Context) (context.Context, []time.Duration, context.CancelFunc) {
	if ctx.Err() == nil {
		return ctx, pauses, func() {}
	}
	looks, most := pauses[:hasty], 5*time.Second
	if timedOut(ctx) {
		looks, most = pauses, 50*time.Second
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	return ctx, looks, cancel
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

// late is the end of a ctx whose act took longer than it may.
type late struct{ after time.Duration }

func (l late) Error() string { return "timed out after " + core.Brief(l.after) }

func timedOut(ctx context.Context) bool {
	_, ok := errors.AsType[late](context.Cause(ctx))
	return ok
}

// stopped says why an act was cut off.
func stopped(ctx context.Context) error {
	if timedOut(ctx) {
		return context.Cause(ctx)
	}
	return fmt.Errorf("stopped: %w", context.Cause(ctx))
}

// redact keeps secrets out of an error's text.
func (w *workflow) redact(err error) error {
	if err == nil {
		return nil
	}
	return redacted{w.shell.Redact(err.Error()), err}
}

// redacted is an error whose text shows no secret.
type redacted struct {
	text string
	err  error
}

func (r redacted) Error() string { return r.text }
func (r redacted) Unwrap() error { return r.err }
