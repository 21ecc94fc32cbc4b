package check_test

import (
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/check"
	"github.com/breakwater-ci/breakwater/core/shell"
)

func TestCommand(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		want   core.VerdictKind
		reason string
	}{
		"pass":         {"echo asking; echo all 5 pages answer", core.Pass, "all 5 pages answer"},
		"silent":       {":", core.Pass, "the command printed nothing"},
		"fail":         {"echo 2 of 5 pages are gone >&2; exit 1", core.Fail, "2 of 5 pages are gone"},
		"inconclusive": {"echo no traffic yet; exit 75", core.Inconclusive, "no traffic yet"},
		"other code":   {"echo usage; exit 2", core.Error, "the command gave no answer: exit 2: usage"},
		"not found": {"no-such-command 2>/dev/null", core.Error,
			"the command gave no answer: exit 127 (a command was not found; check its name, PATH and what is installed here)"},
		"signal":  {"kill -9 $$", core.Error, "the command gave no answer: ended by signal 9, killed; out of memory?"},
		"timeout": {"echo wait; while :; do sleep 1; done", core.Error, "the command gave no answer: timed out after 1s: wait"},
		"variables": {"B=BREAKWATER; env | grep ^${B}_ | sort | sed s/${B}_// | tr '\\n' ' '",
			core.Pass, "ACTION=check PREVIOUS=v1 ROLLOUT=1 TARGETS=a.b-1 a VERSION=v2 WAVE=one-box"},
		"no target":    {"echo $BREAKWATER_TARGET 2>/dev/null", core.Error, "the command gave no answer: exit 2"},
		"a secret":     {"echo $PROM_TOKEN; exit 1", core.Fail, "***"},
		"hostile":      {`printf 'x\n\033[2J::error::\000\377 y\r\n\n\n'; exit 1`, core.Fail, "::error::\uFFFD y"},
		"one line":     {`head -c 100000 /dev/zero | tr '\0' x`, core.Pass, strings.Repeat("x", 397) + "..."},
		"exit 1 of -e": {"false", core.Fail, "the command printed nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := time.Minute
			if name == "timeout" {
				timeout = time.Second
			}
			smoke := core.Check{Name: "smoke", Run: &core.Command{Script: c.script}, Timeout: timeout}
			l := open(t, scope(), nil, &clock{start}, smoke)
			v := l.Look(t.Context(), start).Verdicts[0]
			if c.want == core.Error {
				v.Reason, _, _ = strings.Cut(v.Reason, ": sh: ") // what this system's shell says
				v.Reason, _, _ = strings.Cut(v.Reason, ": /bin/sh: ")
			}
			is(t, v, c.want, c.reason)
			if v.Check != "smoke" || !v.At.Equal(start) || v.Value != nil || v.Query != "" {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestCommandPast asks about instants that are over: the command runs only for those that are not. Until it does, a bad
// answer stays, but a good one does not.
func TestCommandPast(t *testing.T) {
	const past = "a command cannot be asked about the past; it is asked at the next look"
	now := &clock{}
	script := `echo x >> runs; wc -l < runs; test $(wc -l < runs) -lt 3`
	l := open(t, scope(), nil, now, core.Check{Name: "smoke", Run: &core.Command{Script: script}, Timeout: time.Minute})
	for _, look := range []struct {
		now, at int // minutes
		kind    core.VerdictKind
		reason  string
		about   int
	}{
		{10, 1, core.Inconclusive, past, 1},
		{10, 5, core.Inconclusive, past, 5},
		{10, 9, core.Pass, "1", 9},
		{10, 10, core.Pass, "2", 10},
		{20, 15, core.Inconclusive, past, 15},
		{20, 20, core.Fail, "3", 20},
		{30, 25, core.Fail, "3", 20},
	} {
		now.now = start.Add(time.Duration(look.now) * time.Minute)
		v := l.Look(t.Context(), start.Add(time.Duration(look.at)*time.Minute)).Verdicts[0]
		is(t, v, look.kind, look.reason)
		if about := v.At.Sub(start); about != time.Duration(look.about)*time.Minute {
			t.Errorf("look at %d: the verdict is about %v", look.at, about)
		}
	}
}

// A slow clock goes on each time that somebody looks at it, as on a machine with too much to do.
type slow struct{ clock }

func (c *slow) Now() time.Time {
	c.now = c.now.Add(20 * time.Millisecond)
	return c.now
}

// TestCommandLate: a command that says nothing because the look was late has said how late it was, so that nobody decides by it.
func TestCommandLate(t *testing.T) {
	const every = 100 * time.Millisecond
	kinds := make(map[core.VerdictKind]bool)
	for late := time.Duration(0); late < 2*every; late += 5 * time.Millisecond {
		asked := scope()
		asked.Bake.Every = every
		run := shell.New(t.TempDir(), []string{"PATH=/usr/bin:/bin"})
		plan := &core.Plan{Checks: []core.Check{{Name: "smoke", Run: &core.Command{Script: ":"}, Timeout: time.Minute}}}
		l, err := check.New(plan, nil, run, &slow{clock{start.Add(late)}}).Open(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		seen := l.Look(t.Context(), start)
		if kind := seen.Verdicts[0].Verdict; kind != core.Pass && seen.Late < every {
			t.Errorf("%s late it says %s, and that it was %s late", late, kind, seen.Late)
		}
		kinds[seen.Verdicts[0].Verdict] = true
	}
	if !kinds[core.Pass] || !kinds[core.Inconclusive] {
		t.Errorf("it says %v", kinds)
	}
}
