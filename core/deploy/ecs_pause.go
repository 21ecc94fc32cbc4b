package deploy

import (
	"context"
	"fmt"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/breakwater-ci/breakwater/core"
)

// pauseAt is the stage at which a deployment waits for our verdict: all of the traffic has gone over, and the tasks that had it
// before are still there.
const pauseAt = types.DeploymentLifecycleHookStagePostProductionTrafficShift

// Holds implements [core.Confirmer]: with a pause ECS waits for the end of the bake.
func (e *ecsDriver) Holds() bool { return e.Pause > 0 }

// Confirm has ECS go on with the deployment that waits for the end of the bake, and returns once it has succeeded.
func (e *ecsDriver) Confirm(ctx context.Context, act core.Act) (string, error) {
	return e.act(ctx, act, (*rolling).confirm)
}

// confirm is [ecsDriver.Confirm]. Only the deployment of the act itself will do, and only its success: one that ECS has taken
// back meanwhile, because nobody came in time or an alarm was triggered, is a failure.
func (r *rolling) confirm(ctx context.Context) error {
	d, err := r.newest(ctx)
	if err != nil {
		return err
	}
	if err := r.mine(ctx, d); err != nil {
		return err
	}
	r.began = true
	for told := ""; !d.over(); {
		hook := d.awaits()
		if hook != "" && hook != told {
			told = hook
			if err = r.answer(ctx, d, hook, types.DeploymentLifecycleHookActionContinue); err == nil {
				r.tell("deployment %s of %s goes on: the wave has passed", d.id(), r)
			}
		}
		if err == nil {
			err = r.follow(ctx, d, func() bool { return d.awaits() != "" && d.awaits() != told })
		}
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("%w, while deployment %s of %s was %s: run this again to see how it ends: %w", stopped(ctx), d.id(), r, d.Status, said(err))
		}
		if err != nil {
			return err
		}
	}
	if d.Status != types.ServiceDeploymentStatusSuccessful || d.triggered() != nil {
		return r.fails(ctx, d)
	}
	r.tell("%s runs %s for good", r, familiar(d.to))
	return r.unhook(ctx)
}

// mine reports why a deployment is not the one of the act.
func (r *rolling) mine(ctx context.Context, d *shifted) error {
	if d == nil {
		return fmt.Errorf("ECS shows no deployment of %s: nobody knows what it runs", r)
	}
	is, err := r.describe(ctx, d.to)
	if err != nil {
		return err
	}
	if !r.same(is) {
		return fmt.Errorf("somebody else has deployed to %s since: deployment %s, to %s, is %s; see what it runs before anything else is put on %s", r, d.id(), familiar(d.to), d.Status, r.act.Target.Name)
	}
	return nil
}

// waits is the hook at which a deployment waits for our verdict; nil: it does not. A hook at another stage is somebody else's.
func (d *shifted) waits() *types.DeploymentLifecycleHookDetail {
	if d.Status != types.ServiceDeploymentStatusInProgress || string(d.LifecycleStage) != string(pauseAt) {
		return nil
	}
	for i := range d.LifecycleHookDetails {
		hook := &d.LifecycleHookDetails[i]
		if hook.TargetType == types.DeploymentLifecycleHookTargetTypePause && hook.Status == types.DeploymentLifecycleHookStatusAwaitingAction {
			return hook
		}
	}
	return nil
}

// awaits is the id of the hook at which a deployment waits for our verdict; empty: it does not.
func (d *shifted) awaits() string {
	if hook := d.waits(); hook != nil {
		return sdk.ToString(hook.HookId)
	}
	return ""
}

// until is how long a deployment waits, in words; empty: ECS does not say.
func (d *shifted) until() string {
	hook := d.waits()
	if hook == nil || hook.ExpiresAt == nil {
		return ""
	}
	return fmt.Sprintf(", until %s; then ECS goes back by itself", core.Zoned(hook.ExpiresAt.UTC()))
}

// answer tells a deployment that waits what to do. It is no error if it does not wait any more: its end tells the rest.
func (r *rolling) answer(ctx context.Context, d *shifted, hook string, do types.DeploymentLifecycleHookAction) error {
	_, refused := r.api.proceed(ctx, &ecs.ContinueServiceDeploymentInput{ServiceDeploymentArn: d.ServiceDeploymentArn, HookId: &hook, Action: do})
	if refused == nil {
		return nil
	}
	now, err := r.deployment(ctx, sdk.ToString(d.ServiceDeploymentArn))
	if err != nil || now.awaits() == hook {
		return said(refused)
	}
	*d = *now
	return nil
}

// hooked is the configuration of the service with our hook, or without it, and for the rest as it is; nil where nothing is to
// change. All of it is sent, so that it does not matter what ECS makes of that which is not.
func (r *rolling) hooked(is *types.Service, with bool) (*types.DeploymentConfiguration, error) {
	if r.Pause == 0 {
		return nil, nil
	}
	config := types.DeploymentConfiguration{}
	if is.DeploymentConfiguration != nil {
		config = *is.DeploymentConfiguration
	}
	hooks := []types.DeploymentLifecycleHook{} // none must be sent as an empty list: nil would keep those that are there
	had := false
	for _, hook := range config.LifecycleHooks {
		ours := hook.TargetType == types.DeploymentLifecycleHookTargetTypePause && slices.Contains(hook.LifecycleStages, pauseAt)
		if ours && len(hook.LifecycleStages) > 1 {
			return nil, fmt.Errorf("%s has a hook of type PAUSE at %s and at other stages, so nobody could tell which of them waits for Breakwater: give it a hook of its own for the others", r, pauseAt)
		}
		if ours {
			had = had || r.pauses(hook.TimeoutConfiguration)
			continue
		}
		hooks = append(hooks, hook)
	}
	if with && had || !with && len(hooks) == len(config.LifecycleHooks) {
		return nil, nil
	}
	if config.LifecycleHooks = hooks; with {
		config.LifecycleHooks = append(hooks, types.DeploymentLifecycleHook{
			TargetType: types.DeploymentLifecycleHookTargetTypePause, LifecycleStages: []types.DeploymentLifecycleHookStage{pauseAt},
			TimeoutConfiguration: &types.DeploymentLifecycleHookTimeoutConfiguration{
				Action: types.DeploymentLifecycleHookActionRollback, TimeoutInMinutes: new(int32(r.Pause / time.Minute)),
			},
		})
	}
	return &config, nil
}

// pauses reports whether a hook waits as long as the plan says, and then goes back.
func (r *rolling) pauses(c *types.DeploymentLifecycleHookTimeoutConfiguration) bool {
	return c != nil && c.Action == types.DeploymentLifecycleHookActionRollback && time.Duration(sdk.ToInt32(c.TimeoutInMinutes))*time.Minute == r.Pause
}

// unhook takes our hook out of the service's configuration, so that a deployment of somebody else does not wait for us. That
// begins no deployment.
func (r *rolling) unhook(ctx context.Context) error {
	is, err := r.look(ctx)
	if err != nil {
		return err
	}
	config, err := r.hooked(is, false)
	if err != nil || config == nil {
		return err
	}
	_, err = r.api.update(ctx, &ecs.UpdateServiceInput{Cluster: &r.cluster, Service: &r.service, DeploymentConfiguration: config})
	return err
}

// fits refuses a service that could not do what is asked of it, or not in time. One that goes back is not refused for that.
func (r *rolling) fits(is *types.Service) error {
	if r.act.Rollback {
		return nil
	}
	if !shifts(is) {
		if r.Pause > 0 {
			return missing{fmt.Sprintf("%s is deployed as %s, which waits for nobody: leave pause out, or give the service the strategy BLUE_GREEN, LINEAR or CANARY", r, types.DeploymentStrategyRolling)}
		}
		return nil
	}
	before, after := itself(is.DeploymentConfiguration)
	takes := before + after
	if r.Pause > 0 {
		takes = max(before, after) // of which the first is within the deploy, and the other within what comes after the bake
	}
	if long := r.env.Timeout; long > 0 && takes >= long {
		return missing{fmt.Sprintf("ECS shifts and bakes %s by itself for %s, and the timeout is %s: raise the timeout, or shorten that in the configuration of the service", r, core.Brief(takes), core.Brief(long))}
	}
	return nil
}
