// Breakwater takes a release out in waves, bakes after each, judges it on live metrics, and halts or rolls it back by
// itself, from the CI that a team already has.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/breakwater-ci/breakwater/actions"
	"github.com/breakwater-ci/breakwater/codebuild"
	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/command"
	"github.com/breakwater-ci/breakwater/gitlab"
)

func main() { os.Exit(run()) }

// run joins the process to the commands and picks the forge that it runs in.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := command.Env{Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ()}
	if forge, ok := actions.New(env.Environ, os.Stdout, os.Stderr, command.WallClock{}); ok {
		if err := forge.Err(); err != nil {
			fmt.Fprintln(os.Stderr, "breakwater: "+err.Error())
			return core.ExitUnexpected
		}
		env.Forge, env.Environ = forge, actions.Environ(env.Environ)
		env.Stdout, env.Stderr = actions.Text(os.Stdout), actions.Text(os.Stderr) // only the forge gives commands
	} else if forge, ok := gitlab.New(env.Environ, os.Stdout, os.Stderr, command.WallClock{}); ok {
		if err := forge.Err(); err != nil {
			fmt.Fprintln(os.Stderr, "breakwater: "+err.Error())
			return core.ExitUnexpected
		}
		env.Forge, env.Environ = forge, gitlab.Environ(env.Environ)
		env.Stdout, env.Stderr = forge.Writer(os.Stdout), forge.Writer(os.Stderr)
	} else if forge, ok := codebuild.New(env.Environ, os.Stdout, os.Stderr, command.WallClock{}); ok { // last: it may be a runner of the others
		if err := forge.Err(); err != nil {
			fmt.Fprintln(os.Stderr, "breakwater: "+err.Error())
			return core.ExitUnexpected
		}
		env.Forge = forge.OnSource()
		env.Stdout, env.Stderr = forge.Writer(os.Stdout), forge.Writer(os.Stderr)
	}
	return command.Main(ctx, os.Args[1:], env)
}
