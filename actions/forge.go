// Package actions is Breakwater inside GitHub Actions: it reads the job's inputs and context, writes to its log in
// the runner's own forms, and leaves outputs and a summary behind.
//
// What Breakwater prints may come from anywhere: a deploy script, a metric's label, a stranger's request. The runner
// takes commands from that same log. So everything here is written such that no text can become a command, another
// output, or anything but text.
package actions

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sethvargo/go-githubactions"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/environ"
	"github.com/breakwater-ci/breakwater/core/github"
)

// A Forge is the GitHub Actions job that this process runs in. It is safe for concurrent use.
type Forge struct {
	env   environment
	out   *log
	job   core.Job
	err   error
	clock core.Clock
	api   func() (*github.Client, error) // for the job's repository, opened when it is needed

	checks      checkRuns
	deployments deployments
}

var _ core.Forge = (*Forge)(nil)

// New returns the job that entries, as of [os.Environ], tell of. It reports false if that is no GitHub Actions job.
// Groups go to stdout; masks and annotations, which are no part of what a command prints, go to stderr. Both must be
// the job's log, and the runner takes commands from both.
func New(entries []string, stdout, stderr io.Writer, clock core.Clock) (*Forge, bool) {
	env := environment{environ.Parse(entries)}
	if env.Get("GITHUB_ACTIONS") != "true" {
		return nil, false
	}
	job, err := env.job()
	f := &Forge{env: env, out: newLog(stdout, stderr), job: job, err: err, clock: clock}
	f.api = sync.OnceValues(func() (*github.Client, error) {
		return github.New("", github.Env{Lookup: env.secretly, Clock: clock, Waits: f.waits})
	})
	return f, true
}

// Err says what is wrong with the job's context; nobody may act on a rollout in the name of such a job.
func (f *Forge) Err() error { return f.err }

// Job says who runs this process. The ID of the actor is left for the process to fill in.
func (f *Forge) Job() core.Job { return f.job }

// Log returns the job's log.
func (f *Forge) Log() core.Log { return f.out }

// waits says in the log why nothing happens.
func (f *Forge) waits(why string, until time.Time) {
	f.out.Annotate(core.Annotation{Title: "GitHub", Message: fmt.Sprintf("%s; waiting until %s.", why, until.UTC().Format("15:04:05 MST"))})
}

// Requests counts what GitHub's API was asked by this job, without its ledger.
func (f *Forge) Requests() int {
	if api, err := f.api(); err == nil {
		return api.Requests()
	}
	return 0
}

// environment is the environment by name. GitHub names inputs in ways that a shell cannot, so it is never a shell's.
type environment struct{ environ.Environ }

// secretly is get with the token that the action was given: as an input it is there without anybody's doing.
func (e environment) secretly(name string) string {
	if name == github.TokenVariable {
		return cmp.Or(e.Get(name), e.Get("INPUT_TOKEN"))
	}
	return e.Get(name)
}

// action is the library on this environment and this writer, and on nothing else.
func (e environment) action(w io.Writer) *githubactions.Action {
	return githubactions.New(githubactions.WithGetenv(e.Get), githubactions.WithWriter(w))
}

// job reads the context. The run is named together with its repository, because another repository may share the
// ledger; its attempts share that name, which is how a later attempt takes over at once.
func (e environment) job() (core.Job, error) {
	repository, err1 := e.Must("GITHUB_REPOSITORY")
	commit, err2 := e.Must("GITHUB_SHA")
	run, err3 := e.Number("GITHUB_RUN_ID")
	attempt, err4 := e.Number("GITHUB_RUN_ATTEMPT")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return core.Job{}, err
	}
	name := fmt.Sprintf("%s/actions/runs/%d", repository, run)
	server := cmp.Or(e.Get("GITHUB_SERVER_URL"), "https://github.com")
	return core.Job{
		Actor: core.Actor{
			Name:    cmp.Or(e.Get("GITHUB_TRIGGERING_ACTOR"), e.Get("GITHUB_ACTOR")),
			Run:     name,
			Attempt: attempt,
			URL:     fmt.Sprintf("%s/%s/attempts/%d", server, name, attempt),
		},
		Commit: commit,
		Ledger: "github:",
	}, nil
}
