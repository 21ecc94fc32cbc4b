package gitlabtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (s *Server) job(j Job) map[string]any {
	return map[string]any{"id": j.ID, "name": j.Name, "status": j.Status, "failure_reason": j.Reason, "allow_failure": j.Optional,
		"web_url": fmt.Sprintf("%s/-/jobs/%d", s.Web, j.ID), "created_at": instant(j.Created), "started_at": instant(j.Began), "finished_at": instant(j.Ended)}
}

// instant is a time as GitLab shows it; null: there is none.
func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// retry puts another job in the place of one. The lock is held.
func (s *Server) retry(j *Job, variables map[string]string) Job {
	j.Retried = true
	again := Job{ID: s.id(), Pipeline: j.Pipeline, Name: j.Name, Status: "pending", Variables: variables}
	if s.state.Plays != nil {
		s.state.Plays(&again)
	}
	s.state.Jobs = append(s.state.Jobs, again)
	return again
}

// routesManual plays manual jobs, shows and cancels jobs.
func (s *Server) routesManual() {
	const one = "/projects/{id}/jobs/{job}"
	s.handle(endpoint{method: "GET", path: one}, s.onJob(func(j *Job, _ map[string]any) (int, any) { return http.StatusOK, s.job(*j) }))
	s.handle(endpoint{method: "POST", path: one + "/play", fields: []string{"job_variables_attributes", "job_inputs"}}, s.onJob(func(j *Job, body map[string]any) (int, any) {
		variables, wrong := s.variables(body["job_variables_attributes"])
		switch {
		case wrong != "":
			return http.StatusBadRequest, failure(wrong)
		case s.state.NoVariables && len(variables) > 0:
			return http.StatusForbidden, failure("403 Forbidden")
		case slices.Contains(over, j.Status) && j.Status != "skipped" && !j.Retried:
			return http.StatusOK, s.job(s.retry(j, j.Variables)) // with the variables of then
		case j.Status != "manual":
			return http.StatusBadRequest, failure("400 Bad request - Unplayable Job")
		}
		j.Status, j.Variables = "pending", variables
		played := s.job(*j)
		if s.state.Plays != nil {
			s.state.Plays(j)
		}
		return http.StatusOK, played
	}))
	s.handle(endpoint{method: "POST", path: one + "/cancel", fields: []string{"force"}}, s.onJob(func(j *Job, _ map[string]any) (int, any) {
		if !j.Stubborn && !slices.Contains(over, j.Status) {
			j.Status = "canceled"
		}
		return http.StatusCreated, s.job(*j)
	}))
}

// onJob is an operation on one job that there is.
func (s *Server) onJob(do func(*Job, map[string]any) (int, any)) operation {
	return func(r *http.Request, body map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		j := find(s.state.Jobs, func(j *Job) bool { return j.ID == number(r, "job") })
		if j == nil {
			return http.StatusNotFound, failure("404 Not found")
		}
		return do(j, body)
	}
}

// routesGraphQL answers the two questions that Breakwater asks by GraphQL, and fails the test for any other.
func (s *Server) routesGraphQL() {
	s.mux.HandleFunc("POST /api/graphql", func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Query     string         `json:"query"`
			Variables map[string]any `json:"variables"`
		}
		if r.Header.Get("PRIVATE-TOKEN") != Token {
			refuse(w, http.StatusUnauthorized, "Invalid token")
			return
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			s.t.Errorf("GraphQL was asked with no JSON: %v", err)
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s.graphql(asked.Query, asked.Variables)) // the client may be gone
	})
}

func (s *Server) graphql(query string, variables map[string]any) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var id int
	if _, err := fmt.Sscanf(text(variables, "id"), "gid://gitlab/Ci::Build/%d", &id); err != nil {
		s.t.Errorf("GraphQL was asked for the job %v", variables["id"])
	}
	j := find(s.state.Jobs, func(j *Job) bool { return j.ID == id })
	wrong := func(said string) map[string]any {
		return map[string]any{"errors": []any{map[string]any{"message": said}}}
	}
	switch {
	case strings.HasPrefix(query, "query($project: ID!, $id: JobID!)"):
		if variables["project"] != Project || j == nil {
			return map[string]any{"data": map[string]any{"project": nil}}
		}
		return map[string]any{"data": map[string]any{"project": map[string]any{"job": map[string]any{
			"manualVariables": map[string]any{"nodes": pairs(j.Variables)}}}}}
	case strings.HasPrefix(query, "mutation($id: CiProcessableID!, $variables: [CiVariableInput!]) { jobRetry("):
		given, _ := s.variables(variables["variables"])
		if j == nil || s.state.NoVariables && len(given) > 0 {
			return wrong("The resource that you are attempting to access does not exist or you don't have permission to perform this action")
		}
		if j.Retried || !slices.Contains(over[:3], j.Status) {
			return map[string]any{"data": map[string]any{"jobRetry": map[string]any{"job": nil, "errors": []any{"Job is not retryable"}}}}
		}
		again := s.retry(j, given)
		return map[string]any{"data": map[string]any{"jobRetry": map[string]any{"job": map[string]any{"id": fmt.Sprintf("gid://gitlab/Ci::Build/%d", again.ID)}, "errors": []any{}}}}
	}
	s.t.Errorf("GraphQL was asked %q, which is not among what Breakwater says that it asks", query)
	return wrong("unknown query")
}
