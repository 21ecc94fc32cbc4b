package shell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

var errTimeout = errors.New("time is up")

// An Error says why a command did not end well.
type Error struct {
	Code    int            // exit code; -1 if it did not exit by itself
	Signal  syscall.Signal // that ended it, or 0
	Timeout time.Duration  // above 0: it was stopped because it took longer than this
	Line    string         // the last line that it printed, redacted
	Err     error          // it could not be run, or the context that stopped it ended with this
}

func refused(err error) *Error { return &Error{Code: -1, Err: err} }

// stopped is the error of a command that was stopped because ctx ended.
func stopped(ctx context.Context, timeout time.Duration) *Error {
	if cause := context.Cause(ctx); cause != errTimeout {
		return &Error{Code: -1, Err: fmt.Errorf("stopped: %w", cause)}
	}
	return &Error{Code: -1, Timeout: timeout}
}

// ended is the error of a command that came to an end by itself, and nil if it ended well.
func ended(state *os.ProcessState, err error) *Error {
	if err != nil {
		return refused(err)
	}
	status := state.Sys().(syscall.WaitStatus)
	switch {
	case state.Success():
		return nil
	case status.Signaled():
		return &Error{Code: -1, Signal: status.Signal()}
	default:
		return &Error{Code: status.ExitStatus()}
	}
}

// saying adds what the command said last.
func (e *Error) saying(output string) *Error {
	e.Line = LastLine(output)
	return e
}

// Error says what happened, with what the command said last.
func (e *Error) Error() string {
	if e.Line == "" {
		return e.Cause()
	}
	return e.Cause() + ": " + e.Line
}

// Cause says what happened, without what the command said.
func (e *Error) Cause() string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case e.Timeout > 0:
		return "timed out after " + core.Brief(e.Timeout)
	case e.Signal != 0:
		return "ended by signal " + signal(e.Signal)
	case e.Code == 126:
		return "exit 126 (a command was found, but could not be run; make it executable)"
	case e.Code == 127:
		return "exit 127 (a command was not found; check its name, PATH and what is installed here)"
	case e.Code > 128 && e.Code <= 128+64:
		return fmt.Sprintf("exit %d (a command was ended by signal %s)", e.Code, signal(syscall.Signal(e.Code-128)))
	default:
		return fmt.Sprintf("exit %d", e.Code)
	}
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

func signal(s syscall.Signal) string {
	text := fmt.Sprintf("%d, %v", int(s), s)
	if s == syscall.SIGKILL {
		text += "; out of memory?"
	}
	return text
}
