package deploy

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
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
	})
}
