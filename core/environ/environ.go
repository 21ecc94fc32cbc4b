// Package environ reads an environment by name, as a CI system has set it.
package environ

import (
	"fmt"
	"strconv"
	"strings"
)

// An Environ is an environment by name.
type Environ map[string]string

// Parse reads one as of [os.Environ]. An entry without a value is none.
func Parse(entries []string) Environ {
	e := make(Environ, len(entries))
	for _, entry := range entries {
		if name, value, ok := strings.Cut(entry, "="); ok {
			e[name] = value
		}
	}
	return e
}

// Get returns a variable, empty if it is not set.
func (e Environ) Get(name string) string { return e[name] }

// Must returns a variable that the CI system always sets.
func (e Environ) Must(name string) (string, error) {
	if e[name] == "" {
		return "", fmt.Errorf("%s is not set: the CI system sets it; check what clears the environment", name)
	}
	return e[name], nil
}

// Number returns a variable that is always set and counts from 1.
func (e Environ) Number(name string) (int, error) {
	text, err := e.Must(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s is %q: it must be a number from 1", name, text)
	}
	return n, nil
}
