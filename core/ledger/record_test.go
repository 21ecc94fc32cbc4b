package ledger

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/ledger/ledgertest"
)

// text returns a segment that holds a rollout of n events, appended by as many at a time as each says.
func text(t testing.TB, id string, after int64, each ...int) []byte {
	t.Helper()
	n := 0
	for _, k := range each {
		n += k
	}
	events := ledgertest.Rollout(id, after, n)
	var all []byte
	at := end{seq: after, rollout: "before"}
	for _, k := range each {
		part, err := encode(line, at, events[:k])
		if err != nil {
			t.Fatal(err)
		}
		at = endOf(events[k-1])
		all, events = append(all, part...), events[k:]
	}
	return all
}

// Every possible change of a single byte is noticed, and the error names the line.
func TestParseNoticesEveryWrongByte(t *testing.T) {
	whole := text(t, "r1", 0, 1, 2)
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 1
		_, got, err := parse("x.jsonl", line, bad)
		if i == len(whole)-1 { // without its newline the last append is not whole
			if err != nil || got == len(whole) {
				t.Errorf("byte %d: %d bytes are whole, %v", i, got, err)
			}
			continue
		}
		corrupt, ok := errors.AsType[*CorruptError](err)
		if !ok {
			t.Fatalf("byte %d (%q): %v, want a CorruptError", i, whole[i], err)
		}
		number := 1 + bytes.Count(whole[:i], []byte("\n"))
		start := bytes.LastIndexByte(whole[:i], '\n') + 1
		if corrupt.Line != number || corrupt.Offset < int64(start) || corrupt.Offset > int64(i)+10 {
			t.Errorf("byte %d in line %d: the error names byte %d in line %d", i, number, corrupt.Offset, corrupt.Line)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	one, two := text(t, "r1", 0, 1, 1), text(t, "r2", 2, 1, 1)
	lines := slices.Collect(bytes.Lines(slices.Concat(one, two)))
	other, err := encode(core.Line{Service: "s", Environment: "e"}, end{}, ledgertest.Rollout("r1", 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		text []byte
		want string
	}{
		"a gap":            {slices.Concat(lines[0], lines[2]), "line 2, byte 403: event 3 comes right after event 1"},
		"wrong order":      {slices.Concat(lines[1], lines[0]), "event 1 comes right after event 2"},
		"a repeated event": {slices.Concat(lines[0], lines[0]), "event 1 comes right after event 1"},
		"another line":     {other, `line 1, byte 0: the event is of line "s/e", not "checkout/production"`},
		"another rollout":  {slices.Concat(lines[0], lines[1], lines[3]), "event 4 comes right after event 2"},
		"an empty line":    {slices.Concat(lines[0], []byte("\n"), lines[1]), "line 2, byte 403: unexpected end of JSON input"},
		"no checksum":      {[]byte(`{"line":"checkout/production","seq":1}` + "\n"), "does not match its checksum"},
		"broken JSON":      {append(slices.Concat(lines[0], lines[1][:30]), "\n"...), "line 2, byte 432"},
		"a wrong type":     {[]byte(`{"seq":"one"}` + "\n"), "cannot unmarshal string"},
	} {
		_, _, err := parse("dir/000000.jsonl", line, c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "dir/000000.jsonl") {
			t.Errorf("%s: %v, want an error with %q", what, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	whole := text(f, "r1", 0, 1, 3, 1)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(nil))
	f.Add([]byte("\n"))
	f.Add([]byte(`{"line":"checkout/production","seq":1,"sum":"00000000"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		events, whole, err := parse("x", line, data)
		if err != nil {
			corrupt, ok := errors.AsType[*CorruptError](err)
			if !ok || corrupt.Line < 1 || corrupt.Offset < 0 || corrupt.Offset > int64(len(data)) {
				t.Fatalf("%v", err)
			}
			return
		}
		again, length, err := parse("x", line, data[:whole])
		if err != nil || length != whole || len(again) != len(events) {
			t.Fatalf("%d whole bytes hold %d events, %d of them whole: %v", whole, len(again), length, err)
		}
		stop, at, err := lastWhole(line, data, true)
		if err != nil || stop != whole || len(events) > 0 && at != endOf(events[len(events)-1]) {
			t.Fatalf("read from its end the segment is whole to byte %d (event %d), from its start to %d: %v", stop, at.seq, whole, err)
		}
	})
}
