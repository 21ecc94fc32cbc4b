package gitlab

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
)

var _ core.Restarter = (*Forge)(nil)

// Restart implements [core.Restarter]: the job of the run is retried, as a new job of the same pipeline.
func (f *Forge) Restart(ctx context.Context, run string) error {
	api, err := f.api()
	if err != nil {
		return err
	}
	pipeline, name, err := runOf(api.Project, run)
	if err != nil {
		return err
	}
	jobs, err := api.Jobs(ctx, pipeline)
	if err != nil {
		return api.Refused(fmt.Sprintf("show the jobs of pipeline %d", pipeline), writeScope, err)
	}
	i := slices.IndexFunc(jobs, func(j gitlab.Job) bool { return j.Name == name })
	if i < 0 {
		return fmt.Errorf("pipeline %d has no job %q any more", pipeline, name)
	}
	if stateOf(jobs[i].Status) == core.StatusPending {
		return fmt.Errorf("job %q of pipeline %d is still %s; the next tick tries again", name, pipeline, jobs[i].Status)
	}
	if err := api.Retry(ctx, jobs[i].ID); err != nil {
		return api.Refused(fmt.Sprintf("retry job %q of pipeline %d", name, pipeline), writeScope, err)
	}
	return nil
}

// runOf reads the name of a run, see [environment.job].
func runOf(project, run string) (pipeline int, job string, err error) {
	rest, ours := strings.CutPrefix(run, project+"/-/pipelines/")
	number, job, named := strings.Cut(rest, "/")
	pipeline, bad := strconv.Atoi(number)
	if !ours || !named || bad != nil {
		return 0, "", fmt.Errorf("run %q is none of %s: tick in the project that the rollout runs in", run, project)
	}
	return pipeline, job, nil
}
