package deploy

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

const (
	// memory is how far back deployments are looked for. A rollout may be started again for as long as that.
	memory = 30 * 24 * time.Hour
	// mostTold is how many deployments, or targets, CodeDeploy tells about at once.
	mostTold = 25
	// eachTry is the time between two looks at a group that is busy.
	eachTry = 15 * time.Second
)

// A noted is what the description of a deployment says that it is for, and what was out before the rollout: the deployment
// that had put it there, the version of a function, or nothing.
type noted struct {
	mark
	over string
}

// nothing stands for what was out where nothing is known to have been.
const nothing = "nothing"

// String is the form that stands in the description. People read it too.
func (n noted) String() string { return fmt.Sprintf("Breakwater %s over %s", n.mark, n.over) }

var isNoted = regexp.MustCompile(`^Breakwater (\S+) over (\S+)$`)

func readNoted(is *types.DeploymentInfo) noted {
	parts := isNoted.FindStringSubmatch(sdk.ToString(is.Description))
	if parts == nil {
		return noted{}
	}
	m, ok := parseMark(parts[1])
	if !ok {
		return noted{}
	}
	return noted{m, parts[2]}
}

// recent are the deployments of the group, newest first.
func (d *delivery) recent(ctx context.Context) ([]types.DeploymentInfo, error) {
	var ids []string
	pages := codedeploy.NewListDeploymentsPaginator(d.api.deployments, &codedeploy.ListDeploymentsInput{
		ApplicationName: &d.application, DeploymentGroupName: &d.group,
		CreateTimeRange: &types.TimeRange{Start: new(d.env.Clock.Now().Add(-memory))},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		ids = append(ids, page.Deployments...)
	}
	var all []types.DeploymentInfo
	for some := range slices.Chunk(ids, mostTold) {
		told, err := d.api.BatchGetDeployments(ctx, &codedeploy.BatchGetDeploymentsInput{DeploymentIds: some})
		if err != nil {
			return nil, err
		}
		all = append(all, told.DeploymentsInfo...)
	}
	slices.SortStableFunc(all, func(a, b types.DeploymentInfo) int { return sdk.ToTime(b.CreateTime).Compare(sdk.ToTime(a.CreateTime)) })
	return all, nil
}

// clear waits until no deployment is at work on the group but one that does what the act asks for. What else the line has
// left there is stopped. It returns the deployments of the group, newest first.
func (d *delivery) clear(ctx context.Context) ([]types.DeploymentInfo, error) {
	for told := ""; ; {
		recent, err := d.recent(ctx)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(recent, func(is types.DeploymentInfo) bool { return !ended(&is) })
		if at < 0 || d.same(&recent[at]) {
			return recent, nil
		}
		busy := &recent[at]
		if d.ours(busy) {
			if err := d.stop(ctx, busy, false); err != nil {
				return nil, fmt.Errorf("an earlier deployment is still at work on %s: %w", d.act.Target.Name, err)
			}
			continue
		}
		if told != id(busy) {
			told = id(busy)
			d.tell("waiting for deployment %s of %s, by %s", id(busy), d, by(busy))
		}
		if err := d.rest(ctx); err != nil {
			return nil, fmt.Errorf("deployment %s by %s is %s on %s: wait until it is over, or end it: %w", id(busy), by(busy), busy.Status, d, err)
		}
	}
}

// ours reports whether a deployment is one that this line has made for this target.
func (d *delivery) ours(is *types.DeploymentInfo) bool {
	n, want := readNoted(is), shortMark(d.act)
	return n.rollout != "" && lineOf(n.rollout) == lineOf(want.rollout) && n.target == want.target
}

// same reports whether a deployment does what the act asks for, in the same rollout.
func (d *delivery) same(is *types.DeploymentInfo) bool {
	n, want := readNoted(is), shortMark(d.act)
	return d.ours(is) && n.rollout == want.rollout && n.does == want.does
}

// going returns the deployment that does what the act asks for, or that has done it last; nil if there is none. What
// CodeDeploy itself has put back after a deployment of ours counts, if it is what a rollback is to put back.
func (d *delivery) going(recent []types.DeploymentInfo, revision *types.RevisionLocation) *types.DeploymentInfo {
	for i := range recent {
		if !ended(&recent[i]) {
			return &recent[i] // it is the one that was not waited for
		}
	}
	if len(recent) == 0 || recent[0].Status != types.DeploymentStatusSucceeded {
		return nil
	}
	newest := &recent[0]
	if d.same(newest) || d.act.Rollback && d.undoesOurs(newest, recent) && sameRevision(newest.Revision, revision) {
		return newest
	}
	return nil
}

// undoesOurs reports whether CodeDeploy has made a deployment to put back what was there before one of ours.
func (d *delivery) undoesOurs(is *types.DeploymentInfo, recent []types.DeploymentInfo) bool {
	if is.RollbackInfo == nil {
		return false
	}
	of := sdk.ToString(is.RollbackInfo.RollbackTriggeringDeploymentId)
	return slices.ContainsFunc(recent, func(r types.DeploymentInfo) bool { return id(&r) == of && d.ours(&r) })
}

// before says what was out before the rollout: as the deployments that it has made so far say, else what is out now.
func (d *delivery) before(ctx context.Context, recent []types.DeploymentInfo) (string, error) {
	want := shortMark(d.act)
	for i := range recent {
		if n := readNoted(&recent[i]); d.ours(&recent[i]) && n.rollout == want.rollout {
			return n.over, nil
		}
	}
	if d.act.Rollback {
		return nothing, nil // what is out now may be what must go
	}
	if d.alias != nil {
		is, err := d.alias.look(ctx)
		return is.version, err
	}
	got, err := d.api.GetDeploymentGroup(ctx, &codedeploy.GetDeploymentGroupInput{ApplicationName: &d.application, DeploymentGroupName: &d.group})
	if err != nil {
		return "", err
	}
	if last := got.DeploymentGroupInfo.LastSuccessfulDeployment; last != nil {
		return cmp.Or(sdk.ToString(last.DeploymentId), nothing), nil
	}
	return nothing, nil
}

// rest waits between two looks at a group that is busy.
func (d *delivery) rest(ctx context.Context) error {
	return d.env.Clock.Wait(ctx, d.env.Clock.Now().Add(eachTry))
}
