package codebuild

import (
	"context"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/codecommit"
)

var _ core.Patient = (*source)(nil)

// Examine implements [core.Patient]: who we are, what of the repository can be read, and the clock. Whether CodeCommit takes a
// comment or an approval shows only when it is given one.
func (s *source) Examine(ctx context.Context, p *core.Plan) (found []core.Diagnosis) {
	const about = "CodeCommit"
	problem := func(err error, do string) core.Diagnosis {
		return core.Diagnosis{About: about, Health: core.HealthProblem, What: err.Error() + ".", Do: do}
	}
	if required := p.RequiredStatuses(); len(required) > 0 {
		found = append(found, core.Diagnosis{About: about, Health: core.HealthProblem,
			What: "The plan requires statuses: " + strings.Join(required, ", ") + ".", Do: s.Instead()})
	}
	const policy = "docs/aws.md has the policy of the build's role."
	api, err := s.api(ctx)
	if err != nil {
		return append(found, problem(err, "Mend the variables of the build."))
	}
	me, err := api.Me(ctx)
	if err != nil {
		return append(found, problem(err, policy))
	}
	if s.env.Get(ruleVariable) != "" && s.env.Get(roleVariable) == "" && strings.Contains(me, ":assumed-role/") {
		found = append(found, core.Diagnosis{About: about, Health: core.HealthWarning,
			What: "The gate approves as " + me + ", which is another name in each build, so a later build may not be able to take an approval back.",
			Do:   "Set " + roleVariable + " to a role that the build may take."})
	}
	t := codecommit.Thread{Repository: s.from.Repository, Commit: s.job.Commit}
	is, err := api.Commit(ctx, t.Repository, t.Commit)
	if err != nil {
		return append(found, problem(err, policy))
	}
	if _, err := api.Comments(ctx, t); err != nil {
		found = append(found, problem(err, policy))
	}
	if _, err := api.Pulls(ctx, t.Repository, true); err != nil {
		found = append(found, problem(err, policy))
	}
	found = append(found, core.Well(about, "It shows commit %s of %s to %s; whether it takes comments shows only when there is one.", t.Commit, t.Repository, me))
	if is.Asked.IsZero() {
		return found
	}
	return append(found, core.Skew("AWS", s.clock.Now(), is.Asked))
}
