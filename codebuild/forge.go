// Package codebuild is Breakwater inside AWS CodeBuild, alone or as an action of CodePipeline: it reads the variables of the
// build, writes to its log as plain text, and leaves outputs and a report behind as files. Where its source is in CodeCommit, it
// also says on commits and pull requests there what is to be said of them.
//
// What Breakwater prints may come from anywhere: a deploy script, a metric's label, a stranger's commit. CodeBuild takes no
// commands from its log, but the buildspec sources the outputs. So no value there can be anything but text to a shell.
package codebuild

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/codecommit"
	"github.com/breakwater-ci/breakwater/core/environ"
)

// execution is a variable that an action of CodePipeline sets to #{codepipeline.PipelineExecutionId}: CodeBuild itself tells a
// build the name of the pipeline and not which execution it belongs to.
const execution = "BREAKWATER_PIPELINE_EXECUTION"

// A Forge is the build that this process runs in. It is safe for concurrent use.
type Forge struct {
	env   environment
	out   *log
	clock core.Clock
	job   core.Job
	from  codecommit.Remote // the repository in CodeCommit that is built; the zero value: it is elsewhere
	err   error
}

var (
	_ core.Forge      = (*Forge)(nil)
	_ core.Statusless = (*Forge)(nil)
)

// New returns the build that entries, as of [os.Environ], tell of. It reports false if that is none. A job of GitHub or GitLab
// may run on a machine of CodeBuild, as one of its runners: whoever picks a forge asks those first. Groups go to stdout, and
// warnings and errors, which are no part of what a command prints, to stderr; both are the build's log.
func New(entries []string, stdout, stderr io.Writer, clock core.Clock) (*Forge, bool) {
	env := environment{environ.Parse(entries)}
	if env.Get("CODEBUILD_BUILD_ID") == "" {
		return nil, false
	}
	job, err1 := env.job()
	from, err2 := env.repository()
	return &Forge{env: env, out: newLog(stdout, stderr), clock: clock, job: job, from: from, err: errors.Join(err1, err2)}, true
}

// Err says what is wrong with the build's variables; nobody may act on a rollout in the name of such a build.
func (f *Forge) Err() error { return f.err }

// Job says who runs this process. The ID of the actor is left for the process to fill in.
//
// There is no default for the ledger. A file would be gone with the build, so that each would be the first release. What
// cloned the source may mostly only read it, and an artifact of CodePipeline is no clone at all.
func (f *Forge) Job() core.Job { return f.job }

// Instead implements [core.Statusless]: CodeBuild sets a status on GitHub and the like, and reads none. CodeCommit has none at
// all, and whoever may comment there could write what looks like one of ours.
func (f *Forge) Instead() string {
	return "A build of AWS CodeBuild can read none that is to be trusted. Require builds instead, requires: {builds: [{project: ...}]}; " +
		"or put what must be green before breakwater in the buildspec, or into an earlier stage of the pipeline."
}

// Log returns the build's log.
func (f *Forge) Log() core.Log { return f.out }

// environment is the environment by name.
type environment struct{ environ.Environ }

// job reads the variables that CodeBuild sets.
//
// A later attempt of a CI run takes over from an earlier one at once, so two builds may share a run only if the later one
// starts when the earlier one is over. A retry by CodeBuild does not prove that: it is a new build with a new id, nothing in
// its environment names the build that it repeats, and the same commit may well be built twice at the same time. So each
// build is a run of its own. What was halted a retry goes on with; only a build that was killed keeps the line until its
// lease ends.
//
// CodePipeline does prove it: within one execution it starts an action again only when that has failed, or when somebody
// has abandoned it, who then wants it to be over. So builds of one project and one execution are attempts of one run. The
// attempt is always the build's number, which only grows. Should CodeBuild hand the variable on to a retry that it was asked
// for by somebody else, that is not the pipeline's: the initiator tells.
func (e environment) job() (core.Job, error) {
	arn, err1 := e.arn()
	number, err2 := e.Number("CODEBUILD_BUILD_NUMBER")
	pipeline, err3 := e.execution()
	if err := errors.Join(err1, err2, err3); err != nil {
		return core.Job{}, err
	}
	run := fmt.Sprintf("%s:%s:project/%s/builds/%d", arn.region, arn.account, arn.project, number)
	if pipeline != "" {
		run = fmt.Sprintf("%s:%s:project/%s/executions/%s", arn.region, arn.account, arn.project, pipeline)
	}
	return core.Job{
		Actor: core.Actor{
			Name:    e.Get("CODEBUILD_INITIATOR"),
			Run:     run,
			Attempt: number,
			URL:     cmp.Or(e.Get("CODEBUILD_BUILD_URL"), arn.page()),
		},
		Commit: e.Get("CODEBUILD_RESOLVED_SOURCE_VERSION"), // not set for a source without versions
	}, nil
}

// executionForm is the id of an execution and, where a stage has several actions of one project, a name that tells them apart.
var executionForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(/[A-Za-z0-9.@_-]+)?$`)

func (e environment) execution() (string, error) {
	id := e.Get(execution)
	switch {
	case id == "" || !strings.HasPrefix(e.Get("CODEBUILD_INITIATOR"), "codepipeline/"):
		return "", nil
	case !executionForm.MatchString(id):
		return "", fmt.Errorf("%s is %q: the action of the pipeline must set it to #{codepipeline.PipelineExecutionId}", execution, id)
	}
	return id, nil
}

// A buildARN is what the ARN of a build says.
type buildARN struct{ partition, region, account, project, id string }

var arnForm = regexp.MustCompile(`^arn:(aws[a-z-]*):codebuild:([a-z0-9-]+):([0-9]{12}):build/([A-Za-z0-9][A-Za-z0-9_-]*):([A-Za-z0-9-]+)$`)

func (e environment) arn() (buildARN, error) {
	text, err := e.Must("CODEBUILD_BUILD_ARN")
	if err != nil {
		return buildARN{}, err
	}
	m := arnForm.FindStringSubmatch(text)
	if m == nil {
		return buildARN{}, fmt.Errorf("CODEBUILD_BUILD_ARN is %q: it must be of the form arn:aws:codebuild:REGION:ACCOUNT:build/PROJECT:ID", text)
	}
	return buildARN{m[1], m[2], m[3], m[4], m[5]}, nil
}

// page is that of the build in the console.
func (a buildARN) page() string {
	host := map[string]string{"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}[a.partition]
	return fmt.Sprintf("https://%s.%s/codesuite/codebuild/%s/projects/%s/build/%s/?region=%[1]s",
		a.region, cmp.Or(host, "console.aws.amazon.com"), a.account, a.project, url.QueryEscape(a.project+":"+a.id))
}
