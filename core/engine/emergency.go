package engine

import (
	"fmt"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// expedite is the event of an emergency, by the plan that the rollout goes by.
func (e *Engine) expedite(p *core.Plan, req Request) ([]core.Event, error) {
	if p.Emergency == nil {
		return nil, Refused{Reason: fmt.Sprintf("The plan that version %s goes out with has no fast lane, so there is none for an emergency. "+
			"Add emergency: {min_bake: 5m} to it, or run without --emergency.", req.Version)}
	}
	return []core.Event{{Type: core.EventExpedited, Override: e.override(core.OverrideEmergency, req.Emergency),
		Reason: fmt.Sprintf("EMERGENCY, declared by %s: %s. Bakes may be as short as %s and windows are passed; every check is asked as ever.",
			who(e.Actor), strings.TrimRight(req.Emergency, ". "), core.Brief(p.Emergency.MinBake))}}, nil
}

// hurry takes the fast lane of the plan in an emergency.
func (s *session) hurry() {
	if s.r.Emergency {
		s.gear.Plan, s.gear.Windows = s.gear.Plan.For(s.r), nil
	}
}
