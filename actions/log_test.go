package actions

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// hostile are texts that would do harm if a runner took them for more than text.
var hostile = []string{
	"::set-output name=state::succeeded",
	"  \t::add-mask::e",
	"\u00a0\u2003::error::forged",
	"ok\r::stop-commands::forever",
	"ok\n\n::endgroup::\n::warning file=a.go,line=1::forged",
	"latency{path=\"##[set-output name=state]succeeded\"} 4",
	"###[group]forged",
	"##[endgroup]",
	":::set-output name=state::succeeded",
	"::stop-commands::endgroup",
	"%0A::set-output name=state::succeeded",
	"\x00\xff::add-mask::e\n",
	"\ufeff::add-mask::e",
}

func TestTextIsNeverACommand(t *testing.T) {
	for _, s := range hostile {
		for _, size := range []int{1, 2, 3, len(s)} {
			var log bytes.Buffer
			w := Text(&log)
			for rest := s; rest != ""; {
				n := min(size, len(rest))
				if _, err := io.WriteString(w, rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if commands, _ := runner(log.String()); len(commands) > 0 {
				t.Errorf("%q in writes of %d bytes is the command %v", s, size, commands[0])
			}
		}
	}
}

func TestTextIsKept(t *testing.T) {
	for _, s := range []string{
		"", "plain\n", "std::vector<int> v;\n", "a # b ## c\n## Title\n", "at 12:04:05\n", "[::1]:9090\n", "\x1b[32mgreen\x1b[0m\n",
	} {
		var log bytes.Buffer
		if _, err := io.WriteString(Text(&log), s); err != nil || log.String() != s {
			t.Errorf("%q became %q (%v)", s, log.String(), err)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, 2)
	}
	f.Fuzz(func(t *testing.T, s string, size int) {
		var log bytes.Buffer
		w := Text(&log)
		size = max(1, size%64)
		for rest := s; rest != ""; rest = rest[min(size, len(rest)):] {
			io.WriteString(w, rest[:min(size, len(rest))])
		}
		if commands, _ := runner(log.String()); len(commands) > 0 {
			t.Errorf("%q became the command %v", s, commands[0])
		}
		if strings.ReplaceAll(log.String(), " ", "") != strings.ReplaceAll(s, " ", "") {
			t.Errorf("%q lost something: %q", s, log.String())
		}
	})
}

func TestGroup(t *testing.T) {
	for _, s := range append(hostile, "", "one\ntwo", "one\ntwo\n") {
		var b bytes.Buffer
		newLog(&b, &b).Group("wave "+s, s)
		commands, shown := runner(b.String())
		if len(commands) != 2 || commands[0].name != "group" || commands[1].name != "endgroup" {
			t.Errorf("%q: commands %v; want a group and its end", s, commands)
			continue
		}
		if commands[0].data != "wave "+s {
			t.Errorf("title %q; want %q", commands[0].data, "wave "+s)
		}
		if want := strings.Fields(s); len(shown) == 0 && len(want) > 0 {
			t.Errorf("%q: the text is lost", s)
		}
	}
}

func TestAnnotate(t *testing.T) {
	for _, c := range []struct {
		note core.Annotation
		want command
	}{
		{
			core.Annotation{Error: true, Title: "Plan", Message: "no wave takes a", File: "breakwater.yaml", Line: 3, Column: 5},
			command{"error", map[string]string{"title": "Plan", "file": "breakwater.yaml", "line": "3", "col": "5"}, "no wave takes a"},
		},
		{core.Annotation{Message: "slow"}, command{"warning", map[string]string{}, "slow"}},
		{core.Annotation{Message: "m", File: "a", Column: 7}, command{"warning", map[string]string{"file": "a"}, "m"}},
		{
			core.Annotation{Error: true, Title: "a::b,line=9%", Message: "50%\n::add-mask::e", File: "x,col=1:2\r\n::error::y"},
			command{"error", map[string]string{"title": "a::b,line=9%", "file": "x,col=1:2\r\n::error::y"}, "50%\n::add-mask::e"},
		},
	} {
		var b bytes.Buffer
		newLog(&b, &b).Annotate(c.note)
		commands, shown := runner(b.String())
		if len(shown) > 0 || len(commands) != 1 || !reflect.DeepEqual(commands[0], c.want) {
			t.Errorf("%+v:\n got %q and %q\nwant %q", c.note, commands, shown, c.want)
		}
	}
}

func TestMask(t *testing.T) {
	for _, secret := range append(hostile, "hunter2", "-----BEGIN-----\nabc\n-----END-----\n") {
		var b bytes.Buffer
		newLog(&b, &b).Mask(secret)
		commands, shown := runner(b.String())
		if len(shown) > 0 || len(commands) != 1 || commands[0].name != "add-mask" || commands[0].data != secret {
			t.Errorf("%q: commands %q, shown %q; want one mask and nothing that shows it", secret, commands, shown)
		}
	}
	for _, blank := range []string{"", " ", "\n\t"} {
		var b bytes.Buffer
		if newLog(&b, &b).Mask(blank); b.Len() > 0 {
			t.Errorf("%q hides nothing, yet the log has %q", blank, b.String())
		}
	}
}

// TestGroupsDoNotMix lets many goroutines write groups to one log, as targets that are deployed side by side do.
func TestGroupsDoNotMix(t *testing.T) {
	var b bytes.Buffer
	l := newLog(&b, &b)
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() { l.Group(fmt.Sprint("target ", i), strings.Repeat(fmt.Sprintln("output of", i), 20)) })
	}
	group.Wait()
	var title string
	for line := range strings.Lines(b.String()) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, "::group::"):
			title = strings.TrimPrefix(line, "::group::target ")
		case line != "::endgroup::" && line != "output of "+title:
			t.Fatalf("%q is in the group of target %s", line, title)
		}
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

var errFull = errors.New("no space left on device")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestLogThatCannotBeWritten(t *testing.T) {
	l := newLog(fullDisk{}, fullDisk{})
	l.Group("a", "b")
	l.Annotate(core.Annotation{Message: "c"})
	l.Mask("d")
	if !errors.Is(l.failed(), errFull) {
		t.Errorf("failed() = %v; want the writer's error", l.failed())
	}
	if _, err := io.WriteString(Text(fullDisk{}), "text"); !errors.Is(err, errFull) {
		t.Errorf("Text gives %v; want the writer's error", err)
	}
}
