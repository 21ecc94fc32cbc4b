package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core"
)

// A decoder puts the values of one YAML file into Go values and collects what is wrong. It goes on after a mistake.
type decoder struct {
	file    string
	lines   []string
	catalog Catalog
	lookup  func(string) (string, bool)
	filling bool // ${NAME} means something here

	seen     map[any]*yaml.Node  // pointer to a field or element -> its value, for those that the file gives
	refused  map[*yaml.Node]bool // values that are wrong in themselves: what follows from them is not said again
	shapes   map[reflect.Type]shape
	widths   map[int]int
	mistakes Mistakes
}

func newDecoder(file string, text []byte) *decoder {
	lines := strings.TrimPrefix(string(text), "\ufeff")
	lines = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(lines)
	return &decoder{
		file: file, lines: strings.Split(lines, "\n"),
		seen: make(map[any]*yaml.Node), refused: make(map[*yaml.Node]bool), shapes: make(map[reflect.Type]shape),
		widths: make(map[int]int),
	}
}

// err returns the mistakes, nil if there are none.
func (d *decoder) err() error {
	if len(d.mistakes) == 0 {
		return nil
	}
	return d.mistakes.sorted()
}

// mistake notes something wrong at n, which may be right in itself.
func (d *decoder) mistake(n *yaml.Node, want, format string, args ...any) {
	d.mistakeAt(n.Line, n.Column, want, format, args...)
}

func (d *decoder) mistakeAt(line, column int, want, format string, args ...any) {
	line = max(1, min(line, len(d.lines)))
	source := d.lines[line-1]
	column = max(1, min(column, d.width(line)+1))
	d.mistakes = append(d.mistakes, Mistake{
		File: d.file, Line: line, Column: column, Source: source, Message: fmt.Sprintf(format, args...), Want: want,
	})
}

// width counts the characters of a line, once: a list of targets may be one line of megabytes with a mistake in each.
func (d *decoder) width(line int) int {
	n, ok := d.widths[line]
	if !ok {
		n = utf8.RuneCountInString(d.lines[line-1])
		d.widths[line] = n
	}
	return n
}

// refuse notes that the value n is wrong in itself.
func (d *decoder) refuse(n *yaml.Node, want, format string, args ...any) {
	d.refused[n] = true
	d.mistake(n, want, format, args...)
}

// wrongType notes that n is not even of the right type.
func (d *decoder) wrongType(n *yaml.Node, want string) {
	d.refuse(n, want, "%s does not fit here", describe(n))
}

// given reports whether the file gives the field that p points to.
func (d *decoder) given(p any) bool { return d.seen[p] != nil }

// good reports whether the file gives the field that p points to, and gives it right.
func (d *decoder) good(p any) bool { return d.given(p) && !d.refused[d.seen[p]] }

// bad reports whether the file gives the field that p points to, and gives it wrong.
func (d *decoder) bad(p any) bool { return d.given(p) && d.refused[d.seen[p]] }

// value decodes n into v by v's type. Types with a form of their own are in forms.go.
func (d *decoder) value(n *yaml.Node, v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		d.duration(n, p)
		return
	case *core.Date:
		d.date(n, p)
		return
	case *core.Amount:
		d.amount(n, p)
		return
	case *core.Ratio:
		d.ratio(n, p)
		return
	case *core.Control:
		d.control(n, p)
		return
	case *core.Breaches:
		d.breaches(n, p)
		return
	case *core.Hours:
		d.hours(n, p)
		return
	case *core.Moment:
		d.moment(n, p)
		return
	case *core.Select:
		d.selection(n, p)
		return
	case *core.Command:
		d.command(n, p)
		return
	case *core.Targets:
		d.targets(n, p)
		return
	case *core.SourceSpec:
		d.source(n, p)
		return
	case *core.Deploy:
		d.driven(n, v, &p.Driver, &p.Options, true)
		return
	case *core.Rollback:
		d.driven(n, v, &p.Driver, &p.Options, false)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem())
	case reflect.Struct:
		d.object(n, v, nil)
	case reflect.Map:
		d.mapping(n, v)
	case reflect.Slice:
		d.list(n, v)
	case reflect.String:
		if text, ok := d.text(n, false); ok {
			v.SetString(text)
		}
	case reflect.Bool, reflect.Int, reflect.Float64:
		d.scalar(n, v)
	default:
		panic(fmt.Sprintf("config: no YAML form for Go type %s", v.Type()))
	}
}

// object decodes a mapping into the fields of a struct. extra are keys beyond the fields.
func (d *decoder) object(n *yaml.Node, v reflect.Value, extra map[string]func(*yaml.Node)) {
	shape := d.shapeOf(v.Type())
	known := func() []string {
		keys := slices.AppendSeq(slices.Collect(maps.Keys(shape.byKey)), maps.Keys(extra))
		slices.Sort(keys)
		return keys
	}
	if n.Kind != yaml.MappingNode {
		d.wrongType(n, "a mapping with keys of "+strings.Join(known(), ", "))
		return
	}
	have := make(map[string]bool)
	d.pairs(n, func(key, value *yaml.Node) {
		name := key.Value
		have[name] = true
		if f, ok := shape.byKey[name]; ok {
			d.field(v, f, value)
		} else if decode := extra[name]; decode != nil {
			decode(value)
		} else {
			d.refused[n] = true
			have[nearest(name, known())] = true
			d.mistake(key, oneOf(name, known()), "unknown key %q", clip(name))
		}
	})
	for _, f := range shape.fields {
		if f.required && !have[f.key] {
			d.mistake(n, fmt.Sprintf("%s: %s", f.key, f.description), "the key %q is missing", f.key)
		}
	}
}

// field decodes the value of one key of a struct.
func (d *decoder) field(parent reflect.Value, f field, n *yaml.Node) {
	v := parent.FieldByIndex(f.index)
	d.seen[v.Addr().Interface()] = n
	rule := rules[spot{parent.Type(), f.key}]
	before := len(d.mistakes)
	d.filling = d.filling || rule.filled
	d.value(n, v)
	d.filling = d.filling && !rule.filled
	if len(f.enum) > 0 {
		d.enum(n, v, f)
	}
	if rule.keys != nil {
		d.checkKeys(n, *rule.keys)
	}
	if rule.ok != nil && len(d.mistakes) == before && !rule.ok(v) {
		d.refuse(n, rule.want, "%s is not right for %s", describe(n), f.key)
	}
}

// enum checks a decoded text, or every element of a list of texts, against the words that its field allows.
func (d *decoder) enum(n *yaml.Node, v reflect.Value, f field) {
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			d.enum(n.Content[i], v.Index(i), f)
		}
		return
	}
	word := v.String()
	if d.refused[n] || slices.Contains(f.enum, word) {
		return
	}
	d.refused[n] = true
	d.mistake(n, oneOf(word, f.enum), "%q is not a word that %s knows", clip(word), f.key)
}

// mapping decodes into a map with text keys. A value that is plain text may be empty here.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.wrongType(n, "a mapping")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, func(key, value *yaml.Node) {
		elem := reflect.New(v.Type().Elem()).Elem()
		if elem.Type() == reflect.TypeFor[string]() {
			text, _ := d.text(value, true)
			elem.SetString(text)
		} else {
			d.value(value, elem)
		}
		v.SetMapIndex(reflect.ValueOf(key.Value), elem)
	})
}

// pairs calls each for every key of a mapping that is text and new.
func (d *decoder) pairs(n *yaml.Node, each func(key, value *yaml.Node)) {
	first := make(map[string]*yaml.Node)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch earlier := first[key.Value]; {
		case tag(key) == "!!merge":
			d.refused[n] = true
			d.mistake(key, "the keys themselves; an alias for a whole value (key: *name) is fine",
				"merge keys are not supported")
		case tag(key) != "!!str" || key.Value == "":
			d.refused[n] = true
			d.mistake(key, "a text; quote it if it is meant as one", "%s is no key", describe(key))
		case earlier != nil:
			d.mistake(key, fmt.Sprintf("each key once; the first is in line %d", earlier.Line),
				"the key %q is here twice", clip(key.Value))
		default:
			first[key.Value] = key
			each(key, value)
		}
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.wrongType(n, "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, child := range n.Content {
		d.seen[v.Index(i).Addr().Interface()] = child
		d.value(child, v.Index(i))
	}
}

// text returns a text, filled in where that is done. It may be blank only if the caller says so.
func (d *decoder) text(n *yaml.Node, blank bool) (string, bool) {
	if tag(n) != "!!str" {
		want := "a text"
		if n.Kind == yaml.ScalarNode && !isNull(n) {
			want = fmt.Sprintf("a text; in YAML this one needs quotes: %q", n.Value)
		}
		d.wrongType(n, want)
		return "", false
	}
	if !blank && strings.TrimSpace(n.Value) == "" {
		d.refuse(n, "a value, or leave the key out", "the text is empty")
		return "", false
	}
	if !d.filling {
		return n.Value, true
	}
	text, wrong := expand(n.Value, d.lookup)
	for _, err := range wrong {
		want := "${NAME} with a name of letters, digits and underscore; $$ is a plain dollar"
		if unset, ok := errors.AsType[unsetError](err); ok {
			want = fmt.Sprintf("set %s in the environment of this step", unset.name)
		}
		d.refuse(n, want, "%v", err)
	}
	return text, wrong == nil
}

// scalar decodes a number or a truth value.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value) {
	switch got := tag(n); {
	case v.Kind() == reflect.Bool && got == "!!bool":
		v.SetBool(strings.EqualFold(n.Value, "true")) // true, True or TRUE
	case v.Kind() == reflect.Bool:
		d.wrongType(n, "true or false")
	case v.Kind() == reflect.Int && got == "!!int":
		var i int
		if n.Decode(&i) != nil {
			d.wrongType(n, "a whole number that is not that large")
		}
		v.SetInt(int64(i))
	case v.Kind() == reflect.Int:
		d.wrongType(n, "a whole number")
	case got == "!!int" || got == "!!float":
		var f float64
		if n.Decode(&f) != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			d.wrongType(n, "a finite number")
		}
		v.SetFloat(f)
	default:
		d.wrongType(n, "a number")
	}
}

// tag returns the short YAML tag of a scalar and "" for anything else.
func tag(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.ShortTag()
}

func isNull(n *yaml.Node) bool { return tag(n) == "!!null" }

// describe says what a value is, for people.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.SequenceNode && len(n.Content) == 0:
		return "an empty list"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode && len(n.Content) == 0:
		return "an empty mapping"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case isNull(n):
		return "an empty value"
	case tag(n) == "!!str":
		return "the text " + strconv.Quote(clip(n.Value))
	case tag(n) == "!!int" || tag(n) == "!!float":
		return "the number " + clip(n.Value)
	default:
		return clip(n.Value)
	}
}

// clip shortens a value for a message.
func clip(text string) string {
	const longest = 40
	if r := []rune(text); len(r) > longest {
		return string(r[:longest]) + "..."
	}
	return text
}

// oneOf says which words are known, and which of them may have been meant.
func oneOf(word string, known []string) string {
	switch like := nearest(word, known); {
	case like != "":
		return fmt.Sprintf("did you mean %q? Known: %s", like, strings.Join(known, ", "))
	case len(known) == 1:
		return known[0]
	default:
		return "one of " + strings.Join(known, ", ")
	}
}

// A shape is the keys of a struct.
type shape struct {
	fields []field
	byKey  map[string]field
}

// A field is one key of a struct.
type field struct {
	key         string
	index       []int
	required    bool
	description string
	enum        []string
}

// shapeOf lists the keys of a struct by its tags. Fields of an embedded struct count as its own.
func (d *decoder) shapeOf(t reflect.Type) shape {
	if s, ok := d.shapes[t]; ok {
		return s
	}
	s := shape{byKey: make(map[string]field)}
	for _, f := range reflect.VisibleFields(t) {
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if key == "" || key == "-" {
			continue
		}
		one := field{key: key, index: f.Index, description: f.Tag.Get("jsonschema_description")}
		one.required = !slices.Contains(strings.Split(options, ","), "omitempty")
		for word := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
			if value, ok := strings.CutPrefix(word, "enum="); ok {
				one.enum = append(one.enum, value)
			}
		}
		s.fields = append(s.fields, one)
		s.byKey[key] = one
	}
	d.shapes[t] = s
	return s
}
