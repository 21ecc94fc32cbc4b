package report

import (
	"fmt"

	"github.com/breakwater-ci/breakwater/core"
)

// Deployments are what a register says of a rollout: an entry for each wave that has begun, in their order. url is where
// people find what was deployed; empty: not known.
func Deployments(r *core.Rollout, url string) []core.Deployment {
	var all []core.Deployment
	for i := range r.Waves {
		w := &r.Waves[i]
		if w.Began.IsZero() {
			continue
		}
		state, said := entry(r, i)
		all = append(all, core.Deployment{
			Line: r.Line, Rollout: r.ID, Commit: r.Start.Version, Wave: w.Name, Number: i + 1, Of: len(r.Waves), State: state, Whole: whole(r), URL: url,
			Description: line(fmt.Sprintf("Wave %s (%d of %d) %s", w.Name, i+1, len(r.Waves), said), markWidth),
		})
	}
	return all
}

// whole says how a rollout that has begun stands.
func whole(r *core.Rollout) core.DeploymentState {
	switch {
	case r.State == core.StateSucceeded:
		return core.DeploymentDone
	case r.GaveWay(), r.State == core.StateRolledBack && r.Cause == core.CauseOverride:
		return core.DeploymentGone
	case r.State.Resting():
		return core.DeploymentFailed
	default:
		return core.DeploymentRunning
	}
}

// entry says how a wave that has begun stands.
func entry(r *core.Rollout, wave int) (core.DeploymentState, string) {
	w := &r.Waves[wave]
	held := w.State == core.WavePassed && w.Held()
	switch w.State {
	case core.WavePassed:
		switch {
		case held: // it is not done before all of its targets know
		case w.Promoted:
			return core.DeploymentDone, "was promoted by hand"
		default:
			return core.DeploymentDone, "has passed its bake"
		}
	case core.WaveRollingBack:
		return core.DeploymentRunning, "goes back: " + r.Why
	case core.WaveRollbackFailed:
		return core.DeploymentFailed, "did not go back as a whole: " + r.Why
	case core.WaveRolledBack:
		if wave == r.Wave && r.Cause != core.CauseOverride {
			return core.DeploymentFailed, "was rolled back: " + r.Why
		}
		return core.DeploymentGone, "was rolled back: " + r.Why
	}
	switch {
	case r.GaveWay():
		return core.DeploymentGone, "gave way to a newer version"
	case r.State.Resting() || r.State == core.StateRollingBack: // of its targets, none goes back
		return core.DeploymentFailed, fmt.Sprintf("is %s: %s", r.State, Reason(r))
	case w.State == core.WaveBaking:
		return core.DeploymentRunning, "is out and bakes"
	case held:
		return core.DeploymentRunning, "has passed its bake, and its targets are told so"
	default:
		return core.DeploymentRunning, "is being deployed"
	}
}
