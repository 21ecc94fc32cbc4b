package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/breakwater-ci/breakwater/core"
)

// Schema returns the JSON Schema (draft 2020-12) of a plan, for editors. The same catalog gives the same bytes. What
// only the loader can see, such as a name that is taken, the schema accepts.
func Schema(c Catalog) ([]byte, error) {
	g := newGenerator(c)
	plan := g.object(core.Plan{})
	g.defs["Target"] = g.object(core.Target{})
	g.defs["Command"] = exactlyOne(text(), g.object(commandForm{}))
	g.defs["SourceSpec"] = g.source()
	exclusive(g.defs["Check"], questions...)
	waivable, _ := g.defs["Waiver"].Properties.Get("rule")
	for _, id := range c.Rules {
		waivable.Enum = append(waivable.Enum, id)
	}
	compare := g.defs["Compare"]
	exclusive(compare, "errors", "histogram", "gauge")
	compare.DependentRequired = map[string][]string{"errors": {"total"}, "total": {"errors"}, "quantile": {"histogram"}}
	exclusive(g.defs["Deploy"], g.drivers()...)
	atMostOne(g.defs["Rollback"], g.drivers()...)
	dated, listed := required("from"), required("calendar")
	dated.Required, dated.Not = append(dated.Required, "to"), required("calendar")
	listed.Not = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{required("from"), required("to")}}
	g.defs["Freeze"].OneOf = []*jsonschema.Schema{dated, listed}
	g.defs["Windows"].AnyOf = []*jsonschema.Schema{required("allow"), required("freeze")}
	if deployed := g.defs["CodeDeploy"]; deployed != nil {
		exclusive(deployed, codeDeployed...)
	}
	if pipeline := g.defs["CodePipeline"]; pipeline != nil {
		pipeline.AnyOf = []*jsonschema.Schema{required("variables"), required("sources")}
	}
	if code := g.defs["LambdaCode"]; code != nil {
		archive := required("bucket")
		archive.Required = append(archive.Required, "key")
		code.OneOf = []*jsonschema.Schema{archive, required("image")}
		code.DependentRequired = map[string][]string{"bucket": {"key"}, "key": {"bucket"}}
	}
	g.defs["Threshold"].AnyOf = []*jsonschema.Schema{required("max"), required("min")}

	return g.write(plan, "Breakwater plan", "How one service goes out to one environment: in waves, each baked and judged before the next.")
}

// PolicySchema returns the JSON Schema (draft 2020-12) of a policy, for editors.
func PolicySchema(c Catalog) ([]byte, error) {
	g := newGenerator(c)
	policy := g.object(core.Policy{})
	g.defs["CheckMatch"].AnyOf = []*jsonschema.Schema{required("kind"), required("name")}
	g.defs["LineMatch"].AnyOf = []*jsonschema.Schema{required("environments"), required("services")}
	allowed, _ := g.defs["DriverFloor"].Properties.Get("allow")
	for _, name := range g.drivers() {
		allowed.Items.Enum = append(allowed.Items.Enum, name)
	}
	return g.write(policy, "Breakwater policy", "What plans must keep to, whoever writes them.")
}

// write writes the schema of a whole file with what it refers to.
func (g *generator) write(s *jsonschema.Schema, title, description string) ([]byte, error) {
	s.Version, s.Title, s.Description, s.Definitions = jsonschema.Version, title, description, g.defs
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return append(text, '\n'), nil
}

// A generator makes schemas of the types that the loader decodes into.
type generator struct {
	catalog Catalog
	types   map[string]reflect.Type // by the name of their definition
	defs    jsonschema.Definitions
}

func newGenerator(c Catalog) *generator {
	return &generator{catalog: c, types: make(map[string]reflect.Type), defs: make(jsonschema.Definitions)}
}

// commandForm is the long form of a command.
type commandForm core.Command

// object returns the schema of a struct and defines the structs in it.
func (g *generator) object(v any) *jsonschema.Schema {
	r := &jsonschema.Reflector{
		Anonymous: true, ExpandedStruct: true, Namer: g.name, Mapper: g.form, AdditionalFields: g.driverFields,
	}
	s := r.Reflect(v)
	constrain(s, reflect.TypeOf(v))
	for name, def := range s.Definitions {
		constrain(def, g.types[name])
		g.defs[name] = def
	}
	s.Version, s.Definitions = "", nil
	return s
}

// name names the definition of a struct: the options of two technologies may have the same name in Go.
func (g *generator) name(t reflect.Type) string {
	if t.Kind() != reflect.Struct {
		return ""
	}
	name := t.Name()
	if t.PkgPath() != reflect.TypeFor[core.Plan]().PkgPath() {
		name = t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:] + "." + name
	}
	g.types[name] = t
	return name
}

// form returns the schema of a type with a form of its own, see forms.go; nil for any other.
func (g *generator) form(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return pattern(durationForm)
	case reflect.TypeFor[core.Date]():
		return pattern(dateForm)
	case reflect.TypeFor[core.Ratio]():
		return pattern(ratioForm)
	case reflect.TypeFor[core.Control]():
		return exactlyOne(&jsonschema.Schema{Enum: []any{core.ControlPending, core.ControlBefore}}, g.object(controlForm{}))
	case reflect.TypeFor[core.Breaches]():
		return pattern(breachesForm)
	case reflect.TypeFor[core.Hours]():
		return pattern(hoursForm)
	case reflect.TypeFor[core.Moment]():
		return pattern(momentForm)
	case reflect.TypeFor[core.Secret]():
		return text()
	case reflect.TypeFor[core.Amount]():
		percent := pattern(percentForm)
		percent.AllOf = []*jsonschema.Schema{{Pattern: positive}}
		return exactlyOne(&jsonschema.Schema{Type: "integer", Minimum: "0"}, percent)
	case reflect.TypeFor[core.Select]():
		values := list(text())
		values.UniqueItems = true
		labels := &jsonschema.Schema{
			Type: "object", AdditionalProperties: exactlyOne(text(), values), MinProperties: new(uint64(1)),
			PropertyNames: new(jsonschema.Schema),
		}
		labelRule.schema(labels.PropertyNames)
		return exactlyOne(&jsonschema.Schema{Const: "all"}, labels)
	case reflect.TypeFor[core.Targets]():
		forms := g.object(targetsForm{})
		exclusive(forms, "file", "run")
		return exactlyOne(list(ref("Target")), forms)
	case reflect.TypeFor[core.Command]():
		return ref("Command")
	case reflect.TypeFor[core.SourceSpec]():
		return ref("SourceSpec")
	}
	return nil
}

// targetsForm is where targets come from, if they are not in the plan.
type targetsForm core.Targets

// source returns the schema of any source: its type says which options it has.
func (g *generator) source() *jsonschema.Schema {
	kinds := new(jsonschema.Schema)
	for _, name := range slices.Sorted(maps.Keys(g.catalog.Sources)) {
		kind := g.object(reflect.ValueOf(g.catalog.Sources[name].Options).Elem().Interface())
		kind.Properties.Set("type", &jsonschema.Schema{Const: name, Description: "The kind of source."})
		kind.Required = append([]string{"type"}, kind.Required...)
		kinds.OneOf = append(kinds.OneOf, kind)
	}
	return kinds
}

func (g *generator) drivers() []string { return slices.Sorted(maps.Keys(g.catalog.Drivers)) }

// driverFields adds one key for each driver where a driver may stand.
func (g *generator) driverFields(t reflect.Type) []reflect.StructField {
	if t != reflect.TypeFor[core.Deploy]() && t != reflect.TypeFor[core.Rollback]() {
		return nil
	}
	var fields []reflect.StructField
	for i, name := range g.drivers() {
		tag := fmt.Sprintf(`json:"%s,omitempty" jsonschema_description:"The driver %s."`, name, name)
		fields = append(fields, reflect.StructField{
			Name: fmt.Sprintf("Driver%d", i), Type: reflect.TypeOf(g.catalog.Drivers[name]), Tag: reflect.StructTag(tag),
		})
	}
	return fields
}

// constrain says in the schema of a struct what the loader asks of every text, and what the rules ask of its keys.
func constrain(s *jsonschema.Schema, t reflect.Type) {
	for key, property := range s.Properties.FromOldest() {
		notBlank(property)
		if property.Items != nil {
			notBlank(property.Items)
		}
		r := rules[spot{t, key}]
		if r.schema != nil {
			r.schema(property)
		}
		if r.keys != nil {
			property.PropertyNames = new(jsonschema.Schema)
			r.keys.schema(property.PropertyNames)
		}
	}
}

func notBlank(s *jsonschema.Schema) {
	if s.Type == "string" && s.Enum == nil && s.Pattern == "" {
		s.Pattern = blankless
	}
}

func pattern(p string) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Pattern: p} }

func text() *jsonschema.Schema { return pattern(blankless) }

func ref(name string) *jsonschema.Schema { return &jsonschema.Schema{Ref: "#/$defs/" + name} }

func list(of *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "array", Items: of, MinItems: new(uint64(1))}
}

func exactlyOne(of ...*jsonschema.Schema) *jsonschema.Schema { return &jsonschema.Schema{OneOf: of} }

func required(key string) *jsonschema.Schema { return &jsonschema.Schema{Required: []string{key}} }

// exclusive asks for exactly one of the keys, atMostOne for one or none.
func exclusive(s *jsonschema.Schema, keys ...string) {
	for _, key := range keys {
		s.OneOf = append(s.OneOf, required(key))
	}
}

func atMostOne(s *jsonschema.Schema, keys ...string) {
	none := new(jsonschema.Schema)
	for _, key := range keys {
		none.AnyOf = append(none.AnyOf, required(key))
	}
	exclusive(s, keys...)
	s.OneOf = append(s.OneOf, &jsonschema.Schema{Not: none})
}
