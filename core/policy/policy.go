// Package policy says where a plan is below the floors that somebody else has set for it, and who may override. It is
// pure: the same plan, waves and policy always have the same answer. A floor is one line in the table of floors, and a
// function that says where a plan is below it.
package policy

import (
	"cmp"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// A Subject is a plan, with its waves as they are cut, and the policy that it must keep to.
type Subject struct {
	Plan   *core.Plan
	Places Places // of the plan
	Waves  []core.StartWave

	Policy *core.Policy
	Set    Places // of the policy
	Name   string // of the policy, as people know it
}

// Places knows where in its file a plan, or a policy, says what. A field is a pointer to a field, or to an element of a
// list.
type Places interface {
	// At is the place of the first of the fields that the file gives, or of the whole.
	At(fields ...any) (line, column int)
}

// A Breach is one place in which a plan is below a floor.
type Breach struct {
	Line, Column int    // in the plan
	What         string // what is wrong, with the place of the floor in its policy
	Want         string // what would be right
}

// A breach is a [Breach] by what says so in the plan and in the policy.
type breach struct {
	plan  []any  // nearest cause first
	floor any    // in the policy
	what  string // of the plan
	asks  string // of the policy
	want  string
}

// floors has every floor.
var floors = []func(Subject, *core.Floors) []breach{bake, firstWave, growth, largest, checks, rollback, rehearse, drivers}

// Breaches returns where a plan is below what its line must keep to, sorted by place.
func Breaches(s Subject) []Breach {
	var all []Breach
	for f := range meant(s.Policy, s.Plan.Line()) {
		for _, below := range floors {
			for _, b := range below(s, f) {
				line, column := s.Places.At(b.plan...)
				all = append(all, Breach{Line: line, Column: column, Want: b.want,
					What: fmt.Sprintf("%s, and %s %s", b.what, place(s.Name, s.Set, b.floor), b.asks)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Breach) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return all
}

// meant yields the floors that are meant for a line: those for all, and those of every rule that matches it.
func meant(p *core.Policy, line core.Line) iter.Seq[*core.Floors] {
	return func(yield func(*core.Floors) bool) {
		if !yield(&p.Floors) {
			return
		}
		for i := range p.Rules {
			if r := &p.Rules[i]; matches(r.Match, line) && !yield(&r.Floors) {
				return
			}
		}
	}
}

func matches(m core.LineMatch, line core.Line) bool {
	return among(m.Services, line.Service) && among(m.Environments, line.Environment)
}

// among reports whether a name is one of some patterns; every name is one of none.
func among(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name) // the loader accepts no pattern that is malformed
		return ok
	})
}

// place names a place of a policy.
func place(name string, set Places, field any) string {
	line, column := set.At(field)
	return fmt.Sprintf("%s:%d:%d", name, line, column)
}

// A Denial says that somebody may not override, and where the policy says so.
type Denial struct {
	Place string
	Who   []string // who may; nobody if it is empty
}

// Denies reports whether a policy keeps somebody from an override of a kind on a line. A name that is not known is
// nobody's.
func Denies(p *core.Policy, set Places, name string, line core.Line, kind core.OverrideKind, actor string) (Denial, bool) {
	for f := range meant(p, line) {
		who := f.Overrides.Of(kind)
		if who == nil || *who == nil {
			continue
		}
		if actor == "" || !slices.ContainsFunc(*who, func(w string) bool { return strings.EqualFold(w, actor) }) {
			return Denial{Place: place(name, set, who), Who: *who}, true
		}
	}
	return Denial{}, false
}
