package command

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/report"
)

// A marker keeps the status of the released commit up to date, and what else shows where a rollout stands.
type marker struct {
	*beside[mark]
	ship     *ship
	writer   core.StatusWriter // nil: the forge has none, and nothing is done
	plan     *core.Plan
	commit   string // the job's
	self     core.Actor
	displays []display

	wrote bool // this process wrote to the ledger
	last  mark // that was set; the sender's
	warn  sync.Once
}

// A mark is what is to be said of a commit.
type mark struct {
	commit string
	core.Status
}

// A display shows where a rollout stands, at the moments at which its commit's status changes.
type display interface {
	show(commit string, r *core.Rollout)
	close() // waits until the newest is shown
}

func (s *ship) marker(ctx context.Context, p *core.Plan, self core.Actor, displays ...display) *marker {
	m := &marker{ship: s, plan: p, commit: s.forge.Job().Commit, self: self, displays: displays}
	m.writer, _ = s.forge.(core.StatusWriter)
	m.beside = writeBeside(ctx, m.send)
	return m
}

func (m *marker) send(ctx context.Context, next mark) {
	if next == m.last {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, besidePatience)
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
	if m.writer != nil && commit != "" {
		m.put(mark{commit, s})
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
func (m *marker) show(r *core.Rollout) {
	commit := m.commitOf(r)
	m.say(commit, report.Mark(r, due(m.plan, r)))
	for _, d := range m.displays {
		d.show(commit, r)
	}
}

// refuse marks the job's commit, of which nothing was rolled out: whoever waits for its status must not wait for ever.
// A process that took the rollout over shows what becomes of it.
func (m *marker) refuse(l core.Line, why error) {
	if _, lost := errors.AsType[engine.Lost](why); !lost {
		m.say(m.commit, report.MarkRefusal(l, inShort(why)))
	}
}

// close waits until the newest mark is set, and shown everywhere. It may be called again.
func (m *marker) close() {
	m.beside.close()
	for _, d := range m.displays {
		d.close()
	}
}

// Recorded shows what has changed for somebody who looks at the commit. What another process wrote, that process shows.
func (m *marker) Recorded(r *core.Rollout, e core.Event) {
	if e.Actor != m.self.ID {
		return
	}
	m.wrote = true
	switch e.Type { // a bake that passed shows with what comes next, or at the end
	case core.EventRenewed, core.EventClaimed, core.EventReleased, core.EventLooked, core.EventPrechecked, core.EventDeployed, core.EventPassed,
		core.EventConfirming, core.EventConfirmed,
		core.EventReverting, core.EventReverted, core.EventRehearsing, core.EventRehearsed, core.EventVerified, core.EventQueued:
		return
	}
	m.show(r)
}

func (*marker) Looked(*core.Rollout, core.Evidence) {}
func (*marker) Acted(core.Act, core.Result, string) {}
