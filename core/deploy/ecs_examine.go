package deploy

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/breakwater-ci/breakwater/core"
)

// Place implements [core.Examiner].
func (e *ecsDriver) Place(act core.Act) (string, error) { return e.place(act, e.Cluster, e.Service) }

// Examine implements [core.Examiner].
func (e *ecsDriver) Examine(ctx context.Context, act core.Act) []core.Diagnosis {
	r := &rolling{ecsDriver: e, act: act}
	needs := []string{"ecs:DescribeServices", "ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition", "ecs:TagResource", "ecs:UpdateService", "iam:PassRole"}
	return e.examine(ctx, act, "aws-ecs", needs, r.open, func(t *audit) {
		t.place = "service " + r.String()
		var is *types.Service
		if !t.try("ecs:DescribeServices", "service/"+r.String(), func() (err error) {
			is, err = r.look(ctx)
			return err
		}) {
			return
		}
		if err := r.rollable(is); err != nil {
			t.refused(err)
		}
		t.try("ecs:DescribeTaskDefinition", "*", func() (err error) {
			r.runs, err = r.describe(ctx, sdk.ToString(primaryOf(is).TaskDefinition))
			return err
		})
		if shifts(is) {
			r.tryShifts(ctx, t)
		}
	})
}

// tryShifts looks at the newest deployment of a service that shifts traffic, one action after the other.
func (r *rolling) tryShifts(ctx context.Context, t *audit) {
	t.needs = append(t.needs, "ecs:ContinueServiceDeployment", "ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions",
		"ecs:ListServiceDeployments", "ecs:StopServiceDeployment")
	var some *ecs.ListServiceDeploymentsOutput
	listed := t.try("ecs:ListServiceDeployments", "service/"+r.String(), func() (err error) {
		some, err = r.api.list(ctx, &ecs.ListServiceDeploymentsInput{Cluster: &r.cluster, Service: &r.service})
		return err
	})
	if !listed || len(some.ServiceDeployments) == 0 {
		return
	}
	one := some.ServiceDeployments[0]
	t.try("ecs:DescribeServiceDeployments", sdk.ToString(one.ServiceDeploymentArn), func() error {
		_, err := r.api.deployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{sdk.ToString(one.ServiceDeploymentArn)}})
		return err
	})
	t.try("ecs:DescribeServiceRevisions", sdk.ToString(one.TargetServiceRevisionArn), func() error {
		_, err := r.revision(ctx, sdk.ToString(one.TargetServiceRevisionArn))
		return err
	})
}
