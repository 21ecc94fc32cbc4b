package gitlab

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
)

var (
	_ core.Foreman = (*Forge)(nil)
	_ core.Divider = (*Forge)(nil)
)

// Divides implements [core.Divider]: a child pipeline has several jobs with a matrix for one wave.
func (f *Forge) Divides() {}

// lists are the jobs of pipelines, each asked for once.
type lists struct {
	sync.Mutex
	known map[int][]gitlab.Job
}

// Crew implements [core.Foreman]: the run is the job's pipeline. A pipeline has no attempts, so they are told from what
// was retried, see [attempts].
func (f *Forge) Crew(ctx context.Context) (run string, attempt int, err error) {
	api, err := f.api()
	if err != nil {
		return "", 0, err
	}
	run = fmt.Sprintf("%s/-/pipelines/%d", f.env.Get("CI_PROJECT_PATH"), f.pipeline)
	wrong, err := api.Runs(ctx, f.pipeline, "failed", "canceled")
	if err != nil {
		return "", 0, f.unlisted(api, f.pipeline, err)
	}
	if len(wrong) == 0 {
		return run, 1, nil // which spares the rest of a long list
	}
	jobs, err := f.jobsOf(ctx, api, f.pipeline)
	return run, len(attempts(jobs)), err
}

// Jobs implements [core.Foreman] for pipelines of the job's project.
func (f *Forge) Jobs(ctx context.Context, run string, attempt int) ([]core.RunJob, error) {
	api, err := f.api()
	if err != nil {
		return nil, err
	}
	var pipeline int
	if _, err := fmt.Sscanf(strings.TrimPrefix(run, f.env.Get("CI_PROJECT_PATH")), "/-/pipelines/%d", &pipeline); err != nil {
		return nil, fmt.Errorf("run %q is no pipeline of %s", run, f.env.Get("CI_PROJECT_PATH"))
	}
	jobs, err := f.jobsOf(ctx, api, pipeline)
	if err != nil {
		return nil, err
	}
	began, last := attempts(jobs), make(map[string]gitlab.Job)
	for _, j := range jobs {
		if attemptOf(began, j) != attempt {
			continue
		}
		if _, ran := last[j.Name]; !ran || jobOf(j).Outcome != core.OutcomeUntouched {
			last[j.Name] = j
		}
	}
	var all []core.RunJob
	for _, j := range jobs {
		if last[j.Name].ID == j.ID {
			all = append(all, jobOf(j))
		}
	}
	return all, nil
}

// jobsOf are all jobs of a pipeline, as of when this process first asked: a job that ends later has not ended for it.
func (f *Forge) jobsOf(ctx context.Context, api *gitlab.Client, pipeline int) ([]gitlab.Job, error) {
	f.lists.Lock()
	defer f.lists.Unlock()
	if jobs, ok := f.lists.known[pipeline]; ok {
		return jobs, nil
	}
	jobs, err := api.Runs(ctx, pipeline)
	if err != nil {
		return nil, f.unlisted(api, pipeline, err)
	}
	if f.lists.known == nil {
		f.lists.known = make(map[int][]gitlab.Job)
	}
	f.lists.known[pipeline] = jobs
	return jobs, nil
}

func (f *Forge) unlisted(api *gitlab.Client, pipeline int, err error) error {
	return api.Refused(fmt.Sprintf("show the jobs of pipeline %d, by which it is known what became of them", pipeline), writeScope, err)
}

// attempts are the instants at which the attempts of a pipeline began, the first one at the beginning of time. A later one
// begins with a retry, where something that ran in the one before had failed, or was cancelled, by then. So what is retried
// at one go is one attempt, and whoever retries what the last attempt has left undone begins the next. The jobs are in the
// order in which they were created; times of what is over do not change, so neither do attempts.
func attempts(jobs []gitlab.Job) []time.Time {
	began, named := []time.Time{{}}, make(map[string]bool)
	for _, j := range jobs {
		again := named[j.Name]
		named[j.Name] = true
		if again && slices.ContainsFunc(jobs, func(k gitlab.Job) bool {
			return wentWrong(k) && !k.Began.Before(began[len(began)-1]) && !k.Ended.After(j.Created)
		}) {
			began = append(began, j.Created)
		}
	}
	return began
}

// wentWrong reports whether a job has run, and did not end well.
func wentWrong(j gitlab.Job) bool {
	return !j.Began.IsZero() && !j.Ended.IsZero() && (j.Status == "failed" || j.Status == "canceled")
}

// attemptOf is the attempt that a job ran in, which may be a later one than it was created in: jobs of later waves are there
// from the start. One that has not begun is part of the newest.
func attemptOf(began []time.Time, j gitlab.Job) int {
	if j.Began.IsZero() {
		return len(began)
	}
	n := 0
	for n < len(began) && !began[n].After(j.Began) {
		n++
	}
	return n
}

// ofMatrix is the name of a job of a matrix, after that of whom it is part of.
var ofMatrix = regexp.MustCompile(`^(?:(.+): )?([^:]+): \[(.*)\]$`)

// commonName is a job's name as [core.Foreman] has it.
func commonName(name string) string {
	m := ofMatrix.FindStringSubmatch(name)
	switch {
	case m == nil:
		return name
	case m[1] == "":
		return fmt.Sprintf("%s (%s)", m[2], m[3])
	default:
		return fmt.Sprintf("%s / %s (%s)", m[1], m[2], m[3])
	}
}

func jobOf(j gitlab.Job) core.RunJob {
	job := core.RunJob{ID: int64(j.ID), Name: commonName(j.Name), Said: j.Status, URL: j.URL}
	if j.Reason != "" && j.Status == "failed" {
		job.Said += " (" + j.Reason + ")"
	}
	if !j.Began.IsZero() && !j.Ended.IsZero() {
		job.Took = max(0, j.Ended.Sub(j.Began))
	}
	switch ran := !j.Began.IsZero(); {
	case j.Status == "success":
		job.Outcome = core.OutcomeDone
	case j.Status == "skipped", !ran && (j.Status == "failed" || j.Status == "canceled"): // it never got a runner
		job.Outcome = core.OutcomeUntouched
	case j.Status == "canceled":
		job.Outcome = core.OutcomeCut
	case j.Status == "failed":
		job.Outcome = core.OutcomeFailed
	}
	return job
}
