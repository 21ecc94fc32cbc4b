package core

import (
	"fmt"
	"time"
)

// OnNewer says what happens when a newer version arrives while a rollout is unfinished.
type OnNewer string

// The ways to meet a newer version. None of them cancels anything in silence.
const (
	NewerQueues     OnNewer = "queue"     // it waits until the line is free; only the newest one waits
	NewerSupersedes OnNewer = "supersede" // the rollout ends at the next border of waves, and the newer version goes out instead
	NewerRejected   OnNewer = "reject"    // it is refused
)

// A Newer is a version that has arrived while another one was on its way, and waits for the line.
type Newer struct {
	Version   string    `json:"version"`
	By        Actor     `json:"by"`
	Emergency bool      `json:"emergency,omitempty"` // it does not wait for bakes, nor for the next border of waves
	At        time.Time `json:"at,omitzero"`         // when its event was written; zero in the event itself, which has that time
}

// Arrives says what becomes of a newer version, and of the rollout that it has met.
func (r *Rollout) Arrives(n Newer) string {
	switch {
	case n.Emergency && r.State != StateRollingBack:
		return fmt.Sprintf("It is an emergency: version %s goes out instead of %s, as soon as nothing is being done to a target.", n.Version, r.Start.Version)
	case r.Start.OnNewer == NewerSupersedes && r.State != StateRollingBack:
		return fmt.Sprintf("Version %s goes out instead of %s at the next border of waves.", n.Version, r.Start.Version)
	default:
		return fmt.Sprintf("Version %s waits until the rollout of version %s is over.", n.Version, r.Start.Version)
	}
}

// GivesWay is the step that ends a rollout because a newer version goes out instead, if it is time for that: between two
// waves, or, in an emergency, whenever nothing is being done to a target. It keeps what is out; what goes back later, if
// the newer version fails, is the last version that finished.
func GivesWay(r *Rollout) (Step, bool) {
	n := r.Newer
	if n == nil || !n.Emergency && r.Start.OnNewer != NewerSupersedes {
		return Step{}, false
	}
	baking := r.State == StateBaking && r.Waves[r.Wave].State == WaveBaking
	if !r.Waiting() && !(n.Emergency && baking) {
		return Step{}, false
	}
	return Step{Do: DoEnd, Wave: r.Wave, State: StateAborted, Newer: n, Reason: gaveWay(r, n)}, true
}

func gaveWay(r *Rollout, n *Newer) string {
	how := "superseded"
	if n.Emergency {
		how = "superseded in an emergency"
	}
	kept := "No target was touched."
	if r.Touched() {
		kept = "What is out stays out until then."
	}
	good := "There is no version before it that finished"
	if r.Start.Previous != "" {
		good = "The last version that finished is " + r.Start.Previous
	}
	return fmt.Sprintf("Version %s is %s by version %s. %s %s.", r.Start.Version, how, n.Version, kept, good)
}
