package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// hostile is text that tries to be a command, markup or a diagram in every medium at once.
const hostile = "::error file=x::boo\n::set-output name=a::b\r\n##[add-mask]x \x1b[31mred\x1b[0m \x1b]8;;http://evil\x07link\x1b]8;;\x07 " +
	"<script>alert(1)</script> <!channel> | a | b |\n\n# head\n```\n[click](http://evil) ![i](x) @everyone `code` **bold** &lt; \\| " +
	"section x; title : crit, 2020\n%%{init}%% \u202eevil\u202c\u0000\x9b\xff end"

// hostileRollout has hostile text everywhere.
func hostileRollout(t *testing.T) *core.Rollout {
	s := &story{t: t, at: began}
	h := func(tag string) string { return hostile + tag }
	s.tell(0, core.Event{Type: core.EventStarted, Start: &core.Start{Version: h("v"), Previous: h("p"),
		Policy: &core.Obeyed{Name: h("f"), Commit: h("c"), Digest: h("d")},
		Waves:  []core.StartWave{{Name: h("w"), Targets: []core.StartTarget{{Target: core.Target{Name: h("t")}}}}}}})
	s.tell(0, core.Event{Type: core.EventDeploying, Wave: h("w"), Targets: []string{h("t")}})
	s.tell(time.Minute, core.Event{Type: core.EventDeployed, Wave: h("w"),
		Results: []core.Result{{Target: h("t"), Outcome: core.OutcomeFailed, Error: h("e"), Tail: "``````\n" + h("o")}}})
	s.tell(time.Second, core.Event{Type: core.EventBaking, Wave: h("w")})
	verdicts := []core.Verdict{{Check: h("c"), Verdict: core.Fail, Reason: h("r"), Query: h("q"), Window: h("n"), At: s.at}}
	s.tell(time.Minute, core.Event{Type: core.EventRollingBack, Verdicts: verdicts, Reason: h("r"), Targets: []string{h("t")},
		Override: &core.Override{Kind: core.OverrideKind(h("k")), Reason: h("r"), By: core.Actor{Name: h("a")}}})
	s.tell(time.Minute, core.Event{Type: core.EventReverting, Wave: h("w"), Targets: []string{h("t")}})
	s.tell(time.Minute, core.Event{Type: core.EventReverted, Wave: h("w"),
		Results: []core.Result{{Target: h("t"), Outcome: core.OutcomeFailed, Error: h("e"), Tail: "``````\n" + h("o")}}})
	s.tell(time.Second, core.Event{Type: core.EventEnded, State: core.StateRollbackFailed, Reason: h("r")})
	r := s.rollout()
	r.ID, r.Line = h("i"), core.Line{Service: h("s"), Environment: h("e")}
	return r
}

func TestHostileText(t *testing.T) {
	var text bytes.Buffer
	if err := Text(&text, hostileRollout(t), View{Now: began}); err != nil {
		t.Fatal(err)
	}
	if err := PlanText(&text, Outlook{Line: hostile, Waves: []OutlookWave{{Name: hostile, Targets: []string{hostile}, Waits: hostile}},
		Policy: &core.Obeyed{Name: hostile, Digest: hostile}}); err != nil {
		t.Fatal(err)
	}
	if err := printable(text.String()); err != nil {
		t.Error(err)
	}
	for l := range strings.Lines(text.String()) {
		if strings.HasPrefix(strings.TrimSpace(l), "::") || strings.Contains(l, "##[") {
			t.Errorf("a forge would take this line for a command: %q", l)
		}
	}
	golden(t, "hostile.txt", text.String())
}

func TestHostileMarkdown(t *testing.T) {
	got := Summary(hostileRollout(t), nil, began.Add(time.Hour))
	if err := printable(got); err != nil {
		t.Error(err)
	}
	var fence string // of the block that we are in
	for l := range strings.Lines(got) {
		l = strings.TrimRight(l, "\n")
		switch mark := strings.TrimRight(l, "abcdefghijklmnopqrstuvwxyz"); {
		case fence == "" && strings.HasPrefix(l, "```"):
			fence = mark
			continue
		case fence != "":
			if l == fence {
				fence = ""
			}
			continue
		}
		for _, bad := range []string{"<script", "<!", "](", "`", "@e", `\|`, "**bold"} {
			if strings.Contains(strings.ReplaceAll(l, `\]`, ""), bad) {
				t.Errorf("%q is live in %q", bad, l)
			}
		}
		if strings.HasPrefix(l, "|") && strings.Count(l, "|") != 8 && strings.Count(l, "|") != 7 {
			t.Errorf("a row of %d cells: %q", strings.Count(l, "|")-1, l)
		}
	}
	if fence != "" {
		t.Errorf("a block is never closed: %s", fence)
	}
	golden(t, "hostile.md", got)
}

func TestHostileMermaid(t *testing.T) {
	_, diagram, _ := strings.Cut(gantt(hostileRollout(t), began.Add(time.Hour)), "gantt\n")
	for l := range strings.Lines(strings.TrimSuffix(diagram, "```\n")) {
		if strings.ContainsAny(l, ";#%<>`\"'()[]{}|&@\\") && !strings.Contains(l, "axisFormat") {
			t.Errorf("a mark with a meaning is in %q", l)
		}
		if n := strings.Count(l, " :"); n > 1 {
			t.Errorf("%d tasks in %q", n, l)
		}
	}
	if got := mermaid("::;;"); got != "-" {
		t.Errorf("a name of marks only becomes %q", got)
	}
}

func TestHostileJSON(t *testing.T) {
	got, err := json.Marshal(NewStatus(hostileRollout(t), time.Time{}))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsAny(got, "<>&\x1b\n\x00") || !json.Valid(got) {
		t.Errorf("not safe to embed: %s", got)
	}
}

func TestHostileChat(t *testing.T) {
	got := sentence(hostileRollout(t))
	if err := printable(got); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"<", ">", "](", "@e", "\n"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q is live in %q", bad, got)
		}
	}
}

func TestHostileReason(t *testing.T) {
	got := Reason(hostileRollout(t))
	if err := printable(got); err != nil || strings.HasPrefix(got, "::") || strings.Contains(got, "\n") {
		t.Errorf("%v: %q", err, got)
	}
}

func TestLine(t *testing.T) {
	tests := []struct {
		name, in string
		width    int
		want     string
	}{
		{"nothing", "", 10, ""},
		{"as it is", "fe80::1 is up", 20, "fe80::1 is up"},
		{"one line", " a \n\t b ", 10, "a b"},
		{"cut", "abcdefghijk", 10, "abcdefg..."},
		{"cut between characters", "äöüäöüäöüäö", 10, "äöüäöüä..."},
		{"just fits", "abcdefghij", 10, "abcdefghij"},
		{"colours", "\x1b[1;31mred\x1b[0m", 10, "red"},
		{"a link", "\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\", 10, "text"},
		{"a sequence that is cut off", "a\x1b[31", 10, "a"},
		{"a string that is cut off", "a\x1b]0;title", 10, "a"},
		{"an escape at the end", "a\x1b", 10, "a"},
		{"an escape before a character", "\x1bäb", 10, "b"},
		{"direction", "a\u202eb", 10, "a?b"},
		{"broken UTF-8", "a\xffb", 10, "a?b"},
		{"a command", "::error::x", 20, ": :error::x"},
		{"a command on the next line", "x\n::error::x", 20, "x : :error::x"},
		{"an old command", "x ##[error]x", 20, "x ## [error]x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := line(tt.in, tt.width); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzLine: whatever the text, a line of it is one line that shows, in every medium.
func FuzzLine(f *testing.F) {
	f.Add(hostile)
	f.Add("\x1b\x1b]\x1b[::")
	f.Fuzz(func(t *testing.T, s string) {
		for name, got := range map[string]string{
			"line": line(s, 40), "markdown": markdown(s, 40), "mermaid": mermaid(s), "chat": chat(s, 40),
		} {
			if err := printable(got); err != nil || strings.Contains(got, "\n") {
				t.Errorf("%s: %v in %q", name, err, got)
			}
			if strings.HasPrefix(got, "::") || strings.Contains(got, "##[") {
				t.Errorf("%s: a command in %q", name, got)
			}
		}
		if strings.ContainsAny(markdown(s, 40), "<>|`") {
			t.Errorf("markup in %q", markdown(s, 40))
		}
	})
}
