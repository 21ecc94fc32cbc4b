package actions

import (
	"context"
	"fmt"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github"
)

var _ core.Restarter = (*Forge)(nil)

// Restart implements [core.Restarter]: all jobs of the run run again, as its next attempt. GitHub lets a run do that 50
// times within 30 days.
func (f *Forge) Restart(ctx context.Context, run string) error {
	api, err := f.api()
	if err != nil {
		return err
	}
	id, err := runID(api, run)
	if err != nil {
		return err
	}
	was, _, err := api.Actions.GetWorkflowRunByID(ctx, api.Owner, api.Name, id)
	switch {
	case err != nil:
		return github.Refused("show run "+run, "actions: write", err)
	case was.GetStatus() != "completed":
		return fmt.Errorf("run %s is still %s; the next tick tries again", run, was.GetStatus())
	}
	if _, err := api.Actions.RerunWorkflowByID(ctx, api.Owner, api.Name, id); err != nil {
		return github.Refused(fmt.Sprintf("start run %s again, of which %d attempts have been", run, was.GetRunAttempt()), "actions: write", err)
	}
	return nil
}
