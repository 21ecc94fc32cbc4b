package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/door"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// An entrance is a door with what became of it.
type entrance struct {
	core.Door
	url  string
	gate core.Gate
	open bool
	said string // one sentence, that begins after the door's name
}

type entrances []*entrance

// A doorway is a door as it is shown.
type doorway struct {
	Door string `json:"door"`
	Open bool   `json:"open"`
	Said string `json:"said"`
}

// lookAtLine reads where a line stands, for its gate.
type lookAtLine = func(context.Context) (*core.Rollout, core.GateRules, error)

func (s *ship) openDoors(ctx context.Context, urls []string, line core.Line) (entrances, error) {
	var all entrances
	for _, url := range urls {
		d, err := door.Open(ctx, url, line, s.cloud("Door"))
		if err != nil {
			return nil, usage{err}
		}
		all = append(all, &entrance{Door: d, url: url})
	}
	return all, nil
}

// swing opens and shuts the doors as the gate says.
func (all entrances) swing(ctx context.Context, clock core.Clock, r *core.Rollout, rules core.GateRules, look lookAtLine) error {
	var failed []error
	for _, e := range all {
		if err := e.swing(ctx, clock, r, rules, look); err != nil {
			failed = append(failed, fmt.Errorf("%s does not show the gate: %w", e.url, err))
		}
	}
	return errors.Join(failed...)
}

// swing opens or shuts one door. What somebody else has shut stays shut. Between the look at the line and the door's opening
// something may have gone wrong on the line, which would then pass for what the opening answers: so it looks again.
func (e *entrance) swing(ctx context.Context, clock core.Clock, r *core.Rollout, rules core.GateRules, look lookAtLine) error {
	is, err := e.Look(ctx)
	if err != nil {
		return err
	}
	e.gate = core.AtGate(r, rules, is.Answers(r), clock.Now())
	switch {
	case !e.gate.Open:
		return e.shut(ctx, is, e.gate.Reason)
	case is.Answers(r):
		e.open, e.said = true, fmt.Sprintf("is open: %s opened it after that.", person(is.By))
		return nil
	case is.Open:
		e.open, e.said = true, "is open."
		return nil
	case !is.Ours:
		e.said = othersShut(is)
		return nil
	}
	if err := e.Open(ctx); err != nil {
		return err
	}
	e.open, e.said = true, "is open again."
	if r, rules, err = look(ctx); err != nil {
		return errors.Join(err, e.shut(ctx, core.Doorway{Open: true}, nobodyKnows(err)))
	}
	if e.gate = core.AtGate(r, rules, false, clock.Now()); !e.gate.Open {
		return e.shut(ctx, core.Doorway{Open: true}, e.gate.Reason)
	}
	return nil
}

// shut shuts a door. One that somebody else has shut keeps their reason, or we would open it again later.
func (e *entrance) shut(ctx context.Context, is core.Doorway, why string) error {
	if !is.Open && !is.Ours {
		e.open, e.said = false, othersShut(is)
		return nil
	}
	if err := e.Shut(ctx, is, why); err != nil {
		return err
	}
	e.open, e.said = false, "is shut."
	return nil
}

// shut shuts the doors without a look at the line, of which nobody knows.
func (all entrances) shut(ctx context.Context, why string) error {
	var failed []error
	for _, e := range all {
		is, err := e.Look(ctx)
		if err == nil {
			err = e.shut(ctx, is, why)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s is not shut: %w", e.url, err))
		}
	}
	return errors.Join(failed...)
}

func (all entrances) gates() []core.Gate {
	var gates []core.Gate
	for _, e := range all {
		gates = append(gates, e.gate)
	}
	return gates
}

func (all entrances) shown() []doorway {
	var shown []doorway
	for _, e := range all {
		shown = append(shown, doorway{e.url, e.open, e.said})
	}
	return shown
}

func othersShut(is core.Doorway) string {
	return fmt.Sprintf("stays shut, as %s has shut it: %s", person(is.By), shell.OneLine(is.Why))
}

// person is who did something, where that is known.
func person(by string) string {
	if by == "" {
		return "somebody"
	}
	return shell.OneLine(by)
}
