package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// An ecsDriver is the driver that has ECS bring a service to another image, by whichever strategy the service has.
//
// What it has done, and what was there before, stands in the tags of the task definitions that it registers, see
// [defined]: a service itself has no place for that.
type ecsDriver struct {
	core.ECS
	amazon
}

func openECS(options any, env Env) (core.Driver, error) {
	o, ok := options.(*core.ECS)
	if !ok || o == nil {
		return nil, fmt.Errorf("the driver aws-ecs takes a *core.ECS, not %T", options)
	}
	return &ecsDriver{ECS: *o, amazon: amazon{AWS: o.AWS, env: env}}, nil
}

// Deploy brings one service to an image. An act that is cut off on its way forwards has the service go back to what it ran.
func (e *ecsDriver) Deploy(ctx context.Context, act core.Act) (string, error) {
	return e.act(ctx, act, (*rolling).run)
}

// act does one thing to a service.
func (e *ecsDriver) act(ctx context.Context, act core.Act, do func(*rolling, context.Context) error) (string, error) {
	ctx, cancel := within(ctx, e.env.Timeout)
	defer cancel()
	r := &rolling{ecsDriver: e, act: act}
	err := r.open(ctx)
	if err == nil {
		err = do(r, ctx)
	}
	if err != nil && ctx.Err() != nil && !r.began {
		err = fmt.Errorf("%w, and nothing was started: %w", stopped(ctx), said(err))
	}
	if err != nil {
		err = said(err)
		r.tell("%v", err)
	}
	return e.env.Shell.Redact(strings.Join(r.output, "\n")), redact(e.env.Shell, err)
}

// A rolling is one act on a service.
type rolling struct {
	*ecsDriver
	act     core.Act
	api     ecsCalls
	cluster string
	service string
	runs    defined // what the service runs when we come
	put     defined // what it is to run
	began   bool    // the service was, or may have been, told to roll over
	output  []string

	revisions map[string]string // task definitions of those that we have asked for
}

func (r *rolling) open(ctx context.Context) error {
	if err := fillAll(r.act, map[*string]string{&r.cluster: r.Cluster, &r.service: r.Service}); err != nil {
		return err
	}
	way, err := r.way(ctx, r.act)
	if err != nil {
		return err
	}
	r.api = ecsCallsOf(way)
	return nil
}

// run looks before it touches anything, rolls over, and proves it.
func (r *rolling) run(ctx context.Context) error {
	is, err := r.clear(ctx)
	if err != nil {
		return err
	}
	if shifts(is) {
		return r.shift(ctx)
	}
	if err := r.wanted(ctx); err != nil {
		return err
	}
	primary := primaryOf(is)
	if r.put.arn == "" {
		r.tell("%s runs %s, which this rollout has not put there", r, familiar(r.runs.arn))
		return nil
	}
	r.began = true
	if sdk.ToString(primary.TaskDefinition) != r.put.arn || primary.RolloutState == types.DeploymentRolloutStateFailed {
		primary, err = r.update(ctx, r.put.arn)
	}
	if err == nil {
		err = r.await(ctx, primary)
	}
	if err != nil && ctx.Err() != nil {
		return r.halt(ctx)
	}
	return err
}

// update has the service roll over. To tell it twice does no harm: the second deployment takes the place of the first.
func (r *rolling) update(ctx context.Context, arn string) (*types.Deployment, error) {
	got, err := r.api.update(ctx, &ecs.UpdateServiceInput{Cluster: &r.cluster, Service: &r.service, TaskDefinition: &arn})
	if err != nil {
		return nil, err
	}
	r.tell("%s rolls over to %s", r, familiar(arn))
	primary := primaryOf(got.Service)
	switch {
	case primary == nil:
		return nil, fmt.Errorf("ECS does not say which deployment of %s it has begun: look at the service", r)
	case sdk.ToString(primary.TaskDefinition) != arn:
		return nil, fmt.Errorf("%s goes to %s all the same: somebody else has deployed; see to that first", r, familiar(sdk.ToString(primary.TaskDefinition)))
	}
	return primary, nil
}

// await waits until the service runs what a deployment brings, and nothing else. A service that is stable is not enough: so
// is one that was rolled back.
func (r *rolling) await(ctx context.Context, mine *types.Deployment) error {
	left := len(pauses) // looks at something else: a new deployment shows a little late
	for pause := firstLook; ; pause = min(pause*3/2, longestLook) {
		if err := r.env.Clock.Wait(ctx, r.env.Clock.Now().Add(pause)); err != nil {
			return err
		}
		is, err := r.look(ctx)
		if _, gone := errors.AsType[missing](err); gone || aws.Code(err) != "" {
			return said(err)
		}
		if err != nil {
			continue // AWS is in trouble, and the deployment goes on
		}
		now, primary := deploymentOf(is, sdk.ToString(mine.Id)), primaryOf(is)
		other := now == nil || sdk.ToString(primary.Id) != sdk.ToString(mine.Id)
		switch {
		case now != nil && now.RolloutState == types.DeploymentRolloutStateFailed:
			return r.failed(ctx, is, now)
		case other && left == 0:
			return fmt.Errorf("%s goes to %s, and not to %s: ECS has taken that back, or somebody else has deployed: %s", r,
				familiar(sdk.ToString(primary.TaskDefinition)), familiar(sdk.ToString(mine.TaskDefinition)), shell.OneLine(sdk.ToString(primary.RolloutStateReason)))
		case other:
			left--
		case now.RolloutState == types.DeploymentRolloutStateCompleted:
			r.tell("%s runs %s, before it %s", r, familiar(sdk.ToString(now.TaskDefinition)), familiar(r.put.over))
			return nil
		}
	}
}

// failed says why a deployment has failed, and what the service runs now.
func (r *rolling) failed(ctx context.Context, is *types.Service, mine *types.Deployment) error {
	why := sdk.ToString(mine.RolloutStateReason)
	if len(is.Events) > 0 {
		why += "; the service says: " + sdk.ToString(is.Events[0].Message)
	}
	return fmt.Errorf("deployment %s of %s has failed: %s%s", sdk.ToString(mine.Id), r, shell.OneLine(why), r.settles(ctx, sdk.ToString(mine.Id)))
}

// settles says where the service comes to rest after a deployment that has failed. It starts to go back a little late.
func (r *rolling) settles(ctx context.Context, failed string) string {
	ctx, _, cancel := aftermath(ctx)
	defer cancel()
	left := len(pauses)
	for pause := firstLook; ; pause = min(pause*3/2, longestLook) {
		is, err := r.look(ctx)
		if err != nil {
			return fmt.Sprintf("; nobody knows what it runs now: %v", said(err))
		}
		primary := primaryOf(is)
		definition := familiar(sdk.ToString(primary.TaskDefinition))
		switch {
		case sdk.ToString(primary.Id) != failed && primary.RolloutState == types.DeploymentRolloutStateCompleted:
			return "; ECS has put back what was there: it runs " + definition
		case sdk.ToString(primary.Id) != failed && primary.RolloutState == types.DeploymentRolloutStateFailed:
			return "; ECS could not put back what was there: " + shell.OneLine(sdk.ToString(primary.RolloutStateReason))
		case sdk.ToString(primary.Id) == failed && left == 0:
			return "; ECS does not put back what was there: turn on the rollback of its circuit breaker"
		case sdk.ToString(primary.Id) == failed:
			left--
		}
		if r.env.Clock.Wait(ctx, r.env.Clock.Now().Add(pause)) != nil {
			return fmt.Sprintf("; it goes to %s, which was %s when we looked last", definition, primary.RolloutState)
		}
	}
}

// halt ends an act that was cut off. Forwards, the service is told to go back; a way back goes on by itself.
func (r *rolling) halt(ctx context.Context) error {
	why := stopped(ctx)
	if r.act.Rollback {
		return fmt.Errorf("%w; %s goes on to go back to %s: see that it gets there", why, r, familiar(r.put.arn))
	}
	ctx, _, cancel := aftermath(ctx)
	defer cancel()
	primary, err := r.update(ctx, r.put.over)
	if err != nil {
		return fmt.Errorf("%w; %s goes on to %s, and could not be told to go back: see to that before anything else is put on %s: %w", why, r, familiar(r.put.arn), r.act.Target.Name, said(err))
	}
	if err := r.await(ctx, primary); err != nil {
		return fmt.Errorf("%w; %s goes back to %s, and was not there when we looked last: %w", why, r, familiar(r.put.over), err)
	}
	return fmt.Errorf("%w; %s runs %s again", why, r, familiar(r.put.over))
}

// tell notes what happened, for people.
func (r *rolling) tell(format string, args ...any) {
	r.output = append(r.output, shell.OneLine(fmt.Sprintf(format, args...)))
}

// String is the service as people know it.
func (r *rolling) String() string { return r.cluster + "/" + r.service }

// familiar is an ARN without what all of them begin with.
func familiar(arn string) string {
	if _, name, ok := strings.Cut(arn, ":task-definition/"); ok {
		return name
	}
	return arn
}
