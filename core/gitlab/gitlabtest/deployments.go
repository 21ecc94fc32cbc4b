package gitlabtest

import (
	"net/http"
	"slices"
)

// A Deployment is one to an environment.
type Deployment struct {
	ID                            int
	Environment, SHA, Ref, Status string
	Tag                           bool
	Job                           int // that it was made for; 0: none
}

// routesDeployments are the deployments, which a job's own token may make and change.
func (s *Server) routesDeployments() {
	object := func(d Deployment) map[string]any {
		o := map[string]any{"id": d.ID, "iid": d.ID, "ref": d.Ref, "sha": d.SHA, "status": d.Status, "environment": map[string]any{"id": 1, "name": d.Environment}, "deployable": nil}
		if d.Job != 0 {
			o["deployable"] = map[string]any{"id": d.Job, "status": d.Status}
		}
		return o
	}
	s.handle(endpoint{method: "GET", path: "/projects/{id}/deployments", jobs: true,
		query: []string{"environment", "status", "order_by", "sort", "updated_after", "updated_before", "finished_after", "finished_before"}}, func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		all := only(s.state.Deployments, func(d Deployment) bool {
			return d.Environment == r.FormValue("environment") && (r.FormValue("status") == "" || d.Status == r.FormValue("status"))
		})
		slices.SortFunc(all, func(a, b Deployment) int {
			if r.FormValue("order_by") == "id" && r.FormValue("sort") == "desc" {
				return b.ID - a.ID
			}
			return a.ID - b.ID
		})
		return list(r, all, object)
	})
	s.handle(endpoint{method: "POST", path: "/projects/{id}/deployments", jobs: true, fields: []string{"!environment", "!sha", "!ref", "!tag", "!status"}}, func(_ *http.Request, body map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		tag, _ := body["tag"].(bool)
		d := Deployment{ID: s.id(), Environment: text(body, "environment"), SHA: text(body, "sha"), Ref: text(body, "ref"), Tag: tag, Status: text(body, "status")}
		switch {
		case !slices.Contains([]string{"running", "success", "failed", "canceled"}, d.Status):
			return http.StatusBadRequest, failure("status does not have a valid value")
		case !s.has(d.SHA):
			return http.StatusBadRequest, failure("The commit does not exist")
		case !s.has(d.Ref):
			return http.StatusBadRequest, failure("The branch or tag does not exist")
		}
		s.state.Deployments = append(s.state.Deployments, d)
		return http.StatusCreated, object(d)
	})
	s.handle(endpoint{method: "PUT", path: "/projects/{id}/deployments/{deployment}", jobs: true, fields: []string{"!status"}}, func(r *http.Request, body map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		d := find(s.state.Deployments, func(d *Deployment) bool { return d.ID == number(r, "deployment") })
		status := text(body, "status")
		switch {
		case d == nil:
			return http.StatusNotFound, failure("404 Not found")
		case d.Job != 0:
			return http.StatusForbidden, failure("403 Forbidden")
		case d.Status == status, status == "running":
			return http.StatusBadRequest, failure("Status cannot transition from " + d.Status + " to " + status)
		case !slices.Contains([]string{"success", "failed", "canceled"}, status):
			return http.StatusBadRequest, failure("status does not have a valid value")
		}
		d.Status = status
		return http.StatusOK, object(*d)
	})
}
