package actions

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github"
)

var (
	_ core.StatusWriter = (*Forge)(nil)
	_ core.Gatekeeper   = (*Forge)(nil)
)

// SetStatus shows a status on a commit, with a link to this run.
func (f *Forge) SetStatus(ctx context.Context, commit string, s core.Status) error {
	api, err := f.api()
	if err != nil {
		return err
	}
	status := &gh.RepoStatus{State: gh.String(string(s.State)), Context: gh.String(s.Name), Description: gh.String(s.Description),
		TargetURL: gh.String(f.job.Actor.URL)}
	if _, _, err := api.Repositories.CreateStatus(ctx, api.Owner, api.Name, commit, status); err != nil {
		return github.Refused("set the status of commit "+commit, "statuses: write", err)
	}
	return nil
}

// event is what of the event that started the job says which change it is about.
type event struct {
	PullRequest *struct {
		Number int
		Head   struct{ SHA string }
		Labels []struct{ Name string }
	} `json:"pull_request"`
	MergeGroup *struct {
		HeadSHA string `json:"head_sha"`
		HeadRef string `json:"head_ref"`
		BaseRef string `json:"base_ref"`
	} `json:"merge_group"`
}

// Changes implements [core.Gatekeeper]. The job's change is its pull request or its merge group; none if another event
// started it. All of them are the open pull requests against the branch that the job runs for, and what is in its merge
// queue.
func (f *Forge) Changes(ctx context.Context, all bool) ([]core.Change, error) {
	if all {
		return f.openChanges(ctx)
	}
	path := f.env.Get("GITHUB_EVENT_PATH")
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the event that started the job: %w", err)
	}
	var e event
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, fmt.Errorf("the event that started the job, %s: %w", path, err)
	}
	switch {
	case e.PullRequest != nil:
		c := core.Change{Name: fmt.Sprintf("#%d", e.PullRequest.Number), Commit: e.PullRequest.Head.SHA}
		for _, l := range e.PullRequest.Labels {
			c.Labels = append(c.Labels, l.Name)
		}
		return []core.Change{c}, nil
	case e.MergeGroup != nil:
		pulls, err := f.pulls(ctx, strings.TrimPrefix(e.MergeGroup.BaseRef, "refs/heads/"))
		return []core.Change{inQueue(e.MergeGroup.HeadRef, e.MergeGroup.HeadSHA, pulls)}, err
	default:
		return nil, nil
	}
}

// openChanges also reads what the changes show now.
func (f *Forge) openChanges(ctx context.Context) ([]core.Change, error) {
	api, err := f.api()
	if err != nil {
		return nil, err
	}
	branch := f.env.Get("GITHUB_REF_NAME")
	if branch == "" || cmp.Or(f.env.Get("GITHUB_REF_TYPE"), "branch") != "branch" {
		return nil, errors.New("GITHUB_REF_NAME names no branch: run this on the branch that changes are to enter")
	}
	changes, err := f.pulls(ctx, branch)
	if err != nil {
		return nil, err
	}
	queue := "heads/gh-readonly-queue/" + branch + "/"
	refs, _, err := api.Git.ListMatchingRefs(ctx, api.Owner, api.Name, &gh.ReferenceListOptions{Ref: queue})
	if err != nil {
		return nil, github.Refused("show the merge queue", "contents: read", err)
	}
	pulls := changes
	for _, ref := range refs {
		changes = append(changes, inQueue(ref.GetRef(), ref.GetObject().GetSHA(), pulls))
	}
	for i := range changes {
		c := &changes[i]
		have, _, err := api.Repositories.GetCombinedStatus(ctx, api.Owner, api.Name, c.Commit, &gh.ListOptions{PerPage: 100})
		if err != nil {
			return nil, github.Refused("show the statuses of commit "+c.Commit, "statuses: read", err)
		}
		for _, s := range have.Statuses {
			c.Shows = append(c.Shows, core.Status{Name: s.GetContext(), State: core.StatusState(s.GetState()), Description: s.GetDescription()})
		}
	}
	return changes, nil
}

// pulls are the open pull requests against a branch.
func (f *Forge) pulls(ctx context.Context, branch string) ([]core.Change, error) {
	api, err := f.api()
	if err != nil {
		return nil, err
	}
	var changes []core.Change
	ask := &gh.PullRequestListOptions{State: "open", Base: branch, ListOptions: gh.ListOptions{PerPage: 100}}
	for ask.Page = 1; ask.Page != 0; {
		pulls, answer, err := api.PullRequests.List(ctx, api.Owner, api.Name, ask)
		if err != nil {
			return nil, github.Refused("show the open pull requests", "pull-requests: read", err)
		}
		for _, p := range pulls {
			c := core.Change{Name: fmt.Sprintf("#%d", p.GetNumber()), Commit: p.GetHead().GetSHA()}
			for _, l := range p.Labels {
				c.Labels = append(c.Labels, l.GetName())
			}
			changes = append(changes, c)
		}
		ask.Page = answer.NextPage
	}
	return changes, nil
}

// queued finds the pull request that a ref of the merge queue ends with.
var queued = regexp.MustCompile(`/pr-([0-9]+)-[0-9a-f]+$`)

// inQueue is a commit of the merge queue. It has the labels of the pull request that its ref is named after, the last one
// of its group.
func inQueue(ref, commit string, pulls []core.Change) core.Change {
	c := core.Change{Name: strings.TrimPrefix(ref, "refs/heads/"), Commit: commit}
	if of := queued.FindStringSubmatch(ref); of != nil {
		for _, p := range pulls {
			if p.Name == "#"+of[1] {
				c.Labels = p.Labels
			}
		}
	}
	return c
}
