package config

import (
	"reflect"
	"regexp"
	"strings"

	"github.com/invopop/jsonschema"
)

// The forms of what names projects, variables and jobs on GitLab.
const (
	projectForm  = `^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$`
	variableForm = `^[A-Za-z_][A-Za-z0-9_]*$`
	givenForm    = `^BREAKWATER_`
	manualForm   = `^([^{]|\{[^{]|` + actForm + `)*\{\{(target|labels\.[A-Za-z_][A-Za-z0-9_]*)\}\}([^{]|\{[^{]|` + actForm + `)*\{?$`
)

var isVariable = regexp.MustCompile(variableForm)

var (
	projectRule  = formRule(projectForm, "GROUP/NAME, such as group/app")
	manualRule   = formRule(manualForm, "the name of a job with {{target}} or {{labels.NAME}} in it; {{version}} is filled in too")
	variableRule = rule{
		want: "a name of letters, digits and underscore, not beginning with a digit, nor with BREAKWATER_: those are given anyway",
		ok: func(v reflect.Value) bool {
			return isVariable.MatchString(v.String()) && !strings.HasPrefix(v.String(), "BREAKWATER_")
		},
		schema: func(s *jsonschema.Schema) { s.Pattern, s.Not = variableForm, &jsonschema.Schema{Pattern: givenForm} },
	}
	variablesRule = rule{keys: &variableRule, filled: true}
)
