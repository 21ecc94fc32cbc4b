package deploy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
	"github.com/breakwater-ci/breakwater/core/shell"
)

const (
	pipelines = "pipeline"
	// sought is how many of the newest pipelines are looked at for one whose start nobody has answered.
	sought = 30
)

// A pipeline is the driver that has a pipeline on GitLab do the work: one for each target, and another one with the previous
// version to put that back.
//
// GitLab tells which pipeline it has created. Where that answer is lost, and after a crash, a pipeline is known by the mark
// in a variable of its own; one that carries none is never taken for one of ours.
type pipeline struct {
	*gitlabWork
	core.Pipeline

	mu    sync.Mutex
	marks map[int]mark // of pipelines that were looked at; the zero mark: it has none
}

func openPipeline(options any, env Env) (core.Driver, error) {
	o, ok := options.(*core.Pipeline)
	if !ok || o == nil {
		return nil, fmt.Errorf("the driver gitlab-pipeline takes a *core.Pipeline, not %T", options)
	}
	work, err := openGitLab(pipelines, o.Project, env)
	if err != nil {
		return nil, err
	}
	p := &pipeline{gitlabWork: work, Pipeline: *o, marks: make(map[int]mark)}
	if own := strings.EqualFold(p.api.Project, env.Lookup("CI_PROJECT_PATH")); own {
		if env.Lookup(core.MarkVariable) != "" {
			return nil, errors.New("this pipeline was itself started by a rollout, and would start pipelines without end: give the job that runs Breakwater the rule {if: $BREAKWATER_MARK, when: never}")
		}
		for _, name := range []string{"CI_COMMIT_BRANCH", "CI_COMMIT_TAG"} {
			if p.Ref == "" {
				p.Ref = env.Lookup(name)
			}
		}
	}
	if p.Ref == "" {
		return nil, fmt.Errorf("which branch or tag of %s does the pipeline run on? This job runs on none there; the plan names it: ref: main", p.api.Project)
	}
	p.begin, p.end, p.failures = p.start, p.api.CancelPipeline, p.failed
	p.show = func(ctx context.Context, id int) (gitlabRun, error) {
		now, err := p.api.PipelineOf(ctx, id)
		return *pipelineRun(now), err
	}
	return p, nil
}

func pipelineRun(p gitlab.Pipeline) *gitlabRun {
	return &gitlabRun{id: p.ID, status: p.Status, url: p.URL}
}

// start returns the pipeline that does what an act asks for: one that is going already, or a new one.
func (p *pipeline) start(ctx context.Context, act core.Act) (*gitlabRun, error) {
	going, newest, err := p.leftover(ctx, act)
	if err != nil || going != nil {
		return going, err
	}
	if ctx.Err() != nil {
		return nil, errors.New("no pipeline was started")
	}
	made, err := p.api.Start(ctx, p.Ref, gitlabVariables(act, p.Variables))
	if gitlabRefusal(err) {
		return nil, p.refused(err)
	}
	if err == nil && made.ID != 0 {
		return pipelineRun(made), nil
	}
	// It has started, or may have. To start it once more could be to deploy twice.
	found, seen := p.seek(ctx, func(ctx context.Context) (*gitlabRun, error) { return p.newer(ctx, act, newest) })
	if found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("GitLab did not answer whether it has started a pipeline of %s on %s, and shows none whose %s is %s: look there before you run this again: %w",
		p.api.Project, p.Ref, core.MarkVariable, markOf(act), errors.Join(err, seen))
}

// leftover returns the pipeline with which an earlier attempt, that was cut off, does what the act asks for; nil if none
// does. What else the line has left going on the target is stopped first. newest is the last pipeline so far.
func (p *pipeline) leftover(ctx context.Context, act core.Act) (going *gitlabRun, newest int, err error) {
	if act.Attempt <= 1 && !act.Rollback {
		return nil, 0, nil // nothing was done to the target in this rollout
	}
	all, err := p.started(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, each := range all {
		newest = max(newest, each.ID)
		run := pipelineRun(each)
		if run.over() {
			continue
		}
		m, err := p.markOf(ctx, each)
		switch {
		case err != nil: // it may be ours, by an older token
			return nil, 0, fmt.Errorf("nobody knows whose pipeline goes on: %w, or the role Maintainer if another user has started it",
				p.refusedTo("show the variables of "+p.name(run), err))
		case !inTheWay(m, act):
		case m.same(act) && going == nil:
			going = run
		default:
			if err := p.stop(ctx, run); err != nil {
				return nil, 0, fmt.Errorf("an earlier pipeline is still at work on %s: %w", act.Target.Name, err)
			}
		}
	}
	return going, newest, nil
}

// newer is a pipeline with the very mark of an act that is newer than those before.
func (p *pipeline) newer(ctx context.Context, act core.Act, newest int) (*gitlabRun, error) {
	all, err := p.started(ctx)
	if err != nil {
		return nil, err
	}
	for _, each := range all[:min(len(all), sought)] {
		if each.ID <= newest {
			break
		}
		m, err := p.markOf(ctx, each)
		switch {
		case gitlab.Code(err) == http.StatusForbidden: // somebody else's: who starts a pipeline may see its variables
		case err != nil:
			return nil, p.refusedTo("show the variables of "+p.name(pipelineRun(each)), err)
		case m == markOf(act):
			return pipelineRun(each), nil
		}
	}
	return nil, nil
}

func (p *pipeline) started(ctx context.Context) ([]gitlab.Pipeline, error) {
	all, err := p.api.Started(ctx, p.Ref)
	if err != nil {
		return nil, p.refusedTo(fmt.Sprintf("list the pipelines of %s on %s", p.api.Project, p.Ref), err)
	}
	return all, nil
}

// markOf reads the mark of a pipeline, once: its variables never change.
func (p *pipeline) markOf(ctx context.Context, of gitlab.Pipeline) (mark, error) {
	p.mu.Lock()
	m, known := p.marks[of.ID]
	p.mu.Unlock()
	if known {
		return m, nil
	}
	variables, err := p.api.Variables(ctx, of.ID)
	if err != nil {
		return mark{}, err
	}
	m, _ = parseMark(variables[core.MarkVariable])
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marks[of.ID] = m
	return m, nil
}

// failed says which jobs of a pipeline have failed.
func (p *pipeline) failed(ctx context.Context, run *gitlabRun) (all []string) {
	jobs, err := p.api.Jobs(ctx, run.id)
	if err != nil {
		return []string{p.refusedTo("show its jobs", err).Error()}
	}
	for _, job := range jobs {
		if job.Status == "failed" && !job.Optional {
			all = append(all, fmt.Sprintf("job %s (%s)", shell.OneLine(job.Name), job.URL))
		}
	}
	return all
}

// refused says why GitLab did not start a pipeline, and what it takes.
func (p *pipeline) refused(err error) error {
	said := p.refusedTo(fmt.Sprintf("start a pipeline of %s on %s", p.api.Project, p.Ref), err)
	switch gitlab.Code(err) {
	case http.StatusNotFound, http.StatusForbidden:
		return fmt.Errorf("%w; the token of a project reaches no other project, that of a group does", said)
	case http.StatusBadRequest:
		return fmt.Errorf("%w; the ref must exist, its .gitlab-ci.yml must have a job for a pipeline of the source api, and Settings, CI/CD, Variables must let the role Developer use pipeline variables", said)
	default:
		return said
	}
}
