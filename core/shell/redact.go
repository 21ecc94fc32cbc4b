package shell

import (
	"iter"
	"slices"
	"strings"
)

const (
	mask      = "***"
	minSecret = 6 // bytes; never shorter than mask, see capture.text
)

// secretNames are what the names of variables with secrets end with, in upper case.
var secretNames = []string{
	"APIKEY", "CREDENTIALS", "PASSPHRASE", "PASSWD", "PASSWORD", "SECRET", "TOKEN", "_JWT", "_KEY", "_PASS", "_PWD",
}

// common are values that a secret variable may well have and that say nothing. Masking them would only make an output
// hard to read.
var common = []string{
	"default", "development", "disabled", "enabled", "example", "github", "gitlab", "latest", "localhost", "master",
	"password", "production", "release", "secret", "staging", "testing", "undefined", "unknown",
}

// Secrets returns what must never show in an output: the values of the variables whose name says that they hold a
// token, secret, password, key or credentials. A value of several lines also counts line by line, since tools print
// them so. Values of less than 6 bytes and everyday words are left out.
func Secrets(environ []string) []string {
	var all []string
	for _, secret := range secrets(environ) {
		all = append(all, secret)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// secrets yields the name of each secret variable with each of its parts.
func secrets(environ []string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, v := range environ {
			name, value, _ := strings.Cut(v, "=")
			if !isSecret(name) {
				continue
			}
			value = strings.TrimSpace(value)
			parts := []string{value}
			for line := range strings.Lines(value) {
				parts = append(parts, strings.TrimSpace(line))
			}
			for _, part := range parts {
				if len(part) >= minSecret && !slices.Contains(common, strings.ToLower(part)) && !yield(name, part) {
					return
				}
			}
		}
	}
}

func isSecret(name string) bool {
	name = strings.ToUpper(name)
	return name == "KEY" || slices.ContainsFunc(secretNames, func(end string) bool { return strings.HasSuffix(name, end) })
}

// leaked returns the name of a secret variable whose value is in the text, and "" if there is none.
func leaked(environ []string, text string) string {
	for name, secret := range secrets(environ) {
		if strings.Contains(text, secret) {
			return name
		}
	}
	return ""
}

// A redactor masks secrets in texts.
type redactor struct {
	replacer *strings.Replacer
	longest  int // bytes
}

func newRedactor(secrets []string) redactor {
	secrets = slices.Clone(secrets)
	slices.SortStableFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // a secret may contain another
	var r redactor
	pairs := make([]string, 0, 2*len(secrets))
	for _, s := range secrets {
		r.longest = max(r.longest, len(s))
		pairs = append(pairs, s, mask)
	}
	r.replacer = strings.NewReplacer(pairs...)
	return r
}

func (r redactor) replace(text string) string { return r.replacer.Replace(text) }
