package config

import (
	"regexp"
	"slices"
)

// variables are what a query may use.
var variables = []string{"$targets", "$wave", "$version", "$previous", "$window", "$from", "$until", "$labels.NAME"}

// variable is a dollar with a letter behind it. Any other dollar is the query's own: "^a$", "$1", "${1}".
var variable = regexp.MustCompile(`\$[A-Za-z_][A-Za-z0-9_]*`)

// labelVariable is the one variable with a part.
var labelVariable = regexp.MustCompile(`\$labels\.[A-Za-z_][A-Za-z0-9_]*`)

// unknownVariables returns the variables of a query that do not exist, each once.
func unknownVariables(query string) []string {
	var unknown []string
	for _, name := range variable.FindAllString(labelVariable.ReplaceAllLiteralString(query, ""), -1) {
		if !slices.Contains(variables, name) && !slices.Contains(unknown, name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}
