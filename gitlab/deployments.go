package gitlab

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
)

var _ core.Registrar = (*Forge)(nil)

// entries are the deployments that were written, by rollout. The lock is held while one is.
type entries struct {
	sync.Mutex
	known map[string]gitlab.Deployment
}

// Register implements [core.Registrar] by one deployment for a rollout, in an environment that is named as the line. GitLab
// takes the newest that succeeded for what is out, so the success of one wave must not be one; and a deployment carries
// nothing that would tell waves or rollouts apart. Another process finds it as the newest of the environment that is no
// job's: that of this commit is the rollout's, for a line has one at a time.
func (f *Forge) Register(ctx context.Context, d core.Deployment) error {
	api, err := f.api()
	if err != nil {
		return err
	}
	f.entries.Lock()
	defer f.entries.Unlock()
	want, line := deploymentStatus(d.Whole), d.Line.String()
	have, known := f.entries.known[d.Rollout]
	if !known {
		if have, err = newestOf(ctx, api, line, d.Commit); err != nil {
			return err
		}
	}
	switch {
	case have.Status == want, have.ID != 0 && want == "running" && have.Status == "success":
		// a success that goes back, or out once more, stays one until that ends: running it cannot be again
	case have.ID == 0 && want == "canceled":
		return nil // there is nothing that could be taken for out
	case have.ID == 0, want == "running" && have.Status != "created":
		delete(f.entries.known, d.Rollout) // if it fails, nobody knows whether it was made
		have = gitlab.Deployment{Environment: line, Commit: d.Commit, Status: want}
		have.Ref, have.Tag = f.refOf(d.Commit)
		if have.ID, err = api.Deploy(ctx, have); err != nil {
			return api.Refused("make a deployment of commit "+d.Commit, writeScope, err)
		}
	default:
		delete(f.entries.known, d.Rollout)
		if err := api.SetDeployment(ctx, have.ID, want); err != nil {
			return api.Refused(fmt.Sprintf("set the status of deployment %d", have.ID), writeScope, err)
		}
		have.Status = want
	}
	if f.entries.known == nil {
		f.entries.known = make(map[string]gitlab.Deployment)
	}
	f.entries.known[d.Rollout] = have
	return nil
}

// newestOf is the newest deployment to an environment that no job made, if it is one of a commit; else the zero value.
func newestOf(ctx context.Context, api *gitlab.Client, environment, commit string) (gitlab.Deployment, error) {
	all, err := api.Deployments(ctx, environment, "")
	if err != nil {
		return gitlab.Deployment{}, api.Refused("show the deployments of "+environment, writeScope, err)
	}
	i := slices.IndexFunc(all, func(d gitlab.Deployment) bool { return !d.OfJob })
	if i < 0 || all[i].Commit != commit {
		return gitlab.Deployment{}, nil
	}
	return all[i], nil
}

// refOf is a ref that a commit can be said to be of, which must be there: the job's for the job's commit, else the default
// branch.
func (f *Forge) refOf(commit string) (ref string, tag bool) {
	if commit == f.job.Commit && f.env.Get("CI_MERGE_REQUEST_IID") == "" {
		return cmp.Or(f.env.Get("CI_COMMIT_REF_NAME"), commit), f.env.Get("CI_COMMIT_TAG") != ""
	}
	return cmp.Or(f.env.Get("CI_DEFAULT_BRANCH"), commit), false
}

// hash is what git calls a commit.
var hash = regexp.MustCompile(`^[0-9a-f]{40}$`)

// Registered implements [core.Registrar]: the newest deployment that succeeded, also one of a job.
func (f *Forge) Registered(ctx context.Context, line core.Line) (core.Entry, error) {
	api, err := f.api()
	if err != nil {
		return core.Entry{}, err
	}
	all, err := api.Deployments(ctx, line.String(), "success")
	if err != nil {
		return core.Entry{}, api.Refused("show the deployments of "+line.String(), writeScope, err)
	}
	switch {
	case len(all) == 0:
		return core.Entry{}, nil
	case !hash.MatchString(all[0].Commit):
		return core.Entry{}, fmt.Errorf("deployment %d of GitLab's environment %s is of %q, which is no commit", all[0].ID, line, all[0].Commit)
	}
	return core.Entry{Version: all[0].Commit, Source: fmt.Sprintf("Deployment %d of GitLab's environment %s", all[0].ID, line)}, nil
}

func deploymentStatus(s core.DeploymentState) string {
	switch s {
	case core.DeploymentDone:
		return "success"
	case core.DeploymentFailed:
		return "failed"
	case core.DeploymentGone:
		return "canceled"
	default:
		return "running"
	}
}
