package core

import (
	"slices"
	"time"
)

// Requires is what must be green on the released commit before the first wave.
type Requires struct {
	Statuses []string      `json:"statuses" jsonschema_description:"Names of commit statuses or check runs that must be green on the commit."`
	Timeout  time.Duration `json:"timeout,omitempty" jsonschema_description:"How long to wait for those that are not there yet or still pending. Default: 0, not at all."`
}

// StatusMissing is the state of a status that is required and that the commit does not have.
const StatusMissing StatusState = "missing"

// Unmet returns the required statuses that are not green, in the order of the plan, with what the forge has to say of
// each. hopeless reports that waiting does not help: one of them is red.
func (q *Requires) Unmet(have []Status) (unmet []Status, hopeless bool) {
	for _, name := range q.Statuses {
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
