package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// An unsetError says that a name in ${NAME} has no value.
type unsetError struct{ name string }

func (e unsetError) Error() string { return fmt.Sprintf("%s is not set, or empty", e.name) }

var (
	errBadName = errors.New("this ${ does not begin a ${NAME}")
	envName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// expand fills every ${NAME} of a text; $$ becomes a plain dollar, any other dollar is one. What is filled in is not
// looked at again. Without a lookup the text stays as it is. An empty value counts as unset: CI systems give an empty
// text for a secret that does not exist.
func expand(text string, lookup func(string) (string, bool)) (filled string, wrong []error) {
	var b strings.Builder
	rest := text
	for {
		before, after, found := strings.Cut(rest, "$")
		b.WriteString(before)
		if !found {
			break
		}
		if !strings.HasPrefix(after, "{") {
			b.WriteByte('$')
			rest = strings.TrimPrefix(after, "$")
			continue
		}
		name, tail, closed := strings.Cut(after[1:], "}")
		rest = tail
		if !closed || !envName.MatchString(name) {
			wrong = append(wrong, errBadName)
		} else if lookup != nil {
			value, ok := lookup(name)
			if !ok || value == "" {
				wrong = append(wrong, unsetError{name})
			}
			b.WriteString(value)
		}
	}
	if lookup == nil {
		return text, wrong
	}
	return b.String(), wrong
}
