package gitlab

import (
	"context"

	gl "github.com/xanzy/go-gitlab"
)

// Deployments are the newest to an environment, the newest first, at most a page of them; with a status, those that have it.
func (c *Client) Deployments(ctx context.Context, environment, status string) ([]Deployment, error) {
	options := &gl.ListProjectDeploymentsOptions{ListOptions: gl.ListOptions{PerPage: pageSize}, OrderBy: gl.Ptr("id"), Sort: gl.Ptr("desc"), Environment: &environment}
	if status != "" {
		options.Status = &status
	}
	found, _, err := c.api.Deployments.ListProjectDeployments(c.Project, options, gl.WithContext(ctx))
	if err != nil {
		return nil, plain(err)
	}
	all := make([]Deployment, len(found))
	for i, d := range found {
		all[i] = Deployment{ID: d.ID, Environment: environment, Commit: d.SHA, Ref: d.Ref, Status: d.Status, OfJob: d.Deployable.ID != 0}
	}
	return all, nil
}

// Deploy makes a deployment, and its environment if there is none, and returns its id.
func (c *Client) Deploy(ctx context.Context, d Deployment) (int, error) {
	made, _, err := c.api.Deployments.CreateProjectDeployment(c.Project, &gl.CreateProjectDeploymentOptions{Environment: &d.Environment,
		Ref: &d.Ref, SHA: &d.Commit, Tag: &d.Tag, Status: gl.Ptr(gl.DeploymentStatusValue(d.Status))}, gl.WithContext(ctx))
	if err != nil {
		return 0, plain(err)
	}
	return made.ID, nil
}

// SetDeployment changes the status of a deployment.
func (c *Client) SetDeployment(ctx context.Context, id int, status string) error {
	_, _, err := c.api.Deployments.UpdateProjectDeployment(c.Project, id,
		&gl.UpdateProjectDeploymentOptions{Status: gl.Ptr(gl.DeploymentStatusValue(status))}, gl.WithContext(ctx))
	return plain(err)
}
