package deploy

import (
	"context"
	"fmt"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
)

// readPassage is the mark in the variables of an execution. One that takes a stage back counts for that to which it goes
// back, see [passage.get].
func readPassage(is *types.PipelineExecution) mark {
	for _, v := range is.Variables {
		if sdk.ToString(v.Name) == core.PipelineMark {
			m, _ := parseMark(sdk.ToString(v.ResolvedValue))
			return m
		}
	}
	return mark{}
}

// ours reports whether an execution is one that this line has started for this target.
func (p *passage) ours(is *types.PipelineExecution) bool {
	m, want := readPassage(is), shortMark(p.act)
	return m.rollout != "" && lineOf(m.rollout) == lineOf(want.rollout) && m.target == want.target
}

// same reports whether an execution does what the act asks for: the same in the same rollout, or it takes back the stage to
// what a rollback is to put back, whoever has begun that.
func (p *passage) same(is *types.PipelineExecution) bool {
	if is.ExecutionType == types.ExecutionTypeRollback {
		return p.act.Rollback && p.stage != "" && p.puts(is)
	}
	m, want := readPassage(is), shortMark(p.act)
	return p.ours(is) && m.rollout == want.rollout && m.does == want.does
}

// puts reports whether an execution puts the version of the act on its target, be it forwards or back.
func (p *passage) puts(is *types.PipelineExecution) bool {
	forth, back := p.act, p.act
	forth.Rollback, back.Rollback = false, true
	return p.ours(is) && slices.Contains([]string{markOf(forth).does, markOf(back).does}, readPassage(is).does)
}

// over reports whether an execution has come to an end.
func over(status types.PipelineExecutionStatus) bool {
	return status != "" && status != types.PipelineExecutionStatusInProgress && status != types.PipelineExecutionStatusStopping
}

// recent are the executions of the pipeline, newest first.
func (p *passage) recent(ctx context.Context, filter *types.PipelineExecutionFilter) ([]types.PipelineExecutionSummary, error) {
	var all []types.PipelineExecutionSummary
	since := p.env.Clock.Now().Add(-memory)
	pages := codepipeline.NewListPipelineExecutionsPaginator(p.api.executions, &codepipeline.ListPipelineExecutionsInput{PipelineName: &p.pipeline, Filter: filter})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, page.PipelineExecutionSummaries...)
		if n := len(all); n > 0 && sdk.ToTime(all[n-1].StartTime).Before(since) {
			break
		}
	}
	slices.SortStableFunc(all, func(a, b types.PipelineExecutionSummary) int {
		return sdk.ToTime(b.StartTime).Compare(sdk.ToTime(a.StartTime))
	})
	return all, nil
}

// get looks at an execution. One that takes a stage back is shown with the variables of that to which it goes back.
func (p *passage) get(ctx context.Context, id *string) (*types.PipelineExecution, error) {
	got, err := p.api.GetPipelineExecution(ctx, &codepipeline.GetPipelineExecutionInput{PipelineName: &p.pipeline, PipelineExecutionId: id})
	if err != nil {
		return nil, err
	}
	is := got.PipelineExecution
	if back := is.RollbackMetadata; back != nil && back.RollbackTargetPipelineExecutionId != nil && readPassage(is).rollout == "" {
		to, err := p.api.GetPipelineExecution(ctx, &codepipeline.GetPipelineExecutionInput{PipelineName: &p.pipeline, PipelineExecutionId: back.RollbackTargetPipelineExecutionId})
		if err != nil {
			return nil, err
		}
		is.Variables = to.PipelineExecution.Variables
	}
	return is, nil
}

// clear waits until nothing is at work in the pipeline but what does what the act asks for, which it returns: that, or the
// newest execution of all if it has done that. What else the line has left at work on the target is stopped. Where executions
// run beside each other those of others are left alone.
func (p *passage) clear(ctx context.Context) (recent []types.PipelineExecutionSummary, going *types.PipelineExecution, err error) {
	for told := ""; ; {
		if recent, err = p.recent(ctx, nil); err != nil {
			return nil, nil, err
		}
		var foreign *types.PipelineExecution
		for i, s := range recent {
			if done := i == 0 && s.Status == types.PipelineExecutionStatusSucceeded; over(s.Status) && !done {
				continue
			}
			is, err := p.get(ctx, s.PipelineExecutionId)
			if err != nil {
				return nil, nil, err
			}
			switch {
			case over(is.Status) && is.Status != types.PipelineExecutionStatusSucceeded: // meanwhile
			case p.same(is) && is.Status != types.PipelineExecutionStatusStopping && going == nil:
				going = is
			case over(is.Status):
			case p.ours(is) && is.ExecutionType != types.ExecutionTypeRollback:
				p.tell("execution %s, of %s, is stopped", sdk.ToString(is.PipelineExecutionId), readPassage(is))
				if err := p.end(ctx, is); err != nil {
					return nil, nil, fmt.Errorf("an earlier execution is still at work on %s: %w", p.act.Target.Name, err)
				}
			case is.ExecutionMode != types.ExecutionModeParallel && foreign == nil:
				foreign = is
			}
		}
		if going != nil || foreign == nil {
			return recent, going, nil
		}
		id, who := sdk.ToString(foreign.PipelineExecutionId), begunBy(foreign)
		if told != id {
			told = id
			p.tell("waiting for execution %s of %s, by %s", id, p.pipeline, who)
		}
		if err := p.rest(ctx); err != nil {
			return nil, nil, fmt.Errorf("execution %s by %s is %s in %s: wait until it is over, or end it: %w", id, who, foreign.Status, p.pipeline, err)
		}
	}
}

// end stops an execution that an earlier act has left, and waits for its end as long as the act may take.
func (p *passage) end(ctx context.Context, is *types.PipelineExecution) error {
	if err := p.stop(ctx, is); err == nil {
		return nil
	}
	_, err := p.await(ctx, is)
	if err == nil || over(is.Status) {
		return nil
	}
	return unstopped(is, err, p.actions(ctx, is, types.ActionExecutionStatusInProgress))
}

// good is the newest execution that has put the version of the act on its target, by the stage as it is now; empty if there
// is none. CodePipeline goes back to no execution that itself took a stage back.
func (p *passage) good(ctx context.Context) (string, error) {
	some, err := p.recent(ctx, &types.PipelineExecutionFilter{SucceededInStage: &types.SucceededInStageFilter{StageName: &p.stage}})
	if err != nil {
		return "", err
	}
	some = slices.DeleteFunc(some, func(s types.PipelineExecutionSummary) bool {
		return s.Status != types.PipelineExecutionStatusSucceeded || s.ExecutionType == types.ExecutionTypeRollback
	})
	for _, s := range some[:min(mostTold, len(some))] {
		is, err := p.get(ctx, s.PipelineExecutionId)
		if err != nil {
			return "", err
		}
		if p.puts(is) {
			return sdk.ToString(is.PipelineExecutionId), nil
		}
	}
	return "", nil
}

// seek looks for an execution that was begun, or may have been.
func (p *passage) seek(ctx context.Context, before []types.PipelineExecutionSummary, fits func(*types.PipelineExecution) bool) (*types.PipelineExecution, error) {
	ctx, pauses, cancel := aftermath(ctx)
	defer cancel()
	for _, pause := range pauses {
		if err := p.env.Clock.Wait(ctx, p.env.Clock.Now().Add(pause)); err != nil {
			return nil, err
		}
		recent, err := p.recent(ctx, nil)
		if err != nil {
			return nil, said(err)
		}
		for _, s := range recent {
			if slices.ContainsFunc(before, func(b types.PipelineExecutionSummary) bool {
				return sdk.ToString(b.PipelineExecutionId) == sdk.ToString(s.PipelineExecutionId)
			}) {
				continue
			}
			is, err := p.get(ctx, s.PipelineExecutionId)
			if aws.Code(err) == "PipelineExecutionNotFoundException" {
				continue
			}
			if err != nil {
				return nil, said(err)
			}
			if fits(is) {
				return is, nil
			}
		}
	}
	return nil, nil
}
