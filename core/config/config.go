// Package config reads plans: strict YAML to [core.Plan], every mistake at once and each with its place. The same
// types, tags and rules make the JSON Schema, so that loader and schema cannot drift apart.
//
//   - A key without omitempty in its json tag is required, for the loader and for the schema.
//   - What a value must keep beyond its type is one line in the table of rules.go.
//   - What a key means when it is absent is in defaults.go, nowhere else.
//   - What this version does not have yet is in the table of later.go.
//   - Aliases (*name) stand for what their anchor holds, up to a bound; merge keys (<<) are refused.
//   - ${NAME} is filled in sources, notify and the inputs of a workflow only, where $$ is a plain dollar. Commands and
//     queries own their dollars.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// A Catalog tells the loader which technologies exist.
type Catalog struct {
	Sources map[string]SourceKind // by the type of the source
	Drivers map[string]any        // by the name of the driver: pointer to its zero options, such as a *core.Command for run
	Rules   []string              // ids of the lint rules that a plan may waive
}

// A SourceKind is one technology that answers queries.
type SourceKind struct {
	// Options is a pointer to a zero struct. Its fields are described by json, jsonschema_description and
	// jsonschema:"enum=..." tags; the loader knows no other jsonschema keyword.
	Options any
	// CheckQuery says what is wrong with a query as it is written, its variables included. Nil accepts any text.
	CheckQuery func(query string) error
	// Alarms says that sources of this kind know alarms, Spans that a query of theirs always covers the window.
	Alarms, Spans bool
}

// Load reads a plan. The file is only a name for messages. lookup fills ${NAME} in sources, notify and the
// inputs of a workflow; with a nil lookup they stay as written, for commands that ask nobody. What is wrong with the plan is an error of type
// [Mistakes].
//
// [core.SourceSpec.Options], [core.Deploy.Options] and [core.Rollback.Options] are pointers to fresh copies of the
// types in the catalog.
func Load(file string, text []byte, lookup func(string) (string, bool), c Catalog) (*core.Plan, error) {
	plan, _, err := LoadPlaces(file, text, lookup, c)
	return plan, err
}

// LoadPlaces reads a plan, as [Load] does, and also returns where it says what.
func LoadPlaces(file string, text []byte, lookup func(string) (string, bool), c Catalog) (*core.Plan, Places, error) {
	d := newDecoder(file, text)
	d.lookup, d.catalog = lookup, c
	plan := new(core.Plan)
	root := d.parse(text, "a plan; README.md has one to begin with")
	if root != nil {
		d.value(root, reflect.ValueOf(plan).Elem())
		d.fillDefaults(plan)
		d.check(plan)
	}
	if err := d.err(); err != nil {
		return nil, Places{}, err
	}
	return plan, d.places(root), nil
}

// Targets reads a list of targets, as JSON or YAML, from a file or from what a command printed. The file is only a name
// for messages. What is wrong with the list is an error of type [Mistakes].
func Targets(file string, text []byte) ([]core.Target, error) {
	d := newDecoder(file, text)
	var targets []core.Target
	if root := d.parse(text, wantTargets); root != nil {
		d.targetList(root, &targets)
		d.fillTargets(targets)
		d.checkTargets(targets)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return targets, nil
}

// places are where a plan is looked for, below the root of a repository.
var places = []string{
	"breakwater.yaml", "breakwater.yml",
	".github/breakwater.yaml", ".github/breakwater.yml",
	".gitlab/breakwater.yaml", ".gitlab/breakwater.yml",
}

// Find returns the path of the plan below dir. None is an error; two are an error, because a
// plan that is there but not used is a trap.
func Find(dir string) (string, error) {
	var found []string
	for _, place := range places {
		path := filepath.Join(dir, filepath.FromSlash(place))
		switch _, err := os.Stat(path); {
		case err == nil:
			found = append(found, path)
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("look for a plan: %w", err)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no plan below %s: looked for %s; write one, or name it with --plan", dir, strings.Join(places, ", "))
	case 1:
		return found[0], nil
	default:
		return "", fmt.Errorf("more than one plan: %s; remove all but one, or name it with --plan", strings.Join(found, ", "))
	}
}
