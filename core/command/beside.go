package command

import (
	"context"
	"sync"
	"time"
)

// besidePatience is how long one write may take. The last one is waited for, and a cancelled job has not long.
const besidePatience = 5 * time.Second

// A beside writes to a forge beside the rollout: a forge that is slow holds nothing up. Of what waits only the newest is
// written.
type beside[T any] struct {
	mu   sync.Mutex
	next T
	wake chan struct{}
	done sync.WaitGroup
	end  sync.Once
}

// writeBeside starts to write, until close. That a job was cancelled is to be seen too, so it goes on past the end of ctx.
func writeBeside[T any](ctx context.Context, write func(context.Context, T)) *beside[T] {
	b := &beside[T]{wake: make(chan struct{}, 1)}
	ctx = context.WithoutCancel(ctx)
	b.done.Go(func() {
		for range b.wake {
			b.mu.Lock()
			next := b.next
			b.mu.Unlock()
			write(ctx, next)
		}
	})
	return b
}

// put puts something in the place of what waits, if something does.
func (b *beside[T]) put(what T) {
	b.mu.Lock()
	b.next = what
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default: // it will be seen
	}
}

// close waits until the newest is written. It may be called again.
func (b *beside[T]) close() {
	b.end.Do(func() { close(b.wake) })
	b.done.Wait()
}
