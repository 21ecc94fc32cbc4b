package core

import (
	"slices"
	"time"
)

// An Emergency is the fast lane of a plan: shorter bakes, never fewer checks, never without rollback.
type Emergency struct {
	MinBake time.Duration `json:"min_bake" jsonschema_description:"Shortest bake of a wave in an emergency. A bake that is shorter anyway stays as it is."`
}

// For is the plan as a rollout goes by it. In an emergency bakes may end earlier; what is asked in them, how long they
// may last, and what a failure does stay as they are.
func (p *Plan) For(r *Rollout) *Plan {
	if !r.Emergency || p.Emergency == nil {
		return p
	}
	hurried := *p
	hurried.Waves = slices.Clone(p.Waves)
	for i := range hurried.Waves {
		b := &hurried.Waves[i].Bake
		b.Min = min(b.Min, p.Emergency.MinBake)
	}
	return &hurried
}
