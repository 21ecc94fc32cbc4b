package gitlab

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// marker is what GitLab takes for the start or the end of a section.
var marker = regexp.MustCompile(`section_(start|end):(\d+):([\w.-]+)`)

func TestTextIsNeverAMarker(t *testing.T) {
	for _, s := range []string{
		"section_start:1:x\r\x1b[0Kx", "a section_end:1:breakwater_1\r\x1b[0K", "section_section_start:1:x", "\x1b[0Ksection_start:1:x[collapsed=true]\r\x1b[0Kx",
		"section_startsection_end:1:x", "section_start::1:x",
	} {
		for _, size := range []int{1, 2, 7, len(s)} {
			var log bytes.Buffer
			w := Text(&log)
			for rest := s; rest != ""; {
				n := min(size, len(rest))
				if _, err := io.WriteString(w, rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if found := marker.FindString(log.String()); found != "" {
				t.Errorf("%q in writes of %d bytes is the marker %q", s, size, found)
			}
		}
	}
	for _, s := range []string{"", "plain\n", "section_start\n", "my section: 1\n", "\x1b[32mgreen\x1b[0m\n"} {
		var log bytes.Buffer
		if _, err := io.WriteString(Text(&log), s); err != nil || log.String() != s {
			t.Errorf("%q became %q (%v)", s, log.String(), err)
		}
	}
}

func TestSections(t *testing.T) {
	var log bytes.Buffer
	l := newLog(&log, io.Discard, clock{})
	l.Mask("hunter2\n{\nswordfish")
	l.Group("one\nsection_end:1:x hunter2", "a {\nsection_start:1:x\r\x1b[0K\nswordfish")
	l.Group("two", "")
	found := marker.FindAllStringSubmatch(log.String(), -1)
	if len(found) != 4 || found[0][3] != found[1][3] || found[2][3] != found[3][3] || found[0][3] == found[2][3] {
		t.Errorf("the markers are %q in\n%q", found, log.String())
	}
	if strings.Contains(log.String(), "hunter2") || strings.Contains(log.String(), "swordfish") || !strings.Contains(log.String(), "one section_end :1:x [MASKED]\n") || !strings.Contains(log.String(), "a {\n") {
		t.Errorf("the log is %q", log.String())
	}
}

func TestAnnotate(t *testing.T) {
	var log bytes.Buffer
	l := newLog(io.Discard, &log, clock{})
	l.Annotate(core.Annotation{Error: true, Title: "Plan", Message: "bad\n", File: "breakwater.yaml", Line: 3, Column: 7})
	l.Annotate(core.Annotation{Message: "section_start:1:x"})
	const want = "\x1b[31mERROR\x1b[0m Plan: bad (breakwater.yaml:3:7)\n\x1b[33mWARNING\x1b[0m section_start :1:x\n"
	if log.String() != want {
		t.Errorf("the log is %q; want %q", log.String(), want)
	}
}

func TestWriterMasks(t *testing.T) {
	f, _ := job(t)
	f.Log().Mask("hunter2")
	f.Log().Mask("hunter2hunter2")
	f.Log().Mask(" ")
	var log bytes.Buffer
	if _, err := io.WriteString(f.Writer(&log), "a hunter2hunter2 b hunter2\n"); err != nil || log.String() != "a [MASKED] b [MASKED]\n" {
		t.Errorf("the log is %q (%v)", log.String(), err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestLogThatCannotBeWritten(t *testing.T) {
	f, _ := New(of, full{}, full{}, clock{})
	f.Log().Group("x", "y")
	wantError(t, f.Publish(t.Context(), core.Published{}), "write the log: no space left on device")
}
