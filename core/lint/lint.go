// Package lint finds where a valid plan falls short of what is known to work: no bake, a first wave that is too large,
// a check that nobody listens to. It is pure, and a finding is a value. A rule is one line in the table of rules.go and
// a function that says where a plan breaks it.
package lint

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A Subject is what is looked at: a plan, and what the outside knows of it.
type Subject struct {
	File     string
	Plan     *core.Plan
	Places   Places
	Waves    []core.StartWave  // as they are cut
	Version  string            // what goes out; empty: not known
	Memories map[string]Memory // by name, the sources that answer only from what they saw themselves
	Now      time.Time
}

// Places knows where in its file a plan says what. A field is a pointer to a field, or to an element of a list, of the
// plan.
type Places interface {
	// At is the place of the first of the fields that the file gives, or of the plan.
	At(fields ...any) (line, column int)
	// Given reports whether the file gives a field.
	Given(field any) bool
}

// A Memory is how long a source keeps what it saw.
type Memory struct {
	Keeps  time.Duration
	Fields []any // that say so, for [Places.At]
}

// A fault is one place in which a plan breaks a rule.
type fault struct {
	what  string
	about string // names the part of the plan, to tell it from others when lines move
	at    []any
	do    string // empty: as the rule says
}

// Plan returns what every rule finds, sorted by place. What the plan waives is among it, and says so.
func Plan(s Subject) []core.Finding {
	findings := []core.Finding{}
	for _, r := range rules {
		for _, f := range r.find(s) {
			findings = append(findings, s.finding(r.Practice, f))
		}
	}
	findings = append(findings, s.waive(findings)...)
	slices.SortStableFunc(findings, func(a, b core.Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Rule, b.Rule))
	})
	return findings
}

func (s Subject) finding(p core.Practice, f fault) core.Finding {
	line, column := s.Places.At(f.at...)
	return core.Finding{
		Rule: p.ID, Name: p.Name, Level: p.Level, File: s.File, Line: line, Column: column,
		What: f.what, Why: p.Why, Do: cmp.Or(f.do, p.Do), From: p.From, Fingerprint: fingerprint(p.ID, s.File, f.about),
	}
}

// fingerprint is the same for what a person would call the same finding.
func fingerprint(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// waive marks the findings that the plan waives, and returns what is wrong with the waivers themselves. Those cannot be
// waived.
func (s Subject) waive(findings []core.Finding) []core.Finding {
	var found []core.Finding
	used := make(map[string]int)
	for i := range s.Plan.Waive {
		w := &s.Plan.Waive[i]
		used[w.Rule]++
		about := fmt.Sprintf("waiver %s %d", w.Rule, used[w.Rule])
		if w.Until.Over(s.Now) {
			found = append(found, s.finding(expiredWaiver, fault{
				what: fmt.Sprintf("The waiver of %s has ended on %s.", w.Rule, w.Until), about: about, at: []any{&w.Until},
			}))
			continue
		}
		idle := !s.unasked(w.Rule)
		for j := range findings {
			if f := &findings[j]; f.Rule == w.Rule && f.Waived == nil {
				f.Waived, idle = w, false
			}
		}
		if idle {
			found = append(found, s.finding(idleWaiver, fault{
				what: fmt.Sprintf("The waiver of %s waives nothing.", w.Rule), about: about, at: []any{&w.Rule},
			}))
		}
	}
	return found
}

// unasked reports whether nothing is known that a rule could look at.
func (s Subject) unasked(rule string) bool { return rule == mutableVersion && s.Version == "" }
