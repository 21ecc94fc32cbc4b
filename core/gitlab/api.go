package gitlab

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"
)

// pageSize is the most that GitLab gives at once.
const pageSize = 100

// A Commit changes files of a branch.
type Commit struct {
	Branch  string
	Start   string // branch to start from; empty: the branch is there
	Message string
	Changes []Change
}

// A Change is what a commit does to one file.
type Change struct {
	Action string // create, update or delete; update and delete are refused where there is no such file, create where there is
	Path   string
	Text   string
	Last   string // for update: the commit that changed the file last, as far as we know
}

// A Status is one of a commit.
type Status struct {
	Name, State, Description, URL string
	Ref                           string // of the pipeline that it is part of; empty: GitLab chooses
	Pipeline                      int    // 0: GitLab chooses
}

// A Pipeline is one of a commit.
type Pipeline struct {
	ID                  int
	Source, Status, Ref string
	URL                 string // its page
}

// A MergeRequest is an open one.
type MergeRequest struct {
	IID          int
	Commit       string // the newest of its source branch
	Labels       []string
	Pipeline     int // its newest; 0: it has none
	PipelineHead string
}

// A Note is one of a merge request.
type Note struct {
	ID, Author int
	Body       string
}

// A Job is one of a pipeline.
type Job struct {
	ID           int
	Name, Status string
	URL, Reason  string // its page, and why it has failed
	Optional     bool   // its pipeline succeeds without it

	Created, Began, Ended time.Time // zero: it has not
}

// A FreezePeriod is one of the project, as it is written there.
type FreezePeriod struct {
	Start, End string // cron
	Zone       string // of both
}

// A Deployment is one to an environment.
type Deployment struct {
	ID                       int
	Environment, Commit, Ref string
	Tag                      bool // what Ref is
	Status                   string
	OfJob                    bool // GitLab made it for a job, whose end is its own
}

// plain turns the library's error into ours.
func plain(err error) error {
	if errors.Is(err, gl.ErrNotFound) {
		return &Error{http.StatusNotFound, "Not Found"}
	}
	if answer, ok := errors.AsType[*gl.ErrorResponse](err); ok && answer.Response != nil {
		said := strings.TrimPrefix(strings.TrimPrefix(answer.Message, "{message: "), "{error: ") // the library adds the name
		return &Error{answer.Response.StatusCode, strings.TrimSuffix(said, "}")}
	}
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		return wrong.Err // its text repeats the whole address
	}
	return err
}

// pages goes through all pages of a list.
func pages[T any](ask func(gl.ListOptions) ([]T, *gl.Response, error)) ([]T, error) {
	var all []T
	for page := 1; page != 0; {
		some, answer, err := ask(gl.ListOptions{Page: page, PerPage: pageSize})
		if err != nil {
			return nil, plain(err)
		}
		all, page = append(all, some...), answer.NextPage
	}
	return all, nil
}

// Head is the newest commit of a branch; empty if there is no such branch. The branches are listed: to be told of one that
// it is not found could as well mean that the token may not see the project.
func (c *Client) Head(ctx context.Context, branch string) (string, error) {
	search := "^" + branch + "$"
	found, _, err := c.api.Branches.ListBranches(c.Project, &gl.ListBranchesOptions{Search: &search}, gl.WithContext(ctx))
	if err != nil {
		return "", plain(err)
	}
	for _, b := range found {
		if b.Name == branch && b.Commit != nil {
			return b.Commit.ID, nil
		}
	}
	return "", nil
}

// DefaultBranch is the project's.
func (c *Client) DefaultBranch(ctx context.Context) (string, error) {
	p, _, err := c.api.Projects.GetProject(c.Project, nil, gl.WithContext(ctx))
	if err != nil {
		return "", plain(err)
	}
	return p.DefaultBranch, nil
}

// Files are the paths of all files below a folder, or with its folders what is right in it; none if there is no such folder.
func (c *Client) Files(ctx context.Context, commit, folder string, below bool) ([]string, error) {
	nodes, err := pages(func(page gl.ListOptions) ([]*gl.TreeNode, *gl.Response, error) {
		return c.api.Repositories.ListTree(c.Project, &gl.ListTreeOptions{ListOptions: page, Path: &folder, Ref: &commit, Recursive: &below}, gl.WithContext(ctx))
	})
	if Code(err) == http.StatusNotFound {
		return nil, nil
	}
	var paths []string
	for _, n := range nodes {
		if !below || n.Type == "blob" {
			paths = append(paths, n.Path)
		}
	}
	return paths, err
}

// File is the text of a file as of a commit, and the commit that changed it last.
func (c *Client) File(ctx context.Context, commit, path string) (text []byte, last string, err error) {
	f, _, err := c.api.RepositoryFiles.GetFile(c.Project, path, &gl.GetFileOptions{Ref: &commit}, gl.WithContext(ctx))
	if err != nil {
		return nil, "", plain(err)
	}
	if f.Encoding != "base64" {
		return nil, "", fmt.Errorf("GitLab shows file %s as %q; want base64", path, f.Encoding)
	}
	text, err = base64.StdEncoding.DecodeString(f.Content)
	return text, f.LastCommitID, err
}

// Commit makes a commit, all of it or nothing, and returns its name.
func (c *Client) Commit(ctx context.Context, k Commit) (string, error) {
	options := &gl.CreateCommitOptions{Branch: &k.Branch, CommitMessage: &k.Message}
	if k.Start != "" {
		options.StartBranch = &k.Start
	}
	for _, change := range k.Changes {
		action := &gl.CommitActionOptions{Action: gl.Ptr(gl.FileActionValue(change.Action)), FilePath: &change.Path}
		if change.Action != "delete" {
			action.Content = gl.Ptr(base64.StdEncoding.EncodeToString([]byte(change.Text)))
			action.Encoding = gl.Ptr("base64")
		}
		if change.Last != "" {
			action.LastCommitID = &change.Last
		}
		options.Actions = append(options.Actions, action)
	}
	made, _, err := c.api.Commits.CreateCommit(c.Project, options, gl.WithContext(ctx))
	if err != nil {
		return "", plain(err)
	}
	return made.ID, nil
}

// Statuses are those of a commit, the newest of each name in each pipeline: its jobs are among them.
func (c *Client) Statuses(ctx context.Context, commit string) ([]Status, error) {
	found, err := pages(func(page gl.ListOptions) ([]*gl.CommitStatus, *gl.Response, error) {
		return c.api.Commits.GetCommitStatuses(c.Project, commit, &gl.GetCommitStatusesOptions{ListOptions: page}, gl.WithContext(ctx))
	})
	all := make([]Status, len(found))
	for i, s := range found {
		all[i] = Status{Name: s.Name, State: s.Status, Description: s.Description, URL: s.TargetURL, Ref: s.Ref, Pipeline: s.PipelineId}
	}
	return all, err
}

// SetStatus sets a status of a commit.
func (c *Client) SetStatus(ctx context.Context, commit string, s Status) error {
	options := &gl.SetCommitStatusOptions{State: gl.BuildStateValue(s.State), Name: &s.Name, Description: &s.Description}
	if s.URL != "" {
		options.TargetURL = &s.URL
	}
	if s.Ref != "" {
		options.Ref = &s.Ref
	}
	if s.Pipeline != 0 {
		options.PipelineID = &s.Pipeline
	}
	_, _, err := c.api.Commits.SetCommitStatus(c.Project, commit, options, gl.WithContext(ctx))
	return plain(err)
}

// Pipelines are those of a commit, the newest first.
func (c *Client) Pipelines(ctx context.Context, commit string) ([]Pipeline, error) {
	found, err := pages(func(page gl.ListOptions) ([]*gl.PipelineInfo, *gl.Response, error) {
		return c.api.Pipelines.ListProjectPipelines(c.Project, &gl.ListProjectPipelinesOptions{ListOptions: page, SHA: &commit}, gl.WithContext(ctx))
	})
	all := make([]Pipeline, len(found))
	for i, p := range found {
		all[i] = Pipeline{p.ID, p.Source, p.Status, p.Ref, p.WebURL}
	}
	return all, err
}

// OpenMergeRequests are those that are to enter a branch, each with its newest pipeline, which takes a request for each.
func (c *Client) OpenMergeRequests(ctx context.Context, into string) ([]MergeRequest, error) {
	found, err := pages(func(page gl.ListOptions) ([]*gl.MergeRequest, *gl.Response, error) {
		return c.api.MergeRequests.ListProjectMergeRequests(c.Project,
			&gl.ListProjectMergeRequestsOptions{ListOptions: page, State: gl.Ptr("opened"), TargetBranch: &into}, gl.WithContext(ctx))
	})
	if err != nil {
		return nil, err
	}
	all := make([]MergeRequest, len(found))
	for i, m := range found {
		all[i] = MergeRequest{IID: m.IID, Commit: m.SHA, Labels: m.Labels}
		whole, _, err := c.api.MergeRequests.GetMergeRequest(c.Project, m.IID, nil, gl.WithContext(ctx))
		if err != nil {
			return nil, plain(err)
		}
		if p := whole.HeadPipeline; p != nil {
			all[i].Pipeline, all[i].PipelineHead = p.ID, p.SHA
		}
	}
	return all, nil
}

// MergeRequestsOf are the numbers of those that a commit came from.
func (c *Client) MergeRequestsOf(ctx context.Context, commit string) ([]int, error) {
	found, _, err := c.api.Commits.ListMergeRequestsByCommit(c.Project, commit, gl.WithContext(ctx))
	if err != nil {
		return nil, plain(err)
	}
	var all []int
	for _, m := range found {
		all = append(all, m.IID)
	}
	return all, nil
}

// Notes are those of a merge request.
func (c *Client) Notes(ctx context.Context, iid int) ([]Note, error) {
	found, err := pages(func(page gl.ListOptions) ([]*gl.Note, *gl.Response, error) {
		return c.api.Notes.ListMergeRequestNotes(c.Project, iid, &gl.ListMergeRequestNotesOptions{ListOptions: page}, gl.WithContext(ctx))
	})
	all := make([]Note, len(found))
	for i, n := range found {
		all[i] = Note{n.ID, n.Author.ID, n.Body}
	}
	return all, err
}

// AddNote adds one to a merge request.
func (c *Client) AddNote(ctx context.Context, iid int, body string) error {
	_, _, err := c.api.Notes.CreateMergeRequestNote(c.Project, iid, &gl.CreateMergeRequestNoteOptions{Body: &body}, gl.WithContext(ctx))
	return plain(err)
}

// ChangeNote changes one of a merge request.
func (c *Client) ChangeNote(ctx context.Context, iid, note int, body string) error {
	_, _, err := c.api.Notes.UpdateMergeRequestNote(c.Project, iid, note, &gl.UpdateMergeRequestNoteOptions{Body: &body}, gl.WithContext(ctx))
	return plain(err)
}

// Me is the id of the user that the token acts as.
func (c *Client) Me(ctx context.Context) (int, error) {
	u, _, err := c.api.Users.CurrentUser(gl.WithContext(ctx))
	if err != nil {
		return 0, plain(err)
	}
	return u.ID, nil
}

// Scopes are those of a project access token, and the day on which it ends; zero: it does not.
func (c *Client) Scopes(ctx context.Context) (scopes []string, until time.Time, err error) {
	t, _, err := c.api.PersonalAccessTokens.GetSinglePersonalAccessToken(gl.WithContext(ctx))
	if err != nil {
		return nil, time.Time{}, plain(err)
	}
	if t.ExpiresAt != nil {
		until = time.Time(*t.ExpiresAt)
	}
	return t.Scopes, until, nil
}

// AnswerCheck tells an external status check about a merge request as of the newest commit of its source branch.
func (c *Client) AnswerCheck(ctx context.Context, iid, check int, head, status string) error {
	_, err := c.api.ExternalStatusChecks.SetExternalStatusCheckStatus(c.Project, iid,
		&gl.SetExternalStatusCheckStatusOptions{SHA: &head, ExternalStatusCheckID: &check, Status: &status}, gl.WithContext(ctx))
	return plain(err)
}

// FreezePeriods are those of the project.
func (c *Client) FreezePeriods(ctx context.Context) ([]FreezePeriod, error) {
	found, err := pages(func(page gl.ListOptions) ([]*gl.FreezePeriod, *gl.Response, error) {
		return c.api.FreezePeriods.ListFreezePeriods(c.Project, (*gl.ListFreezePeriodsOptions)(&page), gl.WithContext(ctx))
	})
	all := make([]FreezePeriod, len(found))
	for i, p := range found {
		all[i] = FreezePeriod{p.FreezeStart, p.FreezeEnd, p.CronTimezone}
	}
	return all, err
}

// Now is GitLab's clock, to the second.
func (c *Client) Now(ctx context.Context) (time.Time, error) {
	_, answer, err := c.api.Projects.GetProject(c.Project, nil, gl.WithContext(ctx))
	if err != nil {
		return time.Time{}, plain(err)
	}
	return http.ParseTime(answer.Header.Get("Date"))
}
