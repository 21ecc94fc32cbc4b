package core

import (
	"slices"
	"time"
)

// Requires is what must be green on the released commit before the first wave.
type Requires struct {
	Statuses []string        `json:"statuses,omitempty" jsonschema_description:"Names of commit statuses or check runs that must be green on the commit."`
	Builds   []RequiredBuild `json:"builds,omitempty" jsonschema_description:"Projects of CodeBuild whose newest build of the commit must have succeeded."`
	Timeout  time.Duration   `json:"timeout,omitempty" jsonschema_description:"How long to wait for those that are not there yet or still pending. Default: 0, not at all."`
}

// A RequiredBuild is a project of CodeBuild whose newest build of the released commit must have succeeded.
type RequiredBuild struct {
	Project string `json:"project" jsonschema_description:"Name of the project, such as checkout-integration."`
	Start   bool   `json:"start,omitempty" jsonschema_description:"Whether to have a build made where the commit has none. Needs a timeout that the build ends within."`
	AWS     AWS    `json:"aws,omitempty" jsonschema_description:"Region, role and account. Default: as the job's environment says."`
}

// Name is what the state of the build is called among the statuses of a commit.
func (b RequiredBuild) Name() string { return "codebuild " + b.Project }

// Names are what is required, by the names of the statuses, in the order of the plan.
func (q *Requires) Names() []string {
	names := slices.Clone(q.Statuses)
	for _, b := range q.Builds {
		names = append(names, b.Name())
	}
	return names
}

// RequiredStatuses are those that a plan requires of the forge. No plan requires none.
func (p *Plan) RequiredStatuses() []string {
	if p == nil || p.Requires == nil {
		return nil
	}
	return p.Requires.Statuses
}

// StatusMissing is the state of a status that is required and that the commit does not have.
const StatusMissing StatusState = "missing"

// Unmet returns the required statuses that are not green, in the order of the plan, with what there is to say of each.
// hopeless reports that waiting does not help: one of them is red.
func (q *Requires) Unmet(have []Status) (unmet []Status, hopeless bool) {
	for _, name := range q.Names() {
		s := Status{Name: name, State: StatusMissing}
		if i := slices.IndexFunc(have, func(h Status) bool { return h.Name == name }); i >= 0 {
			s = have[i]
		}
		if s.State == StatusSuccess {
			continue
		}
		unmet = append(unmet, s)
		hopeless = hopeless || s.State != StatusPending && s.State != StatusMissing
	}
	return unmet, hopeless
}
