package deploy

import (
	"context"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
)

// Holds implements [core.Confirmer]: executions may wait at an approval while their wave bakes.
func (c *codePipeline) Holds() bool { return c.Bakes() }

// Confirm approves the execution that waits for the end of the bake, and returns once it has succeeded.
func (c *codePipeline) Confirm(ctx context.Context, act core.Act) (string, error) {
	return c.act(ctx, act, (*passage).confirm)
}

// confirm is [codePipeline.Confirm]. Only the newest execution that the line has started for the target will do.
func (p *passage) confirm(ctx context.Context) error {
	is, err := p.newest(ctx)
	if err != nil {
		return err
	}
	if is == nil || !p.same(is) {
		return fmt.Errorf("%s shows no execution that has put %s on %s, or a newer one has put something else there: see what runs there", p.pipeline, p.act.Version, p.act.Target.Name)
	}
	p.started = true
	for !over(is.Status) {
		token, err := p.asks(ctx, is)
		if err == nil && token != nil {
			err = p.put(ctx, token, types.ApprovalStatusApproved, "the wave has passed")
		}
		if err == nil {
			err = p.env.Clock.Wait(ctx, p.env.Clock.Now().Add(firstLook))
		}
		if err == nil {
			err = p.look(ctx, is)
		}
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("%w, while execution %s was %s: run this again to see how it ends: %w", stopped(ctx), sdk.ToString(is.PipelineExecutionId), is.Status, said(err))
		}
		if err != nil {
			return said(err)
		}
	}
	return p.conclude(ctx, is)
}

// newest is the newest execution that the line has started for the target; nil if there is none.
func (p *passage) newest(ctx context.Context) (*types.PipelineExecution, error) {
	recent, err := p.recent(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, s := range recent {
		is, err := p.get(ctx, s.PipelineExecutionId)
		if err != nil {
			return nil, err
		}
		if p.ours(is) {
			return is, nil
		}
	}
	return nil, nil
}

// arrive gives the approval that the plan names, if the execution waits for it and it is time to, and reports whether it
// waits for the end of the bake instead. What goes back waits for nothing.
func (p *passage) arrive(ctx context.Context, is *types.PipelineExecution) (waits bool, err error) {
	token, err := p.asks(ctx, is)
	if err != nil || token == nil {
		return false, err
	}
	if p.Bakes() && !p.act.Rollback {
		return true, nil
	}
	return false, p.put(ctx, token, types.ApprovalStatusApproved, "the plan approves")
}

// hold judges an execution that waits for the end of the bake: it must run with what was asked for.
func (p *passage) hold(is *types.PipelineExecution) error {
	id := sdk.ToString(is.PipelineExecutionId)
	if what := p.missed(is); what != "" {
		return fmt.Errorf("execution %s waits for its approval, and does not say that it has %s", id, what)
	}
	p.tell("execution %s waits at %s/%s for the end of the bake", id, p.Approve.Stage, p.Approve.Action)
	return nil
}

// asks is the token of the approval that the plan names, if an execution waits for it. A stage shows whichever execution is in
// it: that must be this one.
func (p *passage) asks(ctx context.Context, is *types.PipelineExecution) (*string, error) {
	if p.Approve == nil {
		return nil, nil
	}
	state, err := p.api.GetPipelineState(ctx, &codepipeline.GetPipelineStateInput{Name: &p.pipeline})
	if err != nil {
		return nil, err
	}
	for _, stage := range state.StageStates {
		if sdk.ToString(stage.StageName) != p.Approve.Stage || stage.LatestExecution == nil ||
			sdk.ToString(stage.LatestExecution.PipelineExecutionId) != sdk.ToString(is.PipelineExecutionId) {
			continue
		}
		for _, a := range stage.ActionStates {
			if e := a.LatestExecution; sdk.ToString(a.ActionName) == p.Approve.Action && e != nil && e.Status == types.ActionExecutionStatusInProgress && e.Token != nil {
				return e.Token, nil
			}
		}
	}
	return nil, nil
}

// reject ends an execution that waits for the approval: to stop it would wait for whoever gives that. Where that does not
// work, how the execution ends shows it.
func (p *passage) reject(ctx context.Context, is *types.PipelineExecution) {
	token, err := p.asks(ctx, is)
	if err == nil && token != nil {
		err = p.put(ctx, token, types.ApprovalStatusRejected, "it goes back")
	}
	if err != nil {
		p.tell("%v", said(err))
	}
}

func (p *passage) put(ctx context.Context, token *string, verdict types.ApprovalStatus, why string) error {
	_, err := p.api.PutApprovalResult(ctx, &codepipeline.PutApprovalResultInput{
		PipelineName: &p.pipeline, StageName: &p.Approve.Stage, ActionName: &p.Approve.Action, Token: token,
		Result: &types.ApprovalResult{Status: verdict, Summary: new("Breakwater " + shortMark(p.act).String() + ": " + why)},
	})
	switch aws.Code(err) {
	case "ApprovalAlreadyCompletedException", "InvalidApprovalTokenException":
		return nil // somebody was faster: the next look shows how
	}
	if err == nil {
		p.tell("%s/%s is %s: %s", p.Approve.Stage, p.Approve.Action, map[types.ApprovalStatus]string{
			types.ApprovalStatusApproved: "approved", types.ApprovalStatusRejected: "rejected",
		}[verdict], why)
	}
	return err
}
