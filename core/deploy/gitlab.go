package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// needsDeveloper is what starts, shows and cancels pipelines and jobs.
const needsDeveloper = "the scope api and the role Developer"

// endings are those of pipelines and jobs. blocked is a pipeline that goes on only if a person plays a job of it.
var endings = []string{"success", "failed", "canceled", "skipped"}

const blocked = "manual"

// A gitlabRun is a pipeline or a job that does what an act asks for.
type gitlabRun struct {
	id                  int
	status, url, reason string
}

func (r *gitlabRun) over() bool { return slices.Contains(endings, r.status) }

// gitlabWork is what the drivers on GitLab share: to wait for what does the work, and to end it.
type gitlabWork struct {
	what    string // pipeline or job
	api     *gitlab.Client
	clock   core.Clock
	shell   *shell.Runner
	timeout time.Duration

	begin    func(ctx context.Context, act core.Act) (*gitlabRun, error)
	show     func(ctx context.Context, id int) (gitlabRun, error)
	end      func(ctx context.Context, id int) error
	failures func(ctx context.Context, run *gitlabRun) []string
}

// openGitLab is the way to a project. It takes a token of the project: that of the job can start a pipeline, but neither
// cancel it nor tell which one is whose.
func openGitLab(what, project string, env Env) (*gitlabWork, error) {
	if env.Lookup("CI_PROJECT_PATH") == "" && project == "" {
		return nil, fmt.Errorf("which project has the %s? Outside GitLab CI the plan names it: project: GROUP/NAME", what)
	}
	if env.Lookup(gitlab.TokenVariable) == "" {
		return nil, fmt.Errorf("the job's own token can neither cancel a %s nor tell whose it is: set BREAKWATER_TOKEN to a project access token with %s", what, needsDeveloper)
	}
	api, err := gitlab.New(project, gitlab.Env{Lookup: env.Lookup, Clock: env.Clock, Waits: env.Waits})
	if err != nil {
		return nil, err
	}
	return &gitlabWork{what: what, api: api, clock: env.Clock, shell: env.Shell, timeout: env.Timeout}, nil
}

// Requests implements [core.Counted].
func (g *gitlabWork) Requests() int { return g.api.Requests() }

// Deploy has GitLab do what an act asks for and waits for the end. When ctx ends that is cancelled.
func (g *gitlabWork) Deploy(ctx context.Context, act core.Act) (string, error) {
	ctx, cancel := within(ctx, g.timeout)
	defer cancel()
	run, err := g.begin(ctx, act)
	if run == nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", stopped(ctx), err)
		}
		return "", redact(g.shell, err)
	}
	err = g.await(ctx, run)
	if ctx.Err() != nil && !run.over() {
		err = g.halt(ctx, run, act)
	}
	output := run.url
	switch {
	case err != nil:
	case run.status == blocked:
		err = errors.Join(fmt.Errorf("its %s waits for somebody to play a job of it, and was cancelled: %s", g.what, run.url), g.stop(ctx, run))
	case run.status != "success":
		said := run.status
		if failed := g.failures(ctx, run); len(failed) > 0 {
			output += "\n" + strings.Join(failed, "\n")
			said += ", " + strings.Join(failed, ", ")
		}
		err = fmt.Errorf("its %s ended as %s: %s", g.what, said, run.url)
	}
	return g.shell.Redact(output), redact(g.shell, err)
}

// await waits until a run is over, or blocked, and keeps what GitLab shows of it up to date. While GitLab is in trouble
// it goes on: so does the run.
func (g *gitlabWork) await(ctx context.Context, run *gitlabRun) error {
	for pause := firstLook; ; pause = min(pause*3/2, longestLook) {
		if err := g.clock.Wait(ctx, g.clock.Now().Add(pause)); err != nil {
			return err
		}
		switch err := g.look(ctx, run); {
		case err == nil && (run.over() || run.status == blocked && g.what == pipelines):
			return nil
		case gitlabRefusal(err):
			return fmt.Errorf("nobody knows how its %s ends, which may be going on: %w", g.what, g.refusedTo("show "+g.name(run), err))
		}
	}
}

func (g *gitlabWork) look(ctx context.Context, run *gitlabRun) error {
	now, err := g.show(ctx, run.id)
	if err != nil {
		return err
	}
	*run = now
	return nil
}

// name is how people find a run.
func (g *gitlabWork) name(run *gitlabRun) string {
	if run.url != "" {
		return run.url
	}
	return fmt.Sprintf("the %s %d of %s", g.what, run.id, g.api.Project)
}

// halt ends the run of an act whose ctx has ended. There is no error if the run was faster.
func (g *gitlabWork) halt(ctx context.Context, run *gitlabRun, act core.Act) error {
	was := run.status
	err := g.stop(ctx, run)
	switch {
	case err != nil:
		return fmt.Errorf("%w, while its %s was %s; before anything else is put on %s: %w", stopped(ctx), g.what, was, act.Target.Name, err)
	case run.status == "success":
		return nil
	default:
		return fmt.Errorf("%w, while its %s was %s; it ended as %s: %s", stopped(ctx), g.what, was, run.status, run.url)
	}
}

// stop cancels a run and returns once it is over. The error says that this could not be confirmed.
func (g *gitlabWork) stop(ctx context.Context, run *gitlabRun) error {
	ctx, pauses, cancel := aftermath(ctx)
	defer cancel()
	asked := g.end(ctx, run.id)
	if asked != nil {
		asked = g.refusedTo("cancel it", asked)
	}
	for n := 0; ; n++ {
		err := g.look(ctx, run)
		if err == nil && run.over() {
			return nil
		}
		if n == len(pauses) || g.clock.Wait(ctx, g.clock.Now().Add(pauses[n])) != nil {
			if asked == nil {
				asked = err
			}
			return errors.Join(fmt.Errorf("nobody knows that it has stopped: see to that at %s", g.name(run)), asked)
		}
	}
}

func (g *gitlabWork) refusedTo(do string, err error) error {
	return g.api.Refused(do, needsDeveloper+" in "+g.api.Project, err)
}

// seek looks for a run that an act has started, or may have, by find, a few times, since it may show a little later. When
// ctx ends meanwhile, or has ended, it still looks for a moment: what was started must be cancelled.
func (g *gitlabWork) seek(ctx context.Context, find func(context.Context) (*gitlabRun, error)) (*gitlabRun, error) {
	live := ctx.Err() == nil
	found, err := g.appears(ctx, find)
	if found == nil && live && ctx.Err() != nil {
		found, err = g.appears(ctx, find)
	}
	return found, err
}

func (g *gitlabWork) appears(ctx context.Context, find func(context.Context) (*gitlabRun, error)) (*gitlabRun, error) {
	ctx, pauses, cancel := aftermath(ctx)
	defer cancel()
	for _, pause := range pauses {
		if err := g.clock.Wait(ctx, g.clock.Now().Add(pause)); err != nil {
			return nil, err
		}
		if found, err := find(ctx); found != nil || err != nil {
			return found, err
		}
	}
	return nil, nil
}

// gitlabRefusal reports whether GitLab said no to what it was asked: it has done nothing.
func gitlabRefusal(err error) bool {
	status := gitlab.Code(err)
	return status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusConflict
}

// gitlabVariables are what a run is told, see [core.PipelineVariables].
func gitlabVariables(act core.Act, more map[string]string) map[string]string {
	action := shell.ActionDeploy
	if act.Rollback {
		action = shell.ActionRollback
	}
	all := map[string]string{
		"BREAKWATER_ACTION": string(action), "BREAKWATER_ATTEMPT": strconv.Itoa(act.Attempt), core.MarkVariable: markOf(act).String(),
		"BREAKWATER_PREVIOUS": act.Previous, "BREAKWATER_ROLLOUT": act.Rollout, "BREAKWATER_TARGET": act.Target.Name,
		"BREAKWATER_VERSION": act.Version, "BREAKWATER_WAVE": act.Wave,
	}
	for _, label := range slices.Backward(slices.Sorted(maps.Keys(act.Target.Labels))) { // of two that become the same, the first counts
		all[shell.LabelVar(label)] = act.Target.Labels[label]
	}
	maps.Copy(all, more)
	return all
}

// inTheWay reports whether a run that goes on is one of ours for the target, of whichever rollout of the line.
func inTheWay(m mark, act core.Act) bool {
	return m.target == act.Target.Name && lineOf(m.rollout) == lineOf(act.Rollout)
}

// same reports whether a run does the same as an act in the same rollout.
func (m mark) same(act core.Act) bool { return m.rollout == act.Rollout && m.does == markOf(act).does }
