package githubtest

import (
	"net/http"
	"slices"
)

// A Deployment is one of a commit to an environment.
type Deployment struct {
	ID                     int64
	SHA, Environment, Task string
	Payload                any
	Statuses               []DeploymentStatus // the newest last
}

// A DeploymentStatus is one of a deployment.
type DeploymentStatus struct{ State, Description, Log, URL string }

// routesDeployments are deployments and their statuses.
func (s *Server) routesDeployments() {
	s.handle("GET", "/deployments", func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		asked := func(name, is string) bool { return r.FormValue(name) == "" || r.FormValue(name) == is }
		of := only(s.state.Deployments, func(d Deployment) bool { return asked("sha", d.SHA) && asked("environment", d.Environment) })
		slices.Reverse(of)
		return http.StatusOK, list(r, of, deployment)
	})
	s.handle("POST", "/deployments", func(_ *http.Request, body map[string]any) (int, any) {
		contexts, given := body["required_contexts"].([]any)
		switch merge, _ := body["auto_merge"].(bool); {
		case !s.has(text(body, "ref")):
			return http.StatusUnprocessableEntity, failure("No ref found for: " + text(body, "ref"))
		case merge || !given || len(contexts) > 0:
			return http.StatusConflict, failure("Conflict: Commit status checks failed for " + text(body, "ref"))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		d := Deployment{ID: s.id(), SHA: text(body, "ref"), Environment: text(body, "environment"), Task: text(body, "task"), Payload: body["payload"]}
		s.state.Deployments = append(s.state.Deployments, d)
		return http.StatusCreated, deployment(d)
	})
	s.handle("GET", "/deployments/{deployment_id}/statuses", func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		d := s.deployment(number(r, "deployment_id"))
		if d == nil {
			return http.StatusNotFound, failure("Not Found")
		}
		all := slices.Clone(d.Statuses)
		slices.Reverse(all)
		return http.StatusOK, list(r, all, deploymentStatus)
	})
	s.handle("POST", "/deployments/{deployment_id}/statuses", func(r *http.Request, body map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		d := s.deployment(number(r, "deployment_id"))
		switch {
		case d == nil:
			return http.StatusNotFound, failure("Not Found")
		case len([]rune(text(body, "description"))) > 140:
			return http.StatusUnprocessableEntity, failure("Validation Failed: description is too long (maximum is 140 characters)")
		}
		is := DeploymentStatus{text(body, "state"), text(body, "description"), text(body, "log_url"), text(body, "environment_url")}
		if alone, given := body["auto_inactive"].(bool); is.State == "success" && (alone || !given) {
			s.retire(*d)
		}
		d.Statuses = append(d.Statuses, is)
		return http.StatusCreated, deploymentStatus(is)
	})
}

// retire makes the deployments inactive that are active in the environment of another.
func (s *Server) retire(by Deployment) {
	for i := range s.state.Deployments {
		d := &s.state.Deployments[i]
		if n := len(d.Statuses); d.ID < by.ID && d.Environment == by.Environment && n > 0 && d.Statuses[n-1].State == "success" {
			d.Statuses = append(d.Statuses, DeploymentStatus{State: "inactive"})
		}
	}
}

func (s *Server) deployment(id int64) *Deployment {
	return find(s.state.Deployments, func(d *Deployment) bool { return d.ID == id })
}

func deployment(d Deployment) map[string]any {
	return map[string]any{"id": d.ID, "sha": d.SHA, "ref": d.SHA, "task": d.Task, "environment": d.Environment, "payload": d.Payload}
}

func deploymentStatus(d DeploymentStatus) map[string]any {
	return map[string]any{"state": d.State, "description": d.Description, "log_url": d.Log, "environment_url": d.URL}
}
