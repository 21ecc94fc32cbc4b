package config

import "go.yaml.in/yaml/v3"

// Places knows where in its file a plan says what. A field is a pointer to a field, or to an element of a list, of the
// plan or of the options in it.
type Places struct {
	seen map[any]*yaml.Node
	plan *yaml.Node
}

// At is the place of the first of the fields that the file gives, or of the plan. Line and column count from 1.
func (p Places) At(fields ...any) (line, column int) {
	at := p.plan
	for _, f := range fields {
		if n := p.seen[f]; n != nil {
			at = n
			break
		}
	}
	return at.Line, at.Column
}

// Given reports whether the file gives a field.
func (p Places) Given(field any) bool { return p.seen[field] != nil }
