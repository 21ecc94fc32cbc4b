package deploy

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/breakwater-ci/breakwater/core/aws"
)

// shifts reports whether a service has a strategy that shifts traffic.
func shifts(is *types.Service) bool {
	c := is.DeploymentConfiguration
	return c != nil && c.Strategy != "" && c.Strategy != types.DeploymentStrategyRolling
}

// shift has the traffic of a service go over to what is asked for, and proves it by the service deployment: a rollout state is
// kept of services that roll only. What a deployment of ours that goes elsewhere has begun is taken back first.
func (r *rolling) shift(ctx context.Context) error {
	for {
		is, d, err := r.alone(ctx)
		if err != nil {
			return err
		}
		if d != nil && !d.over() && !r.act.Rollback && !r.same(r.runs) { // what it comes from is what is there before ours
			if err := r.takeBack(ctx, d); err != nil {
				return err
			}
			continue
		}
		if err := r.wanted(ctx); err != nil {
			return err
		}
		if r.put.arn == "" {
			r.tell("%s runs %s, which this rollout has not put there", r, familiar(r.runs.arn))
			return nil
		}
		if d != nil && !d.over() && d.to == r.put.arn {
			r.began = true
			r.tell("deployment %s of %s to %s goes on", d.id(), r, familiar(d.to))
			return r.settle(ctx, d)
		}
		if d != nil && !d.over() {
			if err := r.takeBack(ctx, d); err != nil {
				return err
			}
			continue
		}
		left, err := r.left(ctx, d)
		if err != nil {
			return err
		}
		if left == r.put.arn || d == nil && r.act.Rollback && r.runs.arn == r.put.arn {
			r.tell("%s runs %s", r, familiar(r.put.arn))
			return r.ends(ctx)
		}
		if d, err = r.begin(ctx, is, d); err != nil {
			return r.cut(ctx, err)
		}
		return r.settle(ctx, d)
	}
}

// same reports whether a task definition is the one of the act, of an earlier attempt maybe.
func (r *rolling) same(d defined) bool { return r.thisRollout(d) && d.does == shortMark(r.act).does }

// alone waits until no deployment of the service goes on but one of ours, and finds what it runs. What goes back is waited
// for, whoever has begun it.
func (r *rolling) alone(ctx context.Context) (*types.Service, *shifted, error) {
	left := len(pauses) // looks at a service that goes elsewhere than its deployments: a new one shows a little late
	for told := ""; ; {
		is, d, err := r.both(ctx)
		if err != nil {
			return nil, nil, err
		}
		late, err := r.late(ctx, is, d)
		if err != nil {
			return nil, nil, err
		}
		pause := eachTry
		switch {
		case late && left == 0:
			return nil, nil, fmt.Errorf("%s is to run %s, and ECS shows no deployment that brings it: look at the service", r, familiar(sdk.ToString(is.TaskDefinition)))
		case late:
			pause = pauses[len(pauses)-left]
			left--
		case d == nil || d.over() || !d.returns() && r.ours(r.runs):
			return is, d, nil
		case told != d.id():
			told = d.id()
			r.tell("waiting for deployment %s of %s, to %s, which is %s", d.id(), r, familiar(d.to), d.Status)
		}
		if err := r.env.Clock.Wait(ctx, r.env.Clock.Now().Add(pause)); err != nil {
			if late {
				return nil, nil, fmt.Errorf("%s is to run %s, by a deployment that does not show yet: %w", r, familiar(sdk.ToString(is.TaskDefinition)), err)
			}
			return nil, nil, fmt.Errorf("deployment %s of %s to %s goes on: wait until it is over: %w", d.id(), r, familiar(d.to), err)
		}
	}
}

// both looks at the service and at its newest deployment, and notes what it runs, or goes to.
func (r *rolling) both(ctx context.Context) (*types.Service, *shifted, error) {
	is, err := r.look(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := r.rollable(is); err != nil {
		return nil, nil, err
	}
	d, err := r.newest(ctx)
	if err != nil {
		return nil, nil, err
	}
	runs, err := r.left(ctx, d)
	switch {
	case err != nil:
		return nil, nil, err
	case d != nil && !d.over():
		runs = d.to
	case runs == "":
		runs = sdk.ToString(primaryOf(is).TaskDefinition)
	}
	r.runs, err = r.describe(ctx, runs)
	return is, d, err
}

// late reports whether the service goes to a task definition of ours by a deployment that does not show yet.
func (r *rolling) late(ctx context.Context, is *types.Service, d *shifted) (bool, error) {
	to := sdk.ToString(is.TaskDefinition)
	if to == r.runs.arn || d != nil && (d.to == to || !d.over()) {
		return false, nil
	}
	asked, err := r.describe(ctx, to)
	return err == nil && r.ours(asked), err
}

// begin has the service go over, and finds the deployment that does it: the answer does not name it. A request that was lost
// may have been carried out, and a second one would begin a second deployment, so it is looked for instead.
func (r *rolling) begin(ctx context.Context, is *types.Service, before *shifted) (*shifted, error) {
	config, err := r.hooked(is, !r.act.Rollback)
	if err != nil {
		return nil, err
	}
	r.began = true
	_, lost := r.api.update(ctx, &ecs.UpdateServiceInput{
		Cluster: &r.cluster, Service: &r.service, TaskDefinition: &r.put.arn, ForceNewDeployment: true, DeploymentConfiguration: config,
	}, func(o *ecs.Options) { o.Retryer = throttledOnly(o.Retryer) })
	if aws.Code(lost) != "" {
		return nil, lost
	}
	seen := "none"
	for n := 0; ; n++ {
		d, err := r.newest(ctx)
		if err == nil && d != nil && (before == nil || d.id() != before.id()) {
			if seen = d.id() + ", to " + familiar(d.to); d.to == r.put.arn {
				r.tell("deployment %s of %s, which runs %s, to %s", d.id(), r, familiar(r.runs.arn), familiar(d.to))
				return d, nil
			}
		}
		if n == len(pauses) {
			return nil, errors.Join(fmt.Errorf("ECS shows no deployment of %s to %s that has begun, and as the newest one since: %s; look at the service before you run this again", r, familiar(r.put.arn), seen), said(lost), said(err))
		}
		if err := r.env.Clock.Wait(ctx, r.env.Clock.Now().Add(pauses[n])); err != nil {
			return nil, errors.Join(err, said(lost))
		}
	}
}

// settle waits for a deployment to come to where the act is done, and proves it. On the way forwards that may be the pause.
func (r *rolling) settle(ctx context.Context, d *shifted) error {
	there := func() bool { return r.Pause > 0 && !r.act.Rollback && d.awaits() != "" }
	if err := r.follow(ctx, d, there); err != nil {
		return r.cut(ctx, err)
	}
	switch {
	case d.triggered() != nil, d.over() && d.Status != types.ServiceDeploymentStatusSuccessful:
		return r.fails(ctx, d)
	case !d.over():
		r.tell("%s has all of its traffic on %s: deployment %s waits for the end of the bake%s", r, familiar(d.to), d.id(), d.until())
		return nil
	}
	r.tell("%s runs %s", r, familiar(d.to))
	return r.ends(ctx)
}

// ends tidies up behind a way back.
func (r *rolling) ends(ctx context.Context) error {
	if !r.act.Rollback {
		return nil
	}
	return r.unhook(ctx)
}

// takeBack has a deployment of ours go back and waits until it has. One that waits for a verdict is told so.
func (r *rolling) takeBack(ctx context.Context, d *shifted) error {
	r.began = true
	if err := r.stop(ctx, d); err != nil {
		return err
	}
	r.tell("deployment %s of %s, to %s, goes back", d.id(), r, familiar(d.to))
	if err := r.follow(ctx, d, never); err != nil {
		if ctx.Err() != nil {
			err = stopped(ctx)
		}
		return fmt.Errorf("%w; deployment %s of %s goes back, and was not there when we looked last: see that it gets there", err, d.id(), r)
	}
	if d.Status == types.ServiceDeploymentStatusRollbackFailed {
		return r.fails(ctx, d)
	}
	return nil
}

// stop asks ECS to take a deployment back. It is no error if that is over, or on its way back, by then.
func (r *rolling) stop(ctx context.Context, d *shifted) error {
	if hook := d.awaits(); hook != "" && r.Pause > 0 { // else it is somebody else's hook
		return r.answer(ctx, d, hook, types.DeploymentLifecycleHookActionRollback)
	}
	_, refused := r.api.stop(ctx, &ecs.StopServiceDeploymentInput{ServiceDeploymentArn: d.ServiceDeploymentArn, StopType: types.StopServiceDeploymentStopTypeRollback})
	if refused == nil {
		return nil
	}
	now, err := r.deployment(ctx, sdk.ToString(d.ServiceDeploymentArn))
	if err != nil || !now.over() && !now.returns() {
		return said(refused)
	}
	*d = *now
	return nil
}

// cut ends an act that could not be followed to its end. Forwards, where the job was cut off, what it has begun is taken back,
// unless it was faster; a way back goes on.
func (r *rolling) cut(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	why := stopped(ctx)
	if r.act.Rollback {
		return fmt.Errorf("%w; %s goes on to go back to %s: see that it gets there", why, r, familiar(r.put.arn))
	}
	ctx, _, cancel := aftermath(ctx)
	defer cancel()
	d, err := r.newest(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("%w; nobody knows whether %s goes on to %s: see to that before anything else is put on %s: %w", why, r, familiar(r.put.arn), r.act.Target.Name, said(err))
	case d == nil || d.to != r.put.arn:
		return fmt.Errorf("%w; ECS shows no deployment of %s to %s yet: see that none begins before anything else is put on %s", why, r, familiar(r.put.arn), r.act.Target.Name)
	case d.Status == types.ServiceDeploymentStatusSuccessful, r.Pause > 0 && d.awaits() != "":
		return r.settle(ctx, d)
	}
	if !d.over() {
		if err := r.stop(ctx, d); err != nil {
			return fmt.Errorf("%w; %s goes on to %s, and could not be told to go back: see to that before anything else is put on %s: %w", why, r, familiar(r.put.arn), r.act.Target.Name, said(err))
		}
	}
	if err := r.follow(ctx, d, never); err != nil {
		return fmt.Errorf("%w; %s goes back to %s, and was not there when we looked last: %w", why, r, familiar(r.put.over), err)
	}
	if left, err := r.left(ctx, d); err != nil || left != r.put.over {
		return fmt.Errorf("%w; %w", why, r.fails(ctx, d))
	}
	return fmt.Errorf("%w; %s runs %s again", why, r, familiar(r.put.over))
}
