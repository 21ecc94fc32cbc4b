package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// within bounds the time of an act. 0 is no bound.
func within(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, timeout, late{timeout})
}

// pauses are those between looks at what is about to happen: 45 s in all. A job that was cancelled is killed
// after about ten seconds, in which it must also write down what it knows, so it looks for hasty of them only.
var pauses = []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 15 * time.Second}

const hasty = 2

// aftermath is the time for what must be done whether or not ctx has ended, and the pauses in it: little, if the job is
// going to be killed, and never the whole minute that the engine leaves after a timeout.
func aftermath(ctx context.Context) (context.Context, []time.Duration, context.CancelFunc) {
	if ctx.Err() == nil {
		return ctx, pauses, func() {}
	}
	looks, most := pauses[:hasty], 5*time.Second
	if timedOut(ctx) {
		looks, most = pauses, 50*time.Second
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	return ctx, looks, cancel
}

// late is the end of a ctx whose act took longer than it may.
type late struct{ after time.Duration }

func (l late) Error() string { return "timed out after " + core.Brief(l.after) }

func timedOut(ctx context.Context) bool {
	_, ok := errors.AsType[late](context.Cause(ctx))
	return ok
}

// stopped says why an act was cut off.
func stopped(ctx context.Context) error {
	if timedOut(ctx) {
		return context.Cause(ctx)
	}
	return fmt.Errorf("stopped: %w", context.Cause(ctx))
}

// redact keeps secrets out of an error's text.
func redact(sh *shell.Runner, err error) error {
	if err == nil {
		return nil
	}
	return redacted{sh.Redact(err.Error()), err}
}

// redacted is an error whose text shows no secret.
type redacted struct {
	text string
	err  error
}

func (r redacted) Error() string { return r.text }
func (r redacted) Unwrap() error { return r.err }
