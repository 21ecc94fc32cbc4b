package command

import (
	"context"
	"time"
)

// wallClock is the only clock of the product; everything below is handed it.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (c wallClock) Wait(ctx context.Context, until time.Time) error {
	timer := time.NewTimer(until.Sub(c.Now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
