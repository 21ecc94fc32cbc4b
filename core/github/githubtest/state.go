package githubtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// routes are all operations.
func (s *Server) routes() {
	s.handle("GET", "", func(*http.Request, map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return http.StatusOK, map[string]any{"name": "shop", "full_name": Repository, "private": !s.state.Public, "default_branch": "main"}
	})
	s.routesRefs()
	s.routesMoreRefs()
	s.routesObjects()
	s.routesStatuses()
	s.routesChecks()
	s.routesDeployments()
	s.routesPulls()
	s.routesActions()
	s.routesJobs()
	s.routesWorkflows()
}

// number is a number in the path of a request.
func number(r *http.Request, name string) int64 {
	n, _ := strconv.ParseInt(r.PathValue(name), 10, 64) // the description asks for a number
	return n
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// list is a list of objects, cut to the page that was asked for.
func list[T any](r *http.Request, all []T, object func(T) map[string]any) []any {
	out := []any{}
	for _, each := range page(r, all) {
		out = append(out, object(each))
	}
	return out
}

// only are those of a list for which keep holds.
func only[T any](all []T, keep func(T) bool) []T {
	var kept []T
	for _, each := range all {
		if keep(each) {
			kept = append(kept, each)
		}
	}
	return kept
}

func find[T any](all []T, is func(*T) bool) *T {
	for i := range all {
		if is(&all[i]) {
			return &all[i]
		}
	}
	return nil
}

// routesStatuses are commit statuses and check runs.
func (s *Server) routesStatuses() {
	s.handle("GET", "/commits/{ref}/status", func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		var newest []Status // one of each context
		for _, st := range slices.Backward(s.state.Statuses) {
			if st.SHA == r.PathValue("ref") && find(newest, func(n *Status) bool { return n.Context == st.Context }) == nil {
				newest = append(newest, st)
			}
		}
		return http.StatusOK, map[string]any{"state": "pending", "sha": r.PathValue("ref"), "total_count": len(newest), "statuses": list(r, newest, func(st Status) map[string]any {
			return map[string]any{"state": st.State, "context": st.Context, "description": st.Description, "target_url": st.URL, "id": s.id()}
		})}
	})
	s.handle("POST", "/statuses/{sha}", func(r *http.Request, body map[string]any) (int, any) {
		if len([]rune(text(body, "description"))) > 140 {
			return http.StatusUnprocessableEntity, failure("Validation Failed: description is too long (maximum is 140 characters)")
		}
		if !s.has(r.PathValue("sha")) {
			return http.StatusUnprocessableEntity, failure("No commit found for SHA: " + r.PathValue("sha"))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.state.Statuses = append(s.state.Statuses, Status{SHA: r.PathValue("sha"), Context: text(body, "context"), State: text(body, "state"),
			Description: text(body, "description"), URL: text(body, "target_url")})
		return http.StatusCreated, map[string]any{"state": text(body, "state"), "context": text(body, "context"), "description": text(body, "description"), "id": s.id()}
	})
}

// has reports whether there is such a commit.
func (s *Server) has(sha string) bool {
	_, err := s.git(nil, nil, "cat-file", "-e", sha+"^{commit}")
	return err == nil
}

// routesPulls are pull requests and their comments.
func (s *Server) routesPulls() {
	s.handle("GET", "/pulls", func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return http.StatusOK, list(r, only(s.state.Pulls, func(p Pull) bool {
			return p.Merged == "" && (r.FormValue("base") == "" || p.Base == r.FormValue("base"))
		}), pull)
	})
	s.handle("GET", "/commits/{commit_sha}/pulls", func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return http.StatusOK, list(r, only(s.state.Pulls, func(p Pull) bool {
			return p.Merged == r.PathValue("commit_sha") || p.SHA == r.PathValue("commit_sha")
		}), pull)
	})
	s.handle("GET", "/issues/{issue_number}/comments", func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return http.StatusOK, list(r, only(s.state.Comments, func(c Comment) bool { return c.Issue == int(number(r, "issue_number")) }), comment)
	})
	s.handle("POST", "/issues/{issue_number}/comments", func(r *http.Request, body map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(text(body, "body")) > 65536 {
			return http.StatusUnprocessableEntity, failure("Validation Failed: body is too long (maximum is 65536 characters)")
		}
		c := Comment{ID: s.id(), Issue: int(number(r, "issue_number")), Author: "Bot", Body: text(body, "body")}
		s.state.Comments = append(s.state.Comments, c)
		return http.StatusCreated, comment(c)
	})
	s.handle("PATCH", "/issues/comments/{comment_id}", func(r *http.Request, body map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		c := find(s.state.Comments, func(c *Comment) bool { return c.ID == number(r, "comment_id") })
		if c == nil {
			return http.StatusNotFound, failure("Not Found")
		}
		c.Body = text(body, "body")
		return http.StatusOK, comment(*c)
	})
}

func pull(p Pull) map[string]any {
	state := "open"
	if p.Merged != "" {
		state = "closed"
	}
	labels := []any{}
	for _, l := range p.Labels {
		labels = append(labels, map[string]any{"name": l})
	}
	return map[string]any{"number": p.Number, "state": state, "labels": labels, "head": map[string]any{"sha": p.SHA, "ref": "topic"}, "base": map[string]any{"ref": p.Base}}
}

func comment(c Comment) map[string]any {
	return map[string]any{"id": c.ID, "body": c.Body, "user": map[string]any{"type": c.Author}}
}

// routesActions are workflow runs.
func (s *Server) routesActions() {
	s.handle("GET", "/actions/runs/{run_id}", func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if run := s.run(number(r, "run_id")); run != nil {
			return http.StatusOK, workflowRun(*run)
		}
		return http.StatusNotFound, failure("Not Found")
	})
	s.handle("POST", "/actions/runs/{run_id}/rerun", func(r *http.Request, _ map[string]any) (int, any) {
		if status, why := s.rerun(number(r, "run_id")); why != "" {
			return status, why
		}
		return http.StatusCreated, map[string]any{}
	})
}

func (s *Server) run(id int64) *Run {
	return find(s.state.Runs, func(run *Run) bool { return run.ID == id })
}

// rerun makes the next attempt of a run, within GitHub's limits.
func (s *Server) rerun(id int64) (int, failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	run := s.run(id)
	switch {
	case run == nil:
		return http.StatusNotFound, "Not Found"
	case run.Status != "completed":
		return http.StatusForbidden, "This workflow run is already running"
	case run.Attempt > 50:
		return http.StatusForbidden, "This workflow run cannot be retried: it has been retried 50 times"
	case time.Since(run.Created) > 30*24*time.Hour:
		return http.StatusForbidden, "Unable to retry this workflow run because it was created over a month ago"
	}
	run.Attempt++
	run.Status, run.Conclusion = "queued", ""
	return 0, ""
}

func runURL(id int64) string {
	return fmt.Sprintf("https://github.com/%s/actions/runs/%d", Repository, id)
}

func workflowRun(run Run) map[string]any {
	var conclusion any
	if run.Conclusion != "" {
		conclusion = run.Conclusion
	}
	return map[string]any{"id": run.ID, "run_attempt": run.Attempt, "event": run.Event, "head_sha": run.SHA, "head_branch": run.Branch,
		"display_title": run.Title, "status": run.Status, "conclusion": conclusion, "path": ".github/workflows/" + run.Workflow,
		"html_url": runURL(run.ID), "created_at": stamp(run.Created)}
}
