package config

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// onlyLoader lists the bad plans that the schema accepts, or never gets to see, and why.
var onlyLoader = map[string]string{
	"alias-bomb":               aliases,
	"alias-of-itself":          notValue,
	"amount-large":             "a schema knows no largest whole number of a machine",
	"bad-json":                 notValue,
	"bad-indent":               notValue,
	"bad-variable":             "${NAME} is text to the schema",
	"bake-cross":               together,
	"bake-cross-wave":          together,
	"breaches-cross":           "a pattern cannot compare two numbers",
	"control-character":        notValue,
	"duplicate-key":            notValue,
	"duplicate-names":          together,
	"duration-too-long":        "a pattern cannot add up",
	"key-not-text":             notValue,
	"codepipeline-bake-loader": together,
	"ecs-back-loader":          together,
	"ecs-loader":               together,
	"ecs-pause-loader":         together,
	"requires-builds-loader":   together,
	"requires-nothing-loader":  together,
	"lambda-loader":            together,
	"line-separator":           "YAML allows it; the loader does not, because editors count lines differently there",
	"merge-key":                aliases,
	"no-sources":               together,
	"not-finite":               notValue,
	"not-utf8":                 notValue,
	"nothing-left":             together,
	"query":                    query,
	"query-until":              query,
	"query-variables":          query,
	"tabs":                     notValue,
	"rehearse":                 together,
	"threshold-cross":          together,
	"two-documents":            "an editor looks at each document alone",
	"unclosed":                 notValue,
	"unknown-anchor":           notValue,
	"unknown-source":           together,
	"unset-variable":           "the schema knows no environment",
	"utf16":                    "an editor sees the text, not its bytes",
	"version-float":            "to JSON, 1.0 is 1",
	"waive-calendar":           "a pattern knows no calendar",
	"yaml-tags":                "tags are gone once YAML is a value",

	"windows-freeze-loader": "a schema knows no calendar and cannot compare two places",
	"windows-hours-loader":  "a schema knows no days and no time zones, only how they are written",
}

const (
	aliases  = "aliases are gone once YAML is a value"
	notValue = "YAML makes no JSON value of it, so there is nothing that the schema could see"
	together = "each value alone is right; a schema cannot compare two places"
	query    = "only the source knows its query language"
)

// TestSchemaAgrees proves that loader and schema judge every plan alike.
func TestSchemaAgrees(t *testing.T) {
	schema := compiled(t)
	for _, file := range files(t, "good/*.yaml") {
		value, err := jsonOf(read(t, file))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		} else if err := schema.Validate(value); err != nil {
			t.Errorf("%s: the loader accepts it, the schema does not: %#v", file, err)
		}
	}
	left := len(onlyLoader)
	for _, file := range files(t, "bad/*.yaml") {
		value, err := jsonOf(read(t, file))
		refuses := err == nil && schema.Validate(value) != nil
		why, listed := onlyLoader[strings.TrimSuffix(filepath.Base(file), ".yaml")]
		switch {
		case refuses && listed:
			t.Errorf("%s: the schema refuses it; take it out of onlyLoader", file)
		case !refuses && !listed:
			t.Errorf("%s: the loader refuses it, the schema does not (as JSON: %v)", file, err)
		case listed && why == "":
			t.Errorf("%s: why can only the loader see it?", file)
		case listed:
			left--
		}
	}
	if left != 0 {
		t.Errorf("onlyLoader names %d files that are not there", left)
	}
}

// TestSchema keeps the schema stable, and says when it changes.
func TestSchema(t *testing.T) {
	first, err := Schema(catalog())
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if again, err := Schema(catalog()); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("the same catalog gives another schema: %v", err)
		}
	}
	golden(t, filepath.Join("testdata", "schema.golden"), first)
}

// TestSchemaDescribes finds keys that editors could not explain.
func TestSchemaDescribes(t *testing.T) {
	text, err := Schema(catalog())
	if err != nil {
		t.Fatal(err)
	}
	describes(t, text)
}

// describes finds the properties of a schema that have no description.
func describes(t *testing.T, text []byte) {
	t.Helper()
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case []any:
			for _, child := range v {
				walk(path, child)
			}
		case map[string]any:
			properties, _ := v["properties"].(map[string]any)
			for key, property := range properties {
				if p := property.(map[string]any); p["description"] == nil {
					t.Errorf("%s.%s has no description", path, key)
				}
			}
			for key, child := range v {
				walk(path+"."+key, child)
			}
		}
	}
	var schema any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	walk("", schema)
}

// TestSchemaOfTwoDrivers asks for exactly one driver to deploy and at most one to roll back.
func TestSchemaOfTwoDrivers(t *testing.T) {
	schema := compile(t, twoDrivers())
	plan := string(read(t, filepath.Join(plans, "good", "least.yaml")))
	for text, ok := range map[string]bool{
		"deploy: {run: x}":                                                      true,
		"deploy: {drill: {depth: 1}}":                                           true,
		"deploy: {}":                                                            false,
		"deploy: {run: x, drill: {depth: 1}}":                                   false,
		"deploy: {drill: {depth: deep}}":                                        false,
		"deploy: {run: x}\nrollback: {drill: {depth: 1}}":                       true,
		"deploy: {run: x}\nrollback: {}":                                        true,
		"deploy: {run: x}\nrollback: {run: x, drill: {depth: 1}}":               false,
		"deploy: {run: x}\nrollback: {when: [], drill: {}, scope: wave}":        false,
		"deploy: {run: x}\nrollback: {when: [], run: {script: x}, scope: wave}": true,
	} {
		text = strings.Replace(plan, "deploy: {run: ./deploy.sh}", text, 1)
		value, err := jsonOf([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); (err == nil) != ok {
			t.Errorf("schema: %s: %v", text, err)
		}
		if _, err := Load("p", []byte(text), nil, twoDrivers()); (err == nil) != ok {
			t.Errorf("loader: %s: %v", text, err)
		}
	}
}

func compiled(t testing.TB) *validator.Schema { return compile(t, catalog()) }

func compile(t testing.TB, c Catalog) *validator.Schema {
	t.Helper()
	text, err := Schema(c)
	if err != nil {
		t.Fatal(err)
	}
	return compileText(t, text)
}

func compileText(t testing.TB, text []byte) *validator.Schema {
	t.Helper()
	value, err := validator.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := validator.NewCompiler()
	if err := compiler.AddResource("plan.json", value); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("plan.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// jsonOf is how an editor sees a plan: the first YAML document, as JSON. A date is text to it, as YAML 1.2 has it.
func jsonOf(text []byte) (any, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	datesAreText(&document)
	var value any
	if err := document.Decode(&value); err != nil {
		return nil, err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return validator.UnmarshalJSON(bytes.NewReader(text))
}

func datesAreText(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!timestamp" {
		n.Tag = "!!str"
	}
	for _, child := range n.Content {
		datesAreText(child)
	}
}
