package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// A codeDeploy is the driver that has CodeDeploy do the work: one deployment of the target's group for each act.
//
// A deployment is known by the mark in its description, see [noted]; one that carries none of the line and the target is
// somebody else's, and is waited for and never stopped.
type codeDeploy struct {
	core.CodeDeploy
	amazon
}

func openCodeDeploy(options any, env Env) (core.Driver, error) {
	o, ok := options.(*core.CodeDeploy)
	if !ok || o == nil {
		return nil, fmt.Errorf("the driver aws-codedeploy takes a *core.CodeDeploy, not %T", options)
	}
	return &codeDeploy{CodeDeploy: *o, amazon: amazon{AWS: o.AWS, env: env}}, nil
}

// Deploy has a deployment made for one target and waits for its end, or for that of one with which an earlier attempt
// does the same. When ctx ends the deployment is stopped.
func (c *codeDeploy) Deploy(ctx context.Context, act core.Act) (string, error) {
	ctx, cancel := within(ctx, c.env.Timeout)
	defer cancel()
	d := &delivery{codeDeploy: c, act: act}
	err := d.open(ctx)
	if err == nil {
		err = d.run(ctx)
	}
	if err != nil && ctx.Err() != nil && !d.started {
		err = fmt.Errorf("%w, and nothing was started: %w", stopped(ctx), said(err))
	}
	if err != nil {
		err = said(err)
		d.tell("%v", err)
	}
	return c.env.Shell.Redact(strings.Join(d.output, "\n")), redact(c.env.Shell, err)
}

// A delivery is one act on a deployment group.
type delivery struct {
	*codeDeploy
	act         core.Act
	api         codeDeployCalls
	application string
	group       string
	alias       *shift // looks at the alias, on Lambda
	started     bool   // something was, or may have been
	output      []string
}

func (d *delivery) open(ctx context.Context) error {
	if err := fillAll(d.act, map[*string]string{&d.application: d.Application, &d.group: d.Group}); err != nil {
		return err
	}
	way, err := d.way(ctx, d.act)
	if err != nil {
		return err
	}
	d.api = codeDeployCallsOf(way)
	if l := d.Lambda; l != nil {
		d.alias = &shift{function: &function{amazon: amazon{env: d.env}}, act: d.act, api: lambdaCallsOf(way)}
		return fillAll(d.act, map[*string]string{&d.alias.of: l.Function, &d.alias.alias: l.Alias})
	}
	return nil
}

// codeDeployCalls are what is asked of CodeDeploy.
type codeDeployCalls struct {
	CreateDeployment          aws.Call[codedeploy.CreateDeploymentInput, codedeploy.CreateDeploymentOutput, codedeploy.Options]
	GetDeployment             aws.Call[codedeploy.GetDeploymentInput, codedeploy.GetDeploymentOutput, codedeploy.Options]
	ContinueDeployment        aws.Call[codedeploy.ContinueDeploymentInput, codedeploy.ContinueDeploymentOutput, codedeploy.Options]
	StopDeployment            aws.Call[codedeploy.StopDeploymentInput, codedeploy.StopDeploymentOutput, codedeploy.Options]
	ListDeploymentTargets     aws.Call[codedeploy.ListDeploymentTargetsInput, codedeploy.ListDeploymentTargetsOutput, codedeploy.Options]
	BatchGetDeploymentTargets aws.Call[codedeploy.BatchGetDeploymentTargetsInput, codedeploy.BatchGetDeploymentTargetsOutput, codedeploy.Options]
	BatchGetDeployments       aws.Call[codedeploy.BatchGetDeploymentsInput, codedeploy.BatchGetDeploymentsOutput, codedeploy.Options]
	GetDeploymentGroup        aws.Call[codedeploy.GetDeploymentGroupInput, codedeploy.GetDeploymentGroupOutput, codedeploy.Options]
	deployments               listDeployments
}

func codeDeployCallsOf(way sdk.Config) codeDeployCalls {
	api := codedeploy.NewFromConfig(way)
	return codeDeployCalls{
		CreateDeployment:          api.CreateDeployment,
		GetDeployment:             api.GetDeployment,
		ContinueDeployment:        api.ContinueDeployment,
		StopDeployment:            api.StopDeployment,
		ListDeploymentTargets:     api.ListDeploymentTargets,
		BatchGetDeploymentTargets: api.BatchGetDeploymentTargets,
		BatchGetDeployments:       api.BatchGetDeployments,
		GetDeploymentGroup:        api.GetDeploymentGroup,
		deployments:               api.ListDeployments,
	}
}

// listDeployments is a call whose answer has pages.
type listDeployments aws.Call[codedeploy.ListDeploymentsInput, codedeploy.ListDeploymentsOutput, codedeploy.Options]

// ListDeployments implements [codedeploy.ListDeploymentsAPIClient].
func (l listDeployments) ListDeployments(ctx context.Context, in *codedeploy.ListDeploymentsInput, o ...func(*codedeploy.Options)) (*codedeploy.ListDeploymentsOutput, error) {
	return l(ctx, in, o...)
}

// run looks before it touches anything, has a deployment made, and proves what it did.
func (d *delivery) run(ctx context.Context) error {
	for {
		recent, err := d.clear(ctx)
		if err != nil {
			return err
		}
		over, err := d.before(ctx, recent)
		if err != nil {
			return err
		}
		revision, err := d.wanted(ctx, over)
		if err != nil {
			return err
		}
		is := d.going(recent, revision)
		if is == nil {
			is, err = d.create(ctx, over, revision, recent)
		}
		if aws.Code(err) == "DeploymentLimitExceededException" {
			// Somebody was faster, or an answer of ours was lost: the list will show which.
			if err := d.rest(ctx); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		return d.follow(ctx, is, revision)
	}
}

// follow waits for the end of a deployment, and judges it. One that cannot be waited for is stopped.
func (d *delivery) follow(ctx context.Context, is *types.DeploymentInfo, revision *types.RevisionLocation) error {
	d.started = true
	err := d.await(ctx, is)
	if !ended(is) {
		if err = d.halt(ctx, is, err); err != nil {
			return err
		}
	}
	return d.conclude(ctx, is, revision)
}

// create has a deployment made, once. Where nobody answers it is looked for: to ask once more could be to deploy twice.
func (d *delivery) create(ctx context.Context, over string, revision *types.RevisionLocation, before []types.DeploymentInfo) (*types.DeploymentInfo, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	note := noted{shortMark(d.act), over}.String()
	in := &codedeploy.CreateDeploymentInput{
		ApplicationName: &d.application, DeploymentGroupName: &d.group, Description: &note, Revision: revision,
		FileExistsBehavior: types.FileExistsBehavior(d.FileExists),
	}
	if d.Config != "" {
		var config string
		if err := fillAll(d.act, map[*string]string{&config: d.Config}); err != nil {
			return nil, err
		}
		in.DeploymentConfigName = &config
	}
	made, err := d.api.CreateDeployment(ctx, in, func(o *codedeploy.Options) { o.Retryer = throttledOnly(o.Retryer) })
	if err == nil {
		d.tell("deployment %s of %s, over %s", sdk.ToString(made.DeploymentId), d, over)
		return &types.DeploymentInfo{DeploymentId: made.DeploymentId, Description: &note, Revision: revision}, nil
	}
	if aws.Code(err) != "" {
		return nil, err
	}
	d.started = true
	found, seen := d.seek(ctx, before)
	if found == nil {
		return nil, errors.Join(fmt.Errorf("CodeDeploy did not answer whether it has made a deployment of %s, and shows none that has %s: look at the group before you run this again: %w", d, shortMark(d.act), said(err)), seen)
	}
	return found, nil
}

// seek looks for a deployment that was made, or may have been.
func (d *delivery) seek(ctx context.Context, before []types.DeploymentInfo) (*types.DeploymentInfo, error) {
	ctx, pauses, cancel := aftermath(ctx)
	defer cancel()
	for _, pause := range pauses {
		if err := d.env.Clock.Wait(ctx, d.env.Clock.Now().Add(pause)); err != nil {
			return nil, err
		}
		recent, err := d.recent(ctx)
		if err != nil {
			return nil, said(err)
		}
		for i := range recent {
			is := &recent[i]
			known := slices.ContainsFunc(before, func(b types.DeploymentInfo) bool { return id(&b) == id(is) })
			if !known && readNoted(is).mark == shortMark(d.act) {
				return is, nil
			}
		}
	}
	return nil, nil
}

// id is how CodeDeploy names a deployment.
func id(is *types.DeploymentInfo) string { return sdk.ToString(is.DeploymentId) }

// by says who has made a deployment.
func by(is *types.DeploymentInfo) string {
	return cmp.Or(strings.TrimSpace(string(is.Creator)+" "+shell.OneLine(sdk.ToString(is.Description))), "somebody else")
}

// tell notes what happened, for people.
func (d *delivery) tell(format string, args ...any) {
	d.output = append(d.output, shell.OneLine(fmt.Sprintf(format, args...)))
}

// String is the group as people know it.
func (d *delivery) String() string { return d.application + "/" + d.group }
