package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// A record is an event as one line of a segment. A checksum follows as the last key, see seal.
type record struct {
	Line string `json:"line"`
	core.Event
	More bool `json:"more,omitempty"` // the next event was appended together with this one
}

// An end is where a line ends; the zero value is that of an empty line.
type end struct {
	seq     int64
	rollout string
}

func endOf(e core.Event) end { return end{e.Seq, e.Rollout} }

// admit says whether a ledger may take events after the one numbered after, before it looks at what it holds.
func admit(line core.Line, after int64, events []core.Event) error {
	if err := checkLine(line); err != nil {
		return err
	}
	if len(events) == 0 {
		return fmt.Errorf("append to %s: no events", line)
	}
	for i, e := range events {
		if want := after + 1 + int64(i); e.Seq != want {
			return fmt.Errorf("append to %s after event %d: event %d of the append is numbered %d, not %d",
				line, after, i+1, e.Seq, want)
		}
	}
	return nil
}

// conflict is the error of an append to a line that does not end where its writer thinks.
func conflict(line core.Line, at end, after int64) error {
	return fmt.Errorf("append to %s: it ends at event %d, not %d: %w", line, at.seq, after, core.ErrConflict)
}

// checkLine says whether a line's names can be part of a path and of a git ref. The rule is the same for every ledger,
// so that a line can move from one to another.
func checkLine(line core.Line) error {
	for _, name := range []string{line.Service, line.Environment} {
		odd := strings.IndexFunc(name, func(r rune) bool {
			return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-", r))
		})
		if name == "" || odd >= 0 || name[0] == '.' || strings.Contains(name, "..") ||
			strings.HasSuffix(name, ".") || strings.HasSuffix(name, ".lock") {
			return fmt.Errorf("line %q: %q cannot name a service or an environment in a ledger; use letters, digits, "+
				"dash, underscore and single dots inside, and do not end it with .lock", line.String(), name)
		}
	}
	return nil
}

// follows says whether e may come right after the end of a line: numbers have no gap, and a rollout's events have
// nothing between them.
func follows(at end, e core.Event) error {
	switch {
	case e.Seq != at.seq+1:
		return fmt.Errorf("event %d comes right after event %d", e.Seq, at.seq)
	case e.Rollout == "":
		return fmt.Errorf("event %d has no rollout", e.Seq)
	case e.Type == core.EventStarted && e.Rollout == at.rollout:
		return fmt.Errorf("event %d starts rollout %q again", e.Seq, e.Rollout)
	case e.Type != core.EventStarted && e.Rollout != at.rollout:
		return fmt.Errorf("event %d (%s) is of rollout %q, which has not started there", e.Seq, e.Type, e.Rollout)
	}
	return nil
}

// encode returns the text that adds events to a line that ends at at.
func encode(line core.Line, at end, events []core.Event) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // a plan stays readable
	for i, e := range events {
		if err := follows(at, e); err != nil {
			return nil, fmt.Errorf("append to %s: %w", line, err)
		}
		at = endOf(e)
		start := text.Len()
		if err := enc.Encode(record{Line: line.String(), Event: e, More: i < len(events)-1}); err != nil {
			return nil, fmt.Errorf("append to %s: event %d (%s): %w", line, e.Seq, e.Type, err)
		}
		seal(&text, start)
	}
	return text.Bytes(), nil
}

// sealed is the shape of the last key of a record.
const sealed = `,"sum":"00000000"}`

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal adds the checksum of the JSON object that begins at start to it: CRC-32C of all bytes before the key.
func seal(text *bytes.Buffer, start int) {
	text.Truncate(text.Len() - len("}\n"))
	fmt.Fprintf(text, ",\"sum\":\"%08x\"}\n", crc32.Checksum(text.Bytes()[start:], castagnoli))
}

// intact says whether the checksum at the end of a record's text is that of the rest.
func intact(text []byte) bool {
	body := text[:max(0, len(text)-len(sealed))]
	return string(text[len(body):]) == fmt.Sprintf(`,"sum":"%08x"}`, crc32.Checksum(body, castagnoli))
}

// decode reads one line of a segment, without its newline. With an error it gives the byte of the line that is wrong.
func decode(line core.Line, text []byte) (record, int, error) {
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		at := 0
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = max(0, int(syntax.Offset)-1) // Offset counts the bytes read, the wrong one included
		}
		return record{}, at, err
	}
	if !intact(text) {
		return record{}, 0, errors.New("the event does not match its checksum")
	}
	if r.Line != line.String() {
		return record{}, 0, fmt.Errorf("the event is of line %q, not %q", r.Line, line)
	}
	return r, 0, nil
}

// parse reads a segment. It returns the events of whole appends and how many bytes of text hold them. What is left
// after those bytes is an append that was cut off, so nobody was told that it is there.
func parse(file string, line core.Line, text []byte) ([]core.Event, int, error) {
	var events []core.Event
	count, whole := 0, 0
	for number, start := 1, 0; ; number++ {
		length := bytes.IndexByte(text[start:], '\n')
		if length < 0 {
			return events[:count], whole, nil
		}
		r, at, err := decode(line, text[start:start+length])
		if err == nil && len(events) > 0 {
			err = follows(endOf(events[len(events)-1]), r.Event)
		}
		if err != nil {
			return nil, 0, &CorruptError{File: file, Line: number, Offset: int64(start + at), Err: err}
		}
		events = append(events, r.Event)
		start += length + 1
		if !r.More {
			count, whole = len(events), start
		}
	}
}

// A CorruptError says where a ledger holds something that Breakwater did not write. Nothing is changed then.
type CorruptError struct {
	File   string
	Line   int   // from 1; 0 if it is about the whole file
	Offset int64 // of the first wrong byte, or of the wrong line; from 0
	Err    error
}

// Error says what is wrong where, and what to do.
func (e *CorruptError) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s, line %d, byte %d", e.File, e.Line, e.Offset)
	}
	return fmt.Sprintf("the ledger is corrupt: %s: %v; put back a good copy, nothing is done until then", where, e.Err)
}

// Unwrap returns what is wrong.
func (e *CorruptError) Unwrap() error { return e.Err }
