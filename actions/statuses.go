package actions

import (
	"cmp"
	"context"

	gh "github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github"
)

var _ core.StatusReader = (*Forge)(nil)

// Statuses returns the statuses and the check runs of a commit, one for each name. Where several have the same name, the
// worst of them counts. Only what GitHub calls a success is green: a check that was skipped has proven nothing. A check run
// of ours is none: what it says is said by a status already.
func (f *Forge) Statuses(ctx context.Context, commit string) ([]core.Status, error) {
	api, err := f.api()
	if err != nil {
		return nil, err
	}
	var all core.Worst
	page := gh.ListOptions{PerPage: 100}
	for page.Page = 1; page.Page != 0; {
		combined, answer, err := api.Repositories.GetCombinedStatus(ctx, api.Owner, api.Name, commit, &page)
		if err != nil {
			return nil, github.Refused("show the statuses of commit "+commit, "statuses: read", err)
		}
		for _, s := range combined.Statuses {
			all.Add(core.Status{Name: s.GetContext(), State: stateOf(s.GetState()), Description: s.GetDescription()})
		}
		page.Page = answer.NextPage
	}
	for page.Page = 1; page.Page != 0; {
		runs, answer, err := api.Checks.ListCheckRunsForRef(ctx, api.Owner, api.Name, commit, &gh.ListCheckRunsOptions{ListOptions: page})
		if err != nil {
			return nil, github.Refused("show the check runs of commit "+commit, "checks: read", err)
		}
		for _, run := range runs.CheckRuns {
			if ours(run) {
				continue
			}
			state := core.StatusPending
			if run.GetStatus() == "completed" {
				state = stateOf(run.GetConclusion())
			}
			all.Add(core.Status{Name: run.GetName(), State: state, Description: cmp.Or(run.GetOutput().GetTitle(), run.GetConclusion())})
		}
		page.Page = answer.NextPage
	}
	return all, nil
}

// stateOf reads the state of a status, or the conclusion of a check run.
func stateOf(said string) core.StatusState {
	switch said {
	case "success":
		return core.StatusSuccess
	case "pending":
		return core.StatusPending
	default:
		return core.StatusFailure
	}
}
