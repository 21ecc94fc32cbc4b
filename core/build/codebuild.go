// Package build knows the builds of commits that a plan requires: those of CodeBuild.
package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
)

// mostPages is how many pages of a hundred builds are looked through for that of a commit.
const mostPages = 10

// A Project is one of CodeBuild, whose builds tell of a commit.
type Project struct {
	is      core.RequiredBuild
	session *aws.Session
	started string // id of the build that this process has had made: a list shows it a little late

	list  aws.Call[codebuild.ListBuildsForProjectInput, codebuild.ListBuildsForProjectOutput, codebuild.Options]
	get   aws.Call[codebuild.BatchGetBuildsInput, codebuild.BatchGetBuildsOutput, codebuild.Options]
	start aws.Call[codebuild.StartBuildInput, codebuild.StartBuildOutput, codebuild.Options]
}

// Open returns a project that a plan requires a build of. It asks nobody yet.
func Open(ctx context.Context, is core.RequiredBuild, env aws.Env) (*Project, error) {
	who := aws.Options{Region: is.AWS.Region, Role: is.AWS.Role, Account: is.AWS.Account}
	session, err := aws.Open(ctx, who, env)
	if err != nil {
		return nil, fmt.Errorf("the way to the project %s: %w", is.Project, err)
	}
	api := codebuild.NewFromConfig(session.Config)
	return &Project{is: is, session: session, list: api.ListBuildsForProject, get: api.BatchGetBuilds, start: api.StartBuild}, nil
}

// Status says how the newest build of a commit stands, as a status of the commit. Where there is none it is missing, or, if the
// plan says so, one is had made.
func (p *Project) Status(ctx context.Context, commit string) (core.Status, error) {
	if err := p.session.Verify(ctx); err != nil {
		return core.Status{}, err
	}
	is, err := p.newest(ctx, commit)
	if err == nil && is == nil && p.is.Start && p.started == "" {
		is, err = p.begin(ctx, commit)
	}
	if err != nil {
		return core.Status{}, err
	}
	return p.status(is), nil
}

// newest is the newest build of a commit; nil if there is none among the newest thousand of the project.
func (p *Project) newest(ctx context.Context, commit string) (*types.Build, error) {
	if p.started != "" {
		return p.find(ctx, []string{p.started}, commit)
	}
	in := &codebuild.ListBuildsForProjectInput{ProjectName: &p.is.Project, SortOrder: types.SortOrderTypeDescending}
	for range mostPages {
		page, err := p.list(ctx, in)
		if err != nil {
			return nil, p.refused("list the builds", "codebuild:ListBuildsForProject", err)
		}
		if len(page.Ids) == 0 {
			return nil, nil
		}
		is, err := p.find(ctx, page.Ids, commit)
		if is != nil || err != nil {
			return is, err
		}
		if in.NextToken = page.NextToken; sdk.ToString(in.NextToken) == "" {
			return nil, nil
		}
	}
	return nil, nil
}

// find looks at builds, newest first, for one of a commit. One that has only been begun may not know yet which it is.
func (p *Project) find(ctx context.Context, ids []string, commit string) (*types.Build, error) {
	told, err := p.get(ctx, &codebuild.BatchGetBuildsInput{Ids: ids})
	if err != nil {
		return nil, p.refused("show the builds", "codebuild:BatchGetBuilds", err)
	}
	var newest *types.Build
	for i := range told.Builds {
		is := &told.Builds[i]
		of := is.ResolvedSourceVersion
		if of == nil {
			of = is.SourceVersion
		}
		if sdk.ToString(of) == commit && (newest == nil || sdk.ToTime(is.StartTime).After(sdk.ToTime(newest.StartTime))) {
			newest = is
		}
	}
	return newest, nil
}

// begin has a build of a commit made, once: CodeBuild knows the token for five minutes.
func (p *Project) begin(ctx context.Context, commit string) (*types.Build, error) {
	sum := sha256.Sum256([]byte(p.is.Project + " " + commit))
	made, err := p.start(ctx, &codebuild.StartBuildInput{
		ProjectName: &p.is.Project, SourceVersion: &commit, IdempotencyToken: new("breakwater-" + hex.EncodeToString(sum[:16])),
	})
	if err != nil {
		return nil, p.refused("start a build", "codebuild:StartBuild", err)
	}
	p.started = sdk.ToString(made.Build.Id)
	return made.Build, nil
}

// status is what a build says of its commit. One that this process has had made and that does not show yet is pending.
func (p *Project) status(is *types.Build) core.Status {
	s := core.Status{Name: p.is.Name(), State: core.StatusMissing, Description: "no build of the commit is there"}
	switch {
	case is == nil && p.started != "":
		s.State, s.Description = core.StatusPending, fmt.Sprintf("build %s was started", p.started)
	case is == nil:
	case is.BuildStatus == types.StatusTypeSucceeded:
		s.State, s.Description = core.StatusSuccess, fmt.Sprintf("build %s has succeeded", sdk.ToString(is.Id))
	case is.BuildStatus == types.StatusTypeInProgress:
		s.State, s.Description = core.StatusPending, fmt.Sprintf("build %s is at %s", sdk.ToString(is.Id), sdk.ToString(is.CurrentPhase))
	default:
		s.State, s.Description = core.StatusFailure, fmt.Sprintf("build %s ended with %s", sdk.ToString(is.Id), is.BuildStatus)
	}
	return s
}

func (p *Project) refused(do, action string, err error) error {
	return aws.Refused(fmt.Sprintf("%s of the project %s", do, p.is.Project), fmt.Sprintf("%s on the project %s", action, p.is.Project), err)
}
