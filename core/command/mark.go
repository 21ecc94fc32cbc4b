package command

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/report"
)

// markPatience is how long one status may take. The last one is waited for, and a cancelled job has not long.
const markPatience = 5 * time.Second

// A marker keeps the status of the released commit up to date, beside the rollout: a forge that is slow holds nothing up.
// Only what is newest is sent.
type marker struct {
	ship   *ship
	writer core.StatusWriter // nil: the forge has none, and nothing is done
	plan   *core.Plan
	commit string // the job's
	self   core.Actor

	wrote bool // this process wrote to the ledger
	last  mark // that was set; the sender's

	mu   sync.Mutex
	next mark
	wake chan struct{}
	done sync.WaitGroup
	warn sync.Once
	end  sync.Once
}

// A mark is what is to be said of a commit.
type mark struct {
	commit string
	core.Status
}

func (s *ship) marker(ctx context.Context, p *core.Plan, self core.Actor) *marker {
	m := &marker{ship: s, plan: p, commit: s.forge.Job().Commit, self: self, wake: make(chan struct{}, 1)}
	m.writer, _ = s.forge.(core.StatusWriter)
	ctx = context.WithoutCancel(ctx) // that a job was cancelled is to be seen too
	m.done.Go(func() {
		for range m.wake {
			m.send(ctx)
		}
	})
	return m
}

func (m *marker) send(ctx context.Context) {
	m.mu.Lock()
	next, known := m.next, m.next == m.last
	m.mu.Unlock()
	if known {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, markPatience)
	defer cancel()
	if err := m.writer.SetStatus(ctx, next.commit, next.Status); err != nil {
		m.warn.Do(func() {
			m.ship.tell(core.Annotation{Title: "Status", Message: fmt.Sprintf("The commit does not show %s: %s", next.Name, err)})
		})
		return
	}
	m.last = next
}

// say puts a mark in the place of the one that waits, if one does.
func (m *marker) say(commit string, s core.Status) {
	if m.writer == nil || commit == "" {
		return
	}
	m.mu.Lock()
	m.next = mark{commit, s}
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default: // it will be seen
	}
}

// hash is what git calls a commit.
var hash = regexp.MustCompile(`^[0-9a-f]{40}$`)

// commitOf is the commit that a rollout is of: its version if that is one, else the job's commit.
func (m *marker) commitOf(r *core.Rollout) string {
	if hash.MatchString(r.Start.Version) {
		return r.Start.Version
	}
	return m.commit
}

// show marks the commit that a rollout is of.
func (m *marker) show(r *core.Rollout) { m.say(m.commitOf(r), report.Mark(r, due(m.plan, r))) }

// refuse marks the job's commit, of which nothing was rolled out: whoever waits for its status must not wait for ever.
// A process that took the rollout over shows what becomes of it.
func (m *marker) refuse(l core.Line, why error) {
	if _, lost := errors.AsType[engine.Lost](why); !lost {
		m.say(m.commit, report.MarkRefusal(l, inShort(why)))
	}
}

// close waits until the newest mark is set. It may be called again.
func (m *marker) close() {
	m.end.Do(func() { close(m.wake) })
	m.done.Wait()
}

// Recorded shows what has changed for somebody who looks at the commit. What another process wrote, that process shows.
func (m *marker) Recorded(r *core.Rollout, e core.Event) {
	if e.Actor != m.self.ID {
		return
	}
	m.wrote = true
	switch e.Type {
	case core.EventRenewed, core.EventClaimed, core.EventReleased, core.EventLooked, core.EventPrechecked, core.EventDeployed,
		core.EventReverting, core.EventReverted, core.EventRehearsing, core.EventRehearsed, core.EventVerified, core.EventQueued:
		return
	}
	m.show(r)
}

func (*marker) Looked(*core.Rollout, core.Evidence) {}
func (*marker) Acted(core.Act, core.Result, string) {}
