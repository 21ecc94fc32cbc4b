package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// A codeBuild is the driver that has CodeBuild do the work: one build of a project for each act.
//
// A build is known by the mark in its variables, see [markVariable]. One without a mark of the line and the target is
// somebody else's, and is left alone.
type codeBuild struct {
	core.CodeBuild
	amazon
}

func openCodeBuild(options any, env Env) (core.Driver, error) {
	o, ok := options.(*core.CodeBuild)
	if !ok || o == nil {
		return nil, fmt.Errorf("the driver aws-codebuild takes a *core.CodeBuild, not %T", options)
	}
	return &codeBuild{CodeBuild: *o, amazon: amazon{AWS: o.AWS, env: env}}, nil
}

// Deploy has a build made for one target and waits for its end, or for that of one with which an earlier attempt does the
// same. When ctx ends the build is stopped.
func (c *codeBuild) Deploy(ctx context.Context, act core.Act) (string, error) {
	ctx, cancel := within(ctx, c.env.Timeout)
	defer cancel()
	b := &building{codeBuild: c, act: act}
	err := b.open(ctx)
	if err == nil {
		err = b.run(ctx)
	}
	if err != nil && ctx.Err() != nil && !b.started {
		err = fmt.Errorf("%w, and nothing was started: %w", stopped(ctx), said(err))
	}
	if err != nil {
		err = said(err)
		b.tell("%v", err)
	}
	return c.env.Shell.Redact(strings.Join(b.output, "\n")), redact(c.env.Shell, err)
}

// A building is one act on a project.
type building struct {
	*codeBuild
	act     core.Act
	api     codeBuildCalls
	project string
	source  string
	started bool // something was, or may have been
	output  []string
}

func (b *building) open(ctx context.Context) error {
	if err := fillAll(b.act, map[*string]string{&b.project: b.Project, &b.source: b.SourceVersion}); err != nil {
		return err
	}
	way, err := b.way(ctx, b.act)
	if err != nil {
		return err
	}
	b.api = codeBuildCallsOf(way)
	return nil
}

// codeBuildCalls are what is asked of CodeBuild.
type codeBuildCalls struct {
	StartBuild     aws.Call[codebuild.StartBuildInput, codebuild.StartBuildOutput, codebuild.Options]
	BatchGetBuilds aws.Call[codebuild.BatchGetBuildsInput, codebuild.BatchGetBuildsOutput, codebuild.Options]
	StopBuild      aws.Call[codebuild.StopBuildInput, codebuild.StopBuildOutput, codebuild.Options]
	builds         listBuilds
}

func codeBuildCallsOf(way sdk.Config) codeBuildCalls {
	api := codebuild.NewFromConfig(way)
	return codeBuildCalls{
		StartBuild:     api.StartBuild,
		BatchGetBuilds: api.BatchGetBuilds,
		StopBuild:      api.StopBuild,
		builds:         api.ListBuildsForProject,
	}
}

// listBuilds is a call whose answer has pages.
type listBuilds aws.Call[codebuild.ListBuildsForProjectInput, codebuild.ListBuildsForProjectOutput, codebuild.Options]

// ListBuildsForProject implements [codebuild.ListBuildsForProjectAPIClient].
func (l listBuilds) ListBuildsForProject(ctx context.Context, in *codebuild.ListBuildsForProjectInput, o ...func(*codebuild.Options)) (*codebuild.ListBuildsForProjectOutput, error) {
	return l(ctx, in, o...)
}

// run looks before it touches anything, has a build made, and waits for its end.
func (b *building) run(ctx context.Context) error {
	is, err := b.leftover(ctx)
	if err == nil && is == nil {
		is, err = b.begin(ctx)
	}
	if err != nil {
		return err
	}
	b.started = true
	err = b.await(ctx, is)
	if !is.BuildComplete {
		if err = b.halt(ctx, is, err); err != nil {
			return err
		}
	}
	return b.conclude(is)
}

// begin has a build made as soon as the account may have one more.
func (b *building) begin(ctx context.Context) (*types.Build, error) {
	for told := false; ; told = true {
		is, err := b.create(ctx)
		if aws.Code(err) != "AccountLimitExceededException" {
			return is, err
		}
		if !told {
			b.tell("waiting: %v", said(err))
		}
		if ended := b.env.Clock.Wait(ctx, b.env.Clock.Now().Add(eachTry)); ended != nil {
			return nil, fmt.Errorf("%w: %w", said(err), ended)
		}
	}
}

// create has a build made, once: CodeBuild knows a token for five minutes, which is longer than anybody tries. Where nobody
// answers at all the build is looked for.
func (b *building) create(ctx context.Context) (*types.Build, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	variables, err := b.variables()
	if err != nil {
		return nil, err
	}
	in := &codebuild.StartBuildInput{
		ProjectName: &b.project, IdempotencyToken: new(tokenOf(b.act, b.project)), EnvironmentVariablesOverride: variables,
		AutoRetryLimitOverride: new(int32(0)), // whether to try again is the plan's to say
	}
	if b.source != "" {
		in.SourceVersion = &b.source
	}
	made, err := b.api.StartBuild(ctx, in)
	if err == nil {
		b.tell("build %s", sdk.ToString(made.Build.Id))
		return made.Build, nil
	}
	if aws.Code(err) != "" {
		return nil, err
	}
	b.started = true
	found, seen := b.seek(ctx)
	if found == nil {
		return nil, errors.Join(fmt.Errorf("CodeBuild did not answer whether it has begun a build of %s, and shows none that has %s: look at the project before you run this again: %w", b.project, shortMark(b.act), said(err)), seen)
	}
	return found, nil
}

// tokenOf is what an act is known by to an API that keeps it from being done twice.
func tokenOf(act core.Act, what string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s", markOf(act), what))
	return "breakwater-" + hex.EncodeToString(sum[:16])
}

// markVariable has the mark of a build.
const markVariable = "BREAKWATER_MARK"

// variables are what the build is told. Those of the act come last, so that no other can take their place.
func (b *building) variables() (all []types.EnvironmentVariable, err error) {
	values := make(map[string]string)
	for name, text := range b.Env {
		if values[name], err = b.act.Fill(text); err != nil {
			return nil, err
		}
	}
	maps.Copy(values, map[string]string{
		markVariable: shortMark(b.act).String(), "BREAKWATER_TARGET": b.act.Target.Name, "BREAKWATER_VERSION": b.act.Version,
		"BREAKWATER_PREVIOUS": b.act.Previous, "BREAKWATER_WAVE": b.act.Wave, "BREAKWATER_ROLLOUT": b.act.Rollout,
		"BREAKWATER_ATTEMPT": strconv.Itoa(b.act.Attempt), "BREAKWATER_ROLLBACK": strconv.FormatBool(b.act.Rollback),
	})
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if values[name] != "" {
			all = append(all, types.EnvironmentVariable{Name: &name, Value: new(values[name]), Type: types.EnvironmentVariableTypePlaintext})
		}
	}
	return all, nil
}

// tell notes what happened, for people.
func (b *building) tell(format string, args ...any) {
	b.output = append(b.output, shell.OneLine(fmt.Sprintf(format, args...)))
}
