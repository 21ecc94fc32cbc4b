package gitlabtest

import (
	"net/http"
	"slices"
)

// An Answer is what an external status check was told.
type Answer struct {
	IID, Check  int
	SHA, Status string
}

// routesChecks are the answers that external status checks get: about the newest commit of the source branch, and no other.
func (s *Server) routesChecks() {
	s.handle(endpoint{method: "POST", path: "/projects/{id}/merge_requests/{iid}/status_check_responses",
		fields: []string{"!sha", "!external_status_check_id", "status"}}, func(r *http.Request, body map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		id, _ := body["external_status_check_id"].(float64)
		a := Answer{number(r, "iid"), int(id), text(body, "sha"), text(body, "status")}
		m := find(s.state.Merges, func(m *MergeRequest) bool { return m.IID == a.IID })
		switch {
		case !slices.Contains([]string{"passed", "failed", "pending"}, a.Status):
			s.t.Errorf("the answer is %q", a.Status)
			return http.StatusBadRequest, failure("status does not have a valid value")
		case m == nil || !slices.Contains(s.state.Checks, a.Check):
			return http.StatusNotFound, failure("404 Not found")
		case m.SHA != a.SHA:
			return http.StatusConflict, failure("SHA does not match HEAD of source branch: " + m.SHA)
		}
		s.state.Answers = append(s.state.Answers, a)
		return http.StatusCreated, map[string]any{"id": len(s.state.Answers), "merge_request": merge(*m),
			"external_status_check": map[string]any{"id": a.Check, "name": "gate", "external_url": "https://ci.example.com"}}
	})
}
