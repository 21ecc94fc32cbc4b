package gitlab

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/plain"
)

// A log writes to the log of a job. Each call is one write, so calls that overlap do not mix. A log that cannot be
// written does not stop a rollout: the first error is kept for [Forge.Publish].
type log struct {
	clock core.Clock
	out   io.Writer
	notes io.Writer // warnings and errors

	mu       sync.Mutex
	sections int
	redact   plain.Mask
	err      error
}

var _ core.Log = (*log)(nil)

func newLog(out, notes io.Writer, clock core.Clock) *log {
	return &log{clock: clock, out: out, notes: notes, redact: plain.Mask{With: "[MASKED]"}}
}

const (
	// wipe is what GitLab wants around a marker: it wipes the marker's own line.
	wipe = "\x1b[0K"
)

// Group prints text in a section that is folded away. No text in it is taken for a marker.
func (l *log) Group(title, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	l.sections++
	name := fmt.Sprintf("breakwater_%d_%d", now.UnixNano(), l.sections) // no other process of the job has the same
	var b bytes.Buffer
	fmt.Fprintf(&b, "%ssection_start:%d:%s[collapsed=true]\r%s", wipe, now.Unix(), name, wipe)
	inside := Text(&b)
	io.WriteString(inside, oneLine(l.redact.Replace(title))+"\n")
	io.WriteString(inside, l.redact.Replace(text))
	if text != "" && !strings.HasSuffix(text, "\n") {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%ssection_end:%d:%s\r%s\n", wipe, now.Unix(), name, wipe)
	l.write(l.out, b.Bytes())
}

// Annotate says it in color: GitLab has no notes at a place of a file but in reports.
func (l *log) Annotate(note core.Annotation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	word := "\x1b[33mWARNING"
	if note.Error {
		word = "\x1b[31mERROR"
	}
	where := note.File
	if where != "" && note.Line > 0 {
		where += fmt.Sprintf(":%d", note.Line)
		if note.Column > 0 {
			where += fmt.Sprintf(":%d", note.Column)
		}
	}
	if where != "" {
		where = " (" + where + ")"
	}
	said := note.Message
	if note.Title != "" && note.Title != "Breakwater" {
		said = note.Title + ": " + said
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\x1b[0m ", word)
	io.WriteString(Text(&b), l.redact.Replace(strings.TrimRight(said, "\n")+where)+"\n")
	l.write(l.notes, b.Bytes())
}

// Mask keeps a secret, and each of its lines, out of what goes through this log and its writers from now on: GitLab masks
// what it knows, and a job cannot tell it of more.
func (l *log) Mask(secret string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.redact.Add(secret)
}

// write writes once. The lock is held.
func (l *log) write(to io.Writer, text []byte) {
	if _, err := to.Write(text); err != nil && l.err == nil {
		l.err = err
	}
}

// failed returns why the log could not be written.
func (l *log) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Writer returns a writer to the job's log for what commands print: without secrets that the log was told to mask, and
// with nothing in it that GitLab takes for a marker. A secret that comes in two writes is not known.
func (f *Forge) Writer(w io.Writer) io.Writer { return masked{f.out, Text(w)} }

type masked struct {
	log *log
	w   io.Writer
}

func (m masked) Write(p []byte) (int, error) {
	m.log.mu.Lock()
	redact := m.log.redact
	m.log.mu.Unlock()
	if _, err := io.WriteString(m.w, redact.Replace(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// oneLine makes one line of a text.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}
