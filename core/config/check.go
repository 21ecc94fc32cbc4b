package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core"
)

// check looks for what one value alone cannot show: names that are taken or unknown, bounds that cross, kinds that
// exclude each other. A value that is wrong in itself is left alone here.
func (d *decoder) check(p *core.Plan) {
	d.checkTargets(p.Targets.List)
	d.checkWaves(p.Waves)
	d.checkWindows(p)
	d.checkBake(&p.Bake, &p.Bake)
	if u := p.Bake.Until; u != nil {
		d.checkQuery(p, &u.Source, &u.Query)
	}
	for i := range p.Waves {
		b := &p.Waves[i].Bake
		d.checkBake(b, &p.Bake)
		if d.given(&b.Until) {
			d.checkQuery(p, &b.Until.Source, &b.Until.Query)
		}
	}
	unique(d, "checks", p.Checks, func(c *core.Check) *string { return &c.Name })
	for i := range p.Checks {
		d.checkCheck(p, &p.Checks[i])
	}
}

func (d *decoder) checkTargets(targets []core.Target) {
	unique(d, "targets", targets, func(t *core.Target) *string { return &t.Name })
}

// checkWaves also sees waves that can get no target, whatever the targets are.
func (d *decoder) checkWaves(waves []core.WaveRule) {
	unique(d, "waves", waves, func(w *core.WaveRule) *string { return &w.Name })
	rest := slices.IndexFunc(waves, func(w core.WaveRule) bool { return w.Select.All })
	if rest < 0 {
		return
	}
	for i := rest + 1; i < len(waves); i++ {
		if w := &waves[i]; d.good(&w.Select) {
			d.mistake(d.seen[&w.Select], "the wave that takes all in the last place",
				"nothing is left for this wave: wave %q takes all", waves[rest].Name)
		}
	}
}

// checkBake compares the keys of a bake. A mistake is shown at the wave's own key where it has one.
func (d *decoder) checkBake(b, plan *core.Bake) {
	if d.bad(&b.Min) || d.bad(&b.Max) || d.bad(&b.Every) || d.bad(&plan.Min) || d.bad(&plan.Max) || d.bad(&plan.Every) {
		return
	}
	place := func(own ...any) *yaml.Node {
		for _, p := range own {
			if d.given(p) {
				return d.seen[p]
			}
		}
		return nil // only defaults meet, and those fit each other
	}
	if at := place(&b.Max, &b.Min); at != nil && b.Max < b.Min {
		d.mistake(at, fmt.Sprintf("max at least as long as min, %s", core.Brief(b.Min)),
			"max, %s, is shorter than min, %s", core.Brief(b.Max), core.Brief(b.Min))
	}
	if at := place(&b.Every, &b.Min); at != nil && b.Min > 0 && b.Every > b.Min {
		d.mistake(at, fmt.Sprintf("every at most as long as min, %s", core.Brief(b.Min)),
			"with every %s and min %s a bake could end before it is looked at", core.Brief(b.Every), core.Brief(b.Min))
	}
}

func (d *decoder) checkCheck(p *core.Plan, c *core.Check) {
	at := d.seen[c]
	switch {
	case d.given(&c.Threshold) && d.given(&c.Run):
		d.mistake(at, "one of threshold and run; make two checks of it", "this check asks two questions")
	case !d.given(&c.Threshold) && !d.given(&c.Run) && !d.refused[at]:
		d.mistake(at, "one of threshold and run", "this check asks nothing")
	}
	t := c.Threshold
	if t == nil || d.bad(&c.Threshold) {
		return
	}
	switch at := d.seen[&c.Threshold]; {
	case t.Max == nil && t.Min == nil:
		d.mistake(at, "max, min or both", "this threshold has no limit")
	case d.good(&t.Max) && d.good(&t.Min) && *t.Min > *t.Max:
		d.mistake(d.seen[&t.Min], fmt.Sprintf("min at most max, %v", *t.Max),
			"no value can be above %v and below %v", *t.Min, *t.Max)
	}
	d.checkQuery(p, &t.Source, &t.Query)
}

// checkQuery checks that the source of a query exists and understands it.
func (d *decoder) checkQuery(p *core.Plan, source, query *string) {
	spec, known := p.Sources[*source]
	if d.good(source) && !known {
		d.mistake(d.seen[source], wantSource(*source, slices.Sorted(maps.Keys(p.Sources))), "there is no source %q", *source)
	}
	if !d.good(query) {
		return
	}
	at := d.seen[query]
	unknown := unknownVariables(*query)
	for _, name := range unknown {
		d.mistake(at, "one of "+strings.Join(variables, ", ")+"; a dollar before a letter begins a variable",
			"there is no variable %s", name)
	}
	if kind := d.catalog.Sources[spec.Type]; kind.CheckQuery != nil && len(unknown) == 0 {
		if err := kind.CheckQuery(*query); err != nil {
			d.mistake(at, fmt.Sprintf("a query of source %s, which is %s", *source, spec.Type), "%v", err)
		}
	}
}

func wantSource(name string, known []string) string {
	if len(known) == 0 {
		return "a source of this name under the key sources"
	}
	return oneOf(name, known)
}
