package deploy

import (
	"context"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// A missing says why there is no service that could be rolled over.
type missing struct{ why string }

func (m missing) Error() string { return m.why }

func (r *rolling) look(ctx context.Context) (*types.Service, error) {
	got, err := r.api.services(ctx, &ecs.DescribeServicesInput{Cluster: &r.cluster, Services: []string{r.service}})
	if err != nil {
		return nil, err
	}
	if len(got.Services) == 0 || primaryOf(&got.Services[0]) == nil {
		return nil, missing{fmt.Sprintf("there is no service %s", r)}
	}
	return &got.Services[0], nil
}

// clear waits until nobody else's deployment of the service goes on, and notes what it runs.
func (r *rolling) clear(ctx context.Context) (*types.Service, error) {
	for told := ""; ; {
		is, err := r.look(ctx)
		if err != nil {
			return nil, err
		}
		if err := r.rollable(is); err != nil {
			return nil, err
		}
		if shifts(is) {
			return is, nil // a rollout state is kept of services that roll only
		}
		primary := primaryOf(is)
		if r.runs, err = r.describe(ctx, sdk.ToString(primary.TaskDefinition)); err != nil {
			return nil, err
		}
		if primary.RolloutState != types.DeploymentRolloutStateInProgress || r.ours(r.runs) {
			return is, nil
		}
		if id := sdk.ToString(primary.Id); told != id {
			told = id
			r.tell("waiting for deployment %s of %s, to %s", id, r, familiar(r.runs.arn))
		}
		if err := r.env.Clock.Wait(ctx, r.env.Clock.Now().Add(eachTry)); err != nil {
			return nil, fmt.Errorf("deployment %s of %s to %s is not ours, and goes on: wait until it is over: %w", sdk.ToString(primary.Id), r, familiar(r.runs.arn), err)
		}
	}
}

// rollable refuses services that are deployed in another way, or could not be in time.
func (r *rolling) rollable(is *types.Service) error {
	if c := is.DeploymentController; c != nil && c.Type != types.DeploymentControllerTypeEcs {
		return missing{fmt.Sprintf("%s is deployed by %s, and not by ECS: use another driver, such as aws-codedeploy", r, c.Type)}
	}
	return r.fits(is)
}

// primaryOf is the deployment that a service goes to, or has gone to.
func primaryOf(is *types.Service) *types.Deployment {
	for i := range is.Deployments {
		if sdk.ToString(is.Deployments[i].Status) == "PRIMARY" {
			return &is.Deployments[i]
		}
	}
	return nil
}

func deploymentOf(is *types.Service, id string) *types.Deployment {
	for i := range is.Deployments {
		if sdk.ToString(is.Deployments[i].Id) == id {
			return &is.Deployments[i]
		}
	}
	return nil
}
