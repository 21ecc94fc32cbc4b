package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// A shifted is a service deployment: the way of a service to one task definition, as ECS tells of it where a strategy shifts
// traffic.
type shifted struct {
	*types.ServiceDeployment
	to string // the task definition that it brings
}

// id is the end of the ARN, as people know it.
func (d *shifted) id() string {
	arn := sdk.ToString(d.ServiceDeploymentArn)
	return arn[strings.LastIndexByte(arn, '/')+1:]
}

// over reports whether a deployment has come to its end. A status that nobody here knows is none.
func (d *shifted) over() bool {
	switch d.Status {
	case types.ServiceDeploymentStatusSuccessful, types.ServiceDeploymentStatusStopped,
		types.ServiceDeploymentStatusRollbackSuccessful, types.ServiceDeploymentStatusRollbackFailed:
		return true
	default:
		return false
	}
}

// returns reports whether a deployment is on its way back, or stops.
func (d *shifted) returns() bool {
	switch d.Status {
	case types.ServiceDeploymentStatusStopRequested, types.ServiceDeploymentStatusRollbackRequested, types.ServiceDeploymentStatusRollbackInProgress:
		return true
	default:
		return false
	}
}

// triggered are the alarms of the service that have stopped a deployment, or should have.
func (d *shifted) triggered() []string {
	if d.Alarms == nil || d.Alarms.Status != types.ServiceDeploymentRollbackMonitorsStatusTriggered {
		return nil
	}
	return d.Alarms.TriggeredAlarmNames
}

// newest is the newest deployment of the service, whoever has begun it; nil if ECS shows none.
func (r *rolling) newest(ctx context.Context) (*shifted, error) {
	in := &ecs.ListServiceDeploymentsInput{Cluster: &r.cluster, Service: &r.service, MaxResults: new(int32(100))}
	var newest *types.ServiceDeploymentBrief
	for {
		page, err := r.api.list(ctx, in)
		if err != nil {
			return nil, err
		}
		for i := range page.ServiceDeployments {
			d := &page.ServiceDeployments[i]
			if newest == nil || sdk.ToTime(d.CreatedAt).After(sdk.ToTime(newest.CreatedAt)) {
				newest = d
			}
		}
		if in.NextToken = page.NextToken; sdk.ToString(in.NextToken) == "" {
			break
		}
	}
	if newest == nil {
		return nil, nil
	}
	return r.deployment(ctx, sdk.ToString(newest.ServiceDeploymentArn))
}

func (r *rolling) deployment(ctx context.Context, arn string) (*shifted, error) {
	got, err := r.api.deployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{arn}})
	if err != nil {
		return nil, err
	}
	if len(got.ServiceDeployments) == 0 || got.ServiceDeployments[0].TargetServiceRevision == nil {
		return nil, fmt.Errorf("ECS does not tell what the deployment %s of %s brings", arn, r)
	}
	d := &shifted{ServiceDeployment: &got.ServiceDeployments[0]}
	d.to, err = r.revision(ctx, sdk.ToString(d.TargetServiceRevision.Arn))
	return d, err
}

// revision is the task definition of a revision of the service. That never changes, so it is asked for once.
func (r *rolling) revision(ctx context.Context, arn string) (string, error) {
	if known := r.revisions[arn]; known != "" {
		return known, nil
	}
	got, err := r.api.revisions(ctx, &ecs.DescribeServiceRevisionsInput{ServiceRevisionArns: []string{arn}})
	if err != nil {
		return "", err
	}
	if len(got.ServiceRevisions) == 0 {
		return "", fmt.Errorf("ECS does not tell what the revision %s of %s runs", arn, r)
	}
	if r.revisions == nil {
		r.revisions = make(map[string]string)
	}
	r.revisions[arn] = sdk.ToString(got.ServiceRevisions[0].TaskDefinition)
	return r.revisions[arn], nil
}

// left is the task definition that a deployment which is over has left running; empty if ECS does not say so for sure.
func (r *rolling) left(ctx context.Context, d *shifted) (string, error) {
	switch {
	case d == nil:
		return "", nil
	case d.Status == types.ServiceDeploymentStatusSuccessful:
		return d.to, nil
	case d.Status == types.ServiceDeploymentStatusRollbackSuccessful && d.Rollback != nil && sdk.ToString(d.Rollback.ServiceRevisionArn) != "":
		return r.revision(ctx, *d.Rollback.ServiceRevisionArn)
	default:
		return "", nil
	}
}

// follow keeps what ECS shows of a deployment up to date, until it is over or comes to where somebody waits for it.
func (r *rolling) follow(ctx context.Context, d *shifted, there func() bool) error {
	for pause := firstLook; !d.over() && !there(); pause = min(pause*3/2, longestLook) {
		if err := r.env.Clock.Wait(ctx, r.env.Clock.Now().Add(pause)); err != nil {
			return err
		}
		now, err := r.deployment(ctx, sdk.ToString(d.ServiceDeploymentArn))
		if aws.Code(err) != "" {
			return said(err)
		}
		if err == nil { // else AWS is in trouble, and the deployment goes on
			*d = *now
		}
	}
	return nil
}

// never is where no deployment comes to.
func never() bool { return false }

// fails says how a deployment has ended that did not bring what it should, why, and what the service runs now.
func (r *rolling) fails(ctx context.Context, d *shifted) error {
	var why []string
	note := func(format string, args ...any) { why = append(why, shell.OneLine(fmt.Sprintf(format, args...))) }
	if text := sdk.ToString(d.StatusReason); text != "" {
		note("%s", text)
	}
	if names := d.triggered(); names != nil {
		note("the alarm %s was triggered", strings.Join(names, ", "))
	}
	for _, hook := range d.LifecycleHookDetails {
		if hook.Status == types.DeploymentLifecycleHookStatusFailed || hook.Status == types.DeploymentLifecycleHookStatusTimedOut {
			note("a hook of type %s is %s", hook.TargetType, hook.Status)
		}
	}
	if d.Rollback != nil && sdk.ToString(d.Rollback.Reason) != "" && !slices.Contains(why, shell.OneLine(*d.Rollback.Reason)) {
		note("%s", *d.Rollback.Reason)
	}
	switch left, err := r.left(ctx, d); {
	case d.Status == types.ServiceDeploymentStatusRollbackFailed:
		note("ECS could NOT go back, and nobody knows what serves now: look at the service at once")
	case err != nil:
		note("nobody knows what it runs now: %v", said(err))
	case left == "":
		note("ECS does not say that it has gone back: look at what the service runs")
	default:
		note("it runs %s", familiar(left))
	}
	return fmt.Errorf("deployment %s of %s to %s ended with %s: %s", d.id(), r, familiar(d.to), d.Status, strings.Join(why, "; "))
}

// itself is how long ECS shifts and bakes by itself, up to the pause after the shift and after that.
func itself(c *types.DeploymentConfiguration) (before, after time.Duration) {
	minutes := func(n *int32, otherwise int32) time.Duration {
		if n != nil {
			otherwise = *n
		}
		return time.Duration(otherwise) * time.Minute
	}
	switch c.Strategy {
	case types.DeploymentStrategyCanary:
		before = 10 * time.Minute
		if o := c.CanaryConfiguration; o != nil {
			before = minutes(o.CanaryBakeTimeInMinutes, 10)
		}
	case types.DeploymentStrategyLinear:
		step, bake := 10.0, 6*time.Minute
		if o := c.LinearConfiguration; o != nil {
			bake = minutes(o.StepBakeTimeInMinutes, 6)
			if o.StepPercent != nil && *o.StepPercent > 0 {
				step = *o.StepPercent
			}
		}
		for shifted := step; shifted < 100; shifted += step {
			before += bake
		}
	}
	return before, minutes(c.BakeTimeInMinutes, 0)
}
