package githubtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Workflow is a file on every ref that runs when it is dispatched.
type Workflow struct {
	File    string
	Inputs  []string // that it declares
	RunName string   // its run-name, in which ${{ inputs.NAME }} is filled in; empty: the file name

	// Starts is told of each new run, which is queued, and may change it. The lock is held.
	Starts func(*Run)
}

// routesWorkflows are workflows: starting them, their runs, and ending those.
func (s *Server) routesWorkflows() {
	s.handle("POST", "/actions/workflows/{workflow_id}/dispatches", s.dispatch)
	s.handle("GET", "/actions/workflows/{workflow_id}/runs", func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.workflow(r) == nil {
			return http.StatusNotFound, failure("Not Found")
		}
		of := only(s.state.Runs, func(run Run) bool {
			return run.Workflow == r.PathValue("workflow_id") && (r.FormValue("event") == "" || run.Event == r.FormValue("event"))
		})
		slices.Reverse(of) // the newest comes first
		return http.StatusOK, map[string]any{"total_count": len(of), "workflow_runs": list(r, of, workflowRun)}
	})
	s.handle("POST", "/actions/runs/{run_id}/cancel", func(r *http.Request, _ map[string]any) (int, any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		run := s.run(number(r, "run_id"))
		switch {
		case run == nil:
			return http.StatusNotFound, failure("Not Found")
		case run.Status == "completed":
			return http.StatusConflict, failure("Cannot cancel a workflow run that is completed.")
		case !run.Stubborn:
			run.Status, run.Conclusion = "completed", "cancelled"
		}
		return http.StatusAccepted, map[string]any{}
	})
}

// workflow is the one that a request names. The lock is held.
func (s *Server) workflow(r *http.Request) *Workflow {
	return find(s.state.Workflows, func(w *Workflow) bool { return w.File == r.PathValue("workflow_id") })
}

// dispatch starts a workflow, if it may be started like that.
func (s *Server) dispatch(r *http.Request, body map[string]any) (int, any) {
	ref := text(body, "ref")
	sha, err := s.git(nil, nil, "rev-parse", "--verify", "--quiet", ref)
	if err != nil {
		return http.StatusUnprocessableEntity, failure("No ref found for: " + ref)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	workflow := s.workflow(r)
	if workflow == nil {
		return http.StatusNotFound, failure("Not Found")
	}
	inputs := make(map[string]string)
	var odd []string
	given, _ := body["inputs"].(map[string]any)
	for name, value := range given {
		inputs[name], _ = value.(string)
		if !slices.Contains(workflow.Inputs, name) {
			odd = append(odd, name)
		}
	}
	if odd != nil {
		slices.Sort(odd)
		said, _ := json.Marshal(odd)
		return http.StatusUnprocessableEntity, failure("Unexpected inputs provided: " + string(said))
	}
	run := Run{ID: s.id(), Workflow: workflow.File, Attempt: 1, Event: "workflow_dispatch", SHA: strings.TrimSpace(sha), Branch: ref,
		Title: workflow.title(inputs), Inputs: inputs, Status: "queued", Created: time.Now()}
	if workflow.Starts != nil {
		workflow.Starts(&run)
	}
	s.state.Runs = append(s.state.Runs, run)
	if details, _ := body["return_run_details"].(bool); !details {
		return http.StatusNoContent, nil
	}
	return http.StatusOK, map[string]any{"workflow_run_id": run.ID, "run_url": s.URL + strings.TrimPrefix(runURL(run.ID), "https://github.com"), "html_url": runURL(run.ID)}
}

// title is what a run with these inputs is called.
func (w *Workflow) title(inputs map[string]string) string {
	if w.RunName == "" {
		return w.File
	}
	title := w.RunName
	for _, name := range w.Inputs {
		title = strings.ReplaceAll(title, "${{ inputs."+name+" }}", inputs[name])
	}
	return title
}
