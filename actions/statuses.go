package actions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
)

// apiTimeout is the longest time for one answer of GitHub.
const apiTimeout = 30 * time.Second

var _ core.StatusReader = (*Forge)(nil)

// Statuses returns the statuses and the check runs of a commit, one for each name. Where several have the same name, the
// worst of them counts. Only what GitHub calls a success is green: a check that was skipped has proven nothing.
func (f *Forge) Statuses(ctx context.Context, commit string) ([]core.Status, error) {
	api, owner, repo, err := f.api()
	if err != nil {
		return nil, err
	}
	var all worst
	page := github.ListOptions{PerPage: 100}
	for page.Page = 1; page.Page != 0; {
		combined, answer, err := api.Repositories.GetCombinedStatus(ctx, owner, repo, commit, &page)
		if err != nil {
			return nil, refused("the statuses of commit "+commit, "statuses: read", err)
		}
		for _, s := range combined.Statuses {
			all.add(core.Status{Name: s.GetContext(), State: stateOf(s.GetState()), Description: s.GetDescription()})
		}
		page.Page = answer.NextPage
	}
	for page.Page = 1; page.Page != 0; {
		runs, answer, err := api.Checks.ListCheckRunsForRef(ctx, owner, repo, commit, &github.ListCheckRunsOptions{ListOptions: page})
		if err != nil {
			return nil, refused("the check runs of commit "+commit, "checks: read", err)
		}
		for _, run := range runs.CheckRuns {
			state := core.StatusPending
			if run.GetStatus() == "completed" {
				state = stateOf(run.GetConclusion())
			}
			all.add(core.Status{Name: run.GetName(), State: state, Description: cmp.Or(run.GetOutput().GetTitle(), run.GetConclusion())})
		}
		page.Page = answer.NextPage
	}
	return all, nil
}

// api is a client for the job's repository.
func (f *Forge) api() (client *github.Client, owner, repo string, err error) {
	token := f.env["GITHUB_TOKEN"]
	if token == "" {
		return nil, "", "", errors.New("GITHUB_TOKEN is not set: give it to the step, as env: {GITHUB_TOKEN: ${{ github.token }}}")
	}
	base, err := url.Parse(strings.TrimSuffix(cmp.Or(f.env["GITHUB_API_URL"], "https://api.github.com"), "/") + "/")
	if err != nil {
		return nil, "", "", fmt.Errorf("GITHUB_API_URL: %w", err)
	}
	client = github.NewClient(&http.Client{Timeout: apiTimeout}).WithAuthToken(token)
	client.BaseURL = base
	owner, repo, _ = strings.Cut(f.env["GITHUB_REPOSITORY"], "/")
	return client, owner, repo, nil
}

// refused says of a failed request what was asked for and, where GitHub does not let the job see it, what permits it.
func refused(what, permission string, err error) error {
	answer, ok := errors.AsType[*github.ErrorResponse](err)
	if !ok || answer.Response == nil {
		return fmt.Errorf("GitHub could not be asked for %s: %w", what, err)
	}
	do := ""
	switch answer.Response.StatusCode {
	case http.StatusUnauthorized:
		do = "; GITHUB_TOKEN is wrong or has expired"
	case http.StatusForbidden, http.StatusNotFound:
		do = "; the job needs the permission " + permission
	}
	return fmt.Errorf("GitHub does not show %s: %s (%d)%s", what, answer.Message, answer.Response.StatusCode, do)
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

// worst is one status for each name: the worst of those that were added.
type worst []core.Status

func (w *worst) add(s core.Status) {
	for i := range *w {
		if have := &(*w)[i]; have.Name == s.Name {
			if badness(s.State) > badness(have.State) {
				*have = s
			}
			return
		}
	}
	*w = append(*w, s)
}

func badness(s core.StatusState) int {
	switch s {
	case core.StatusSuccess:
		return 0
	case core.StatusPending:
		return 1
	default:
		return 2
	}
}
