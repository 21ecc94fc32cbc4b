package shell

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What is kept of an output, in bytes.
const (
	headSize = 16 << 10
	tailSize = 64 << 10
	lineSize = 400 // of a text in one line
)

// capture keeps the beginning and the end of an output. It is not safe for concurrent use.
type capture struct {
	spare      int // bytes kept on both sides of a cut, see text
	head, tail []byte
	lost       int // bytes that came between head and tail
}

// Write never fails.
func (c *capture) Write(p []byte) (int, error) {
	n := len(p)
	room := min(headSize+c.spare-len(c.head), n)
	c.head = append(c.head, p[:room]...)
	c.tail = append(c.tail, p[room:]...)
	if len(c.tail) > 2*(tailSize+c.spare) { // seldom, so that a long output is moved only once
		c.cut()
	}
	return n, nil
}

// cut shortens the tail to what is kept.
func (c *capture) cut() {
	if over := len(c.tail) - tailSize - c.spare; over > 0 {
		c.lost += over
		c.tail = append(c.tail[:0], c.tail[over:]...)
	}
}

// text returns the output, redacted, with a line in place of what was left out. A secret that the cut goes through
// would not be recognized, so that both sides keep as many spare bytes as the longest secret has, and drop them once
// they were redacted: a redacted text is never longer than it was.
func (c *capture) text(r redactor) string {
	c.cut()
	if c.lost == 0 {
		return strings.ToValidUTF8(r.replace(string(slices.Concat(c.head, c.tail))), string(utf8.RuneError))
	}
	head, tail := r.replace(string(c.head)), r.replace(string(c.tail))
	head, tail = head[:max(0, len(head)-c.spare)], tail[min(c.spare, len(tail)):]
	text := fmt.Sprintf("%s\n... %d bytes left out ...\n%s", head, c.lost+2*c.spare, tail)
	return strings.ToValidUTF8(text, string(utf8.RuneError))
}

// limited keeps an output up to readLimit. What is over that is lost.
type limited struct {
	bytes.Buffer
	over bool
}

// Write never fails.
func (l *limited) Write(p []byte) (int, error) {
	room := min(readLimit-l.Len(), len(p))
	l.over = l.over || room < len(p)
	l.Buffer.Write(p[:room])
	return len(p), nil
}

var escapes = regexp.MustCompile(`\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])`)

// LastLine returns the last line of an output that is not empty, as [OneLine] gives it: what the output has to say.
func LastLine(output string) string {
	for rest := output; rest != ""; {
		i := strings.LastIndexAny(rest, "\n\r") // progress bars write one line over and over again
		if line := OneLine(rest[i+1:]); line != "" {
			return line
		}
		rest = rest[:max(i, 0)]
	}
	return ""
}

// OneLine makes one line of a text that may come from anywhere: without colors and control characters, valid UTF-8
// and not longer than 400 bytes.
func OneLine(text string) string {
	text = strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case unicode.IsControl(c):
			return -1
		default:
			return c
		}
	}, escapes.ReplaceAllString(text, ""))
	text = strings.TrimSpace(text)
	if len(text) > lineSize {
		text = strings.ToValidUTF8(text[:lineSize-len("...")], "") + "..."
	}
	return text
}
