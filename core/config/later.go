package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core"
)

// later lists what plans and policies are going to have and this version does not: a key, or "key: value".
var later = map[reflect.Type][]string{
	reflect.TypeFor[core.Deploy]():   laterDrivers,
	reflect.TypeFor[core.Rollback](): laterDrivers,

	reflect.TypeFor[core.DriverFloor](): allow(laterDrivers),
}

var laterDrivers = []string{"gitlab-pipeline"}

// allow is how a policy names drivers.
func allow(drivers []string) []string {
	var values []string
	for _, name := range drivers {
		values = append(values, "allow: "+name)
	}
	return values
}

// notYet notes a key, or a "key: value", that this version does not have yet; known are the values that it has. It
// reports whether what is one.
func (d *decoder) notYet(of reflect.Type, what string, n *yaml.Node, known []string) bool {
	if !slices.Contains(later[of], what) {
		return false
	}
	want := "remove it"
	if key, _, isValue := strings.Cut(what, ": "); isValue {
		want = fmt.Sprintf("another %s: %s", key, oneOf("", known))
	} else if slices.Contains(laterDrivers, what) {
		want = "another driver: " + oneOf("", slices.Sorted(maps.Keys(d.catalog.Drivers)))
	}
	d.mistake(n, want, "this version of Breakwater does not have %q yet", what)
	return true
}
