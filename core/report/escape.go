package report

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/breakwater-ci/breakwater/core/plain"
)

// line makes untrusted text safe to stand in a line of a terminal or a job's log: one line, nothing that moves a
// cursor or turns the reading direction, nothing that a forge takes for a command. It is at most width characters.
func line(s string, width int) string {
	var b strings.Builder
	gap, n := false, 0
	for _, r := range stripANSI(s) {
		if unicode.IsSpace(r) {
			gap = n > 0
			continue
		}
		if gap {
			b.WriteByte(' ')
			gap, n = false, n+1
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		b.WriteRune(r)
		if n++; n > width {
			break // cut makes the end of it
		}
	}
	return cut(disarm(b.String()), width)
}

// disarm breaks the marks by which a forge knows a command in its log: "::" where a line or a word starts, and "##["
// anywhere.
func disarm(s string) string {
	s = strings.ReplaceAll(s, "##[", "## [")
	s = strings.ReplaceAll(s, " ::", " : :")
	if strings.HasPrefix(s, "::") {
		s = ": :" + s[2:]
	}
	return s
}

// lines makes untrusted output safe line by line, and keeps the last most of them, each at most width characters.
// Indentation stays.
func lines(s string, most, width int) []string {
	all := strings.FieldsFunc(stripANSI(s), func(r rune) bool { return r == '\n' || r == '\r' })
	kept := make([]string, 0, min(len(all), most))
	for _, l := range all[max(0, len(all)-most):] {
		l = strings.ReplaceAll(strings.TrimRight(l, " \t"), "\t", "    ")
		l = strings.Map(func(r rune) rune {
			if r == utf8.RuneError || !unicode.IsPrint(r) {
				return '?'
			}
			return r
		}, l)
		kept = append(kept, cut(disarm(l), width))
	}
	return kept
}

// stripANSI takes the escape sequences of terminals out, those that are cut off at the end of the text included.
func stripANSI(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		s = after[sequence(after):]
	}
}

// sequence is the length of the escape sequence whose ESC stood right before s.
func sequence(s string) int {
	if s == "" {
		return 0
	}
	switch s[0] {
	case '[': // CSI: up to a letter or one of @[\]^_`{|}~
		for i := 1; i < len(s); i++ {
			if s[i] >= '@' && s[i] <= '~' {
				return i + 1
			}
		}
		return len(s)
	case ']', 'P', '_', '^', 'X': // a string, such as a title or a link: up to BEL or ESC \
		for i := 1; i < len(s); i++ {
			if s[i] == '\a' {
				return i + 1
			}
			if s[i] == '\x1b' {
				return i // its \ is taken off as the next sequence
			}
		}
		return len(s)
	default:
		_, size := utf8.DecodeRuneInString(s)
		return size
	}
}

// cut shortens text to width characters, with an ellipsis in place of what is left out.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	r := []rune(s)
	return strings.TrimRight(string(r[:width-3]), " ") + "..."
}

// markdown makes untrusted text safe inside a line or a table's cell of Markdown: it shows as it is, does not call
// anybody, and is at most width characters. It must not be the first thing on a line.
func markdown(s string, width int) string {
	return plain.Markdown(unmention(line(s, width)))
}

// unmention puts a space of no width behind every @ that would call somebody.
func unmention(s string) string {
	var b strings.Builder
	before := ' '
	for _, r := range s {
		b.WriteRune(r)
		if r == '@' && !unicode.IsLetter(before) && !unicode.IsDigit(before) {
			b.WriteRune('\u200b')
		}
		before = r
	}
	return b.String()
}

// fence puts untrusted output into a block of Markdown that it cannot end.
func fence(output []string) string {
	text := strings.Join(output, "\n")
	run, longest := 0, 2
	for _, r := range text {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	mark := strings.Repeat("`", longest+1)
	return mark + "text\n" + text + "\n" + mark + "\n"
}

// mermaid makes untrusted text safe as the name of a section in a diagram: letters, digits and what holds names
// together. Everything else has a meaning there, in one version or another.
func mermaid(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" .-_/+", r) {
			return r
		}
		return ' '
	}, line(s, 40))
	if s = strings.Join(strings.Fields(s), " "); s == "" {
		return "-"
	}
	return s
}

// chat makes untrusted text safe for a message: no links with another text, no calls to a person or a channel, none
// of Slack's <commands>.
func chat(s string, width int) string {
	s = strings.NewReplacer("<", "‹", ">", "›", "](", "] (").Replace(line(s, width))
	return unmention(s)
}
