package awstest

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

//go:embed testdata/*.json
var files embed.FS

// A model is what AWS itself says of one service, see models.mjs.
type model struct {
	service  string
	Metadata struct {
		Protocol, TargetPrefix string
	}
	Operations map[string]modelOperation
	Shapes     map[string]shape
}

type modelOperation struct {
	HTTP struct {
		Method       string
		RequestURI   string `json:"requestUri"`
		ResponseCode int
	}
	Input, Output *member
	Errors        []member
}

type member struct {
	Shape, Location, LocationName string
}

type shape struct {
	Type               string
	Required           []string
	Members            map[string]member
	Member, Key, Value *member
	Enum               []string
	Min, Max           *float64
	Document           bool // any JSON
	Pattern            string
	Error              struct {
		HTTPStatusCode int `json:"httpStatusCode"`
	}
}

// models reads the models of all services, once.
var models = sync.OnceValue(func() map[string]*model {
	all := make(map[string]*model)
	entries, err := files.ReadDir("testdata")
	if err != nil {
		panic(err)
	}
	for _, entry := range entries {
		text, err := files.ReadFile(path.Join("testdata", entry.Name()))
		if err != nil {
			panic(err)
		}
		m := &model{service: strings.TrimSuffix(entry.Name(), ".json")}
		if err := json.Unmarshal(text, m); err != nil {
			panic(err)
		}
		all[m.service] = m
	}
	return all
})

// find returns the operation that a request is for, and what stands in its path.
func find(r *http.Request) (m *model, name string, params map[string]any) {
	for _, m := range models() {
		if m.Metadata.Protocol == "json" {
			if prefix, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); prefix == m.Metadata.TargetPrefix {
				return m, name, nil
			}
			continue
		}
		for name, op := range m.Operations {
			if params, ok := op.match(r, m); ok {
				return m, name, params
			}
		}
	}
	return nil, "", nil
}

// match compares a request with the method and the URI of an operation, and reads the parameters in its path and query.
func (op modelOperation) match(r *http.Request, m *model) (map[string]any, bool) {
	want := strings.Split(strings.TrimSuffix(op.HTTP.RequestURI, "/"), "/")
	got := strings.Split(strings.TrimSuffix(r.URL.EscapedPath(), "/"), "/")
	if r.Method != op.HTTP.Method || len(want) != len(got) {
		return nil, false
	}
	params := make(map[string]any)
	for i := range want {
		name, isParam := strings.CutPrefix(want[i], "{")
		if !isParam && want[i] != got[i] {
			return nil, false
		}
		if isParam {
			value, err := url.PathUnescape(got[i])
			if err != nil {
				return nil, false
			}
			params[strings.TrimSuffix(name, "}")] = value
		}
	}
	for name, in := range m.Shapes[op.Input.Shape].Members {
		if in.Location == "querystring" && r.URL.Query().Has(in.LocationName) {
			params[name] = number(m.Shapes[in.Shape].Type, r.URL.Query().Get(in.LocationName))
		}
	}
	return params, true
}

// number reads what a query gives as text.
func number(kind, text string) any {
	var v float64
	if kind != "integer" || json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	return v
}

// declares reports whether an operation may fail like that, and with which status.
func (m *model) declares(op, code string) (int, bool) {
	for _, e := range m.Operations[op].Errors {
		if e.Shape == code {
			if status := m.Shapes[code].Error.HTTPStatusCode; status != 0 {
				return status, true
			}
			return http.StatusBadRequest, true
		}
	}
	return 0, false
}

// check says what about a value does not fit its shape.
func (m *model) check(at string, of *member, v any) error {
	if of == nil {
		if fields, ok := v.(map[string]any); ok && len(fields) == 0 {
			return nil
		}
		return fmt.Errorf("%s: there must be nothing", at)
	}
	s := m.Shapes[of.Shape]
	switch v := v.(type) {
	case map[string]any:
		if s.Type == "map" {
			return m.checkMap(at, s, v)
		}
		if s.Type == "structure" && s.Document {
			return nil
		}
		if s.Type == "structure" {
			return m.checkStructure(at, s, v)
		}
	case []any:
		if s.Type == "list" {
			return m.checkList(at, s, v)
		}
	case string:
		if s.Type == "string" || s.Type == "blob" {
			return checkText(at, s, v)
		}
	case float64:
		if slices.Contains([]string{"integer", "long", "float", "double", "timestamp"}, s.Type) {
			return within(at, s, v)
		}
	case bool:
		if s.Type == "boolean" {
			return nil
		}
	}
	return fmt.Errorf("%s: %v is no %s", at, v, s.Type)
}

func (m *model) checkStructure(at string, s shape, fields map[string]any) error {
	for _, name := range s.Required {
		if fields[name] == nil {
			return fmt.Errorf("%s: %s is missing", at, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field, known := s.Members[name]
		if !known {
			return fmt.Errorf("%s: there is no %s", at, name)
		}
		if err := m.check(at+"."+name, &field, fields[name]); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) checkMap(at string, s shape, entries map[string]any) error {
	for key, value := range entries {
		if err := m.check(at+" key", s.Key, key); err != nil {
			return err
		}
		if err := m.check(at+"."+key, s.Value, value); err != nil {
			return err
		}
	}
	return within(at, s, float64(len(entries)))
}

func (m *model) checkList(at string, s shape, list []any) error {
	for i, v := range list {
		if err := m.check(fmt.Sprintf("%s[%d]", at, i), s.Member, v); err != nil {
			return err
		}
	}
	return within(at, s, float64(len(list)))
}

func checkText(at string, s shape, text string) error {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
		return fmt.Errorf("%s: %q is none of %v", at, text, s.Enum)
	}
	if s.Pattern != "" && !matches(s.Pattern, text) {
		return fmt.Errorf("%s: %q does not match %s", at, text, s.Pattern)
	}
	return within(at, s, float64(utf8.RuneCountInString(text)))
}

// matches knows of what Go's expressions lack: a pattern that begins, or ends, with what must not be there.
func matches(pattern, text string) bool {
	if rest, ok := strings.CutPrefix(pattern, "(?!"); ok {
		not, is, _ := strings.Cut(rest, ")")
		return !regexp.MustCompile(not).MatchString(text) && matches(is, text)
	}
	if is, rest, ok := strings.Cut(pattern, "(?<!"); ok {
		return !regexp.MustCompile(strings.TrimSuffix(rest, ")")+"$").MatchString(text) && matches(is, text)
	}
	return regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString(text)
}

// within compares a number, or a length, with the bounds of its shape.
func within(at string, s shape, n float64) error {
	if s.Min != nil && n < *s.Min || s.Max != nil && n > *s.Max {
		return fmt.Errorf("%s: %v is out of bounds", at, n)
	}
	return nil
}
