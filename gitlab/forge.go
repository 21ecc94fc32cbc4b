// Package gitlab is Breakwater inside GitLab CI/CD: it reads the job's variables, writes to its log in the forms that
// GitLab folds, and leaves outputs and a report behind as files that the job's artifacts name.
//
// What Breakwater prints may come from anywhere: a deploy script, a metric's label, a stranger's merge request. So
// everything here is written such that no text can become a marker in the log, another output, or anything but text.
package gitlab

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/environ"
	"github.com/breakwater-ci/breakwater/core/gitlab"
)

// A Forge is the GitLab job that this process runs in. It is safe for concurrent use.
type Forge struct {
	env      environment
	out      *log
	job      core.Job
	pipeline int // the job's
	err      error
	api      func() (*gitlab.Client, error) // for the job's project, opened when it is needed

	unseen    sync.Once // it was said that statuses do not show
	untaken   sync.Once // it was said that an external status check takes no answer
	freezes   freezes
	entries   entries
	lists     lists
	mu        sync.Mutex
	pipelines map[string]int   // of commits of others, see [Forge.attach]
	merges    map[string]merge // by the names of changes
}

var _ core.Forge = (*Forge)(nil)

// New returns the job that entries, as of [os.Environ], tell of. It reports false if that is no GitLab job. Sections go
// to stdout, and warnings and errors, which are no part of what a command prints, to stderr; both are the job's log.
func New(entries []string, stdout, stderr io.Writer, clock core.Clock) (*Forge, bool) {
	env := environment{environ.Parse(entries)}
	if env.Get("GITLAB_CI") != "true" {
		return nil, false
	}
	job, err := env.job()
	f := &Forge{env: env, out: newLog(stdout, stderr, clock), job: job, err: err}
	f.pipeline, _ = env.Number("CI_PIPELINE_ID") // job has looked at it
	f.api = sync.OnceValues(func() (*gitlab.Client, error) {
		return gitlab.New("", gitlab.Env{Lookup: env.Get, Clock: clock, Waits: f.waits})
	})
	return f, true
}

// Err says what is wrong with the job's variables; nobody may act on a rollout in the name of such a job.
func (f *Forge) Err() error { return f.err }

// Job says who runs this process. The ID of the actor is left for the process to fill in.
func (f *Forge) Job() core.Job { return f.job }

// Log returns the job's log.
func (f *Forge) Log() core.Log { return f.out }

// waits says in the log why nothing happens.
func (f *Forge) waits(why string, until time.Time) {
	f.out.Annotate(core.Annotation{Title: "GitLab", Message: fmt.Sprintf("%s; waiting until %s.", why, until.UTC().Format("15:04:05 MST"))})
}

// Requests counts what GitLab's API was asked by this job, without its ledger.
func (f *Forge) Requests() int {
	if api, err := f.api(); err == nil {
		return api.Requests()
	}
	return 0
}

// environment is the environment by name.
type environment struct{ environ.Environ }

// job reads the variables that GitLab sets.
//
// A CI run, for Breakwater, is one job of one pipeline: GitLab retries a job and not a pipeline, and it does so only when
// the job is over. Two jobs of a pipeline may well run at the same time, so the job's name is part of the run's. The
// attempt is the job's id: each retry is a new job, and ids only grow. GitLab itself counts retries only since 19.3.
// A job of an old pipeline that is run again, which is what GitLab's re-deploy and rollback do, is an attempt of that old
// run, with that pipeline's commit: a new rollout of the old version.
func (e environment) job() (core.Job, error) {
	project, err1 := e.Must("CI_PROJECT_PATH")
	commit, err2 := e.Must("CI_COMMIT_SHA")
	pipeline, err3 := e.Number("CI_PIPELINE_ID")
	id, err4 := e.Number("CI_JOB_ID")
	name, err5 := e.Must("CI_JOB_NAME")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return core.Job{}, err
	}
	return core.Job{
		Actor: core.Actor{
			Name:    cmp.Or(e.Get("GITLAB_USER_LOGIN"), e.Get("GITLAB_USER_NAME")),
			Run:     fmt.Sprintf("%s/-/pipelines/%d/%s", project, pipeline, name),
			Attempt: id,
			URL:     e.Get("CI_JOB_URL"),
		},
		Commit: commit,
		Ledger: "git:",
	}, nil
}
