package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// mayReturn refuses to go back to a version that nobody knows to be good on this line, or across one that activates.
func (e *Engine) mayReturn(ctx context.Context, to string) error {
	past, ok := e.Ledger.(core.Historian)
	if !ok {
		return Refused{Reason: "This ledger keeps only the newest rollout, so nobody knows which versions were good. Roll back without --to."}
	}
	var good []string // newest last
	activated := ""   // since the version was good
	r := &core.Rollout{Line: e.Line}
	fold := func() {
		if r.State == core.StateSucceeded {
			good = append(slices.DeleteFunc(good, func(v string) bool { return v == r.Start.Version }), r.Start.Version)
		}
		switch {
		case r.State == core.StateSucceeded && r.Start.Version == to:
			activated = ""
		case r.Start.Activated != "" && r.Touched():
			activated = r.Start.Activated
		}
	}
	for ev, err := range past.History(ctx, e.Line) {
		if err != nil {
			return err
		}
		if ev.Type == core.EventStarted {
			fold()
			r = &core.Rollout{Line: e.Line}
		}
		if err := r.Apply(ev); err != nil {
			return err
		}
	}
	fold()
	switch {
	case len(good) == 0:
		return Refused{Reason: fmt.Sprintf("No rollout on %s has succeeded yet, so no version is known to be good.", e.Line)}
	case !slices.Contains(good, to):
		slices.Reverse(good)
		return Refused{Reason: fmt.Sprintf("Version %s is not known to be good on %s: no rollout of it has succeeded and stayed. Known to be good, newest first: %s.",
			to, e.Line, strings.Join(short(good), ", "))}
	case activated != "":
		return Refused{Reason: fmt.Sprintf("Version %s cannot be put back: the plan of version %s, which came after it, says activate: it must not be rolled back across. Roll forward.",
			to, activated)}
	}
	return nil
}
