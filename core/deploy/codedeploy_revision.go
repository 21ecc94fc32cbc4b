package deploy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// wanted is the revision that the act asks for. A rollback puts back what the rollout has replaced, as CodeDeploy has kept
// it; where that is not known, or a person has named the version, what the plan says of it.
func (d *delivery) wanted(ctx context.Context, over string) (*types.RevisionLocation, error) {
	back := d.act.Rollback && !d.act.Named && over != nothing
	switch {
	case d.alias != nil && back:
		return d.version(ctx, over)
	case d.alias != nil:
		number, err := d.act.Fill(cmp.Or(d.Lambda.Version, "{{version}}"))
		if err != nil {
			return nil, err
		}
		return d.version(ctx, number)
	case back:
		got, err := d.api.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &over})
		if err != nil {
			return nil, fmt.Errorf("deployment %s, which had put out what was there before, cannot be looked up: %w", over, said(err))
		}
		return modern(got.DeploymentInfo.Revision), nil
	default:
		return d.planned()
	}
}

// planned is the revision that the plan describes.
func (d *delivery) planned() (*types.RevisionLocation, error) {
	var texts [3]string
	fill := func(from ...string) error {
		for i, text := range from {
			var err error
			if texts[i], err = d.act.Fill(text); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case d.S3 != nil:
		err := fill(d.S3.Bucket, d.S3.Key)
		return &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{
			Bucket: &texts[0], Key: &texts[1], BundleType: types.BundleType(cmp.Or(d.S3.Bundle, "zip"))}}, err
	case d.GitHub != nil:
		err := fill(d.GitHub.Repository, cmp.Or(d.GitHub.Commit, "{{version}}"))
		return &types.RevisionLocation{RevisionType: types.RevisionLocationTypeGitHub, GitHubLocation: &types.GitHubLocation{
			Repository: &texts[0], CommitId: &texts[1]}}, err
	case d.ECS != nil:
		if err := fill(d.ECS.TaskDefinition, d.ECS.Container); err != nil {
			return nil, err
		}
		return appSpec("TargetService", "AWS::ECS::Service", map[string]any{"TaskDefinition": texts[0],
			"LoadBalancerInfo": map[string]any{"ContainerName": texts[1], "ContainerPort": d.ECS.Port}})
	default:
		return nil, fmt.Errorf("the plan does not say what to deploy to %s: s3, github, ecs or lambda", d)
	}
}

// version is the revision that gives an alias a version of its function, from the one that it has.
func (d *delivery) version(ctx context.Context, number string) (*types.RevisionLocation, error) {
	is, err := d.alias.look(ctx)
	if err != nil {
		return nil, err
	}
	d.alias.put, d.alias.over = number, is.version
	return appSpec("Function", "AWS::Lambda::Function", map[string]any{
		"Name": d.alias.of, "Alias": d.alias.alias, "CurrentVersion": is.version, "TargetVersion": number})
}

// appSpec writes an AppSpec file with one resource. What is filled in stays data, because it is encoded as such.
func appSpec(name, kind string, properties map[string]any) (*types.RevisionLocation, error) {
	text, err := json.Marshal(map[string]any{
		"version":   0.0,
		"Resources": []any{map[string]any{name: map[string]any{"Type": kind, "Properties": properties}}},
	})
	sum := sha256.Sum256(text)
	return &types.RevisionLocation{RevisionType: types.RevisionLocationTypeAppSpecContent, AppSpecContent: &types.AppSpecContent{
		Content: sdk.String(string(text)), Sha256: sdk.String(hex.EncodeToString(sum[:]))}}, err
}

// modern turns an inline revision, which CodeDeploy may give back in its old form, into the form that it takes.
func modern(r *types.RevisionLocation) *types.RevisionLocation {
	if r == nil || r.AppSpecContent != nil {
		return r
	}
	//lint:ignore SA1019 deployments of then still have it
	old := r.String_
	if old == nil {
		return r
	}
	return &types.RevisionLocation{RevisionType: types.RevisionLocationTypeAppSpecContent,
		AppSpecContent: &types.AppSpecContent{Content: old.Content, Sha256: old.Sha256}}
}

// sameRevision compares what was asked for with what CodeDeploy says that a deployment has: it adds what it has found.
func sameRevision(got, want *types.RevisionLocation) bool {
	got, want = modern(got), modern(want)
	switch {
	case got == nil || want == nil:
		return false
	case want.S3Location != nil && got.S3Location != nil:
		g, w := got.S3Location, want.S3Location
		return sdk.ToString(g.Bucket) == sdk.ToString(w.Bucket) && sdk.ToString(g.Key) == sdk.ToString(w.Key) && g.BundleType == w.BundleType &&
			(w.ETag == nil || sdk.ToString(g.ETag) == *w.ETag)
	case want.GitHubLocation != nil && got.GitHubLocation != nil:
		g, w := got.GitHubLocation, want.GitHubLocation
		return sdk.ToString(g.Repository) == sdk.ToString(w.Repository) && sdk.ToString(g.CommitId) == sdk.ToString(w.CommitId)
	case want.AppSpecContent != nil && got.AppSpecContent != nil:
		g, w := readAppSpec(got), readAppSpec(want)
		return g != nil && reflect.DeepEqual(g, w)
	}
	return false
}

// readAppSpec reads an inline revision, without the version that an alias had before: that is no part of what is put out.
func readAppSpec(r *types.RevisionLocation) map[string]any {
	var spec struct {
		Resources []map[string]struct {
			Type       string
			Properties map[string]any
		}
	}
	if json.Unmarshal([]byte(sdk.ToString(r.AppSpecContent.Content)), &spec) != nil || len(spec.Resources) != 1 {
		return nil
	}
	for _, resource := range spec.Resources[0] {
		delete(resource.Properties, "CurrentVersion")
		return resource.Properties
	}
	return nil
}
