package actions

import (
	"context"
	"strings"
	"sync"

	gh "github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github"
)

var _ core.Reporter = (*Forge)(nil)

const (
	textLimit = 65_000 // bytes of a check run's text: GitHub takes 65,535 characters
	mostNotes = 50     // that one request may have

	checksPermission = "checks: write"

	// mark is what our own check runs are known by: the rest of it names the rollout.
	mark = "breakwater:"
)

// ours reports whether a check run is a report of Breakwater.
func ours(run *gh.CheckRun) bool { return strings.HasPrefix(run.GetExternalID(), mark) }

// checkRuns are those that show reports, by commit and rollout. The lock is held while one is written.
type checkRuns struct {
	sync.Mutex
	known map[string]*checkRun
}

// A checkRun is what is known of one on GitHub.
type checkRun struct {
	id         int64 // 0: it is yet to be made
	conclusion string
	noted      map[core.Annotation]bool
}

// Report implements [core.Reporter] by a check run. GitHub never changes the conclusion of one: a rollout that goes on
// again gets a new one of the same name, and GitHub shows the newest.
func (f *Forge) Report(ctx context.Context, commit string, r core.Report) error {
	api, err := f.api()
	if err != nil {
		return err
	}
	f.checks.Lock()
	defer f.checks.Unlock()
	key := commit + " " + r.Rollout
	run := f.checks.known[key]
	if run == nil {
		if run, err = f.findCheckRun(ctx, api, commit, r); err != nil {
			return err
		}
	}
	if run.conclusion != "" && run.conclusion != conclusion(r.State) {
		run = &checkRun{}
	}
	delete(f.checks.known, key) // until it is known what became of the requests
	if err := f.writeCheckRun(ctx, api, run, commit, r); err != nil {
		return github.Refused("show the report on commit "+commit, checksPermission, err)
	}
	if f.checks.known == nil {
		f.checks.known = make(map[string]*checkRun)
	}
	f.checks.known[key] = run
	return nil
}

// writeCheckRun makes or changes a check run. Notes that do not fit into one request go into the next.
func (f *Forge) writeCheckRun(ctx context.Context, api *github.Client, run *checkRun, commit string, r core.Report) error {
	if run.noted == nil {
		run.noted = make(map[core.Annotation]bool)
	}
	var fresh []core.Annotation
	for _, n := range r.Notes {
		if !run.noted[n] {
			fresh = append(fresh, n)
			run.noted[n] = true
		}
	}
	for first := true; first || len(fresh) > 0; first = false {
		n := min(len(fresh), mostNotes)
		output := &gh.CheckRunOutput{Title: &r.Title, Summary: gh.String(cut(r.Text, textLimit)), Annotations: annotations(fresh[:n])}
		fresh = fresh[n:]
		if err := f.sendCheckRun(ctx, api, run, commit, r, output); err != nil {
			return err
		}
	}
	return nil
}

func (f *Forge) sendCheckRun(ctx context.Context, api *github.Client, run *checkRun, commit string, r core.Report, output *gh.CheckRunOutput) error {
	name, status, details := checkName(r.Line), gh.String("in_progress"), gh.String(f.job.Actor.URL)
	var ended *string
	var completed *gh.Timestamp
	if is := conclusion(r.State); is != "" {
		status, ended, completed = gh.String("completed"), &is, &gh.Timestamp{Time: r.Ended.UTC()}
		run.conclusion = is
	}
	if run.id != 0 {
		_, _, err := api.Checks.UpdateCheckRun(ctx, api.Owner, api.Name, run.id, gh.UpdateCheckRunOptions{
			Name: name, DetailsURL: details, Status: status, Conclusion: ended, CompletedAt: completed, Output: output,
		})
		return err
	}
	made, _, err := api.Checks.CreateCheckRun(ctx, api.Owner, api.Name, gh.CreateCheckRunOptions{
		Name: name, HeadSHA: commit, DetailsURL: details, ExternalID: gh.String(mark + r.Rollout), Status: status, Conclusion: ended,
		StartedAt: &gh.Timestamp{Time: r.Began.UTC()}, CompletedAt: completed, Output: output,
	})
	run.id = made.GetID()
	return err
}

// checkName is the name of a line's check runs. It is not that of its status, so that a branch which requires the one
// does not wait for the other.
func checkName(l core.Line) string { return "Breakwater " + l.String() }

// findCheckRun finds the newest one of a rollout, which another process may have made.
func (f *Forge) findCheckRun(ctx context.Context, api *github.Client, commit string, r core.Report) (*checkRun, error) {
	var newest *gh.CheckRun
	ask := &gh.ListCheckRunsOptions{CheckName: gh.String(checkName(r.Line)), Filter: gh.String("all"), ListOptions: gh.ListOptions{PerPage: 100}}
	for ask.Page = 1; ask.Page != 0; {
		found, answer, err := api.Checks.ListCheckRunsForRef(ctx, api.Owner, api.Name, commit, ask)
		if err != nil {
			return nil, github.Refused("show the check runs of commit "+commit, checksPermission, err)
		}
		for _, run := range found.CheckRuns {
			if run.GetExternalID() == mark+r.Rollout && run.GetID() > newest.GetID() {
				newest = run
			}
		}
		ask.Page = answer.NextPage
	}
	run := &checkRun{id: newest.GetID(), conclusion: newest.GetConclusion(), noted: make(map[core.Annotation]bool)}
	if newest.GetOutput().GetAnnotationsCount() == 0 {
		return run, nil
	}
	page := &gh.ListOptions{PerPage: 100}
	for page.Page = 1; page.Page != 0; {
		have, answer, err := api.Checks.ListCheckRunAnnotations(ctx, api.Owner, api.Name, run.id, page)
		if err != nil {
			return nil, github.Refused("show the notes of a check run", checksPermission, err)
		}
		for _, a := range have {
			run.noted[core.Annotation{Error: a.GetAnnotationLevel() == "failure", Title: a.GetTitle(), Message: a.GetMessage(), File: a.GetPath(),
				Line: a.GetStartLine(), Column: a.GetStartColumn()}] = true
		}
		page.Page = answer.NextPage
	}
	return run, nil
}

// conclusion is what GitHub calls the end of a rollout; empty while it goes on.
func conclusion(s core.State) string {
	switch s {
	case core.StateSucceeded:
		return "success"
	case core.StateHalted:
		return "action_required"
	case core.StateRolledBack, core.StateRollbackFailed:
		return "failure"
	case core.StateAborted:
		return "cancelled"
	default:
		return ""
	}
}

func annotations(notes []core.Annotation) []*gh.CheckRunAnnotation {
	all := make([]*gh.CheckRunAnnotation, len(notes))
	for i := range notes {
		n := &notes[i]
		level := "warning"
		if n.Error {
			level = "failure"
		}
		at := max(1, n.Line)
		all[i] = &gh.CheckRunAnnotation{Path: &n.File, StartLine: &at, EndLine: &at, AnnotationLevel: &level, Title: &n.Title, Message: &n.Message}
		if n.Column > 0 {
			all[i].StartColumn, all[i].EndColumn = &n.Column, &n.Column
		}
	}
	return all
}
