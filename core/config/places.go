package config

import "go.yaml.in/yaml/v3"

// Places knows where in its file a plan or a policy says what. A field is a pointer to a field, or to an element of a
// list, of the plan or of the options in it.
type Places struct {
	file  string
	lines []string
	seen  map[any]*yaml.Node
	root  *yaml.Node
}

func (d *decoder) places(root *yaml.Node) Places {
	return Places{file: d.file, lines: d.lines, seen: d.seen, root: root}
}

// At is the place of the first of the fields that the file gives, or of the whole. Line and column count from 1.
func (p Places) At(fields ...any) (line, column int) {
	at := p.root
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

// Mistake is something wrong at a place of the file that is right in itself.
func (p Places) Mistake(line, column int, message, want string) Mistake {
	return Mistake{File: p.file, Line: line, Column: column, Source: p.lines[line-1], Message: message, Want: want}
}
