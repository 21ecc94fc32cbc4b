package actions

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/sethvargo/go-githubactions"

	"github.com/breakwater-ci/breakwater/core"
)

// A log writes to the log of a job. Each call is one write, so calls that overlap do not mix. A log that cannot be
// written does not stop a rollout: the first error is kept for [Forge.Publish].
type log struct {
	mu    sync.Mutex
	out   io.Writer
	notes io.Writer // masks and annotations
	err   error
}

var _ core.Log = (*log)(nil)

func newLog(out, notes io.Writer) *log { return &log{out: out, notes: notes} }

// Group prints text under a title, folded away. No line of text is taken for a command.
func (l *log) Group(title, text string) {
	l.write(l.out, func(a *githubactions.Action, b *bytes.Buffer) {
		a.Group(title)
		io.WriteString(Text(b), text)
		if text != "" && !strings.HasSuffix(text, "\n") {
			b.WriteByte('\n')
		}
		a.EndGroup()
	})
}

// Annotate points at a place in a file, or at none.
func (l *log) Annotate(note core.Annotation) {
	fields := make(map[string]string)
	set := func(name, value string) {
		if value != "" {
			fields[name] = value
		}
	}
	set("title", note.Title)
	set("file", note.File)
	if note.Line > 0 {
		set("line", strconv.Itoa(note.Line))
	}
	if note.Line > 0 && note.Column > 0 {
		set("col", strconv.Itoa(note.Column))
	}
	l.write(l.notes, func(a *githubactions.Action, _ *bytes.Buffer) {
		a = a.WithFieldsMap(fields)
		if note.Error {
			a.Errorf("%s", note.Message)
		} else {
			a.Warningf("%s", note.Message)
		}
	})
}

// Mask keeps a secret, and each of its lines, out of the log from now on. A blank secret hides nothing.
func (l *log) Mask(secret string) {
	if strings.TrimSpace(secret) == "" {
		return
	}
	l.write(l.notes, func(a *githubactions.Action, _ *bytes.Buffer) { a.AddMask(secret) })
}

// write lets the library write to memory, where it cannot fail and so does not panic, and then that to the log.
func (l *log) write(to io.Writer, commands func(*githubactions.Action, *bytes.Buffer)) {
	var b bytes.Buffer
	commands(environment{}.action(&b), &b)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := to.Write(b.Bytes()); err != nil && l.err == nil {
		l.err = err
	}
}

// failed returns why the log could not be written.
func (l *log) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
