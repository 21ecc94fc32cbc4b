package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	tries      = 6
	firstPause = 500 * time.Millisecond // doubles with each try, and is spread by half to either side
)

// retry calls try until it works, fails for good, or has failed often enough: about 15 s in all.
func (l *gitLedger) retry(ctx context.Context, do, ref string, try func() error) error {
	pause := firstPause
	for n := 1; ; n++ {
		err := try()
		trouble, failed := errors.AsType[*gitError](err)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s %s on %s: %w", do, ref, l.remote.name, ctx.Err())
		case !failed: // the remote was asked, and its answer stands
			return err
		case trouble.final || n == tries:
			return fmt.Errorf("cannot %s %s on %s: %w; check that the remote can be reached and that this job may %s it "+
				"(GitHub: permissions: contents: write; GitLab: let the job token push, or use a project token; CodeCommit: codecommit:GitPull and GitPush, and credentials of AWS)", do, ref, l.remote.name, trouble, do)
		}
		wait := time.Duration(float64(pause) * (0.5 + rand.Float64()))
		if err := l.clock.Wait(ctx, l.clock.Now().Add(wait)); err != nil {
			return fmt.Errorf("%s %s on %s: %w; before that: %w", do, ref, l.remote.name, err, trouble)
		}
		pause *= 2
	}
}
