package gitlab

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
)

var _ core.Patient = (*Forge)(nil)

// soon is how long before its end a token is worth a word.
const soon = 14 * 24 * time.Hour

// Examine implements [core.Patient]: the kind of the token, what it may do, until when, and the clock.
func (f *Forge) Examine(ctx context.Context, p *core.Plan) []core.Diagnosis {
	const about = "token"
	api, err := f.api()
	if err != nil {
		return []core.Diagnosis{{About: about, Health: core.HealthProblem, What: err.Error() + ".", Do: "Set it in the project's CI/CD variables, masked."}}
	}
	var found []core.Diagnosis
	if p != nil && p.DeployedByJobs() {
		found = append(found, f.listing(ctx))
	}
	if api.ByJob() {
		return append(found, jobTokenOnly(p))
	}
	found = append(found, f.scopes(ctx, api))
	now, err := api.Now(ctx)
	if err != nil {
		return append(found, core.Diagnosis{About: "clock", Health: core.HealthProblem, What: api.Refused("show the project", readScope, err).Error() + ".",
			Do: "Give BREAKWATER_TOKEN the role Developer in this project."})
	}
	return append(found, core.Skew("GitLab", f.out.clock.Now(), now))
}

// listing says whether it can be known what became of jobs.
func (f *Forge) listing(ctx context.Context) core.Diagnosis {
	if _, _, err := f.Crew(ctx); err != nil {
		return core.Diagnosis{About: "jobs", Health: core.HealthProblem, What: err.Error() + ".", Do: "The plan leaves the deploys to jobs, so somebody must be able to list them; docs/gitlab.md says who."}
	}
	return core.Well("jobs", "The jobs of the pipeline can be listed.")
}

// jobTokenOnly says what a job does without a token of the project.
func jobTokenOnly(p *core.Plan) core.Diagnosis {
	d := core.Diagnosis{About: "token", Health: core.HealthWarning,
		What: "There is only the job's own token: GitLab lets it push to this project if the project says so, and not set or read statuses, write notes, retry jobs or read freeze periods.",
		Do:   "Set BREAKWATER_TOKEN to a project access token with " + writeScope + " for those; docs/gitlab.md has the list."}
	if required := p.RequiredStatuses(); len(required) > 0 {
		d.Health = core.HealthProblem
		d.What += " The plan requires statuses: " + strings.Join(required, ", ") + "."
	}
	return d
}

func (f *Forge) scopes(ctx context.Context, api *gitlab.Client) core.Diagnosis {
	scopes, until, err := api.Scopes(ctx)
	switch left := until.Sub(f.out.clock.Now()); {
	case err != nil:
		return core.Diagnosis{About: "token", Health: core.HealthProblem, What: api.Refused("show the token", "the scope api", err).Error() + ".",
			Do: "Make a new project access token, and put it into the project's variable BREAKWATER_TOKEN."}
	case !slices.Contains(scopes, "api"):
		return core.Diagnosis{About: "token", Health: core.HealthProblem, What: "BREAKWATER_TOKEN has not the scope api, but " + strings.Join(scopes, ", ") + ".",
			Do: "Make a project access token with " + writeScope + "."}
	case !until.IsZero() && left < soon:
		return core.Diagnosis{About: "token", Health: core.HealthWarning, What: "BREAKWATER_TOKEN ends on " + until.Format(time.DateOnly) + ".",
			Do: "Rotate it before a rollout is under way."}
	case until.IsZero():
		return core.Well("token", "BREAKWATER_TOKEN has the scope api.")
	default:
		return core.Well("token", "BREAKWATER_TOKEN has the scope api, until %s.", until.Format(time.DateOnly))
	}
}
