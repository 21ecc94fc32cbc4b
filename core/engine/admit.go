package engine

import (
	"context"
	"fmt"

	"github.com/breakwater-ci/breakwater/core"
)

// require asks for what must be green before the first wave.
func (e *Engine) require(ctx context.Context, p *core.Plan) error {
	if e.Require == nil {
		return nil
	}
	return e.Require(ctx, p)
}

// admit asks whether a plan keeps to its floors.
func (e *Engine) admit(file, text string, waves []core.StartWave) (*core.Obeyed, error) {
	if e.Admit == nil {
		return nil, nil
	}
	return e.Admit(file, text, waves)
}

// governed refuses to touch a rollout that started under a policy without one: to leave the flag out must not be a way
// round it.
func (e *Engine) governed(r *core.Rollout) error {
	if p := r.Start.Policy; p != nil && e.Admit == nil {
		return Refused{Reason: fmt.Sprintf("Rollout %s keeps to the policy %s, so nothing is done to it without one. Pass --policy %s.", r.ID, p.Name, p.Name)}
	}
	return nil
}

// admitAgain asks whether the plan that an unfinished rollout started with keeps to the floors as they are now. One that
// goes back is never held up.
func (e *Engine) admitAgain(r *core.Rollout) error {
	if goesBack(r) {
		return nil
	}
	if _, err := e.admit(r.Start.PlanFile, r.Start.Plan, r.Start.Waves); err != nil {
		return fmt.Errorf("rollout %s goes on with the plan that it started with, and that does not keep to the policy. "+
			"Roll it back or abort it, mend the plan, and release again.\n%w", r.ID, err)
	}
	return nil
}

// goesBack reports whether a rollout is on its way back.
func goesBack(r *core.Rollout) bool {
	return r.State == core.StateRollingBack || r.State == core.StateRollbackFailed
}
