package actions

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github"
)

var _ core.Patient = (*Forge)(nil)

const (
	// rolloutRequests is what a long rollout may take, see the ledger's pace.
	rolloutRequests = 300
	// soon is how long before its end a token is worth a word.
	soon = 14 * 24 * time.Hour
)

// Examine implements [core.Patient]: the kind of the token and what it may read, what is left of its requests, and the clock.
// Whether the ledger can be written the doctor tries by itself.
func (f *Forge) Examine(ctx context.Context, p *core.Plan) []core.Diagnosis {
	api, err := f.api()
	if err != nil {
		return []core.Diagnosis{{About: "token", Health: core.HealthProblem, What: err.Error() + ".", Do: f.grant(p)}}
	}
	repo, answer, err := api.Repositories.Get(ctx, api.Owner, api.Name)
	if err != nil {
		err = github.Refused("show the repository "+api.Repository(), "contents: read", err)
		return []core.Diagnosis{{About: "token", Health: core.HealthProblem, What: err.Error() + ".", Do: "Give the step a token of this repository, and the job what it needs. " + f.grant(p)}}
	}
	found := []core.Diagnosis{f.token(repo, answer)}
	if left, ok := f.left(answer.Rate); ok {
		found = append(found, left)
	}
	if then, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		found = append(found, core.Skew("GitHub", f.clock.Now(), then.Add(time.Second/2))) // whole seconds, cut off
	}
	return append(found, f.permissions(ctx, api, p)...)
}

// token says what token there is, and of whom. Only a classic one of a person tells what it may do.
func (f *Forge) token(repo *gh.Repository, answer *gh.Response) core.Diagnosis {
	d := core.Diagnosis{About: "token", Health: core.HealthProblem}
	name, token := "GITHUB_TOKEN", f.env.Get("GITHUB_TOKEN")
	if own := f.env.secretly(github.TokenVariable); own != "" {
		name, token = github.TokenVariable, own
	}
	kind := "a token"
	for prefix, of := range map[string]string{"ghs_": "a token of an app, as the job's own is", "ghp_": "a person's classic token", "github_pat_": "a person's fine-grained token"} {
		if strings.HasPrefix(token, prefix) {
			kind = of
		}
	}
	scopes, classic := answer.Header["X-Oauth-Scopes"]
	has := strings.Split(strings.ReplaceAll(strings.Join(scopes, ","), " ", ""), ",")
	until := answer.TokenExpiration.Time
	switch {
	case classic && !slices.Contains(has, "repo") && (repo.GetPrivate() || !slices.Contains(has, "public_repo")):
		d.What = fmt.Sprintf("%s is %s without the scope repo; it has %s.", name, kind, cmp.Or(strings.Join(has, ", "), "none"))
		d.Do = "Use the job's own token, or make one with that scope."
	case f.flag("CHECK_RUN") && strings.HasPrefix(kind, "a person's"):
		d.What = fmt.Sprintf("%s is %s, and GitHub lets only apps make check runs.", name, kind)
		d.Do = "Use the job's own token for the check run."
	case !until.IsZero() && until.Sub(f.clock.Now()) < soon:
		d.Health = core.HealthWarning
		d.What = fmt.Sprintf("%s is %s, and ends on %s.", name, kind, until.UTC().Format(time.DateOnly))
		d.Do = "Make a new one before a rollout is under way."
	default:
		return core.Well("token", "%s is %s; it shows the repository %s.", name, kind, repo.GetFullName())
	}
	return d
}

// left says whether the requests that the token has left will do for a rollout. A server without limits tells nothing.
func (f *Forge) left(rate gh.Rate) (core.Diagnosis, bool) {
	const about = "rate limit"
	switch reset := rate.Reset.UTC().Format("15:04 MST"); {
	case rate.Limit == 0:
		return core.Diagnosis{}, false
	case rate.Remaining < rolloutRequests:
		return core.Diagnosis{About: about, Health: core.HealthWarning,
			What: fmt.Sprintf("The token has %d of %d requests left until %s, and a long rollout may take %d.", rate.Remaining, rate.Limit, reset, rolloutRequests),
			Do:   "See what else asks GitHub with the tokens of this repository; a rollout that has none left waits."}, true
	default:
		return core.Well(about, "The token has %d of %d requests left until %s; a long rollout may take %d.", rate.Remaining, rate.Limit, reset, rolloutRequests), true
	}
}

// A right is a permission that a rollout needs, and a question that only who has it gets an answer to.
type right struct {
	name  string // checks
	write bool
	what  string // that is asked for
	ask   func(context.Context, *github.Client) error
}

func (r right) String() string {
	if r.write {
		return r.name + ": write"
	}
	return r.name + ": read"
}

// rights are those that the plan and the variables of the job ask for, beside that to the ledger.
func (f *Forge) rights(p *core.Plan) []right {
	one, commit := &gh.ListOptions{PerPage: 1}, f.job.Commit
	all := []right{{"statuses", true, "the statuses of commit " + commit, func(ctx context.Context, api *github.Client) error {
		_, _, err := api.Repositories.GetCombinedStatus(ctx, api.Owner, api.Name, commit, one)
		return err
	}}}
	if checkRun := f.flag("CHECK_RUN"); checkRun || len(p.RequiredStatuses()) > 0 {
		all = append(all, right{"checks", checkRun, "the check runs of commit " + commit, func(ctx context.Context, api *github.Client) error {
			_, _, err := api.Checks.ListCheckRunsForRef(ctx, api.Owner, api.Name, commit, &gh.ListCheckRunsOptions{ListOptions: *one})
			return err
		}})
	}
	if f.flag("DEPLOYMENTS") {
		all = append(all, right{"deployments", true, "deployments", func(ctx context.Context, api *github.Client) error {
			_, _, err := api.Repositories.ListDeployments(ctx, api.Owner, api.Name, &gh.DeploymentsListOptions{ListOptions: *one})
			return err
		}})
	}
	if f.flag("COMMENT") {
		all = append(all, right{"pull-requests", true, "the pull requests of commit " + commit, func(ctx context.Context, api *github.Client) error {
			_, _, err := api.PullRequests.ListPullRequestsWithCommit(ctx, api.Owner, api.Name, commit, one)
			return err
		}})
	}
	if jobs, starts := actsByActions(p); jobs || starts {
		all = append(all, right{"actions", starts, "the jobs of this run", func(ctx context.Context, api *github.Client) error {
			id, err := runID(api, f.job.Actor.Run)
			if err == nil {
				_, _, err = api.Actions.ListWorkflowJobsAttempt(ctx, api.Owner, api.Name, id, int64(f.job.Actor.Attempt), one)
			}
			return err
		}})
	}
	return all
}

// actsByActions reports whether the plan leaves its deploys to jobs of the run, and whether it starts workflows here.
func actsByActions(p *core.Plan) (jobs, starts bool) {
	if p == nil {
		return false, false
	}
	for _, options := range []any{p.Deploy.Options, p.Rollback.Options} {
		switch o := options.(type) {
		case *core.Jobs:
			jobs = true
		case *core.Workflow:
			starts = starts || o.Repository == ""
		}
	}
	return jobs, starts
}

// permissions tries what only reads, and names what would write.
func (f *Forge) permissions(ctx context.Context, api *github.Client, p *core.Plan) (found []core.Diagnosis) {
	var reads, writes []string
	for _, r := range f.rights(p) {
		if err := r.ask(ctx, api); err != nil {
			found = append(found, core.Diagnosis{About: "permissions", Health: core.HealthProblem, What: github.Refused("show "+r.what, r.String(), err).Error() + ".", Do: f.grant(p)})
			continue
		}
		reads = append(reads, r.name)
		if r.write {
			writes = append(writes, r.String())
		}
	}
	if len(reads) > 0 {
		found = append(found, core.Well("permissions", "The token may read: %s.", strings.Join(reads, ", ")))
	}
	if len(writes) > 0 {
		found = append(found, core.Diagnosis{About: "permissions", Health: core.HealthUntried,
			What: "Not tried, as people would see it: " + strings.Join(writes, ", ") + ".", Do: f.grant(p)})
	}
	return found
}

// grant is what the job must be given. The ledger of another kind needs only what a checkout does.
func (f *Forge) grant(p *core.Plan) string {
	all := map[string]string{"contents": "contents: write"}
	if kind, _, named := strings.Cut(f.env.Get("BREAKWATER_LEDGER"), ":"); named && kind != "github" && kind != "git" {
		all["contents"] = "contents: read"
	}
	for _, r := range f.rights(p) {
		all[r.name] = r.String()
	}
	return "The job needs permissions: {" + strings.Join(slices.Sorted(maps.Values(all)), ", ") + "}."
}

// flag reports whether a variable of the job turns something on.
func (f *Forge) flag(name string) bool {
	on, err := strconv.ParseBool(f.env.Get("BREAKWATER_" + name))
	return err == nil && on
}
