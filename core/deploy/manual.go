package deploy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// A manual is the driver that plays manual jobs of the pipeline that the rollout runs in. A job that has run already is
// started again with the variables of the act: GitLab's own retry would give it those of its last run, so the version of
// then.
type manual struct {
	*gitlabWork
	core.ManualJob
	pipeline int
}

func openManual(options any, env Env) (core.Driver, error) {
	o, ok := options.(*core.ManualJob)
	if !ok || o == nil {
		return nil, fmt.Errorf("the driver gitlab-job takes a *core.ManualJob, not %T", options)
	}
	id, err := strconv.Atoi(env.Lookup("CI_PIPELINE_ID"))
	if err != nil || env.Lookup("CI_PROJECT_PATH") == "" {
		return nil, errors.New("gitlab-job plays jobs of its own pipeline: it works in GitLab CI only")
	}
	work, err := openGitLab("job", "", env)
	if err != nil {
		return nil, err
	}
	m := &manual{gitlabWork: work, ManualJob: *o, pipeline: id}
	m.begin, m.end, m.failures = m.start, m.api.CancelJob, m.failed
	m.show = func(ctx context.Context, id int) (gitlabRun, error) {
		now, err := m.api.JobOf(ctx, id)
		return *jobRun(now), err
	}
	return m, nil
}

func jobRun(j gitlab.Job) *gitlabRun {
	return &gitlabRun{id: j.ID, status: j.Status, url: j.URL, reason: j.Reason}
}

// start returns the job that does what an act asks for: one that is at it already, or one that is played.
func (m *manual) start(ctx context.Context, act core.Act) (*gitlabRun, error) {
	name, err := act.Fill(m.Job)
	if err != nil {
		return nil, err
	}
	job, err := m.newest(ctx, name)
	if err != nil {
		return nil, err
	}
	if job.status != blocked && !job.over() {
		of, err := m.markOf(ctx, job)
		switch {
		case err != nil:
			return nil, err
		case inTheWay(of, act) && of.same(act):
			return job, nil
		case !inTheWay(of, act):
			return nil, fmt.Errorf("the job %q is %s, and not by this rollout: to be played it must be manual, with needs: [] if Breakwater is in an earlier stage: %s", name, job.status, job.url)
		}
		if err := m.stop(ctx, job); err != nil {
			return nil, fmt.Errorf("an earlier job is still at work on %s: %w", act.Target.Name, err)
		}
	}
	if ctx.Err() != nil {
		return nil, errors.New("no job was started")
	}
	return m.play(ctx, act, name, job)
}

// play starts a job that is manual or over.
func (m *manual) play(ctx context.Context, act core.Act, name string, job *gitlabRun) (*gitlabRun, error) {
	do := m.api.Play
	if job.over() {
		do = m.api.RetryWith
	}
	started, err := do(ctx, job.id, gitlabVariables(act, m.Variables))
	if gitlabRefusal(err) {
		return nil, m.refused(name, job, err)
	}
	switch {
	case err != nil:
	case !job.over() && started.ID != job.id: // somebody was faster, and GitLab has started theirs once more
		run := jobRun(started)
		return nil, errors.Join(fmt.Errorf("somebody else has played the job %q: %s", name, job.url), m.stop(ctx, run))
	default:
		return jobRun(started), nil
	}
	// It has started, or may have. To start it once more could be to deploy twice.
	found, seen := m.seek(ctx, func(ctx context.Context) (*gitlabRun, error) {
		now, err := m.newest(ctx, name)
		if err != nil || now.status == blocked || now.id == job.id && job.over() {
			return nil, err
		}
		of, err := m.markOf(ctx, now)
		if err != nil || of != markOf(act) {
			return nil, err
		}
		return now, nil
	})
	if found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("GitLab did not answer whether it has started the job %q, and shows none whose %s is %s: look at %s before you run this again: %w",
		name, core.MarkVariable, markOf(act), job.url, errors.Join(err, seen))
}

// newest is the newest job of a name.
func (m *manual) newest(ctx context.Context, name string) (*gitlabRun, error) {
	jobs, err := m.api.Jobs(ctx, m.pipeline)
	if err != nil {
		return nil, m.refusedTo(fmt.Sprintf("list the jobs of the pipeline %d", m.pipeline), err)
	}
	var found *gitlabRun
	for _, job := range jobs {
		if job.Name == name && (found == nil || job.ID > found.id) {
			found = jobRun(job)
		}
	}
	if found == nil {
		return nil, fmt.Errorf("the pipeline %d has no job %q", m.pipeline, name)
	}
	return found, nil
}

// markOf reads the mark of a job; the zero mark: it has none.
func (m *manual) markOf(ctx context.Context, job *gitlabRun) (mark, error) {
	variables, err := m.api.JobVariables(ctx, job.id)
	if err != nil {
		return mark{}, m.refusedTo("show the variables of "+m.name(job), err)
	}
	of, _ := parseMark(variables[core.MarkVariable])
	return of, nil
}

func (m *manual) failed(_ context.Context, run *gitlabRun) []string {
	if run.reason == "" {
		return nil
	}
	return []string{shell.OneLine(run.reason)}
}

// refused says why GitLab did not start a job, and what it takes.
func (m *manual) refused(name string, job *gitlabRun, err error) error {
	said := m.refusedTo(fmt.Sprintf("start the job %q, which is %s (%s)", name, job.status, job.url), err)
	if code := gitlab.Code(err); code == http.StatusForbidden {
		return fmt.Errorf("%w; Settings, CI/CD, Variables must let that role use pipeline variables, and a protected environment must let it deploy", said)
	}
	return said
}
