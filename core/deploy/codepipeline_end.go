package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// await waits until an execution is over, keeps what CodePipeline shows of it up to date, and approves what the plan says. It
// also returns once the execution waits for the end of the bake.
func (p *passage) await(ctx context.Context, is *types.PipelineExecution) (waits bool, err error) {
	unseen := len(pauses) // a new one shows a little late
	for pause := firstLook; !over(is.Status); pause = min(pause*3/2, longestLook) {
		if err := p.env.Clock.Wait(ctx, p.env.Clock.Now().Add(pause)); err != nil {
			return false, err
		}
		err := p.look(ctx, is)
		if err == nil && is.Status == types.PipelineExecutionStatusInProgress {
			waits, err = p.arrive(ctx, is)
		}
		if aws.Code(err) == "PipelineExecutionNotFoundException" && unseen > 0 {
			unseen--
			continue
		}
		if waits || err != nil {
			return waits, said(err)
		}
	}
	return false, nil
}

func (p *passage) look(ctx context.Context, is *types.PipelineExecution) error {
	got, err := p.get(ctx, is.PipelineExecutionId)
	if err == nil {
		*is = *got
	}
	return err
}

// halt stops the execution of an act that was cut off, or that nobody can follow. There is no error if it was faster.
func (p *passage) halt(ctx context.Context, is *types.PipelineExecution, why error) error {
	if ctx.Err() != nil {
		why = stopped(ctx)
	}
	id, was := sdk.ToString(is.PipelineExecutionId), cmp.Or(string(is.Status), "not looked at yet")
	ctx, _, cancel := aftermath(ctx)
	defer cancel()
	err := p.stop(ctx, is)
	switch {
	case err != nil:
		return fmt.Errorf("%w, while execution %s was %s; before anything else is put on %s: %w", why, id, was, p.act.Target.Name, err)
	case is.Status == types.PipelineExecutionStatusSucceeded:
		return nil
	default:
		return fmt.Errorf("%w, while execution %s was %s; it ended with %s%s", why, id, was, is.Status, p.actions(ctx, is, types.ActionExecutionStatusFailed, types.ActionExecutionStatusAbandoned))
	}
}

// stop stops an execution and returns once it is over. The error says that this could not be confirmed.
func (p *passage) stop(ctx context.Context, is *types.PipelineExecution) error {
	ctx, pauses, cancel := aftermath(ctx)
	defer cancel()
	p.reject(ctx, is)
	_, asked := p.api.StopPipelineExecution(ctx, &codepipeline.StopPipelineExecutionInput{
		PipelineName: &p.pipeline, PipelineExecutionId: is.PipelineExecutionId, Abandon: p.Abandon, Reason: new("Breakwater " + shortMark(p.act).String()),
	})
	switch aws.Code(asked) {
	case "DuplicatedStopRequestException", "PipelineExecutionNotStoppableException":
		asked = nil
	}
	for n := 0; ; n++ {
		err := p.look(ctx, is)
		if err == nil && over(is.Status) {
			return nil
		}
		if n == len(pauses) || p.env.Clock.Wait(ctx, p.env.Clock.Now().Add(pauses[n])) != nil {
			if asked == nil {
				asked = err
			}
			return unstopped(is, said(asked), p.actions(ctx, is, types.ActionExecutionStatusInProgress))
		}
	}
}

// unstopped says that nobody knows that an execution has stopped, and what is at work.
func unstopped(is *types.PipelineExecution, why error, at string) error {
	return errors.Join(fmt.Errorf("nobody knows that execution %s has stopped, which is %s: see to that in CodePipeline%s",
		sdk.ToString(is.PipelineExecutionId), cmp.Or(string(is.Status), "new"), at), why)
}

// conclude judges an execution that is over. Succeeded is not enough: it must have run with what was asked for.
func (p *passage) conclude(ctx context.Context, is *types.PipelineExecution) error {
	ctx, _, cancel := aftermath(ctx)
	defer cancel()
	id := sdk.ToString(is.PipelineExecutionId)
	switch {
	case is.Status == types.PipelineExecutionStatusSuperseded:
		return fmt.Errorf("execution %s was superseded: a newer one has taken its place in %s, and nobody knows what that puts on %s", id, p.pipeline, p.act.Target.Name)
	case is.Status != types.PipelineExecutionStatusSucceeded:
		why := ""
		if summary := shell.OneLine(sdk.ToString(is.StatusSummary)); summary != "" {
			why = ": " + summary
		}
		return fmt.Errorf("execution %s ended with %s%s%s%s", id, is.Status, why, p.actions(ctx, is, types.ActionExecutionStatusFailed, types.ActionExecutionStatusAbandoned), p.undone(ctx, is))
	case is.ExecutionType == types.ExecutionTypeRollback:
		if !p.puts(is) {
			return fmt.Errorf("execution %s has succeeded, and does not say that it has put %s on %s", id, p.act.Version, p.act.Target.Name)
		}
	default:
		if what := p.missed(is); what != "" {
			return fmt.Errorf("execution %s has succeeded, and does not say that it had %s", id, what)
		}
	}
	p.tell("execution %s has succeeded", id)
	return nil
}

// missed is what of that which was asked for an execution does not show; empty: nothing. Its mark may be that of an earlier
// attempt.
func (p *passage) missed(is *types.PipelineExecution) string {
	has := make(map[string]string)
	for _, v := range is.Variables {
		has[sdk.ToString(v.Name)] = sdk.ToString(v.ResolvedValue)
	}
	for name := range p.Variables {
		if has[name] != p.variables[name] {
			return fmt.Sprintf("%q in the variable %s", p.variables[name], name)
		}
	}
	for _, s := range p.sources {
		shown := s.RevisionType != types.SourceRevisionTypeCommitId // what else is shown is not what was asked for
		for _, r := range is.ArtifactRevisions {
			shown = shown || strings.HasPrefix(sdk.ToString(r.RevisionId), sdk.ToString(s.RevisionValue))
		}
		if !shown {
			return fmt.Sprintf("the commit %q of %s", sdk.ToString(s.RevisionValue), sdk.ToString(s.ActionName))
		}
	}
	return ""
}

// actions says which actions of an execution have one of the states, and where to look.
func (p *passage) actions(ctx context.Context, is *types.PipelineExecution, states ...types.ActionExecutionStatus) string {
	list, err := p.api.ListActionExecutions(ctx, &codepipeline.ListActionExecutionsInput{
		PipelineName: &p.pipeline, Filter: &types.ActionExecutionFilter{PipelineExecutionId: is.PipelineExecutionId},
	})
	if err != nil {
		return fmt.Sprintf("; nobody knows at which action: %v", said(err))
	}
	var w strings.Builder
	for _, a := range list.ActionExecutionDetails {
		for _, state := range states {
			if a.Status == state {
				fmt.Fprintf(&w, "; %s/%s: %s%s", sdk.ToString(a.StageName), sdk.ToString(a.ActionName), a.Status, result(a.Output))
			}
		}
	}
	return w.String()
}

// result is what an action says of itself.
func result(out *types.ActionExecutionOutput) string {
	if out == nil || out.ExecutionResult == nil {
		return ""
	}
	var w strings.Builder
	r := out.ExecutionResult
	if e := r.ErrorDetails; e != nil {
		fmt.Fprintf(&w, ": %s: %s", sdk.ToString(e.Code), shell.OneLine(sdk.ToString(e.Message)))
	} else if summary := shell.OneLine(sdk.ToString(r.ExternalExecutionSummary)); summary != "" {
		fmt.Fprintf(&w, ": %s", summary)
	}
	if url := shell.OneLine(sdk.ToString(r.ExternalExecutionUrl)); url != "" {
		fmt.Fprintf(&w, " (%s)", url)
	}
	return w.String()
}

// undone says whether the pipeline itself takes back what an execution has done: it is set up so, or not. Whoever comes next
// waits for that.
func (p *passage) undone(ctx context.Context, is *types.PipelineExecution) string {
	recent, err := p.recent(ctx, nil)
	if err != nil || len(recent) == 0 {
		return ""
	}
	if n := recent[0]; n.Trigger != nil && n.Trigger.TriggerType == types.TriggerTypeAutomatedRollback && sdk.ToString(n.PipelineExecutionId) != sdk.ToString(is.PipelineExecutionId) {
		return fmt.Sprintf("; the pipeline takes a stage back by %s, which is %s", sdk.ToString(n.PipelineExecutionId), n.Status)
	}
	return ""
}

// begunBy says who has begun an execution.
func begunBy(is *types.PipelineExecution) string {
	if is.Trigger == nil {
		return "somebody else"
	}
	return cmp.Or(strings.TrimSpace(string(is.Trigger.TriggerType)+" "+shell.OneLine(sdk.ToString(is.Trigger.TriggerDetail))), "somebody else")
}
