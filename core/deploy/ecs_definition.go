package deploy

import (
	"context"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// The tags of the task definitions that Breakwater registers.
const (
	tagMark = "breakwater"      // what it is for, see [mark]
	tagOver = "breakwater-over" // ARN of the task definition that the service ran before the rollout
)

// A defined is a task definition with what its tags say. One without them is somebody else's.
type defined struct {
	mark
	arn, over string
	is        *types.TaskDefinition
	tags      []types.Tag // those of others
}

// describe looks a task definition up by its ARN, or the newest one of a family.
func (r *rolling) describe(ctx context.Context, name string) (defined, error) {
	got, err := r.api.definition(ctx, &ecs.DescribeTaskDefinitionInput{
		TaskDefinition: &name, Include: []types.TaskDefinitionField{types.TaskDefinitionFieldTags},
	})
	if err != nil {
		return defined{}, err
	}
	return definedBy(got.TaskDefinition, got.Tags), nil
}

func definedBy(is *types.TaskDefinition, tags []types.Tag) defined {
	d := defined{arn: sdk.ToString(is.TaskDefinitionArn), is: is}
	for _, tag := range tags {
		switch sdk.ToString(tag.Key) {
		case tagMark:
			d.mark, _ = parseMark(sdk.ToString(tag.Value))
		case tagOver:
			d.over = sdk.ToString(tag.Value)
		default:
			d.tags = append(d.tags, tag)
		}
	}
	return d
}

// ours reports whether the line of the act has registered a task definition for its target.
func (r *rolling) ours(d defined) bool {
	want := shortMark(r.act)
	return d.rollout != "" && lineOf(d.rollout) == lineOf(want.rollout) && d.target == want.target
}

// thisRollout reports whether the rollout itself has.
func (r *rolling) thisRollout(d defined) bool {
	return r.ours(d) && d.rollout == shortMark(r.act).rollout
}

// wanted finds the task definition that the service is to run. A rollback puts back the one that the rollout has replaced;
// there is none if the service runs nothing of it. A version that a person has named is put there as a new one is.
func (r *rolling) wanted(ctx context.Context) error {
	newest, err := r.describe(ctx, sdk.ToString(r.runs.is.Family))
	if err != nil {
		return err
	}
	if r.act.Rollback && !r.act.Named {
		return r.back(ctx, newest)
	}
	over := r.runs.arn
	if r.thisRollout(r.runs) {
		over = r.runs.over
	}
	for _, d := range []defined{r.runs, newest} {
		if r.same(d) {
			r.put = d
			return nil
		}
	}
	before, err := r.describe(ctx, over)
	if err != nil {
		return err
	}
	if before.is.Status != types.TaskDefinitionStatusActive {
		return fmt.Errorf("%s runs %s, which is %s and could not be put back: register it again first", r, familiar(over), before.is.Status)
	}
	return r.register(ctx, before)
}

// back finds what the rollout has replaced.
func (r *rolling) back(ctx context.Context, newest defined) error {
	over := ""
	for _, d := range []defined{newest, r.runs} {
		if r.thisRollout(d) {
			over = d.over
		}
	}
	switch {
	case over == "":
		return nil
	case !r.thisRollout(r.runs) && r.runs.arn != over:
		return fmt.Errorf("somebody else has deployed to %s since: it runs %s; nothing was done: see whether that is good", r, familiar(r.runs.arn))
	}
	var err error
	r.put, err = r.describe(ctx, over)
	r.put.over = r.runs.arn
	return err
}

// register makes a task definition that is the one before the rollout, with another image.
func (r *rolling) register(ctx context.Context, before defined) error {
	var container, image string
	if err := fillAll(r.act, map[*string]string{&container: r.Container, &image: r.Image}); err != nil {
		return err
	}
	is, found := before.is, false
	for i := range is.ContainerDefinitions {
		if c := &is.ContainerDefinitions[i]; sdk.ToString(c.Name) == container {
			c.Image, found = &image, true
		}
	}
	if !found {
		return fmt.Errorf("%s has no container %s", familiar(before.arn), container)
	}
	got, err := r.api.register(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: is.Family, ContainerDefinitions: is.ContainerDefinitions, Cpu: is.Cpu, Memory: is.Memory,
		EnableFaultInjection: is.EnableFaultInjection, EphemeralStorage: is.EphemeralStorage, ExecutionRoleArn: is.ExecutionRoleArn,
		IpcMode: is.IpcMode, NetworkMode: is.NetworkMode, PidMode: is.PidMode,
		PlacementConstraints: is.PlacementConstraints, ProxyConfiguration: is.ProxyConfiguration,
		RequiresCompatibilities: is.RequiresCompatibilities, RuntimePlatform: is.RuntimePlatform, TaskRoleArn: is.TaskRoleArn,
		TrustedExecutionConfiguration: is.TrustedExecutionConfiguration, Volumes: is.Volumes,
		Tags: append(before.tags,
			types.Tag{Key: sdk.String(tagMark), Value: sdk.String(shortMark(r.act).String())},
			types.Tag{Key: sdk.String(tagOver), Value: &before.arn}),
	})
	if err != nil {
		return err
	}
	r.put = definedBy(got.TaskDefinition, got.Tags)
	r.tell("%s is registered: %s with %s", familiar(r.put.arn), familiar(before.arn), image)
	return nil
}
