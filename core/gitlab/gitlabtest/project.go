package gitlabtest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Status is one of a commit: an external one, or a job.
type Status struct {
	SHA, Name, State, Description, URL string
	Ref                                string
	Pipeline                           int
}

// A Pipeline is one of a commit.
type Pipeline struct {
	ID                       int
	SHA, Ref, Source, Status string
	Variables                map[string]string
	By                       int  // who created it; 0: somebody else
	Stubborn                 bool // it does not stop when it is cancelled
}

// A MergeRequest is one of the project.
type MergeRequest struct {
	IID      int
	SHA      string // the newest of its source branch
	Into     string
	Labels   []string
	Merged   string // commit that it was merged as; empty: it is open
	Pipeline int    // its newest; 0: none
}

// A Note is one of a merge request.
type Note struct {
	ID, IID, Author int
	Body            string
}

// A Job is one of a pipeline.
type Job struct {
	ID, Pipeline int
	Name, Status string
	Retried      bool // another has taken its place
	Reason       string
	Optional     bool
	Variables    map[string]string // that it was played with
	Stubborn     bool              // it does not stop when it is cancelled

	Created, Began, Ended time.Time // zero: it has not
}

func only[T any](all []T, keep func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(all), func(each T) bool { return !keep(each) })
}

func find[T any](all []T, is func(*T) bool) *T {
	for i := range all {
		if is(&all[i]) {
			return &all[i]
		}
	}
	return nil
}

// has reports whether there is such a commit.
func (s *Server) has(sha string) bool {
	_, err := s.git(nil, nil, "cat-file", "-e", sha+"^{commit}")
	return err == nil
}

// routesStatuses are commit statuses and pipelines.
func (s *Server) routesStatuses() {
	s.handle(endpoint{method: "GET", path: "/projects/{id}/repository/commits/{sha}/statuses",
		query: []string{"ref", "stage", "name", "pipeline_id", "order_by", "sort", "all"}}, func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.has(r.PathValue("sha")) {
			return http.StatusNotFound, failure("404 Commit Not Found")
		}
		return list(r, only(s.state.Statuses, func(st Status) bool { return st.SHA == r.PathValue("sha") }), status)
	})
	s.handle(endpoint{method: "POST", path: "/projects/{id}/statuses/{sha}",
		fields: []string{"!state", "ref", "name", "context", "target_url", "description", "coverage", "pipeline_id"}}, s.setStatus)
	s.handle(endpoint{method: "GET", path: "/projects/{id}/pipelines", query: []string{"scope", "status", "source", "ref", "sha", "yaml_errors",
		"username", "updated_after", "updated_before", "created_after", "created_before", "order_by", "sort", "name"}}, func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		is := func(name, value string) bool { return !r.URL.Query().Has(name) || r.FormValue(name) == value }
		all := only(s.state.Pipelines, func(p Pipeline) bool { return is("sha", p.SHA) && is("ref", p.Ref) && is("source", p.Source) })
		slices.SortFunc(all, func(a, b Pipeline) int { return b.ID - a.ID })
		return list(r, all, s.pipeline)
	})
}

func status(st Status) map[string]any {
	return map[string]any{"sha": st.SHA, "name": st.Name, "status": st.State, "description": st.Description, "target_url": st.URL, "ref": st.Ref, "pipeline_id": st.Pipeline}
}

func (s *Server) pipeline(p Pipeline) map[string]any {
	return map[string]any{"id": p.ID, "sha": p.SHA, "ref": p.Ref, "source": p.Source, "status": p.Status, "web_url": fmt.Sprintf("%s/-/pipelines/%d", s.Web, p.ID)}
}

// setStatus changes the status of a name that is not over, or makes a new one. One that is pending or running cannot
// become so again, and none leaves its end.
func (s *Server) setStatus(r *http.Request, body map[string]any) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sha, state := r.PathValue("sha"), text(body, "state")
	if !s.has(sha) {
		return http.StatusNotFound, failure("404 Commit Not Found")
	}
	if !slices.Contains([]string{"pending", "running", "success", "failed", "canceled", "skipped"}, state) {
		return http.StatusBadRequest, failure("state does not have a valid value")
	}
	if len([]rune(text(body, "description"))) > 255 {
		return http.StatusBadRequest, failure("description is too long (maximum is 255 characters)")
	}
	id, _ := body["pipeline_id"].(float64)
	if id != 0 && find(s.state.Pipelines, func(p *Pipeline) bool {
		return p.ID == int(id) && p.SHA == sha && (text(body, "ref") == "" || text(body, "ref") == p.Ref)
	}) == nil {
		return http.StatusNotFound, failure("404 Pipeline for pipeline_id, sha and ref Not Found")
	}
	name := text(body, "name")
	st := find(s.state.Statuses, func(st *Status) bool { return st.SHA == sha && st.Name == name && st.Pipeline == int(id) })
	made := st == nil || st.State != "pending" && st.State != "running"
	if !made && (st.State == state || st.State == "running" && state == "pending") {
		return http.StatusBadRequest, failure(fmt.Sprintf("Cannot transition status via :%s from :%s", map[string]string{"pending": "enqueue", "running": "run"}[state], st.State))
	}
	now := Status{SHA: sha, Name: name, State: state, Description: text(body, "description"), URL: text(body, "target_url"), Pipeline: int(id)}
	if st != nil {
		*st = now // the newest of a name is the one that counts
	} else {
		s.state.Statuses = append(s.state.Statuses, now)
	}
	return http.StatusCreated, status(now)
}

// routesMerges are merge requests, their notes, and who the token is.
func (s *Server) routesMerges() {
	s.handle(endpoint{method: "GET", path: "/projects/{id}/merge_requests", query: []string{"state", "target_branch", "source_branch", "labels", "order_by", "sort", "scope"}},
		func(r *http.Request, _ map[string]any) (int, any) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return list(r, only(s.state.Merges, func(m MergeRequest) bool {
				return m.Into == r.FormValue("target_branch") && (m.Merged == "") == (r.FormValue("state") == "opened")
			}), merge)
		})
	s.handle(endpoint{method: "GET", path: "/projects/{id}/merge_requests/{iid}"}, func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		m := find(s.state.Merges, func(m *MergeRequest) bool { return m.IID == number(r, "iid") })
		if m == nil {
			return http.StatusNotFound, failure("404 Not found")
		}
		whole := merge(*m)
		if p := find(s.state.Pipelines, func(p *Pipeline) bool { return p.ID == m.Pipeline }); p != nil {
			whole["head_pipeline"] = s.pipeline(*p)
		}
		return http.StatusOK, whole
	})
	s.handle(endpoint{method: "GET", path: "/projects/{id}/repository/commits/{sha}/merge_requests", query: []string{"state"}}, func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return list(r, only(s.state.Merges, func(m MergeRequest) bool { return m.Merged == r.PathValue("sha") || m.SHA == r.PathValue("sha") }), merge)
	})
	s.routesNotes()
	s.handle(endpoint{method: "GET", path: "/user"}, func(*http.Request, map[string]any) (int, any) {
		return http.StatusOK, map[string]any{"id": Me, "username": "project_7_bot"}
	})
	s.handle(endpoint{method: "GET", path: "/personal_access_tokens/self"}, func(*http.Request, map[string]any) (int, any) {
		return http.StatusOK, map[string]any{"id": 1, "name": "breakwater", "scopes": []string{"api"}, "active": true, "user_id": Me, "expires_at": "2027-06-30"}
	})
}

func merge(m MergeRequest) map[string]any {
	state := "opened"
	if m.Merged != "" {
		state = "merged"
	}
	return map[string]any{"iid": m.IID, "sha": m.SHA, "target_branch": m.Into, "labels": append([]string{}, m.Labels...), "state": state}
}

// routesNotes are the notes of merge requests.
func (s *Server) routesNotes() {
	const path = "/projects/{id}/merge_requests/{iid}/notes"
	note := func(n Note) map[string]any {
		return map[string]any{"id": n.ID, "body": n.Body, "author": map[string]any{"id": n.Author}, "system": false}
	}
	s.handle(endpoint{method: "GET", path: path, query: []string{"sort", "order_by"}}, func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return list(r, only(s.state.Notes, func(n Note) bool { return n.IID == number(r, "iid") }), note)
	})
	s.handle(endpoint{method: "POST", path: path, fields: []string{"!body", "created_at", "internal", "merge_request_diff_head_sha"}}, func(r *http.Request, body map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if why := s.takes(text(body, "body")); why != "" {
			return http.StatusBadRequest, failure(why)
		}
		n := Note{ID: s.id(), IID: number(r, "iid"), Author: Me, Body: text(body, "body")}
		s.state.Notes = append(s.state.Notes, n)
		return http.StatusCreated, note(n)
	})
	s.handle(endpoint{method: "PUT", path: path + "/{note}", fields: []string{"!body", "confidential"}}, func(r *http.Request, body map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		n := find(s.state.Notes, func(n *Note) bool { return n.ID == number(r, "note") })
		if n == nil || n.Author != Me {
			return http.StatusForbidden, failure("403 Forbidden")
		}
		if why := s.takes(text(body, "body")); why != "" {
			return http.StatusBadRequest, failure(why)
		}
		n.Body = text(body, "body")
		return http.StatusOK, note(*n)
	})
}

// takes refuses a note that GitLab refuses, and fails the test for one that GitLab would act on: a line that begins with
// a slash is a command there, to merge for example.
func (s *Server) takes(body string) (why string) {
	for line := range strings.Lines(body) {
		if strings.HasPrefix(strings.TrimLeft(line, " "), "/") {
			s.t.Errorf("a note gives GitLab the command %q", line)
		}
	}
	if len(body) > 1_000_000 {
		return "Note is too long (maximum is 1000000 characters)"
	}
	return ""
}

// jobsOf are the jobs of a pipeline, the newest first.
func (s *Server) jobsOf(r *http.Request, _ map[string]any) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	scope := r.URL.Query()["scope[]"]
	for _, status := range scope {
		if !slices.Contains(jobStatuses, status) {
			return http.StatusBadRequest, failure("scope does not have a valid value")
		}
	}
	all := only(s.state.Jobs, func(j Job) bool {
		return j.Pipeline == number(r, "pipeline") && (!j.Retried || r.FormValue("include_retried") == "true") &&
			(scope == nil || slices.Contains(scope, j.Status))
	})
	slices.SortFunc(all, func(a, b Job) int { return b.ID - a.ID })
	return list(r, all, s.job)
}

// jobStatuses are those that a job can have.
var jobStatuses = []string{"created", "waiting_for_resource", "preparing", "waiting_for_callback", "pending", "running", "success", "failed",
	"canceling", "canceled", "skipped", "manual", "scheduled"}

// routesJobs are the jobs of pipelines.
func (s *Server) routesJobs() {
	s.handle(endpoint{method: "GET", path: "/projects/{id}/pipelines/{pipeline}/jobs", query: []string{"scope[]", "include_retried"}}, s.jobsOf)
	s.handle(endpoint{method: "POST", path: "/projects/{id}/jobs/{job}/retry"}, func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		j := find(s.state.Jobs, func(j *Job) bool { return j.ID == number(r, "job") })
		if j == nil || j.Retried || j.Status == "running" {
			return http.StatusForbidden, failure("403 Forbidden - Job is not retryable")
		}
		return http.StatusCreated, s.job(s.retry(j, j.Variables))
	})
}
