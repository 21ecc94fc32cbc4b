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
func expand(text string, lookup func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for rest := text; ; {
		before, after, ok := strings.Cut(rest, "$")
		b.WriteString(before)
		switch {
		case !ok && lookup == nil:
			return text, nil
		case !ok:
			return b.String(), nil
		case strings.HasPrefix(after, "{"):
			name, tail, closed := strings.Cut(after[1:], "}")
			if !closed || !envName.MatchString(name) {
				return "", errBadName
			}
			value, err := value(name, lookup)
			if err != nil {
				return "", err
			}
			b.WriteString(value)
			rest = tail
		default:
			b.WriteByte('$')
			rest = strings.TrimPrefix(after, "$")
		}
	}
}

func value(name string, lookup func(string) (string, bool)) (string, error) {
	if lookup == nil {
		return "", nil
	}
	if text, ok := lookup(name); ok && text != "" {
		return text, nil
	}
	return "", unsetError{name}
}
