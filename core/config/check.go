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
	d.checkRollback(p)
	d.checkAWS(p)
	d.checkRequires(p)
	unique(d, "checks", p.Checks, func(c *core.Check) *string { return &c.Name })
	for i := range p.Checks {
		d.checkCheck(p, &p.Checks[i])
	}
	for i := range p.Waive {
		if rule := &p.Waive[i].Rule; d.good(rule) && !slices.Contains(d.catalog.Rules, *rule) {
			d.mistake(d.seen[rule], oneOf(*rule, d.catalog.Rules), "there is no rule %q that could be waived", clip(*rule))
		}
	}
}

// checkRollback looks for what the rest of the plan makes impossible.
func (d *decoder) checkRollback(p *core.Plan) {
	r := &p.Rollback.Rehearse
	rehearses := d.good(r) && *r != ""
	if rehearses && p.Activate {
		d.mistake(d.seen[r], "no rollback.rehearse, or no activate", "a release that must not be rolled back across cannot rehearse a rollback")
	}
	if rehearses && p.DeployedByJobs() {
		d.mistake(d.seen[r], "no rollback.rehearse, or another driver", "jobs deploy, and those cannot be started for a try")
	}
	if p.Rollback.Driver == core.DriverJobs {
		d.mistake(d.seen[p.Rollback.Options], "the name of those jobs in deploy: {jobs: {rollback: ...}}", "jobs put back what jobs deployed, without a word")
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

// questions are the keys of a check of which it has exactly one.
var questions = []string{"alarms", "burn_rate", "compare", "run", "threshold"}

func (d *decoder) checkCheck(p *core.Plan, c *core.Check) {
	at, want := d.seen[c], "one of "+strings.Join(questions, ", ")
	asks := 0
	for _, question := range []any{&c.Alarms, &c.BurnRate, &c.Compare, &c.Run, &c.Threshold} {
		if d.given(question) {
			asks++
		}
	}
	switch {
	case asks > 1:
		d.mistake(at, want+"; make several checks of it", "this check asks several questions")
	case asks == 0 && !d.refused[at]:
		d.mistake(at, want, "this check asks nothing")
	}
	if d.good(&c.Threshold) {
		d.checkThreshold(p, c.Threshold, d.seen[&c.Threshold])
	}
	if d.good(&c.Compare) {
		d.checkCompare(p, c.Compare, d.seen[&c.Compare])
	}
	if d.good(&c.BurnRate) {
		d.checkBurnRate(p, c.BurnRate)
	}
	if d.good(&c.Alarms) {
		d.checkAlarms(p, c.Alarms)
	}
}

func (d *decoder) checkThreshold(p *core.Plan, t *core.Threshold, at *yaml.Node) {
	switch {
	case t.Max == nil && t.Min == nil:
		d.mistake(at, "max, min or both", "this threshold has no limit")
	case d.good(&t.Max) && d.good(&t.Min) && *t.Min > *t.Max:
		d.mistake(d.seen[&t.Min], fmt.Sprintf("min at most max, %v", *t.Max),
			"no value can be above %v and below %v", *t.Min, *t.Max)
	}
	d.checkQuery(p, &t.Source, &t.Query)
}

// checkCompare sees to it that a comparison has one kind of numbers, that its two arms differ, and that no event is
// counted twice.
func (d *decoder) checkCompare(p *core.Plan, c *core.Compare, at *yaml.Node) {
	const kinds = "errors with total, or histogram, or gauge"
	counts := d.given(&c.Errors) || d.given(&c.Total)
	switch n := len(slices.DeleteFunc([]bool{counts, d.given(&c.Histogram), d.given(&c.Gauge)}, func(b bool) bool { return !b })); {
	case n == 0 && !d.refused[at]:
		d.mistake(at, kinds, "this comparison has no query")
	case n > 1:
		d.mistake(at, kinds+"; make several checks of it", "this comparison has several kinds of numbers")
	case counts && !d.given(&c.Total):
		d.mistake(at, "total: the query that counts all of them", "the errors have no total to be a share of")
	case counts && !d.given(&c.Errors):
		d.mistake(at, "errors: the query that counts those that went wrong", "there is a total and no errors")
	}
	if d.given(&c.Quantile) && !d.given(&c.Histogram) {
		d.mistake(d.seen[&c.Quantile], "quantile beside histogram only", "there is no histogram that this could be a quantile of")
	}
	if d.good(&c.Method) && c.Method == core.MethodMannWhitney && !d.given(&c.Gauge) {
		d.mistake(d.seen[&c.Method], "mann-whitney beside gauge only; counts and histograms are judged by their events",
			"this method compares levels")
	}
	d.checkSource(p, &c.Source)
	for _, query := range []*string{&c.Errors, &c.Total, &c.Histogram, &c.Gauge} {
		if !d.checkText(p, c.Source, query) {
			continue
		}
		if c.Control.Kind == core.ControlPending && !strings.Contains(*query, "$targets") && !strings.Contains(*query, "$labels.") {
			d.mistake(d.seen[query], "$targets or $labels.NAME in it, or another control",
				"this query says the same of the wave and of its control, the pending targets")
		}
		if query != &c.Gauge {
			d.checkWindow(p, c.Source, query)
		}
	}
}

// checkWindow sees to it that a query that counts does so over the window that it is asked about.
func (d *decoder) checkWindow(p *core.Plan, source string, query *string) {
	if kind, known := d.catalog.Sources[p.Sources[source].Type]; !known || kind.Spans ||
		strings.Contains(*query, "$window") || strings.Contains(*query, "$from") {
		return
	}
	d.mistake(d.seen[query], "$window in it, as in increase(...[$window])",
		"this query counts over a time of its own, so that looks would count the same events twice, or miss some")
}

func (d *decoder) checkBurnRate(p *core.Plan, b *core.BurnRate) {
	d.checkSource(p, &b.Source)
	for _, query := range []*string{&b.Errors, &b.Total} {
		if d.checkText(p, b.Source, query) {
			d.checkWindow(p, b.Source, query)
		}
	}
	for i := range b.Windows {
		if w := &b.Windows[i]; d.good(&w.Long) && d.good(&w.Short) && w.Short >= w.Long {
			d.mistake(d.seen[&w.Short], fmt.Sprintf("a window shorter than long, %s; a twelfth of it is usual", core.Brief(w.Long)),
				"short, %s, is not shorter than long", core.Brief(w.Short))
		}
	}
}

func (d *decoder) checkAlarms(p *core.Plan, a *core.AlarmNames) {
	d.checkSource(p, &a.Source)
	spec, named := p.Sources[a.Source]
	if kind, known := d.catalog.Sources[spec.Type]; d.good(&a.Source) && named && known && !kind.Alarms {
		var able []string
		for _, name := range slices.Sorted(maps.Keys(d.catalog.Sources)) {
			if d.catalog.Sources[name].Alarms {
				able = append(able, name)
			}
		}
		d.mistake(d.seen[&a.Source], "a source of type "+strings.Join(able, ", "), "source %s, which is %s, knows no alarms", a.Source, spec.Type)
	}
}

// checkQuery checks that the source of a query exists and understands it.
func (d *decoder) checkQuery(p *core.Plan, source, query *string) {
	d.checkSource(p, source)
	d.checkText(p, *source, query)
}

func (d *decoder) checkSource(p *core.Plan, source *string) {
	if _, known := p.Sources[*source]; d.good(source) && !known {
		d.mistake(d.seen[source], wantSource(*source, slices.Sorted(maps.Keys(p.Sources))), "there is no source %q", *source)
	}
}

// checkText checks that the source understands a query. It reports whether there is a query without a mistake.
func (d *decoder) checkText(p *core.Plan, source string, query *string) bool {
	if !d.good(query) {
		return false
	}
	at := d.seen[query]
	unknown := unknownVariables(*query)
	for _, name := range unknown {
		d.mistake(at, "one of "+strings.Join(variables, ", ")+"; a dollar before a letter begins a variable",
			"there is no variable %s", name)
	}
	spec := p.Sources[source]
	if kind := d.catalog.Sources[spec.Type]; kind.CheckQuery != nil && len(unknown) == 0 {
		if err := kind.CheckQuery(*query); err != nil {
			d.mistake(at, fmt.Sprintf("a query of source %s, which is %s", source, spec.Type), "%v", err)
			return false
		}
	}
	return len(unknown) == 0
}

func wantSource(name string, known []string) string {
	if len(known) == 0 {
		return "a source of this name under the key sources"
	}
	return oneOf(name, known)
}
