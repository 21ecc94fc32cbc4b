package githubtest

import "net/http"

// routesMoreRefs are the operations on refs that make no object reachable.
func (s *Server) routesMoreRefs() {
	s.handle("DELETE", "/git/refs/{ref}", func(r *http.Request, _ map[string]any) (int, any) {
		ref := "refs/" + r.PathValue("ref")
		if _, err := s.git(nil, nil, "rev-parse", "--verify", "--quiet", ref); err != nil {
			return http.StatusUnprocessableEntity, failure("Reference does not exist")
		}
		if _, err := s.git(nil, nil, "update-ref", "-d", ref); err != nil {
			return http.StatusConflict, failure("Reference cannot be deleted")
		}
		return http.StatusNoContent, nil
	})
}
