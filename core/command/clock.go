package command

import (
	"context"
	"time"
)

// WallClock is the only clock of the product; everything below is handed it.
type WallClock struct{}

func (WallClock) Now() time.Time { return time.Now() }

func (c WallClock) Wait(ctx context.Context, until time.Time) error {
	timer := time.NewTimer(until.Sub(c.Now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
