package codebuild

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/plain"
)

// A log writes to the log of a build, which folds nothing and takes no commands. Each call is one write, so calls that
// overlap do not mix. A log that cannot be written does not stop a rollout: the first error is kept for [Forge.Publish].
type log struct {
	out   io.Writer
	notes io.Writer // warnings and errors

	mu     sync.Mutex
	redact plain.Mask
	err    error
}

var _ core.Log = (*log)(nil)

func newLog(out, notes io.Writer) *log {
	return &log{out: out, notes: notes, redact: plain.Mask{With: "***"}}
}

// Group prints text indented under its title.
func (l *log) Group(title, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b bytes.Buffer
	b.WriteString(oneLine(l.redact.Replace(title)) + "\n")
	for line := range strings.Lines(l.redact.Replace(text)) {
		b.WriteString("  | " + strings.TrimRight(line, "\r\n") + "\n")
	}
	l.write(l.out, b.Bytes())
}

// Annotate says it: CodeBuild has no notes at a place of a file.
func (l *log) Annotate(note core.Annotation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	word := "WARNING"
	if note.Error {
		word = "ERROR"
	}
	said := note.Message
	if note.Title != "" && note.Title != "Breakwater" {
		said = note.Title + ": " + said
	}
	l.write(l.notes, []byte(word+" "+l.redact.Replace(strings.TrimRight(said, "\n")+place(note))+"\n"))
}

// place is where a note points to.
func place(note core.Annotation) string {
	switch {
	case note.File == "":
		return ""
	case note.Line <= 0:
		return " (" + note.File + ")"
	case note.Column <= 0:
		return fmt.Sprintf(" (%s:%d)", note.File, note.Line)
	default:
		return fmt.Sprintf(" (%s:%d:%d)", note.File, note.Line, note.Column)
	}
}

// Mask keeps a secret, and each of its lines, out of what goes through this log and its writers from now on: CodeBuild masks
// only what its buildspec takes from Parameter Store and Secrets Manager.
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

// redacted is a text without the secrets that are known so far.
func (l *log) redacted(text string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.redact.Replace(text)
}

// failed returns why the log could not be written.
func (l *log) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Writer returns a writer to the build's log for what commands print, without secrets that the log was told to mask. A secret
// that comes in two writes is not known.
func (f *Forge) Writer(w io.Writer) io.Writer { return masked{f.out, w} }

type masked struct {
	log *log
	w   io.Writer
}

func (m masked) Write(p []byte) (int, error) {
	if _, err := io.WriteString(m.w, m.log.redacted(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// oneLine makes one line of a text.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}
