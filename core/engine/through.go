package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// beyond reports whether a rollout on its way has passed the bake of a wave that it was to be taken through. A rollback is
// never beyond: what has begun to go back is all put back.
func beyond(r *core.Rollout, through string) bool {
	return through != "" && r.State != core.StateRollingBack && r.Wave > core.FindWave(r.Start.Waves, through)
}

// reaches reports what there is to do for a process that takes a rollout through a wave: an [idle] if that has passed. The
// line is left alone then, and with it whoever works on a later wave.
func reaches(r *core.Rollout, through string) error {
	switch {
	case through == "":
		return nil
	case core.FindWave(r.Start.Waves, through) < 0:
		return Refused{Reason: fmt.Sprintf("Rollout %s has no wave %s. Its waves are %s.", r.ID, through, strings.Join(names(r.Start.Waves), ", "))}
	case beyond(r, through) && !goesBack(r):
		return idle{r}
	default:
		return nil
	}
}

// release gives the line back between two waves, so that whichever job comes next may have it, also one that the CI system
// numbered before this one. What was written meanwhile is for that job to see.
func (s *session) release(ctx context.Context) error {
	if err := s.write(ctx, core.Event{Type: core.EventReleased}); err != nil && !errors.Is(err, errMoved) {
		return err
	}
	return nil
}
