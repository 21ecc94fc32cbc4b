package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// mayStart is the permission that starts, shows and cancels runs.
const mayStart = "actions: write"

// A workflow is the driver that has a workflow on GitHub do the work: one run for each target, and another one with the
// previous version to put that back.
//
// GitHub tells which run it has started. Where it does not, and after a crash, a run is known by the mark in its name,
// see [mark]; a run that carries none is never taken for one of ours.
type workflow struct {
	core.Workflow
	api     *github.Client
	clock   core.Clock
	shell   *shell.Runner
	timeout time.Duration
}

func openWorkflow(options any, env Env) (core.Driver, error) {
	o, ok := options.(*core.Workflow)
	if !ok || o == nil {
		return nil, fmt.Errorf("the driver github-workflow takes a *core.Workflow, not %T", options)
	}
	own := env.Lookup("GITHUB_REPOSITORY")
	if cmp.Or(o.Repository, own) == "" {
		return nil, errors.New("which repository has the workflow? Outside GitHub Actions the plan names it: repository: OWNER/NAME")
	}
	api, err := github.New(o.Repository, github.Env{Lookup: env.Lookup, Clock: env.Clock, Waits: env.Waits})
	if err != nil {
		return nil, err
	}
	w := &workflow{Workflow: *o, api: api, clock: env.Clock, shell: env.Shell, timeout: env.Timeout}
	if w.Ref == "" && strings.EqualFold(api.Repository(), own) {
		w.Ref = branchOrTag(env.Lookup("GITHUB_REF"))
	}
	if w.Ref == "" {
		return nil, fmt.Errorf("which branch or tag of %s does %s run on? This job runs on none there; the plan names it: ref: main", api.Repository(), w.Workflow.Workflow)
	}
	return w, nil
}

// branchOrTag is the short name of a ref; empty for what is neither, such as a pull request.
func branchOrTag(ref string) string {
	for _, kind := range []string{"refs/heads/", "refs/tags/"} {
		if name, ok := strings.CutPrefix(ref, kind); ok {
			return name
		}
	}
	return ""
}

// Requests implements [core.Counted].
func (w *workflow) Requests() int { return w.api.Requests() }

// Deploy starts a run for one target and waits for its end, or for that of a run with which an earlier attempt does the
// same. When ctx ends the run is cancelled.
func (w *workflow) Deploy(ctx context.Context, act core.Act) (string, error) {
	ctx, cancel := within(ctx, w.timeout)
	defer cancel()
	run, err := w.begin(ctx, act)
	if run == nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", stopped(ctx), err)
		}
		return "", redact(w.shell, err)
	}
	err = w.await(ctx, run)
	if ctx.Err() != nil && run.GetStatus() != completed {
		err = w.halt(ctx, run, act)
	}
	output := run.GetHTMLURL()
	if err == nil && run.GetConclusion() != "success" {
		said := conclusion(run)
		if failed := w.failures(ctx, run); len(failed) > 0 {
			output += "\n" + strings.Join(failed, "\n")
			said += ", " + strings.Join(failed, ", ")
		}
		err = fmt.Errorf("its run ended with %s: %s", said, run.GetHTMLURL())
	}
	return w.shell.Redact(output), redact(w.shell, err)
}

// begin returns the run that does what an act asks for: one that is going already, or a new one.
func (w *workflow) begin(ctx context.Context, act core.Act) (*gh.WorkflowRun, error) {
	going, newest, err := w.leftover(ctx, act)
	if err != nil || going != nil {
		return going, err
	}
	if ctx.Err() != nil {
		return nil, errors.New("no run was started")
	}
	run, err := w.dispatch(ctx, act, true)
	if err != nil && !unanswered(err) {
		return nil, w.refused(err)
	}
	if run.GetID() != 0 {
		return run, nil
	}
	// It has started, or may have. To start it once more could be to deploy twice.
	found, seen := w.seek(ctx, act, newest)
	switch {
	case found != nil:
		return found, nil
	case err != nil:
		return nil, fmt.Errorf("GitHub did not answer whether it has started %s, and shows no run whose name has %s: look at %s before you run this again: %w",
			w.Workflow.Workflow, markOf(act), w.page(), errors.Join(err, seen))
	default:
		return nil, errors.Join(fmt.Errorf("GitHub has started %s and does not say as which run; none whose name has %s shows: set run-name to ${{ inputs.breakwater }} in it, and look at %s",
			w.Workflow.Workflow, markOf(act), w.page()), seen)
	}
}

// page is where people see the runs of the workflow.
func (w *workflow) page() string {
	host := strings.TrimPrefix(w.api.BaseURL.Host, "api.")
	return fmt.Sprintf("%s://%s/%s/actions/workflows/%s", w.api.BaseURL.Scheme, host, w.api.Repository(), w.Workflow.Workflow)
}

// dispatch asks GitHub, once, to start a run. Servers that do not say which run that is answer with nothing: the run has
// no ID then. With details it is asked to say so, which an older server may refuse, and nothing has started.
func (w *workflow) dispatch(ctx context.Context, act core.Act, details bool) (*gh.WorkflowRun, error) {
	body := map[string]any{"ref": w.Ref, "inputs": w.inputs(act)}
	if details {
		body["return_run_details"] = true
	}
	path := fmt.Sprintf("repos/%s/%s/actions/workflows/%s/dispatches", w.api.Owner, w.api.Name, url.PathEscape(w.Workflow.Workflow))
	req, err := w.api.NewRequest(http.MethodPost, path, body)
	if err != nil {
		return nil, err
	}
	var started struct {
		ID  int64  `json:"workflow_run_id"`
		URL string `json:"html_url"`
	}
	_, err = w.api.Do(ctx, req, &started)
	if details && refusal(err) && strings.Contains(err.Error(), "return_run_details") {
		return w.dispatch(ctx, act, false)
	}
	return &gh.WorkflowRun{ID: &started.ID, HTMLURL: &started.URL}, err
}

// inputs are what a run is told, see [core.WorkflowInputs].
func (w *workflow) inputs(act core.Act) map[string]string {
	all := map[string]string{
		"target": act.Target.Name, "version": act.Version, "previous": act.Previous, "wave": act.Wave, "rollout": act.Rollout,
		"attempt": strconv.Itoa(act.Attempt), "rollback": strconv.FormatBool(act.Rollback), "breakwater": markOf(act).String(),
	}
	maps.Copy(all, w.Inputs)
	return all
}

// refusal reports whether GitHub said no to what it was asked: it has done nothing.
func refusal(err error) bool {
	status := github.Status(err)
	return status >= 400 && status < 500 && status != http.StatusRequestTimeout
}

// unanswered reports whether nobody knows what became of a request.
func unanswered(err error) bool { return err != nil && !refusal(err) }

// refused says why GitHub did not start the workflow, and what it takes.
func (w *workflow) refused(err error) error {
	said := github.Refused(fmt.Sprintf("start %s of %s on %s", w.Workflow.Workflow, w.api.Repository(), w.Ref), mayStart, err)
	switch github.Status(err) {
	case http.StatusNotFound:
		return fmt.Errorf("%w there, and the workflow must be on the default branch too; a job's own token reaches its own repository only", said)
	case http.StatusForbidden:
		return fmt.Errorf("%w there; a job's own token reaches its own repository only", said)
	case http.StatusUnprocessableEntity:
		return fmt.Errorf("%w; on that ref it must run on workflow_dispatch and declare the inputs %s", said, strings.Join(w.declared(), ", "))
	default:
		return said
	}
}
