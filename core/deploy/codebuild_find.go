package deploy

import (
	"context"
	"fmt"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"
)

// longestBuild is how far back builds are looked for: one waits for at most 8 hours and works for at most 36.
const longestBuild = 44 * time.Hour

// readBuild is the mark of a build.
func readBuild(is *types.Build) mark {
	if is.Environment == nil {
		return mark{}
	}
	for _, v := range is.Environment.EnvironmentVariables {
		if sdk.ToString(v.Name) == markVariable {
			m, _ := parseMark(sdk.ToString(v.Value))
			return m
		}
	}
	return mark{}
}

// recent are the builds of the project that may still be at work, and those beside them, newest first. CodeBuild lists them
// by their numbers, so by when they were begun.
func (b *building) recent(ctx context.Context) ([]types.Build, error) {
	var all []types.Build
	since := b.env.Clock.Now().Add(-longestBuild)
	pages := codebuild.NewListBuildsForProjectPaginator(b.api.builds, &codebuild.ListBuildsForProjectInput{ProjectName: &b.project})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		if len(page.Ids) == 0 {
			break
		}
		told, err := b.api.BatchGetBuilds(ctx, &codebuild.BatchGetBuildsInput{Ids: page.Ids})
		if err != nil {
			return nil, err
		}
		all = append(all, told.Builds...)
		if slices.ContainsFunc(told.Builds, func(is types.Build) bool { return is.StartTime != nil && is.StartTime.Before(since) }) {
			break
		}
	}
	slices.SortStableFunc(all, func(x, y types.Build) int { return sdk.ToTime(y.StartTime).Compare(sdk.ToTime(x.StartTime)) })
	return all, nil
}

// leftover returns the build with which an earlier attempt, that was cut off, does what the act asks for; nil if none
// does. What else the line has left at work on the target is stopped first.
func (b *building) leftover(ctx context.Context) (going *types.Build, err error) {
	recent, err := b.recent(ctx)
	if err != nil {
		return nil, err
	}
	want := shortMark(b.act)
	for i := range recent {
		is := &recent[i]
		m := readBuild(is)
		switch {
		case is.BuildComplete || m.target != want.target || m.rollout == "" || lineOf(m.rollout) != lineOf(want.rollout):
		case m.rollout == want.rollout && m.does == want.does && going == nil:
			going = is
			b.tell("build %s goes on", sdk.ToString(is.Id))
		default:
			b.started = true
			if err := b.stop(ctx, is); err != nil {
				return nil, fmt.Errorf("an earlier build is still at work on %s: %w", b.act.Target.Name, err)
			}
			b.tell("build %s, of %s, was stopped", sdk.ToString(is.Id), m)
		}
	}
	return going, nil
}

// seek looks for a build that was begun, or may have been.
func (b *building) seek(ctx context.Context) (*types.Build, error) {
	ctx, pauses, cancel := aftermath(ctx)
	defer cancel()
	for _, pause := range pauses {
		if err := b.env.Clock.Wait(ctx, b.env.Clock.Now().Add(pause)); err != nil {
			return nil, err
		}
		recent, err := b.recent(ctx)
		if err != nil {
			return nil, said(err)
		}
		for i := range recent {
			if readBuild(&recent[i]) == shortMark(b.act) {
				return &recent[i], nil
			}
		}
	}
	return nil, nil
}
