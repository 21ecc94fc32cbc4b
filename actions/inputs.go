package actions

import (
	"maps"
	"slices"
	"strings"
)

// Environ turns the inputs of an action into flags: for each INPUT_NAME that is not empty, the environ that it returns
// has BREAKWATER_NAME with the same value, in place of any that was there. Dashes in the name become underscores. An
// input that the workflow leaves empty is one that it does not give, so it hides nothing.
//
// The inputs args and entrypoint are the runner's own: they say how it starts a container. The token is taken out of the
// inputs: what the plan runs sees those, and no BREAKWATER_ variables.
func Environ(environ []string) []string {
	flags := make(map[string]string)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		input, ok := strings.CutPrefix(name, "INPUT_")
		if !ok || input == "" || input == "ARGS" || input == "ENTRYPOINT" || strings.TrimSpace(value) == "" {
			continue
		}
		flags["BREAKWATER_"+flagName.Replace(strings.ToUpper(input))] = strings.TrimSpace(value)
	}
	with := slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, replaced := flags[name]
		return replaced || name == "INPUT_TOKEN"
	})
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		with = append(with, name+"="+flags[name])
	}
	return with
}

var flagName = strings.NewReplacer("-", "_", " ", "_")
