package githubtest

import (
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// fill adds to what an operation answers whatever else GitHub's description requires, as plain as may be: an answer of
// the real one has hundreds of fields that nobody here reads.
func fill(schema *openapi3.SchemaRef, given any) any {
	if schema == nil || schema.Value == nil {
		return given
	}
	s := schema.Value
	for _, some := range []openapi3.SchemaRefs{s.AllOf, s.AnyOf, s.OneOf} {
		if len(some) > 0 && len(s.Properties) == 0 {
			return fill(some[0], given)
		}
	}
	switch given := given.(type) {
	case map[string]any:
		for name, value := range given {
			if p := s.Properties[name]; p != nil {
				given[name] = fill(p, value)
			}
		}
		for _, name := range s.Required {
			if _, ok := given[name]; !ok {
				given[name] = plain(name, s.Properties[name])
			}
		}
		return given
	case []any:
		for i := range given {
			given[i] = fill(s.Items, given[i])
		}
	}
	return given
}

// plain is a value that a field's schema allows.
func plain(name string, schema *openapi3.SchemaRef) any {
	if schema == nil || schema.Value == nil {
		return map[string]any{}
	}
	s := schema.Value
	switch {
	case s.Nullable:
		return nil
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Type.Is("array"):
		return []any{}
	case s.Type.Is("integer"), s.Type.Is("number"):
		return 1
	case s.Type.Is("boolean"):
		return false
	case s.Type.Is("string") && (s.Format == "date-time" || strings.HasSuffix(name, "_at")): // not every time says that it is one
		return "2026-11-25T12:00:00Z"
	case s.Type.Is("string") && s.Format == "uri":
		return "https://api.github.com/x"
	case s.Type.Is("string"):
		return "x"
	default:
		return fill(schema, map[string]any{})
	}
}
