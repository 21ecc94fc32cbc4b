package gitlab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

var _ core.Gatekeeper = (*Forge)(nil)

// Changes implements [core.Gatekeeper]. The job's change is its merge request; none if another event started the pipeline.
// All of them are the open merge requests into the branch that the job runs for. A merge request that must have a pipeline
// that succeeded looks at its newest, so its status belongs there, on the commit of that.
func (f *Forge) Changes(ctx context.Context, all bool) ([]core.Change, error) {
	if all {
		return f.openChanges(ctx)
	}
	iid := f.env.Get("CI_MERGE_REQUEST_IID")
	if iid == "" {
		return nil, nil
	}
	c := core.Change{Name: "!" + iid, Commit: f.job.Commit}
	if n, err := f.env.Number("CI_MERGE_REQUEST_IID"); err == nil {
		f.remember(c.Name, merge{n, cmp.Or(f.env.Get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"), f.job.Commit)}) // set where the commit is one of the result
	}
	if labels := f.env.Get("CI_MERGE_REQUEST_LABELS"); labels != "" {
		c.Labels = strings.Split(labels, ",")
	}
	return []core.Change{c}, nil
}

// openChanges also reads what the changes show now.
func (f *Forge) openChanges(ctx context.Context) ([]core.Change, error) {
	api, err := f.api()
	if err != nil {
		return nil, err
	}
	branch := f.env.Get("CI_COMMIT_BRANCH")
	if branch == "" {
		return nil, errors.New("CI_COMMIT_BRANCH names no branch: run this in a pipeline of the branch that changes are to enter")
	}
	merges, err := api.OpenMergeRequests(ctx, branch)
	if err != nil {
		return nil, api.Refused("show the open merge requests", writeScope, err)
	}
	changes := make([]core.Change, len(merges))
	for i, m := range merges {
		c := core.Change{Name: fmt.Sprintf("!%d", m.IID), Commit: cmp.Or(m.PipelineHead, m.Commit), Labels: m.Labels}
		have, err := api.Statuses(ctx, c.Commit)
		if err != nil {
			return nil, api.Refused("show the statuses of commit "+c.Commit, writeScope, err)
		}
		for _, s := range have {
			c.Shows = append(c.Shows, core.Status{Name: s.Name, State: stateOf(s.State), Description: s.Description})
		}
		f.attach(c.Commit, m.Pipeline)
		f.remember(c.Name, merge{m.IID, m.Commit})
		changes[i] = c
	}
	return changes, nil
}

// attach remembers the pipeline in which a commit's statuses count.
func (f *Forge) attach(commit string, pipeline int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pipelines == nil {
		f.pipelines = make(map[string]int)
	}
	f.pipelines[commit] = pipeline
}
