package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/breakwater-ci/breakwater/core/shell"

	"github.com/breakwater-ci/breakwater/core/aws"
)

// ended reports whether a deployment is over.
func ended(is *types.DeploymentInfo) bool {
	switch is.Status {
	case types.DeploymentStatusSucceeded, types.DeploymentStatusFailed, types.DeploymentStatusStopped:
		return true
	default:
		return false
	}
}

// await waits until a deployment is over, and keeps what CodeDeploy shows of it up to date. One that waits for somebody to
// let the traffic over is told to go on. While AWS is in trouble it goes on: so does the deployment.
func (d *delivery) await(ctx context.Context, is *types.DeploymentInfo) error {
	unseen := len(pauses) // a new one shows a little late
	for pause := firstLook; !ended(is); pause = min(pause*3/2, longestLook) {
		if err := d.env.Clock.Wait(ctx, d.env.Clock.Now().Add(pause)); err != nil {
			return err
		}
		err := d.look(ctx, is)
		if err == nil && is.Status == types.DeploymentStatusReady {
			err = d.goOn(ctx, is)
		}
		switch aws.Code(err) {
		case "":
		case "DeploymentDoesNotExistException":
			if unseen--; unseen < 0 {
				return said(err)
			}
		default:
			return said(err)
		}
	}
	return nil
}

func (d *delivery) look(ctx context.Context, is *types.DeploymentInfo) error {
	got, err := d.api.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: is.DeploymentId})
	if err != nil {
		return err
	}
	*is = *got.DeploymentInfo
	return nil
}

// goOn lets the traffic over to what is ready.
func (d *delivery) goOn(ctx context.Context, is *types.DeploymentInfo) error {
	_, err := d.api.ContinueDeployment(ctx, &codedeploy.ContinueDeploymentInput{
		DeploymentId: is.DeploymentId, DeploymentWaitType: types.DeploymentWaitTypeReadyWait,
	})
	switch aws.Code(err) {
	case "DeploymentIsNotInReadyStateException", "DeploymentAlreadyCompletedException":
		return nil // it has gone on meanwhile
	}
	if err == nil {
		d.tell("deployment %s was ready, and goes on", id(is))
	}
	return err
}

// halt stops the deployment of an act that was cut off, or that nobody can follow. There is no error if it was faster.
// What it has put out is taken back by CodeDeploy, except in a rollback: that would put the bad version back.
func (d *delivery) halt(ctx context.Context, is *types.DeploymentInfo, why error) error {
	if ctx.Err() != nil {
		why = stopped(ctx)
	}
	was := cmp.Or(string(is.Status), "not looked at yet")
	ctx, _, cancel := aftermath(ctx)
	defer cancel()
	err := d.stop(ctx, is, !d.act.Rollback)
	switch {
	case err != nil:
		return fmt.Errorf("%w, while deployment %s was %s; before anything else is put on %s: %w", why, id(is), was, d.act.Target.Name, err)
	case is.Status == types.DeploymentStatusSucceeded:
		return nil
	default:
		return fmt.Errorf("%w, while deployment %s was %s; it ended with %s%s", why, id(is), was, is.Status, d.undone(ctx, is, !d.act.Rollback))
	}
}

// stop stops a deployment and returns once it is over. The error says that this could not be confirmed.
func (d *delivery) stop(ctx context.Context, is *types.DeploymentInfo, undo bool) error {
	ctx, pauses, cancel := aftermath(ctx)
	defer cancel()
	_, asked := d.api.StopDeployment(ctx, &codedeploy.StopDeploymentInput{DeploymentId: is.DeploymentId, AutoRollbackEnabled: &undo})
	if aws.Code(asked) == "DeploymentAlreadyCompletedException" {
		asked = nil
	}
	for n := 0; ; n++ {
		err := d.look(ctx, is)
		if err == nil && ended(is) {
			return nil
		}
		if n == len(pauses) || d.env.Clock.Wait(ctx, d.env.Clock.Now().Add(pauses[n])) != nil {
			if asked == nil {
				asked = err
			}
			return errors.Join(fmt.Errorf("nobody knows that deployment %s has stopped: see to that in CodeDeploy", id(is)), said(asked))
		}
	}
}

// conclude judges a deployment that is over. Succeeded is not enough: it must have put out the revision that was asked for,
// everywhere, and nobody must have taken that back.
func (d *delivery) conclude(ctx context.Context, is *types.DeploymentInfo, revision *types.RevisionLocation) error {
	ctx, _, cancel := aftermath(ctx)
	defer cancel()
	if is.Status != types.DeploymentStatusSucceeded {
		return d.failed(ctx, is)
	}
	if back := is.RollbackInfo; back != nil && sdk.ToString(back.RollbackDeploymentId) != "" {
		return fmt.Errorf("deployment %s has succeeded, and was taken back by %s", id(is), sdk.ToString(back.RollbackDeploymentId))
	}
	if !sameRevision(is.Revision, revision) {
		return fmt.Errorf("deployment %s has succeeded, and does not say that it has put out what was asked for", id(is))
	}
	if o := is.DeploymentOverview; o != nil && o.Failed+o.Skipped > 0 {
		return fmt.Errorf("deployment %s has succeeded, and %d of %d of its targets have not got it%s",
			id(is), o.Failed+o.Skipped, o.Failed+o.Skipped+o.Succeeded, d.failures(ctx, is))
	}
	if d.alias != nil {
		err := d.alias.prove(ctx)
		d.output = append(d.output, d.alias.output...)
		return err
	}
	return nil
}

// failed says why a deployment has failed, where, and what is out now.
func (d *delivery) failed(ctx context.Context, is *types.DeploymentInfo) error {
	why := ""
	if e := is.ErrorInformation; e != nil {
		why = fmt.Sprintf(": %s: %s", e.Code, shell.OneLine(sdk.ToString(e.Message)))
	}
	undo := is.AutoRollbackConfiguration != nil && is.AutoRollbackConfiguration.Enabled
	return fmt.Errorf("deployment %s ended with %s%s%s%s", id(is), is.Status, why, d.failures(ctx, is), d.undone(ctx, is, undo))
}

// undone says whether CodeDeploy has put back what was there before a deployment. It shows that a little late.
func (d *delivery) undone(ctx context.Context, is *types.DeploymentInfo, expected bool) string {
	for n := 0; is.RollbackInfo == nil || sdk.ToString(is.RollbackInfo.RollbackDeploymentId) == ""; n++ {
		if !expected || n == len(pauses) || d.env.Clock.Wait(ctx, d.env.Clock.Now().Add(pauses[n])) != nil {
			return "; nothing shows that CodeDeploy puts back what was there"
		}
		if err := d.look(ctx, is); err != nil {
			return fmt.Sprintf("; nobody knows whether CodeDeploy puts back what was there: %v", said(err))
		}
	}
	back := &types.DeploymentInfo{DeploymentId: is.RollbackInfo.RollbackDeploymentId}
	if err := d.await(ctx, back); err != nil {
		return fmt.Sprintf("; CodeDeploy puts back what was there, by %s, which was %s when we looked last", id(back), cmp.Or(string(back.Status), "new"))
	}
	if back.Status != types.DeploymentStatusSucceeded {
		return fmt.Sprintf("; CodeDeploy could not put back what was there: %s ended with %s", id(back), back.Status)
	}
	return fmt.Sprintf("; CodeDeploy has put back what was there, by %s", id(back))
}

// mostShown is how many targets an error tells about.
const mostShown = 10

// failures says which targets of a deployment have failed, and at what.
func (d *delivery) failures(ctx context.Context, is *types.DeploymentInfo) string {
	list, err := d.api.ListDeploymentTargets(ctx, &codedeploy.ListDeploymentTargetsInput{
		DeploymentId: is.DeploymentId, TargetFilters: map[string][]string{string(types.TargetFilterNameTargetStatus): {string(types.TargetStatusFailed)}},
	})
	if err != nil {
		return fmt.Sprintf("; nobody knows on which targets: %v", said(err))
	}
	if len(list.TargetIds) == 0 {
		return ""
	}
	shown := list.TargetIds[:min(mostShown, len(list.TargetIds))]
	got, err := d.api.BatchGetDeploymentTargets(ctx, &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: is.DeploymentId, TargetIds: shown})
	if err != nil {
		return fmt.Sprintf("; failed on %s: %v", strings.Join(shown, ", "), said(err))
	}
	var b strings.Builder
	for _, t := range got.DeploymentTargets {
		name, events := target(t)
		fmt.Fprintf(&b, "; %s", name)
		for _, e := range events {
			if e.Status == types.LifecycleEventStatusFailed {
				fmt.Fprintf(&b, ": %s", sdk.ToString(e.LifecycleEventName))
				if why := e.Diagnostics; why != nil {
					fmt.Fprintf(&b, ": %s %s: %s", why.ErrorCode, sdk.ToString(why.ScriptName), shell.OneLine(sdk.ToString(why.Message)))
				}
			}
		}
	}
	if more := len(list.TargetIds) - len(shown); more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String()
}

// target is the name of a target and what happened there, whatever its platform.
func target(t types.DeploymentTarget) (string, []types.LifecycleEvent) {
	switch {
	case t.InstanceTarget != nil:
		return sdk.ToString(t.InstanceTarget.TargetId), t.InstanceTarget.LifecycleEvents
	case t.EcsTarget != nil:
		return sdk.ToString(t.EcsTarget.TargetId), t.EcsTarget.LifecycleEvents
	case t.LambdaTarget != nil:
		return sdk.ToString(t.LambdaTarget.TargetId), t.LambdaTarget.LifecycleEvents
	default:
		return string(t.DeploymentTargetType), nil
	}
}
