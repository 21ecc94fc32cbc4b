package gitlabtest

import (
	"net/http"
	"slices"
	"strings"
)

// over are the ends of pipelines and jobs.
var over = []string{"success", "failed", "canceled", "skipped"}

// routesPipelines creates pipelines, shows and cancels them.
func (s *Server) routesPipelines() {
	const one = "/projects/{id}/pipelines/{pipeline}"
	s.handle(endpoint{method: "POST", path: "/projects/{id}/pipeline", fields: []string{"!ref", "variables", "inputs"}}, s.create)
	s.handle(endpoint{method: "GET", path: one}, s.onPipeline(func(p *Pipeline) (int, any) { return http.StatusOK, s.pipeline(*p) }))
	s.handle(endpoint{method: "GET", path: one + "/variables"}, s.onPipeline(func(p *Pipeline) (int, any) {
		if p.By != Me {
			return http.StatusForbidden, failure("403 Forbidden") // the token is a developer's
		}
		return http.StatusOK, pairs(p.Variables)
	}))
	s.handle(endpoint{method: "POST", path: one + "/cancel"}, s.onPipeline(func(p *Pipeline) (int, any) {
		if !p.Stubborn && !slices.Contains(over, p.Status) {
			p.Status = "canceled"
		}
		return http.StatusOK, s.pipeline(*p)
	}))
}

// onPipeline is an operation on one pipeline that there is.
func (s *Server) onPipeline(do func(*Pipeline) (int, any)) operation {
	return func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		p := find(s.state.Pipelines, func(p *Pipeline) bool { return p.ID == number(r, "pipeline") })
		if p == nil {
			return http.StatusNotFound, failure("404 Not found")
		}
		return do(p)
	}
}

func (s *Server) create(_ *http.Request, body map[string]any) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ref := text(body, "ref")
	sha, err := s.git(nil, nil, "rev-parse", "--verify", "--quiet", "refs/heads/"+ref)
	if err != nil {
		return http.StatusBadRequest, failure("Reference not found")
	}
	variables, wrong := s.variables(body["variables"])
	switch {
	case wrong != "":
		return http.StatusBadRequest, failure(wrong)
	case s.state.NoVariables && len(variables) > 0:
		return http.StatusBadRequest, failure("Insufficient permissions to set pipeline variables")
	}
	p := Pipeline{ID: s.id(), SHA: strings.TrimSpace(sha), Ref: ref, Source: "api", Status: "pending", Variables: variables, By: Me}
	created := s.pipeline(p)
	created["status"] = "created"
	if s.state.Starts != nil {
		s.state.Starts(&p)
	}
	s.state.Pipelines = append(s.state.Pipelines, p)
	return http.StatusCreated, created
}

// variables reads a list of variables as GitLab takes it, and fails the test for anything that it does not document.
func (s *Server) variables(list any) (all map[string]string, wrong string) {
	all = make(map[string]string)
	items, _ := list.([]any)
	for _, item := range items {
		v, _ := item.(map[string]any)
		key, value := text(v, "key"), v["value"]
		said, isText := value.(string)
		if _, twice := all[key]; key == "" || !isText || twice || len(v) != 2 {
			s.t.Errorf("GitLab takes no variable such as %v", item)
			return nil, "variables is invalid"
		}
		all[key] = said
	}
	return all, ""
}

// pairs is a list of variables as GitLab shows it.
func pairs(of map[string]string) []any {
	all := []any{}
	for name, value := range of {
		all = append(all, map[string]any{"key": name, "value": value})
	}
	return all
}
