package command

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/config"
	"github.com/breakwater-ci/breakwater/core/report"
)

// An evidence keeps the report on the released commit up to date, beside the rollout.
type evidence struct {
	*beside[standing]
	ship  *ship
	forge core.Reporter
	dir   string
	last  standing // that was shown; the writer's
	warn  sync.Once
}

func (s *ship) evidence(ctx context.Context, forge core.Reporter, dir string) *evidence {
	e := &evidence{ship: s, forge: forge, dir: dir}
	e.beside = writeBeside(ctx, e.write)
	return e
}

func (e *evidence) show(commit string, r *core.Rollout) {
	if commit != "" {
		e.put(standing{commit, r.Clone()})
	}
}

// write shows the report. That it cannot is no reason to fail: it is in the job's summary too.
func (e *evidence) write(ctx context.Context, at standing) {
	if at.is(e.last) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, besidePatience)
	defer cancel()
	l, err := e.plan(at.Rollout)
	if err == nil {
		err = e.forge.Report(ctx, at.commit, report.Whole(at.Rollout, &e.ship.looks, due(l.Plan, at.Rollout), e.ship.Clock.Now(), e.notes(l, at.Rollout)))
	}
	if err != nil {
		e.warn.Do(func() {
			e.ship.tell(core.Annotation{Title: "Check run", Message: fmt.Sprintf("The commit does not show the report: %s", err)})
		})
		return
	}
	e.last = at
}

// plan reads the plan that a rollout goes by, to know what stands where in it.
func (e *evidence) plan(r *core.Rollout) (*loaded, error) {
	p, places, err := config.LoadPlaces(r.Start.PlanFile, []byte(r.Start.Plan), e.ship.lookup, catalog())
	if err != nil {
		return nil, fmt.Errorf("the plan of rollout %s does not load: %w", r.ID, err)
	}
	return &loaded{Plan: p, places: places, file: r.Start.PlanFile, text: r.Start.Plan, dir: e.dir}, nil
}

// notes are what lint found in the plan, and the checks that stopped the rollout, each where it stands.
func (e *evidence) notes(l *loaded, r *core.Rollout) []core.Annotation {
	file := inRepository(l)
	if filepath.IsAbs(file) || strings.HasPrefix(file, "..") {
		return nil // it is not in the repository
	}
	var notes []core.Annotation
	for _, f := range counted(e.ship.lint(l, r.Start.Waves, r.Start.Version)) {
		if f.Level != core.LevelNote {
			notes = append(notes, report.NoteFinding(f))
		}
	}
	for _, v := range r.Stopped() {
		for i := range l.Checks {
			if l.Checks[i].Name == v.Check {
				line, column := l.places.At(&l.Checks[i])
				notes = append(notes, report.NoteVerdict(v, file, line, column))
			}
		}
	}
	return notes
}
