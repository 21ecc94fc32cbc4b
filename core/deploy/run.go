package deploy

import (
	"context"
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// run is the driver that has a command do the work: once for each target, and again with the previous version as
// BREAKWATER_VERSION to put that back.
type run struct {
	command core.Command
	shell   *shell.Runner
	timeout time.Duration
}

func openRun(options any, env Env) (core.Driver, error) {
	command, ok := options.(*core.Command)
	if !ok || command == nil {
		return nil, fmt.Errorf("the driver run takes a *core.Command, not %T", options)
	}
	return &run{command: *command, shell: env.Shell, timeout: env.Timeout}, nil
}

// Deploy runs the command for one target. An error says how it ended and what it printed last.
func (r *run) Deploy(ctx context.Context, act core.Act) (string, error) {
	return r.shell.Run(ctx, r.command, shell.ForAct(act), r.timeout)
}
