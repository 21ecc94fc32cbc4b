package deploy

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/codebuild"

	"github.com/breakwater-ci/breakwater/core"
)

// Place implements [core.Examiner].
func (c *codeBuild) Place(act core.Act) (string, error) { return c.place(act, c.Project) }

// Examine implements [core.Examiner].
func (c *codeBuild) Examine(ctx context.Context, act core.Act) []core.Diagnosis {
	b := &building{codeBuild: c, act: act}
	needs := []string{"codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject", "codebuild:StartBuild", "codebuild:StopBuild"}
	return c.examine(ctx, act, "aws-codebuild", needs, b.open, func(t *audit) {
		t.place = "project " + b.project
		var builds []string
		t.try("codebuild:ListBuildsForProject", "project/"+b.project, func() error {
			got, err := b.api.builds(ctx, &codebuild.ListBuildsForProjectInput{ProjectName: &b.project})
			if err == nil {
				builds = got.Ids
			}
			return err
		})
		if len(builds) > 0 {
			t.try("codebuild:BatchGetBuilds", "project/"+b.project, func() error {
				_, err := b.api.BatchGetBuilds(ctx, &codebuild.BatchGetBuildsInput{Ids: builds[:1]})
				return err
			})
		}
	})
}
