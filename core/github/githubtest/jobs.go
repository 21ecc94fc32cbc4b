package githubtest

import (
	"fmt"
	"net/http"
	"time"
)

// A Job is one of a run.
type Job struct {
	Attempt            int // of the run; 0 is the first
	Name               string
	Status, Conclusion string // queued, in_progress, completed; success, failure, cancelled, skipped, ...; no status is completed
	Steps              []Step // that ran; none if it never got a runner
	Began, Ended       time.Time
}

// A Step is one of a job.
type Step struct{ Name, Conclusion string }

// routesJobs are the jobs of runs.
func (s *Server) routesJobs() {
	s.handle("GET", "/actions/runs/{run_id}/jobs", func(r *http.Request, _ map[string]any) (int, any) {
		return s.jobs(r, func(Job) bool { return true })
	})
	s.handle("GET", "/actions/runs/{run_id}/attempts/{attempt_number}/jobs", func(r *http.Request, _ map[string]any) (int, any) {
		return s.jobs(r, func(j Job) bool { return int64(max(1, j.Attempt)) == number(r, "attempt_number") })
	})
}

func (s *Server) jobs(r *http.Request, wanted func(Job) bool) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	run := s.run(number(r, "run_id"))
	if run == nil {
		return http.StatusNotFound, failure("Not Found")
	}
	of := only(run.Jobs, wanted)
	return http.StatusOK, map[string]any{"total_count": len(of), "jobs": list(r, of, func(j Job) map[string]any { return job(run.ID, j) })}
}

func job(run int64, j Job) map[string]any {
	var conclusion, ended any
	status := "completed"
	if j.Status != "" {
		status = j.Status
	}
	if status == "completed" {
		conclusion, ended = j.Conclusion, stamp(j.Ended)
	}
	steps := []any{}
	for i, step := range j.Steps {
		steps = append(steps, map[string]any{"name": step.Name, "status": "completed", "conclusion": step.Conclusion, "number": i + 1})
	}
	return map[string]any{"run_id": run, "run_attempt": max(1, j.Attempt), "name": j.Name, "status": status, "conclusion": conclusion,
		"started_at": stamp(j.Began), "completed_at": ended, "steps": steps, "html_url": fmt.Sprintf("%s/job/%s", runURL(run), j.Name)}
}
