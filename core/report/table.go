package report

import (
	"io"
	"strings"
	"unicode/utf8"
)

// A table is aligned text for a terminal. Its cells must be safe already.
type table struct {
	heads []string
	right []bool // align to the right
	rows  [][]cell
}

// A cell is text with a colour, used only where colour is wanted.
type cell struct {
	text  string
	paint paint
}

// A paint is the number of a terminal's colour; 0 is none.
type paint string

const (
	none   paint = ""
	bold   paint = "1"
	dim    paint = "2"
	red    paint = "31"
	green  paint = "32"
	yellow paint = "33"
	cyan   paint = "36"
)

// on paints text if colour is wanted.
func (p paint) on(text string, color bool) string {
	if !color || p == none || text == "" {
		return text
	}
	return "\x1b[" + string(p) + "m" + text + "\x1b[0m"
}

// write prints the table with an indent of two. Lines have no space at their end.
func (t *table) write(w io.Writer, color bool) error {
	widths := make([]int, len(t.heads))
	head := make([]cell, len(t.heads))
	for i, h := range t.heads {
		head[i] = cell{h, dim}
	}
	rows := append([][]cell{head}, t.rows...)
	for _, row := range rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		text := ""
		for i, c := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
			if t.right[i] {
				text += "  " + space + c.paint.on(c.text, color)
			} else {
				text += "  " + c.paint.on(c.text, color) + space
			}
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap breaks text into lines of at most width characters, between words.
func wrap(text string, width int) []string {
	var out []string
	var b strings.Builder
	n := 0
	for word := range strings.FieldsSeq(text) {
		size := utf8.RuneCountInString(word)
		if n > 0 && n+1+size > width {
			out = append(out, b.String())
			b.Reset()
			n = 0
		}
		if n > 0 {
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += size
	}
	return append(out, b.String())
}
