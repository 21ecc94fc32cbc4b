package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Mistake is one thing that is wrong with a plan, and where. Line and column count from 1, columns in characters; a
// column may be one past the end of its line.
type Mistake struct {
	File         string
	Line, Column int
	Source       string // the line as written
	Message      string // what is wrong
	Want         string // what would be right; may be empty
}

// Mistakes is everything that is wrong with a plan, sorted by place. It is an error.
type Mistakes []Mistake

// Error shows the mistakes for people: at most a hundred of them, each with its line and a caret.
func (m Mistakes) Error() string {
	var b strings.Builder
	for i, one := range m {
		if i == shown {
			fmt.Fprintf(&b, "\nand %d more mistakes", len(m)-shown)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(one.String())
	}
	return b.String()
}

// shown bounds how many mistakes are printed, width how much of a line: a broken list of targets may be one line of
// megabytes.
const (
	shown = 100
	width = 110
)

// String shows a mistake for people, without a newline at the end.
func (m Mistake) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: %s", m.File, m.Line, m.Column, m.Message)
	line, caret := m.excerpt()
	fmt.Fprintf(&b, "\n  %s\n  %s^", line, caret)
	if m.Want != "" {
		fmt.Fprintf(&b, "\n  want: %s", m.Want)
	}
	return b.String()
}

// excerpt returns the part of the line around the column, and what to put before the caret. Tabs stay tabs in both, so
// that the caret stands right; nothing else that moves a cursor is shown.
func (m Mistake) excerpt() (line, caret string) {
	from := 1
	if n := utf8.RuneCountInString(m.Source); n > width {
		from = max(1, min(m.Column-width/2, n-width+1))
	}
	var shown, blank strings.Builder
	column := 0
	for _, r := range m.Source {
		column++
		if column < from {
			continue
		}
		if column == from+width {
			break
		}
		space := ' '
		if r == '\t' {
			space = r
		} else if !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		shown.WriteRune(r)
		if column < m.Column {
			blank.WriteRune(space)
		}
	}
	return strings.TrimRightFunc(shown.String(), unicode.IsSpace), blank.String()
}

// sorted orders mistakes by place and drops what is said twice: a value that several aliases stand for is decoded
// several times.
func (m Mistakes) sorted() Mistakes {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(m)
}

// nearest returns the known word that is most like a word, and "" if none is like it.
func nearest(word string, known []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, k := range known {
		if n := distance(strings.ToLower(word), k); n < least {
			best, least = k, n
		}
	}
	return best
}

// distance is how many letters must be put in, taken out, changed or swapped with their neighbor to make b of a.
func distance(a, b string) int {
	const longest = 64 // no key is longer; keeps a hostile one cheap
	if len(a) > longest || len(b) > longest {
		return longest
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
