package githubtest

import (
	"fmt"
	"net/http"
)

// A Note is an annotation of a check run.
type Note struct {
	Path, Level, Title, Message string
	Line, Column                int
}

// routesChecks are check runs.
func (s *Server) routesChecks() {
	s.handle("GET", "/commits/{ref}/check-runs", func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		of := only(s.state.Checks, func(c Check) bool {
			return c.SHA == r.PathValue("ref") && (r.FormValue("check_name") == "" || c.Name == r.FormValue("check_name"))
		})
		return http.StatusOK, map[string]any{"total_count": len(of), "check_runs": list(r, of, check)}
	})
	s.handle("POST", "/check-runs", func(_ *http.Request, body map[string]any) (int, any) {
		if !s.has(text(body, "head_sha")) {
			return http.StatusUnprocessableEntity, failure("No commit found for SHA: " + text(body, "head_sha"))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		c := Check{ID: s.id(), SHA: text(body, "head_sha"), External: text(body, "external_id")}
		if why := c.take(body); why != "" {
			return http.StatusUnprocessableEntity, why
		}
		s.state.Checks = append(s.state.Checks, c)
		return http.StatusCreated, check(c)
	})
	s.handle("PATCH", "/check-runs/{check_run_id}", func(r *http.Request, body map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		c := find(s.state.Checks, func(c *Check) bool { return c.ID == number(r, "check_run_id") })
		if c == nil {
			return http.StatusNotFound, failure("Not Found")
		}
		if why := c.take(body); why != "" {
			return http.StatusUnprocessableEntity, why
		}
		return http.StatusOK, check(*c)
	})
	s.handle("GET", "/check-runs/{check_run_id}/annotations", func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		c := find(s.state.Checks, func(c *Check) bool { return c.ID == number(r, "check_run_id") })
		if c == nil {
			return http.StatusNotFound, failure("Not Found")
		}
		return http.StatusOK, list(r, c.Notes, note)
	})
}

// take changes a check run as a request says. Annotations are added. What GitHub ignores is refused here: the status and
// the conclusion of a check run that is completed do not change.
func (c *Check) take(body map[string]any) failure {
	status, conclusion := text(body, "status"), text(body, "conclusion")
	switch {
	case (status == "completed") != (conclusion != ""):
		return "a conclusion goes with the status completed, and the status completed with one"
	case c.Status == "completed" && conclusion != c.Conclusion:
		return failure(fmt.Sprintf("the check run is completed as %s, and stays that", c.Conclusion))
	}
	c.Name, c.Status, c.Conclusion, c.Details = text(body, "name"), status, conclusion, text(body, "details_url")
	output, _ := body["output"].(map[string]any)
	c.Title, c.Summary = text(output, "title"), text(output, "summary")
	notes, _ := output["annotations"].([]any)
	for _, each := range notes {
		n, _ := each.(map[string]any)
		if len(text(n, "title")) > 255 || len(text(n, "message")) > 64<<10 || text(n, "message") == "" {
			return "an annotation has a message of 1 to 64 KB, and a title of at most 255 characters"
		}
		line, _ := n["start_line"].(float64)
		column, _ := n["start_column"].(float64)
		c.Notes = append(c.Notes, Note{Path: text(n, "path"), Level: text(n, "annotation_level"), Title: text(n, "title"), Message: text(n, "message"),
			Line: int(line), Column: int(column)})
	}
	return ""
}

func check(c Check) map[string]any {
	var conclusion any
	if c.Conclusion != "" {
		conclusion = c.Conclusion
	}
	return map[string]any{"id": c.ID, "head_sha": c.SHA, "name": c.Name, "status": c.Status, "conclusion": conclusion,
		"external_id": c.External, "details_url": c.Details, "html_url": fmt.Sprintf("https://github.com/%s/runs/%d", Repository, c.ID),
		"output": map[string]any{"title": c.Title, "summary": c.Summary, "annotations_count": len(c.Notes)}}
}

func note(n Note) map[string]any {
	var column any
	if n.Column > 0 {
		column = n.Column
	}
	return map[string]any{"path": n.Path, "start_line": n.Line, "end_line": n.Line, "start_column": column, "end_column": column,
		"annotation_level": n.Level, "title": n.Title, "message": n.Message}
}
