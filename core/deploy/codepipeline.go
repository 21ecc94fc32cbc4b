package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// A codePipeline is the driver that has CodePipeline do the work: one execution of a pipeline for each act.
//
// An execution is known by the mark in its variable [core.PipelineMark]. One without a mark of the line and the target is
// somebody else's, and is never stopped.
type codePipeline struct {
	core.CodePipeline
	amazon
}

func openCodePipeline(options any, env Env) (core.Driver, error) {
	o, ok := options.(*core.CodePipeline)
	if !ok || o == nil {
		return nil, fmt.Errorf("the driver aws-codepipeline takes a *core.CodePipeline, not %T", options)
	}
	return &codePipeline{CodePipeline: *o, amazon: amazon{AWS: o.AWS, env: env}}, nil
}

// Deploy has a pipeline executed for one target and waits for its end, or for that of an execution with which an earlier
// attempt does the same. When ctx ends the execution is stopped.
func (c *codePipeline) Deploy(ctx context.Context, act core.Act) (string, error) {
	return c.act(ctx, act, (*passage).run)
}

// act does one thing by the pipeline.
func (c *codePipeline) act(ctx context.Context, act core.Act, do func(*passage, context.Context) error) (string, error) {
	ctx, cancel := within(ctx, c.env.Timeout)
	defer cancel()
	p := &passage{codePipeline: c, act: act}
	err := p.open(ctx)
	if err == nil {
		err = do(p, ctx)
	}
	if err != nil && ctx.Err() != nil && !p.started {
		err = fmt.Errorf("%w, and nothing was started: %w", stopped(ctx), said(err))
	}
	if err != nil {
		err = said(err)
		p.tell("%v", err)
	}
	return c.env.Shell.Redact(strings.Join(p.output, "\n")), redact(c.env.Shell, err)
}

// A passage is one act on a pipeline.
type passage struct {
	*codePipeline
	act       core.Act
	api       codePipelineCalls
	pipeline  string
	stage     string // that a rollback takes back
	variables map[string]string
	sources   []types.SourceRevisionOverride
	started   bool // something was, or may have been
	output    []string
}

func (p *passage) open(ctx context.Context) error {
	p.variables = make(map[string]string)
	for name, text := range p.Variables {
		value, err := p.act.Fill(text)
		if err != nil {
			return err
		}
		if value == "" {
			return fmt.Errorf("the variable %s is empty for the target %s, which CodePipeline does not take", name, p.act.Target.Name)
		}
		p.variables[name] = value
	}
	p.variables[core.PipelineMark] = shortMark(p.act).String()
	for _, s := range p.Sources {
		kind := types.SourceRevisionType(cmp.Or(s.Type, string(types.SourceRevisionTypeCommitId)))
		source := types.SourceRevisionOverride{ActionName: new(""), RevisionType: kind, RevisionValue: new("")}
		if err := fillAll(p.act, map[*string]string{source.ActionName: s.Action, source.RevisionValue: s.Value}); err != nil {
			return err
		}
		p.sources = append(p.sources, source)
	}
	if err := fillAll(p.act, map[*string]string{&p.pipeline: p.Pipeline, &p.stage: p.RollbackStage}); err != nil {
		return err
	}
	way, err := p.way(ctx, p.act)
	if err != nil {
		return err
	}
	p.api = codePipelineCallsOf(way)
	return nil
}

// codePipelineCalls are what is asked of CodePipeline.
type codePipelineCalls struct {
	StartPipelineExecution aws.Call[codepipeline.StartPipelineExecutionInput, codepipeline.StartPipelineExecutionOutput, codepipeline.Options]
	RollbackStage          aws.Call[codepipeline.RollbackStageInput, codepipeline.RollbackStageOutput, codepipeline.Options]
	GetPipelineState       aws.Call[codepipeline.GetPipelineStateInput, codepipeline.GetPipelineStateOutput, codepipeline.Options]
	PutApprovalResult      aws.Call[codepipeline.PutApprovalResultInput, codepipeline.PutApprovalResultOutput, codepipeline.Options]
	StopPipelineExecution  aws.Call[codepipeline.StopPipelineExecutionInput, codepipeline.StopPipelineExecutionOutput, codepipeline.Options]
	ListActionExecutions   aws.Call[codepipeline.ListActionExecutionsInput, codepipeline.ListActionExecutionsOutput, codepipeline.Options]
	GetPipelineExecution   aws.Call[codepipeline.GetPipelineExecutionInput, codepipeline.GetPipelineExecutionOutput, codepipeline.Options]
	executions             listExecutions
}

func codePipelineCallsOf(way sdk.Config) codePipelineCalls {
	api := codepipeline.NewFromConfig(way)
	return codePipelineCalls{
		StartPipelineExecution: api.StartPipelineExecution,
		RollbackStage:          api.RollbackStage,
		GetPipelineState:       api.GetPipelineState,
		PutApprovalResult:      api.PutApprovalResult,
		StopPipelineExecution:  api.StopPipelineExecution,
		ListActionExecutions:   api.ListActionExecutions,
		GetPipelineExecution:   api.GetPipelineExecution,
		executions:             api.ListPipelineExecutions,
	}
}

// listExecutions is a call whose answer has pages.
type listExecutions aws.Call[codepipeline.ListPipelineExecutionsInput, codepipeline.ListPipelineExecutionsOutput, codepipeline.Options]

// ListPipelineExecutions implements [codepipeline.ListPipelineExecutionsAPIClient].
func (l listExecutions) ListPipelineExecutions(ctx context.Context, in *codepipeline.ListPipelineExecutionsInput, o ...func(*codepipeline.Options)) (*codepipeline.ListPipelineExecutionsOutput, error) {
	return l(ctx, in, o...)
}

// busy are the answers that the pipeline cannot take one more execution now.
var busy = []string{"ConflictException", "ConcurrentPipelineExecutionsLimitExceededException"}

// run looks before it touches anything, has the pipeline executed, and waits for its end.
func (p *passage) run(ctx context.Context) error {
	for told := false; ; told = true {
		recent, is, err := p.clear(ctx)
		if err != nil {
			return err
		}
		if is == nil {
			is, err = p.begin(ctx, recent)
		}
		if slices.Contains(busy, aws.Code(err)) {
			if !told {
				p.tell("waiting: %v", said(err))
			}
			if ended := p.rest(ctx); ended != nil {
				return fmt.Errorf("%w: %w", said(err), ended)
			}
			continue
		}
		if err != nil {
			return err
		}
		p.started = true
		return p.finish(ctx, is)
	}
}

// finish waits for the end of an execution, or until it waits for the end of the bake, and judges it.
func (p *passage) finish(ctx context.Context, is *types.PipelineExecution) error {
	waits, err := p.await(ctx, is)
	if waits {
		return p.hold(is)
	}
	if !over(is.Status) {
		if err = p.halt(ctx, is, err); err != nil {
			return err
		}
	}
	return p.conclude(ctx, is)
}

// begin takes a stage back, or starts the pipeline.
func (p *passage) begin(ctx context.Context, recent []types.PipelineExecutionSummary) (*types.PipelineExecution, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if p.act.Rollback && p.stage != "" {
		if is, err := p.takeBack(ctx, recent); is != nil || err != nil {
			return is, err
		}
	}
	return p.start(ctx, recent)
}

// start starts the pipeline, once: CodePipeline knows the token. Where nobody answers at all the execution is looked for.
func (p *passage) start(ctx context.Context, recent []types.PipelineExecutionSummary) (*types.PipelineExecution, error) {
	in := &codepipeline.StartPipelineExecutionInput{Name: &p.pipeline, ClientRequestToken: new(tokenOf(p.act, p.pipeline)), SourceRevisions: p.sources}
	for _, name := range slices.Sorted(maps.Keys(p.variables)) {
		in.Variables = append(in.Variables, types.PipelineVariable{Name: &name, Value: new(p.variables[name])})
	}
	made, err := p.api.StartPipelineExecution(ctx, in)
	if err == nil {
		p.tell("execution %s of %s", sdk.ToString(made.PipelineExecutionId), p.pipeline)
		return &types.PipelineExecution{PipelineExecutionId: made.PipelineExecutionId}, nil
	}
	if aws.Code(err) != "" {
		return nil, err
	}
	p.started = true
	found, seen := p.seek(ctx, recent, func(is *types.PipelineExecution) bool {
		return is.ExecutionType != types.ExecutionTypeRollback && readPassage(is) == shortMark(p.act)
	})
	if found == nil {
		return nil, errors.Join(fmt.Errorf("CodePipeline did not answer whether it has started %s, and shows no execution that has %s: look at the pipeline before you run this again: %w", p.pipeline, shortMark(p.act), said(err)), seen)
	}
	return found, nil
}

// unfit are the answers that a stage cannot be taken back.
var unfit = []string{"UnableToRollbackStageException", "PipelineExecutionOutdatedException", "PipelineExecutionNotFoundException", "StageNotFoundException", "ValidationException"}

// takeBack has the stage taken back to the execution that put the previous version out; nil if that cannot be. There is no
// token for that: where nobody answers the new execution is looked for, and nothing is asked for a second time.
func (p *passage) takeBack(ctx context.Context, recent []types.PipelineExecutionSummary) (*types.PipelineExecution, error) {
	to, err := p.good(ctx)
	if err != nil {
		return nil, err
	}
	if to == "" {
		p.tell("no execution has put %s on %s by the stage %s as it is now: the whole pipeline runs", p.act.Version, p.act.Target.Name, p.stage)
		return nil, nil
	}
	made, err := p.api.RollbackStage(ctx, &codepipeline.RollbackStageInput{PipelineName: &p.pipeline, StageName: &p.stage, TargetPipelineExecutionId: &to},
		func(o *codepipeline.Options) { o.Retryer = throttledOnly(o.Retryer) })
	switch {
	case err == nil:
		p.tell("execution %s takes the stage %s of %s back to %s", sdk.ToString(made.PipelineExecutionId), p.stage, p.pipeline, to)
		return &types.PipelineExecution{PipelineExecutionId: made.PipelineExecutionId}, nil
	case slices.Contains(unfit, aws.Code(err)):
		p.tell("the stage %s cannot be taken back to %s, the whole pipeline runs: %v", p.stage, to, said(err))
		return nil, nil
	case aws.Code(err) != "":
		return nil, err
	}
	p.started = true
	found, seen := p.seek(ctx, recent, func(is *types.PipelineExecution) bool {
		return is.RollbackMetadata != nil && sdk.ToString(is.RollbackMetadata.RollbackTargetPipelineExecutionId) == to
	})
	if found == nil {
		return nil, errors.Join(fmt.Errorf("CodePipeline did not answer whether it takes the stage %s of %s back, and shows no execution that does: look at the pipeline before you run this again: %w", p.stage, p.pipeline, said(err)), seen)
	}
	return found, nil
}

// rest waits between two looks at a pipeline that is busy.
func (p *passage) rest(ctx context.Context) error {
	return p.env.Clock.Wait(ctx, p.env.Clock.Now().Add(eachTry))
}

// tell notes what happened, for people.
func (p *passage) tell(format string, args ...any) {
	p.output = append(p.output, shell.OneLine(fmt.Sprintf(format, args...)))
}
