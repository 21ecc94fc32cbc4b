package actions

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	gh "github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github"
)

var _ core.Registrar = (*Forge)(nil)

const deploymentsPermission = "deployments: write"

// mostAsked is how many deployments are looked at for the newest that is out: what is older was long replaced.
const mostAsked = 30

// deployments are the entries of rollouts, by rollout and wave. The lock is held while one is written.
type deployments struct {
	sync.Mutex
	known map[string]map[string]*deployment
}

// A deployment is what is known of one on GitHub.
type deployment struct {
	id     int64
	asked  bool // its newest status is known
	status deploymentStatus
}

// A deploymentStatus is what a deployment says.
type deploymentStatus struct{ state, description string }

// payload is what a deployment of ours carries. It is known again by that.
type payload struct {
	Line    string `json:"line"`
	Rollout string `json:"rollout"`
	Wave    string `json:"wave"`
	Number  int    `json:"number"`
	Of      int    `json:"of"`
	Version string `json:"version"`
}

// Register implements [core.Registrar] by a deployment for each wave, in an environment that is named as the line: in one
// that services share, the success of one would make the deployments of the others inactive. Success of the last wave
// makes all before it inactive, also the earlier waves: then one deployment is active, and the version is out as a whole.
func (f *Forge) Register(ctx context.Context, d core.Deployment) error {
	api, err := f.api()
	if err != nil {
		return err
	}
	f.deployments.Lock()
	defer f.deployments.Unlock()
	waves, err := f.entries(ctx, api, d)
	if err != nil {
		return err
	}
	want := deploymentStatus{deploymentState(d.State), d.Description}
	have := waves[d.Wave]
	if have == nil {
		if d.State == core.DeploymentGone {
			return nil // there is nothing that could be taken for active
		}
		if have, err = f.deploy(ctx, api, d); err != nil {
			delete(f.deployments.known, d.Rollout) // nobody knows whether it was made
			return err
		}
		waves[d.Wave] = have
	}
	if !have.asked {
		if have.status, err = f.newestStatus(ctx, api, have.id); err != nil {
			return err
		}
		have.asked = true
	}
	if have.status == want || have.status.state == "inactive" { // that is the end of it
		return nil
	}
	if err := f.setDeployment(ctx, api, have.id, want, d); err != nil {
		return err
	}
	have.status = want
	return nil
}

// entries are the deployments of a rollout, by wave. They are asked for once.
func (f *Forge) entries(ctx context.Context, api *github.Client, d core.Deployment) (map[string]*deployment, error) {
	if waves := f.deployments.known[d.Rollout]; waves != nil {
		return waves, nil
	}
	waves := make(map[string]*deployment)
	ask := &gh.DeploymentsListOptions{SHA: d.Commit, Environment: d.Line.String(), ListOptions: gh.ListOptions{PerPage: 100}}
	for ask.Page = 1; ask.Page != 0; {
		found, answer, err := api.Repositories.ListDeployments(ctx, api.Owner, api.Name, ask)
		if err != nil {
			return nil, github.Refused("show the deployments of "+d.Line.String(), deploymentsPermission, err)
		}
		for _, each := range found {
			if p := payloadOf(each); p.Line == d.Line.String() && p.Rollout == d.Rollout && waves[p.Wave] == nil { // the newest comes first
				waves[p.Wave] = &deployment{id: each.GetID()}
			}
		}
		ask.Page = answer.NextPage
	}
	if f.deployments.known == nil {
		f.deployments.known = make(map[string]map[string]*deployment)
	}
	f.deployments.known[d.Rollout] = waves
	return waves, nil
}

// deploy makes the deployment of a wave. What must be green before it was asked already, and nothing is to be merged.
func (f *Forge) deploy(ctx context.Context, api *github.Client, d core.Deployment) (*deployment, error) {
	made, _, err := api.Repositories.CreateDeployment(ctx, api.Owner, api.Name, &gh.DeploymentRequest{
		Ref: &d.Commit, Task: gh.String("deploy:" + d.Wave), AutoMerge: gh.Bool(false), RequiredContexts: &[]string{}, Environment: gh.String(d.Line.String()),
		Description: gh.String(fmt.Sprintf("Wave %s, %d of %d", d.Wave, d.Number, d.Of)),
		Payload:     payload{d.Line.String(), d.Rollout, d.Wave, d.Number, d.Of, d.Commit},
	})
	if err != nil {
		return nil, github.Refused("make a deployment of commit "+d.Commit, deploymentsPermission, err)
	}
	return &deployment{id: made.GetID(), asked: true}, nil
}

func (f *Forge) setDeployment(ctx context.Context, api *github.Client, id int64, to deploymentStatus, d core.Deployment) error {
	last := d.State == core.DeploymentDone && d.Number == d.Of
	ask := &gh.DeploymentStatusRequest{State: &to.state, Description: &to.description, LogURL: gh.String(f.job.Actor.URL), AutoInactive: &last}
	if d.URL != "" {
		ask.EnvironmentURL = &d.URL
	}
	if _, _, err := api.Repositories.CreateDeploymentStatus(ctx, api.Owner, api.Name, id, ask); err != nil {
		return github.Refused(fmt.Sprintf("set the status of deployment %d", id), deploymentsPermission, err)
	}
	return nil
}

// newestStatus is what a deployment says; nothing if that was never set.
func (f *Forge) newestStatus(ctx context.Context, api *github.Client, id int64) (deploymentStatus, error) {
	all, _, err := api.Repositories.ListDeploymentStatuses(ctx, api.Owner, api.Name, id, &gh.ListOptions{PerPage: 1})
	if err != nil || len(all) == 0 {
		if err != nil {
			err = github.Refused(fmt.Sprintf("show the status of deployment %d", id), deploymentsPermission, err)
		}
		return deploymentStatus{}, err
	}
	return deploymentStatus{all[0].GetState(), all[0].GetDescription()}, nil
}

// Registered implements [core.Registrar]: the newest deployment that is active, of the last wave if it is one of ours.
func (f *Forge) Registered(ctx context.Context, line core.Line) (core.Entry, error) {
	api, err := f.api()
	if err != nil {
		return core.Entry{}, err
	}
	all, _, err := api.Repositories.ListDeployments(ctx, api.Owner, api.Name,
		&gh.DeploymentsListOptions{Environment: line.String(), ListOptions: gh.ListOptions{PerPage: mostAsked}})
	if err != nil {
		return core.Entry{}, github.Refused("show the deployments of "+line.String(), deploymentsPermission, err)
	}
	for _, each := range all {
		if p := payloadOf(each); p.Line == line.String() && p.Number < p.Of {
			continue
		}
		status, err := f.newestStatus(ctx, api, each.GetID())
		if err != nil {
			return core.Entry{}, err
		}
		if status.state == "success" {
			return core.Entry{Version: each.GetSHA(), Source: fmt.Sprintf("Deployment %d of GitHub's environment %s", each.GetID(), line)}, nil
		}
	}
	return core.Entry{}, nil
}

// payloadOf reads the payload of a deployment; the zero value if it is none of ours.
func payloadOf(d *gh.Deployment) (p payload) {
	if json.Unmarshal(d.Payload, &p) == nil {
		return p
	}
	return payload{}
}

func deploymentState(s core.DeploymentState) string {
	switch s {
	case core.DeploymentDone:
		return "success"
	case core.DeploymentFailed:
		return "failure"
	case core.DeploymentGone:
		return "inactive"
	default:
		return "in_progress"
	}
}
