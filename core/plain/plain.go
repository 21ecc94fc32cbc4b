// Package plain makes text safe: for Markdown, and for CI systems that take no commands from a log and mask little by themselves.
package plain

import (
	"slices"
	"strings"
)

// leastLine is how long a line of a secret must be to be masked by itself, in bytes: a brace on its own says nothing.
const leastLine = 6

// A Mask keeps secrets out of text.
type Mask struct {
	With string // what stands in the place of a secret

	secrets  []string // longest first: one may contain another
	replacer *strings.Replacer
}

// Add keeps a secret, and each of its lines, out of what is replaced from now on.
func (m *Mask) Add(secret string) {
	parts := []string{strings.TrimSpace(secret)}
	for line := range strings.Lines(secret) {
		if line = strings.TrimSpace(line); len(line) >= leastLine {
			parts = append(parts, line)
		}
	}
	for _, part := range parts {
		if part != "" && !slices.Contains(m.secrets, part) {
			m.secrets = append(m.secrets, part)
		}
	}
	slices.SortStableFunc(m.secrets, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(m.secrets))
	for _, s := range m.secrets {
		pairs = append(pairs, s, m.With)
	}
	m.replacer = strings.NewReplacer(pairs...)
}

// Replace returns a text without the secrets that are known so far.
func (m *Mask) Replace(text string) string {
	if m.replacer == nil {
		return text
	}
	return m.replacer.Replace(text)
}

// Line makes a value one line. A text that is no JSON is cut where it is longer than most bytes.
func Line(value string, most int) string {
	value = strings.TrimSpace(strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, value), "\uFFFD"))
	if len(value) > most && !strings.HasPrefix(value, "[") && !strings.HasPrefix(value, "{") {
		value = strings.ToValidUTF8(value[:most], "") + "..."
	}
	return value
}

// markup are the characters that mean something in Markdown as GitHub, GitLab and CodeCommit have it. Those that would also end a
// table's cell, or start HTML, become entities, which no parser takes for structure.
var markup = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "|", "&#124;", `\`, "&#92;", "`", "&#96;",
	"*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "~", `\~`, "$", `\$`, "#", `\#`,
)

// Markdown makes text safe inside a line or a table's cell of Markdown: it shows as it is. The text is one line, and not the
// first thing on it.
func Markdown(text string) string { return markup.Replace(text) }
