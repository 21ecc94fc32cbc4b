package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// The exit codes by which a command answers. Every other is an error.
const (
	exitFail         = 1
	exitInconclusive = 75 // EX_TEMPFAIL: try again later
)

// A command is a check that a script answers by its exit code. The last line that it prints is the reason.
type command struct {
	script  core.Command
	shell   *shell.Runner
	vars    shell.Vars
	timeout time.Duration
	every   time.Duration
	last    core.Verdict
}

func newCommand(c core.Check, run *shell.Runner, scope core.Asked) *command {
	return &command{
		script: *c.Run, shell: run, timeout: c.Timeout, every: scope.Bake.Every,
		vars: shell.Vars{
			Action: shell.ActionCheck, Rollout: scope.Rollout, Wave: scope.Wave, Version: scope.Version,
			Previous: scope.Previous, Targets: scope.Targets,
		},
	}
}

// missed reports whether it is too late for the command to tell of an instant.
func (c *command) missed(late time.Duration) bool { return late > c.every }

// answer runs the command. That can only tell what is true now: for a look at the past a bad answer stays, but a good
// one says nothing about what came after it.
func (c *command) answer(ctx context.Context, at time.Time, late time.Duration) core.Verdict {
	if c.missed(late) {
		if c.last.Verdict == core.Fail || c.last.Verdict == core.Error {
			return c.last
		}
		const reason = "a command cannot be asked about the past; it is asked at the next look"
		return core.Verdict{Verdict: core.Inconclusive, Reason: reason, At: at}
	}
	output, err := c.shell.Run(ctx, c.script, c.vars, c.timeout)
	c.last = core.Verdict{At: at}
	c.last.Verdict, c.last.Reason = outcome(output, err)
	return c.last
}

func outcome(output string, err error) (core.VerdictKind, string) {
	said := shell.LastLine(output)
	if said == "" {
		said = "the command printed nothing"
	}
	ended, ok := errors.AsType[*shell.Error](err)
	switch {
	case err == nil:
		return core.Pass, said
	case ok && ended.Code == exitFail:
		return core.Fail, said
	case ok && ended.Code == exitInconclusive:
		return core.Inconclusive, said
	default:
		return core.Error, fmt.Sprintf("the command gave no answer: %v", err)
	}
}
