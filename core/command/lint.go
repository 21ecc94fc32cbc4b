package command

import (
	"path/filepath"
	"slices"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/lint"
	"github.com/breakwater-ci/breakwater/core/metric"
)

// lint says where a plan falls short of good practice. An empty version is not known.
func (s *ship) lint(l *loaded, waves []core.StartWave, version string) []core.Finding {
	return lint.Plan(lint.Subject{
		File: inRepository(l), Plan: l.Plan, Places: l.places, Waves: waves, Version: version, Memories: memories(l.Plan), Now: s.Clock.Now(),
	})
}

// inRepository is the plan's file as a forge knows it: relative to the working folder, with slashes.
func inRepository(l *loaded) string {
	file := l.file
	if filepath.IsAbs(file) {
		if below, err := filepath.Rel(l.dir, file); err == nil {
			file = below
		}
	}
	return filepath.ToSlash(filepath.Clean(file))
}

// memories are the sources of a plan that answer only from what they saw themselves.
func memories(p *core.Plan) map[string]lint.Memory {
	all := make(map[string]lint.Memory)
	for name, spec := range p.Sources {
		if o, ok := spec.Options.(*metric.ScrapeOptions); ok {
			all[name] = lint.Memory{Keeps: o.Keeps(), Fields: []any{&o.Retention, o}}
		}
	}
	return all
}

// counted are the findings that nobody has waived.
func counted(findings []core.Finding) []core.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f core.Finding) bool { return f.Waived != nil })
}

// annotate shows findings beside the plan, where a forge can. Notes are for those who look for them.
func (s *ship) annotate(findings []core.Finding) {
	for _, f := range counted(findings) {
		if f.Level != core.LevelNote {
			s.log.Annotate(core.Annotation{Title: f.Rule + " " + f.Name, Message: f.What + " " + f.Do, File: f.File, Line: f.Line, Column: f.Column})
		}
	}
}
