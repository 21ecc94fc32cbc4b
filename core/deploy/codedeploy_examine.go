package deploy

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/codedeploy"

	"github.com/breakwater-ci/breakwater/core"
)

// Place implements [core.Examiner].
func (c *codeDeploy) Place(act core.Act) (string, error) {
	if c.Lambda != nil {
		return c.place(act, c.Application, c.Group, c.Lambda.Function, c.Lambda.Alias)
	}
	return c.place(act, c.Application, c.Group)
}

// Examine implements [core.Examiner].
func (c *codeDeploy) Examine(ctx context.Context, act core.Act) []core.Diagnosis {
	d := &delivery{codeDeploy: c, act: act}
	needs := []string{"codedeploy:BatchGetDeploymentTargets", "codedeploy:BatchGetDeployments", "codedeploy:ContinueDeployment",
		"codedeploy:CreateDeployment", "codedeploy:GetDeployment", "codedeploy:GetDeploymentGroup", "codedeploy:ListDeploymentTargets",
		"codedeploy:ListDeployments", "codedeploy:StopDeployment"}
	if c.Lambda != nil {
		needs = append(needs, "lambda:GetAlias")
	}
	return c.examine(ctx, act, "aws-codedeploy", needs, d.open, func(t *audit) {
		d.audit(ctx, t)
		if d.alias != nil {
			t.place, t.gone = "alias "+d.alias.String(), false
			t.try("lambda:GetAlias", d.alias.resource()+":"+d.alias.alias, func() error {
				_, err := d.alias.look(ctx)
				return err
			})
		}
	})
}

// audit looks at the group, and at its newest deployment if there is one.
func (d *delivery) audit(ctx context.Context, t *audit) {
	t.place = "deployment group " + d.String()
	group := "deploymentgroup:" + d.String()
	t.try("codedeploy:GetDeploymentGroup", group, func() error {
		_, err := d.api.GetDeploymentGroup(ctx, &codedeploy.GetDeploymentGroupInput{ApplicationName: &d.application, DeploymentGroupName: &d.group})
		return err
	})
	var made []string
	t.try("codedeploy:ListDeployments", group, func() error {
		got, err := d.api.deployments(ctx, &codedeploy.ListDeploymentsInput{ApplicationName: &d.application, DeploymentGroupName: &d.group})
		if err == nil {
			made = got.Deployments
		}
		return err
	})
	if len(made) == 0 {
		return
	}
	t.try("codedeploy:BatchGetDeployments", group, func() error {
		_, err := d.api.BatchGetDeployments(ctx, &codedeploy.BatchGetDeploymentsInput{DeploymentIds: made[:1]})
		return err
	})
	t.try("codedeploy:GetDeployment", group, func() error {
		_, err := d.api.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &made[0]})
		return err
	})
}
