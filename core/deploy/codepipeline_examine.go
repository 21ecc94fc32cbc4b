package deploy

import (
	"context"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/breakwater-ci/breakwater/core"
)

// Place implements [core.Examiner].
func (c *codePipeline) Place(act core.Act) (string, error) { return c.place(act, c.Pipeline) }

// Examine implements [core.Examiner].
func (c *codePipeline) Examine(ctx context.Context, act core.Act) []core.Diagnosis {
	p := &passage{codePipeline: c, act: act}
	needs := []string{"codepipeline:GetPipelineExecution", "codepipeline:ListActionExecutions", "codepipeline:ListPipelineExecutions",
		"codepipeline:StartPipelineExecution", "codepipeline:StopPipelineExecution"}
	if c.Approve != nil {
		needs = append(needs, "codepipeline:GetPipelineState", "codepipeline:PutApprovalResult")
	}
	if c.RollbackStage != "" {
		needs = append(needs, "codepipeline:RollbackStage")
	}
	return c.examine(ctx, act, "aws-codepipeline", needs, p.open, func(t *audit) {
		t.place = "pipeline " + p.pipeline
		p.audit(ctx, t)
		if c.Approve != nil {
			p.auditApproval(ctx, t)
		}
	})
}

// audit looks at the newest execution of the pipeline, if there is one.
func (p *passage) audit(ctx context.Context, t *audit) {
	var made []types.PipelineExecutionSummary
	t.try("codepipeline:ListPipelineExecutions", p.pipeline, func() error {
		got, err := p.api.executions(ctx, &codepipeline.ListPipelineExecutionsInput{PipelineName: &p.pipeline})
		if err == nil {
			made = got.PipelineExecutionSummaries
		}
		return err
	})
	if len(made) == 0 {
		return
	}
	newest := made[0].PipelineExecutionId
	t.try("codepipeline:GetPipelineExecution", p.pipeline, func() error {
		_, err := p.api.GetPipelineExecution(ctx, &codepipeline.GetPipelineExecutionInput{PipelineName: &p.pipeline, PipelineExecutionId: newest})
		return err
	})
	t.try("codepipeline:ListActionExecutions", p.pipeline, func() error {
		_, err := p.api.ListActionExecutions(ctx, &codepipeline.ListActionExecutionsInput{
			PipelineName: &p.pipeline, Filter: &types.ActionExecutionFilter{PipelineExecutionId: newest},
		})
		return err
	})
}

// auditApproval looks at whether the pipeline has the approval that the plan gives.
func (p *passage) auditApproval(ctx context.Context, t *audit) {
	var has bool
	if t.try("codepipeline:GetPipelineState", p.pipeline, func() error {
		got, err := p.api.GetPipelineState(ctx, &codepipeline.GetPipelineStateInput{Name: &p.pipeline})
		if err == nil {
			has = slices.ContainsFunc(got.StageStates, func(s types.StageState) bool {
				return sdk.ToString(s.StageName) == p.Approve.Stage && slices.ContainsFunc(s.ActionStates, func(a types.ActionState) bool {
					return sdk.ToString(a.ActionName) == p.Approve.Action
				})
			})
		}
		return err
	}) && !has {
		t.problem("Mend approve in the plan, or add the action; nobody would approve anything.",
			"The %s in %s has no action %s in a stage %s", t.place, t.region, p.Approve.Action, p.Approve.Stage)
	}
}
