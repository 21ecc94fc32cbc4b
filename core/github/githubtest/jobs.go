package githubtest

import (
	"fmt"
	"net/http"
	"time"
)

// A Job is one of an attempt of a run.
type Job struct {
	ID, Run            int64
	Attempt            int
	Name               string
	Status, Conclusion string // queued, in_progress, completed; success, failure, cancelled, skipped, ...
	Steps              int    // that ran; none if it never got a runner
	Started, Completed time.Time
}

// routesJobs are the jobs of runs.
func (s *Server) routesJobs() {
	s.handle("GET", "/actions/runs/{run_id}/attempts/{attempt_number}/jobs", func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		of := only(s.state.Jobs, func(j Job) bool {
			return j.Run == number(r, "run_id") && int64(j.Attempt) == number(r, "attempt_number")
		})
		if find(s.state.Jobs, func(j *Job) bool { return j.Run == number(r, "run_id") }) == nil {
			return http.StatusNotFound, failure("Not Found")
		}
		return http.StatusOK, map[string]any{"total_count": len(of), "jobs": list(r, of, job)}
	})
}

func job(j Job) map[string]any {
	var conclusion, completed any
	if j.Status == "completed" {
		conclusion, completed = j.Conclusion, stamp(j.Completed)
	}
	steps := []any{}
	for n := range j.Steps {
		steps = append(steps, map[string]any{"name": fmt.Sprint("Step ", n+1), "number": n + 1, "status": "completed", "conclusion": j.Conclusion})
	}
	return map[string]any{"id": j.ID, "run_id": j.Run, "run_attempt": j.Attempt, "name": j.Name, "status": j.Status, "conclusion": conclusion,
		"started_at": stamp(j.Started), "completed_at": completed, "steps": steps, "html_url": fmt.Sprintf("%s/job/%d", runURL(j.Run), j.ID)}
}
