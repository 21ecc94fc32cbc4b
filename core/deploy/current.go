package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// Current asks targets which version they run.
type Current struct {
	Command core.Command
	Timeout time.Duration // longest time for one answer, and for a new version to show
	Shell   *shell.Runner
	Clock   core.Clock
}

// Ask returns the version that the target of an act runs.
func (c Current) Ask(ctx context.Context, act core.Act) (string, error) {
	vars := shell.ForAct(act)
	vars.Action = shell.ActionCurrent
	out, err := c.Shell.Read(ctx, c.Command, vars, c.Timeout)
	if err != nil {
		return "", err
	}
	version := strings.TrimSpace(out)
	if version == "" || strings.ContainsAny(version, "\n\r") {
		return "", fmt.Errorf("the command must print one line, it printed %q", shell.OneLine(out))
	}
	return version, nil
}

// Proven returns a driver whose acts succeed only once the target runs the version that was put on it. A deploy command
// may well end well while the old version goes on serving.
func Proven(d core.Driver, c Current) core.Driver { return proven{d, c} }

type proven struct {
	core.Driver
	current Current
}

// again is how long it waits before it asks a target again.
const again = time.Second

func (p proven) Deploy(ctx context.Context, act core.Act) (string, error) {
	output, err := p.Driver.Deploy(ctx, act)
	if err == nil {
		err = p.current.Prove(ctx, act)
	}
	return output, err
}

// Holds implements [core.Confirmer], for the driver whose acts are proven.
func (p proven) Holds() bool {
	c, ok := p.Driver.(core.Confirmer)
	return ok && c.Holds()
}

// Confirm implements [core.Confirmer]. It is asked for only where something is held.
func (p proven) Confirm(ctx context.Context, act core.Act) (string, error) {
	output, err := p.Driver.(core.Confirmer).Confirm(ctx, act)
	if err == nil {
		err = p.current.Prove(ctx, act)
	}
	return output, err
}

// Prove asks the target of an act, for a while, until it runs the version that was put on it.
func (c Current) Prove(ctx context.Context, act core.Act) error {
	for end := c.Clock.Now().Add(c.Timeout); ; {
		runs, err := c.Ask(ctx, act)
		switch {
		case err == nil && runs == act.Version:
			return nil
		case err != nil:
			err = fmt.Errorf("the deploy ended well, but nobody knows which version runs: %w", err)
		default:
			err = fmt.Errorf("the deploy ended well, but %s runs %s, not %s", act.Target.Name, shell.OneLine(runs), act.Version)
		}
		next := c.Clock.Now().Add(again)
		if next.After(end) {
			return err
		}
		if stopped := c.Clock.Wait(ctx, next); stopped != nil {
			return errors.Join(err, stopped)
		}
	}
}
