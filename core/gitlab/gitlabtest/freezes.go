package gitlabtest

import "net/http"

// A FreezePeriod is one of the project, as GitLab took it: it looks at neither text again.
type FreezePeriod struct{ Start, End, Zone string }

// routesFreezes are the freeze periods, which a job's own token may not see.
func (s *Server) routesFreezes() {
	s.handle(endpoint{method: "GET", path: "/projects/{id}/freeze_periods"}, func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return list(r, s.state.Freezes, func(p FreezePeriod) map[string]any {
			return map[string]any{"id": 1, "freeze_start": p.Start, "freeze_end": p.End, "cron_timezone": p.Zone,
				"created_at": "2026-05-15T17:03:35.702Z", "updated_at": "2026-05-15T17:06:41.566Z"}
		})
	})
}
