package config

import (
	"regexp"
	"slices"
)

// variables are what a query may use.
var variables = []string{"$targets", "$wave", "$version", "$previous", "$window", "$labels.NAME"}

// variable is a dollar with a letter behind it. Any other dollar is the query's own: "^a$", "$1", "${1}".
var variable = regexp.MustCompile(`\$[A-Za-z_][A-Za-z0-9_]*`)

// labelVariable is the one variable with a part.
var labelVariable = regexp.MustCompile(`\$labels\.[A-Za-z_][A-Za-z0-9_]*`)

// withPlaceholders puts harmless text in place of every variable, so that the query can be checked before there are
// values. It returns the variables that do not exist, each once.
func withPlaceholders(query string) (filled string, unknown []string) {
	query = labelVariable.ReplaceAllLiteralString(query, "label")
	filled = variable.ReplaceAllStringFunc(query, func(name string) string {
		switch {
		case name == "$window":
			return "5m"
		case !slices.Contains(variables, name) && !slices.Contains(unknown, name):
			unknown = append(unknown, name)
		}
		return name[1:]
	})
	return filled, unknown
}
