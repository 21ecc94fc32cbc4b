package config

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/breakwater-ci/breakwater/core"
)

// A spot is one key of a struct of the plan or of the policy.
type spot struct {
	of  reflect.Type
	key string
}

// A rule is what a value must keep beyond its type, said twice: to the loader and to the schema.
type rule struct {
	want   string
	ok     func(v reflect.Value) bool
	schema func(s *jsonschema.Schema)
	keys   *rule // for the keys of a mapping
	filled bool  // ${NAME} is filled in
}

func at[T any](key string) spot { return spot{reflect.TypeFor[T](), key} }

// rules has every rule of the plan, of its drivers and of the policy.
var rules = joined(planRules, driverRules, policyRules)

func joined(parts ...map[spot]rule) map[spot]rule {
	all := make(map[spot]rule)
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

var planRules = map[spot]rule{
	at[core.Plan]("version"):       versionRule,
	at[core.Plan]("service"):       nameRule,
	at[core.Plan]("environment"):   nameRule,
	at[core.Plan]("waves"):         {want: "at least one wave", ok: hasElement, schema: setMinItems},
	at[core.Plan]("sources"):       {keys: &nameRule},
	at[core.Plan]("notify"):        {filled: true},
	at[core.Target]("name"):        nameRule,
	at[core.Target]("labels"):      {keys: &labelRule},
	at[core.Target]("weight"):      aboveZero,
	at[core.WaveRule]("name"):      nameRule,
	at[core.Split]("by"):           labelRule,
	at[core.Split]("spread"):       labelRule,
	at[core.Split]("first"):        someAmount,
	at[core.Split]("max"):          someAmount,
	at[core.Split]("growth"):       growthRule,
	at[core.Deploy]("timeout"):     someTime,
	at[core.Deploy]("parallel"):    someAmount,
	at[core.Jobs]("deploy"):        jobRule,
	at[core.Jobs]("rollback"):      jobRule,
	at[core.Rollback]("when"):      {want: "each trigger once", ok: allDiffer, schema: setUnique},
	at[core.Rollback]("timeout"):   someTime,
	at[core.Rollback]("parallel"):  someAmount,
	at[core.Current]("timeout"):    someTime,
	at[core.Bake]("every"):         someTime,
	at[core.Emergency]("min_bake"): someTime,
	at[core.Until]("at_least"):     aboveZero,
	at[core.Check]("name"):         nameRule,
	at[core.Check]("timeout"):      someTime,
	at[core.Plan]("false_alarms"):  chanceRule,
	at[core.Compare]("quantile"):   quantileRule,
	at[controlForm]("weeks"):       weeksRule,
	at[core.BurnRate]("objective"): objectiveRule,
	at[core.BurnRate]("windows"):   {want: "at least one pair of windows", ok: hasElement, schema: setMinItems},
	at[core.BurnWindow]("long"):    someTime,
	at[core.BurnWindow]("short"):   someTime,
	at[core.BurnWindow]("burn"):    aboveZero,
	at[core.AlarmNames]("names"):   {want: "at least one name", ok: hasElement, schema: setMinItems},
	at[core.Requires]("statuses"):  namesRule,
	at[core.Requires]("builds"):    {want: "at least one project, or leave the key out", ok: hasElement, schema: setMinItems},
	at[core.Target]("timezone"):    zoneRule,
	at[core.Windows]("allow"):      {want: "at least one stretch of hours; without allow every hour is one", ok: hasElement, schema: setMinItems},
	at[core.Windows]("freeze"):     {want: "at least one freeze, or leave the key out", ok: hasElement, schema: setMinItems},
	at[core.Windows]("timezone"):   homeRule,
	at[core.Freeze]("calendar"):    calendarRule,
}

// Names end up in git refs, paths, job names and log lines: what any of those forbids, no name has.
const (
	nameForm    = `^[A-Za-z0-9_][A-Za-z0-9._-]*$`
	badNameForm = `\.\.|\.$|\.lock$`
	longestName = 100
	// labelForm is that of Prometheus, so that a label can be one of a metric, of a variable and of an environment.
	labelForm = `^[A-Za-z_][A-Za-z0-9_]*$`
	// patternForm is that of a name in which * stands for any characters.
	patternForm = `^[A-Za-z0-9_*][A-Za-z0-9._*-]*$`
)

var namesRule = rule{
	want:   "at least one name, each once",
	ok:     func(v reflect.Value) bool { return hasElement(v) && allDiffer(v) },
	schema: func(s *jsonschema.Schema) { setMinItems(s); setUnique(s) },
}

var (
	isName    = regexp.MustCompile(nameForm)
	isBadName = regexp.MustCompile(badNameForm)
	isLabel   = regexp.MustCompile(labelForm)
	isPattern = regexp.MustCompile(patternForm)
)

func validName(s string) bool {
	return len(s) <= longestName && isName.MatchString(s) && !isBadName.MatchString(s)
}

var (
	versionRule = rule{
		want:   "version: 1, the only one that this version of Breakwater reads",
		ok:     func(v reflect.Value) bool { return v.Int() == 1 },
		schema: func(s *jsonschema.Schema) { s.Const = 1 },
	}
	nameRule = rule{
		want: "a name of letters, digits, dot, dash and underscore: at most 100, not beginning with dot or dash, " +
			"not ending in a dot or .lock, without two dots in a row",
		ok: func(v reflect.Value) bool { return validName(v.String()) },
		schema: func(s *jsonschema.Schema) {
			s.Pattern, s.MaxLength = nameForm, new(uint64(longestName))
			s.Not = &jsonschema.Schema{Pattern: badNameForm}
		},
	}
	labelRule = rule{
		want:   "a label of letters, digits and underscore, not beginning with a digit, at most 100 long",
		ok:     func(v reflect.Value) bool { return len(v.String()) <= longestName && isLabel.MatchString(v.String()) },
		schema: func(s *jsonschema.Schema) { s.Pattern, s.MaxLength = labelForm, new(uint64(longestName)) },
	}
	jobRule = rule{
		want:   "the name of a job with " + core.JobTarget + " in it",
		ok:     func(v reflect.Value) bool { return strings.Contains(v.String(), core.JobTarget) },
		schema: func(s *jsonschema.Schema) { s.Pattern = regexp.QuoteMeta(core.JobTarget) },
	}
	zoneRule = rule{
		want: wantZone,
		ok:   func(v reflect.Value) bool { return v.String() != core.ZoneTarget && validZone(v.String()) },
		schema: func(s *jsonschema.Schema) {
			s.Pattern, s.Not = "^"+zoneForm+"$", &jsonschema.Schema{Const: core.ZoneTarget}
		},
	}
	homeRule = rule{
		want:   wantZone + ", or target for each target's own",
		ok:     func(v reflect.Value) bool { return v.String() == core.ZoneTarget || validZone(v.String()) },
		schema: func(s *jsonschema.Schema) { s.Pattern = "^" + zoneForm + "$" },
	}
	calendarRule = rule{
		want:   "an iCalendar file in the working folder such as freezes.ics, an https URL, or ${NAME} of one",
		ok:     func(v reflect.Value) bool { return validCalendar(v.String()) },
		schema: func(s *jsonschema.Schema) { s.Pattern, s.Not = calendarForm, &jsonschema.Schema{Pattern: upwardsForm} },
	}
	linesRule = rule{
		want: "at least one name of letters, digits, dot, dash and underscore, in which * stands for any characters",
		ok: func(v reflect.Value) bool {
			names := v.Interface().([]string)
			return len(names) > 0 && !slices.ContainsFunc(names, func(s string) bool { return !isPattern.MatchString(s) })
		},
		schema: func(s *jsonschema.Schema) { s.MinItems, s.Items.Pattern = new(uint64(1)), patternForm },
	}
	aboveZero = rule{
		want:   "a number above 0",
		ok:     func(v reflect.Value) bool { return v.Float() > 0 },
		schema: func(s *jsonschema.Schema) { s.ExclusiveMinimum = "0" },
	}
	growthRule = rule{
		want:   "1 or more",
		ok:     func(v reflect.Value) bool { return v.Float() >= 1 },
		schema: func(s *jsonschema.Schema) { s.Minimum = "1" },
	}
	someTime = rule{
		want:   "a duration above 0",
		ok:     func(v reflect.Value) bool { return v.Interface().(time.Duration) > 0 },
		schema: func(s *jsonschema.Schema) { s.AllOf = []*jsonschema.Schema{{Pattern: positive}} },
	}
	someAmount = rule{
		want:   "1 or more, or a share such as 25%",
		ok:     func(v reflect.Value) bool { return v.Interface().(core.Amount) != core.Amount{Set: true} },
		schema: func(s *jsonschema.Schema) { s.Not = &jsonschema.Schema{Const: 0} },
	}
)

var (
	chanceRule = rule{
		want:   "a chance above 0% and at most 50%",
		ok:     func(v reflect.Value) bool { return v.Float() > 0 && v.Float() <= 0.5 },
		schema: func(s *jsonschema.Schema) { s.AllOf = []*jsonschema.Schema{{Pattern: positive}} },
	}
	objectiveRule = rule{
		want:   "a share above 0% and below 100%, such as 99.9%",
		ok:     func(v reflect.Value) bool { return v.Float() > 0 && v.Float() < 1 },
		schema: func(s *jsonschema.Schema) { s.AllOf = []*jsonschema.Schema{{Pattern: positive}} },
	}
	shareRule = rule{
		want: "a share above 0% and at most 100%, such as 10%",
		ok:   func(v reflect.Value) bool { return v.Float() > 0 && v.Float() <= 1 },
		schema: func(s *jsonschema.Schema) {
			s.AllOf = []*jsonschema.Schema{{Pattern: positive}, {Pattern: percentForm}}
		},
	}
	quantileRule = rule{
		want:   "a number above 0 and below 1, such as 0.99",
		ok:     func(v reflect.Value) bool { return v.Float() > 0 && v.Float() < 1 },
		schema: func(s *jsonschema.Schema) { s.ExclusiveMinimum, s.ExclusiveMaximum = "0", "1" },
	}
	weeksRule = rule{
		want:   "a whole number from 1 to 12",
		ok:     func(v reflect.Value) bool { return v.Int() >= 1 && v.Int() <= 12 },
		schema: func(s *jsonschema.Schema) { s.Minimum, s.Maximum = "1", "12" },
	}
)

func hasElement(v reflect.Value) bool { return v.Len() > 0 }

func setMinItems(s *jsonschema.Schema) { s.MinItems = new(uint64(1)) }

func setUnique(s *jsonschema.Schema) { s.UniqueItems = true }

func allDiffer(v reflect.Value) bool {
	seen := make(map[any]bool, v.Len())
	for i := range v.Len() {
		seen[v.Index(i).Interface()] = true
	}
	return len(seen) == v.Len()
}
