package config

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core"
)

// The forms of values that are more than text, number or list. The patterns are those of the schema too.
const (
	durationForm = `^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d|w))+$`
	percentForm  = `^(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%$`
	dateForm     = `^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`
	ratioForm    = `^[0-9]{1,4}(\.[0-9]+)?%$`
	breachesForm = `^[1-9][0-9]{0,3} of [1-9][0-9]{0,3}$`
	// blankless is a text with something in it, positive a number with something in it.
	blankless = `\S`
	positive  = `[1-9]`
)

var (
	isDuration   = regexp.MustCompile(durationForm)
	durationPart = regexp.MustCompile(`([0-9.]+)([a-z]+)`)
	isDate       = regexp.MustCompile(dateForm)
	isPercent    = regexp.MustCompile(percentForm)
	isRatio      = regexp.MustCompile(ratioForm)
	isBreaches   = regexp.MustCompile(breachesForm)
)

const (
	wantDuration = "a duration such as 30s, 15m, 1h30m, 2d or 1w"
	wantDate     = "a day such as 2027-03-01"
	wantRatio    = "a percentage such as 0.1% or 10%"
	wantAmount   = "a whole number such as 4, or a share such as 25%"
	wantTargets  = "a list with at least one target, such as [{name: a, labels: {region: us-east-1}}]"
	// longest bounds durations, so that sums and multiples of them cannot overflow.
	longest = 366 * 24 * time.Hour
)

// duration decodes Go's durations, with days and weeks too.
func (d *decoder) duration(n *yaml.Node, p *time.Duration) {
	if tag(n) != "!!str" || !isDuration.MatchString(n.Value) {
		d.wrongType(n, wantDuration)
		return
	}
	sum := nanoseconds(n.Value)
	if sum > float64(longest) {
		d.refuse(n, "at most a year: 366d", "%s is too long", clip(n.Value))
		return
	}
	*p = time.Duration(sum)
}

// nanoseconds adds up the parts of a duration that has the right form.
func nanoseconds(text string) float64 {
	var sum float64
	for _, part := range durationPart.FindAllStringSubmatch(text, -1) {
		number, unit, times := part[1], part[2], 1.0
		switch unit {
		case "d":
			unit, times = "h", 24
		case "w":
			unit, times = "h", 7*24
		}
		one, err := time.ParseDuration(number + unit)
		if err != nil {
			sum = math.Inf(1)
		}
		sum += float64(one) * times
	}
	return sum
}

// Duration reads a duration in the form that plans have.
func Duration(text string) (time.Duration, error) {
	if !isDuration.MatchString(text) {
		return 0, fmt.Errorf("%q does not fit here: want %s", clip(text), wantDuration)
	}
	sum := nanoseconds(text)
	if sum > float64(math.MaxInt64)/2 {
		return 0, fmt.Errorf("%q is too long", clip(text))
	}
	return time.Duration(sum), nil
}

// date decodes a day, which YAML may take for a time.
func (d *decoder) date(n *yaml.Node, p *core.Date) {
	if got := tag(n); got != "!!timestamp" && got != "!!str" || !isDate.MatchString(n.Value) {
		d.wrongType(n, wantDate)
		return
	}
	day, err := core.ParseDate(n.Value)
	if err != nil {
		d.refuse(n, wantDate, "the calendar has no %s", n.Value)
	}
	*p = day
}

// amount decodes a number or a share: 4 or 25%.
func (d *decoder) amount(n *yaml.Node, p *core.Amount) {
	p.Set = true
	switch tag(n) {
	case "!!int":
		if n.Decode(&p.Count) != nil || p.Count < 0 || p.Count > math.MaxInt32 {
			d.wrongType(n, wantAmount)
		}
	case "!!str":
		if isPercent.MatchString(n.Value) {
			p.Percent, _ = strconv.ParseFloat(strings.TrimSuffix(n.Value, "%"), 64)
		}
		if p.Percent == 0 {
			d.wrongType(n, wantAmount+", above 0% and at most 100%")
		}
	default:
		d.wrongType(n, wantAmount)
	}
}

// ratio decodes a share or a change: 0.1%, 150%.
func (d *decoder) ratio(n *yaml.Node, p *core.Ratio) {
	if tag(n) != "!!str" || !isRatio.MatchString(n.Value) {
		d.wrongType(n, wantRatio)
		return
	}
	percent, _ := strconv.ParseFloat(strings.TrimSuffix(n.Value, "%"), 64)
	*p = core.Ratio(percent / 100)
}

// control decodes pending, before or {weeks: n}.
func (d *decoder) control(n *yaml.Node, p *core.Control) {
	if n.Kind == yaml.MappingNode {
		var form controlForm
		d.object(n, reflect.ValueOf(&form).Elem(), nil)
		*p = core.Control{Kind: core.ControlWeeks, Weeks: form.Weeks}
		return
	}
	p.Kind = core.ControlKind(n.Value)
	if tag(n) != "!!str" || p.Kind != core.ControlPending && p.Kind != core.ControlBefore {
		d.wrongType(n, "pending, before, or {weeks: 4}")
	}
}

// controlForm is the form of a control that is more than a word.
type controlForm struct {
	Weeks int `json:"weeks" jsonschema_description:"How many past weeks to compare with, 1 to 12."`
}

// breaches decodes m of n.
func (d *decoder) breaches(n *yaml.Node, p *core.Breaches) {
	const want = "m of n with m at most n, such as 3 of 5"
	if tag(n) != "!!str" || !isBreaches.MatchString(n.Value) {
		d.wrongType(n, want)
		return
	}
	m, of, _ := strings.Cut(n.Value, " of ")
	p.M, _ = strconv.Atoi(m)
	p.N, _ = strconv.Atoi(of)
	if p.M > p.N {
		d.refuse(n, want, "%d of %d can never be", p.M, p.N)
	}
}

// selection decodes all, or a mapping from label to a value or a list of values.
func (d *decoder) selection(n *yaml.Node, p *core.Select) {
	if tag(n) == "!!str" && n.Value == "all" {
		p.All = true
		return
	}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		d.wrongType(n, "all, or labels such as {region: us-east-1} or {region: [us-east-1, us-east-2]}")
		return
	}
	p.Labels = make(map[string][]string)
	d.checkKeys(n, labelRule)
	d.pairs(n, func(key, value *yaml.Node) {
		choices := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			choices = value.Content
		}
		if len(choices) == 0 {
			d.refuse(value, "a value, or a list of values of which any may match", "the list is empty")
		}
		for _, choice := range choices {
			text, ok := d.text(choice, false)
			if ok && slices.Contains(p.Labels[key.Value], text) {
				d.refuse(choice, "each value once", "%q is here twice", clip(text))
			}
			p.Labels[key.Value] = append(p.Labels[key.Value], text)
		}
	})
}

// command decodes a script, or {script, shell}.
func (d *decoder) command(n *yaml.Node, p *core.Command) {
	p.Shell = "sh"
	if n.Kind == yaml.MappingNode {
		d.object(n, reflect.ValueOf(p).Elem(), nil)
		return
	}
	if tag(n) != "!!str" {
		d.wrongType(n, "a script, or {script: ..., shell: bash}")
		return
	}
	p.Script, _ = d.text(n, false)
}

// targets decodes a list, {file: ...} or {run: ...}.
func (d *decoder) targets(n *yaml.Node, p *core.Targets) {
	const want = "a list of targets, {file: targets.json} or {run: ./list-targets.sh}"
	switch n.Kind {
	case yaml.SequenceNode:
		d.targetList(n, &p.List)
	case yaml.MappingNode:
		d.object(n, reflect.ValueOf(p).Elem(), nil)
		if !d.refused[n] && d.given(&p.File) == d.given(&p.Run) {
			d.refuse(n, want, "targets come from exactly one of file and run")
		}
	default:
		d.wrongType(n, want)
	}
}

func (d *decoder) targetList(n *yaml.Node, p *[]core.Target) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		d.wrongType(n, wantTargets)
		return
	}
	d.list(n, reflect.ValueOf(p).Elem())
}

// source decodes {type: ..., and the options of that kind}.
func (d *decoder) source(n *yaml.Node, p *core.SourceSpec) {
	kinds := slices.Sorted(maps.Keys(d.catalog.Sources))
	if n.Kind != yaml.MappingNode {
		d.wrongType(n, "a mapping with a type, "+oneOf("", kinds))
		return
	}
	typed := valueOf("type", n)
	if typed == nil {
		d.refuse(n, "type: "+oneOf("", kinds), "the key %q is missing", "type")
		return
	}
	kind, ok := d.catalog.Sources[typed.Value]
	switch {
	case tag(typed) != "!!str":
		d.wrongType(typed, oneOf("", kinds))
		return
	case !ok:
		d.mistake(typed, oneOf(typed.Value, kinds), "there is no source of type %q", clip(typed.Value))
		return
	}
	p.Type = typed.Value
	options := fresh(kind.Options)
	d.filling = true
	d.seen[options.Interface()] = n
	d.object(n, options.Elem(), map[string]func(*yaml.Node){"type": func(*yaml.Node) {}})
	d.filling = false
	p.Options = options.Interface()
}

// valueOf returns the value of a key of a mapping, nil if it has none.
func valueOf(key string, n *yaml.Node) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// driven decodes a struct with one driver beside its own keys: the driver's name is the key of its options.
func (d *decoder) driven(n *yaml.Node, v reflect.Value, driver *string, options *any, required bool) {
	names := slices.Sorted(maps.Keys(d.catalog.Drivers))
	drivers := make(map[string]func(*yaml.Node))
	for _, name := range names {
		drivers[name] = func(value *yaml.Node) {
			if *driver != "" {
				d.refuse(value, "one driver", "%s and %s cannot both do it", *driver, name)
				return
			}
			opt := fresh(d.catalog.Drivers[name])
			d.seen[opt.Interface()] = value
			d.value(value, opt.Elem())
			*driver, *options = name, opt.Interface()
		}
	}
	d.object(n, v, drivers)
	if required && *driver == "" && !d.refused[n] {
		d.refuse(n, oneOf("", names), "there is no driver")
	}
}

// fresh returns a new copy of the struct that zero points to.
func fresh(zero any) reflect.Value {
	p := reflect.New(reflect.TypeOf(zero).Elem())
	p.Elem().Set(reflect.ValueOf(zero).Elem())
	return p
}

// checkKeys checks the keys of a mapping against a rule.
func (d *decoder) checkKeys(n *yaml.Node, r rule) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; tag(key) == "!!str" && key.Value != "" && !r.ok(reflect.ValueOf(key.Value)) {
			d.refuse(key, r.want, "%q is not a right key", clip(key.Value))
		}
	}
}

// unique notes every name that an earlier element of a list has.
func unique[T any](d *decoder, what string, list []T, name func(*T) *string) {
	first := make(map[string]int)
	for i := range list {
		at := name(&list[i])
		if !d.good(at) {
			continue
		}
		if line, ok := first[*at]; ok {
			d.mistake(d.seen[at], fmt.Sprintf("each name once; the first is in line %d", line), "there are two %s %q", what, *at)
			continue
		}
		first[*at] = d.seen[at].Line
	}
}
