package command

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/report"
)

// messengers tell people outside while the rollout goes on: a slow or dead receiver holds nothing up.
type messengers struct {
	notifiers []core.Notifier
	letters   chan *core.Rollout
	self      core.Actor
	done      sync.WaitGroup
}

// patience is how long one receiver may take.
const patience = 5 * time.Second

func (s *ship) messengers(ctx context.Context, p *core.Plan, self core.Actor) (*messengers, error) {
	notifiers, err := report.Notifiers(p.Notify, &http.Client{Timeout: patience})
	if err != nil {
		return nil, err
	}
	m := &messengers{notifiers: notifiers, letters: make(chan *core.Rollout, 16), self: self}
	ctx = context.WithoutCancel(ctx) // that a job was cancelled is news too
	m.done.Go(func() {
		for r := range m.letters {
			for _, n := range m.notifiers {
				m.send(ctx, s, n, r)
			}
		}
	})
	return m, nil
}

func (m *messengers) send(ctx context.Context, s *ship, n core.Notifier, r *core.Rollout) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := n.Notify(ctx, r); err != nil {
		s.tell(core.Annotation{Title: "Notification", Message: "not notified: " + err.Error()})
	}
}

// close waits until what was said has been told.
func (m *messengers) close() {
	close(m.letters)
	m.done.Wait()
}

// Recorded tells of what people want to know at once: a halt, a rollback, an end, and what humans do to a rollout. What
// another process wrote, that process tells. When more comes than receivers can take, the newest is left out; it never
// waits.
func (m *messengers) Recorded(r *core.Rollout, e core.Event) {
	switch e.Type {
	case core.EventHalted, core.EventRollingBack, core.EventEnded, core.EventPromoted, core.EventExpedited:
	default:
		return
	}
	if len(m.notifiers) == 0 || e.Actor != m.self.ID {
		return
	}
	select {
	case m.letters <- r.Clone():
	default:
	}
}

func (*messengers) Looked(*core.Rollout, core.Evidence) {}
func (*messengers) Acted(core.Act, core.Result, string) {}
