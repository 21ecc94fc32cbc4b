package plain

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMask(t *testing.T) {
	for name, c := range map[string]struct {
		secrets    []string
		text, want string
	}{
		"none":                         {nil, "hunter2", "hunter2"},
		"one, wherever it stands":      {[]string{"hunter2"}, "hunter2 xhunter2x HUNTER2", "*** x***x HUNTER2"},
		"one within another":           {[]string{"abc", "abcdef"}, "abcdef abc", "*** ***"},
		"the same, the other way":      {[]string{"abcdef", "abc"}, "abcdef abc", "*** ***"},
		"spaces around it":             {[]string{" hunter2\n"}, "[hunter2]", "[***]"},
		"each line of a key":           {[]string{"-----BEGIN\nMIIEvQ\n}\n"}, "MIIEvQ } -----BEGIN", "*** } ***"},
		"nothing of an empty one":      {[]string{"", " \n"}, "a b", "a b"},
		"the same one twice":           {[]string{"abcabc", "abcabc"}, "abcabc", "***"},
		"not what stands in its place": {[]string{"*"}, "a*b", "a***b"},
	} {
		m := Mask{With: "***"}
		for _, s := range c.secrets {
			m.Add(s)
		}
		if got := m.Replace(c.text); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestLine(t *testing.T) {
	for value, want := range map[string]string{
		"":                       "",
		" a\r\nb\t\x00c\x7f\n":   "a  b  c",
		"a\u2028b\u2029c\u0085d": "a b c d",
		"12345678":               "12345678",
		"123456789":              "12345678...",
		"1234567é":               "1234567...",
		"[1,2,3,4,5]":            "[1,2,3,4,5]",
		`{"a":"bcdef"}`:          `{"a":"bcdef"}`,
		"a\xffb":                 "a\uFFFDb",
	} {
		if got := Line(value, 8); got != want {
			t.Errorf("%q is %q, want %q", value, got, want)
		}
	}
}

// FuzzLine: whatever a value holds, it is one line of text, and a line stays as it is.
func FuzzLine(f *testing.F) {
	f.Add("a\nb")
	f.Add("é\xff\u2028")
	f.Fuzz(func(t *testing.T, value string) {
		got := Line(value, 1<<10)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\v\f\u0085\u2028\u2029") {
			t.Errorf("%q is %q", value, got)
		}
		if len(got) <= 1<<10 && Line(got, 1<<10) != got {
			t.Errorf("%q is %q the second time", got, Line(got, 1<<10))
		}
	})
}

// TestMarkdown: nothing of a text means anything but itself.
func TestMarkdown(t *testing.T) {
	for text, want := range map[string]string{
		"a-1 (b), c.":       "a-1 (b), c.",
		"<b>&|":             "&lt;b&gt;&amp;&#124;",
		"*a* _b_ [c](d) ~e": `\*a\* \_b\_ \[c\](d) \~e`,
		"`x` \\ $1 #2":      "&#96;x&#96; &#92; \\$1 \\#2",
	} {
		if got := Markdown(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
