package cloudwatchtest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/aws/smithy-go/encoding/cbor"
)

// description is AWS' own description of CloudWatch, cut to what is served here; see model.mjs.
//
//go:embed model.json
var description []byte

// A model says what requests and answers look like.
type model struct {
	Prefix     string
	Operations map[string]struct {
		Input, Output string
		Errors        []string
	}
	Shapes map[string]shape
}

type shape struct {
	Type               string
	Required           []string
	Members            map[string]ref
	Member, Key, Value ref
	Enum               []string
	Min, Max           *float64
	Pattern            string
}

type ref struct{ Shape string }

// document is the model, read once.
var document = sync.OnceValues(func() (m model, err error) {
	err = json.Unmarshal(description, &m)
	return m, err
})

// check says what about a value does not fit its shape.
func (m model) check(at, name string, v cbor.Value) error {
	s := m.Shapes[name]
	switch s.Type {
	case "structure":
		return m.checkFields(at, s, v)
	case "list":
		list, ok := v.(cbor.List)
		if !ok {
			return fmt.Errorf("%s is no list", at)
		}
		for i, one := range list {
			if err := m.check(fmt.Sprintf("%s[%d]", at, i), s.Member.Shape, one); err != nil {
				return err
			}
		}
		return s.within(at, float64(len(list)))
	case "map":
		all, ok := v.(cbor.Map)
		if !ok {
			return fmt.Errorf("%s is no map", at)
		}
		for key, one := range all {
			if err := m.check(at+"."+key, s.Value.Shape, one); err != nil {
				return err
			}
		}
		return s.within(at, float64(len(all)))
	case "string":
		return s.checkText(at, v)
	case "boolean":
		if _, ok := v.(cbor.Bool); !ok {
			return fmt.Errorf("%s is no boolean", at)
		}
	case "integer", "long":
		n, err := cbor.AsInt64(v)
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		return s.within(at, float64(n))
	case "double", "float":
		if _, err := cbor.AsFloat64(v); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	case "timestamp":
		if _, err := cbor.AsTime(v); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	default:
		return fmt.Errorf("%s: a %q is not known here", at, s.Type)
	}
	return nil
}

func (m model) checkFields(at string, s shape, v cbor.Value) error {
	fields, ok := v.(cbor.Map)
	if !ok {
		return fmt.Errorf("%s is no structure", at)
	}
	for _, name := range s.Required {
		if fields[name] == nil {
			return fmt.Errorf("%s.%s is missing", at, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		of, known := s.Members[name]
		if !known {
			return fmt.Errorf("%s.%s is not known", at, name)
		}
		if err := m.check(at+"."+name, of.Shape, fields[name]); err != nil {
			return err
		}
	}
	return nil
}

func (s shape) checkText(at string, v cbor.Value) error {
	text, ok := v.(cbor.String)
	switch {
	case !ok:
		return fmt.Errorf("%s is no string", at)
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, string(text)):
		return fmt.Errorf("%s is %q, not one of %q", at, text, s.Enum)
	case s.Pattern != "" && !regexp.MustCompile(`^(?:`+s.Pattern+`)$`).MatchString(string(text)):
		return fmt.Errorf("%s is %q, which does not match %s", at, text, s.Pattern)
	}
	return s.within(at, float64(utf8.RuneCountInString(string(text))))
}

// within checks a number, or a length, against the bounds of a shape.
func (s shape) within(at string, n float64) error {
	if s.Min != nil && n < *s.Min || s.Max != nil && n > *s.Max {
		return fmt.Errorf("%s is out of bounds", at)
	}
	return nil
}
