package config

import (
	"maps"
	"reflect"
	"slices"

	"github.com/breakwater-ci/breakwater/core"
)

// LoadPolicy reads a policy. The file is only a name for messages. What is wrong with the policy is an error of type
// [Mistakes].
func LoadPolicy(file string, text []byte, c Catalog) (*core.Policy, Places, error) {
	d := newDecoder(file, text)
	d.catalog = c
	p := new(core.Policy)
	root := d.parse(text, "a policy; README.md has one to begin with")
	if root != nil {
		d.value(root, reflect.ValueOf(p).Elem())
		d.checkFloors(&p.Floors)
		for i := range p.Rules {
			d.checkFloors(&p.Rules[i].Floors)
		}
		d.checkMatches(p)
	}
	if err := d.err(); err != nil {
		return nil, Places{}, err
	}
	return p, d.places(root), nil
}

// checkFloors looks for requirements that ask for nothing, and for drivers that do not exist: a floor that is misspelt
// would refuse every plan.
func (d *decoder) checkFloors(f *core.Floors) {
	for i := range f.Checks.Require {
		r := &f.Checks.Require[i]
		if at := d.seen[r]; !d.refused[at] && !d.given(&r.Name) && !d.given(&r.Kind) {
			d.mistake(at, "a name, a kind, or both", "any check would do for this")
		}
	}
	known := slices.Sorted(maps.Keys(d.catalog.Drivers))
	for i := range f.Drivers.Allow {
		name := &f.Drivers.Allow[i]
		if d.good(name) && !slices.Contains(known, *name) {
			d.mistake(d.seen[name], oneOf(*name, known), "there is no driver %q", clip(*name))
		}
	}
}

func (d *decoder) checkMatches(p *core.Policy) {
	for i := range p.Rules {
		m := &p.Rules[i].Match
		if at := d.seen[m]; at != nil && !d.refused[at] && !d.given(&m.Services) && !d.given(&m.Environments) {
			d.mistake(at, "services, environments or both; floors for every line need no rule", "this matches every line")
		}
	}
}
