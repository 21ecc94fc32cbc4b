package shell

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"\n \r\n\t":                           "",
		"plain":                               "plain",
		"two\nlines\r\nand\ttabs":             "two lines  and tabs",
		"\x1b[1;31mred\x1b[0m":                "red",
		"\x1b]0;title\x07text":                "text",
		"\x1b]8;;http://x\x1b\\link":          "link",
		"a\x00b\x07c":                         "abc",
		"bad \xff byte":                       "bad \uFFFD byte",
		strings.Repeat("é", 300):              strings.Repeat("é", 198) + "...",
		"::set-output name=state::\x1b[2Jbad": "::set-output name=state::bad",
	} {
		if got := OneLine(text); got != want {
			t.Errorf("OneLine(%q) = %q, want %q", text, got, want)
		}
	}
	if got := LastLine("one\ntwo\x1b[0m\r\n\x1b[0m\n\n"); got != "two" {
		t.Errorf("LastLine = %q, want two", got)
	}
}

func FuzzLastLine(f *testing.F) {
	f.Add("a\nb\x1b[31m\xff\n\r")
	f.Fuzz(func(t *testing.T, output string) {
		got := LastLine(output)
		if len(got) > lineSize || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q becomes %q", output, got)
		}
	})
}

// TestCutSecrets puts secrets everywhere into outputs of every length around the sizes that are kept, writes them in
// pieces, and looks for anything that is left of a secret.
func TestCutSecrets(t *testing.T) {
	r := newRedactor([]string{"SECRET", "SECRETANDMORE", strings.Repeat("KEY", 700)})
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var output []byte
		for size := rnd.IntN(2 * (headSize + tailSize)); len(output) < size; {
			output = append(output, strings.Repeat("x", rnd.IntN(3000))...)
			output = append(output, []string{"SECRET", "SECRETANDMORE", strings.Repeat("KEY", 700)}[rnd.IntN(3)]...)
		}
		c := capture{spare: r.longest}
		for rest := output; len(rest) > 0; {
			n := min(1+rnd.IntN(9000), len(rest))
			c.Write(rest[:n])
			rest = rest[n:]
		}
		text := c.text(r)
		if i := strings.IndexFunc(text, unicode.IsUpper); i >= 0 {
			t.Fatalf("seed %d: %.40q at %d of %d", seed, text[max(0, i-10):], i, len(text))
		}
		if len(text) > headSize+tailSize+3*r.longest+100 {
			t.Fatalf("seed %d: %d bytes are kept", seed, len(text))
		}
	}
}

func TestSecrets(t *testing.T) {
	got := Secrets([]string{
		"PATH=/usr/bin:/bin", "GITHUB_TOKEN=ghs_abcdef", "db_password=Tr0ub4dor", "PGPASSWORD=pg-secret",
		"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "INPUT_DEPLOY-TOKEN=input-token", "SHORT_TOKEN=12345",
		"MODE_KEY=Production", "PWD=/home/runner", "MONKEY=banana-split", "EMPTY_TOKEN=", "NO_VALUE_TOKEN",
		"SSH_KEY=-----BEGIN KEY-----\r\nline-one\r\nab\r\n-----END KEY-----\n", "X_CREDENTIALS= padded-value ",
	})
	want := []string{
		"-----BEGIN KEY-----", "-----BEGIN KEY-----\r\nline-one\r\nab\r\n-----END KEY-----", "-----END KEY-----", "Tr0ub4dor",
		"ghs_abcdef", "input-token", "line-one", "padded-value", "pg-secret", "wJalrXUtnFEMI/K7MDENG",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	r := newRedactor([]string{"abcdef", "abcdefghi"})
	if got := r.replace("abcdefghi abcdef abcde"); got != "*** *** abcde" {
		t.Errorf("got %q", got)
	}
	if got := newRedactor(nil).replace("nothing to hide"); got != "nothing to hide" {
		t.Errorf("got %q", got)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add([]byte("a s3cr3t-value b"), "s3cr3t-value")
	f.Fuzz(func(t *testing.T, output []byte, secret string) {
		if strings.ContainsAny(secret, "*\uFFFD") || !utf8.ValidString(secret) {
			return // the mask may complete such a secret again
		}
		for _, s := range Secrets([]string{"A_TOKEN=" + secret}) {
			var c capture
			c.Write(output)
			if text := c.text(newRedactor([]string{s})); strings.Contains(text, s) || len(text) > 3*len(output) {
				t.Errorf("%q is in %q", s, text)
			}
			if !bytes.Contains(output, []byte(s)) && utf8.Valid(output) && len(output) < headSize {
				if text := c.text(newRedactor([]string{s})); text != string(output) {
					t.Errorf("%q became %q", output, text)
				}
			}
		}
	})
}
