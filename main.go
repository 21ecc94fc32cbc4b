// Breakwater takes a release out in waves, bakes after each, judges it on live metrics, and halts or rolls it back by
// itself, from the CI that a team already has.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/breakwater-ci/breakwater/actions"
	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/command"
)

func main() { os.Exit(run()) }

// run joins the process to the commands and picks the forge that it runs in.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	environ := os.Environ()
	var forge core.Forge
	if f, ok := actions.New(environ, os.Stdout); ok {
		forge, environ = f, actions.Environ(environ)
	}
	return command.Main(ctx, os.Args[1:], command.Env{
		Stdout: os.Stdout, Stderr: os.Stderr, Environ: environ, Forge: forge,
	})
}
