package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// where is the places of a plan or a policy that was never in a file: each field that is asked about first has a line of
// its own.
type where map[any]int

func (w where) At(fields ...any) (line, column int) {
	if len(fields) == 0 {
		return 1, 1
	}
	if w[fields[0]] == 0 {
		w[fields[0]] = len(w) + 1
	}
	return w[fields[0]], 1
}

// subject is a plan of targets with the given weights, one wave each.
func subject(weights ...float64) Subject {
	s := Subject{Places: where{}, Set: where{}, Name: "policy.yaml", Policy: new(core.Policy), Plan: &core.Plan{
		Service: "shop", Environment: "production",
		Deploy:   core.Deploy{Driver: "run"},
		Rollback: core.Rollback{When: []core.Trigger{core.TriggerDeploy, core.TriggerCheck}},
	}}
	for i, w := range weights {
		name := string(rune('a' + i))
		s.Plan.Waves = append(s.Plan.Waves, core.WaveRule{Name: name, Bake: core.Bake{Min: time.Hour}})
		s.Waves = append(s.Waves, core.StartWave{Name: name, Rule: i, Targets: []core.StartTarget{{Target: core.Target{Name: name, Weight: w}}}})
	}
	return s
}

func check(name string, kind core.CheckKind) core.Check {
	c := core.Check{Name: name, React: core.Reactions{Fail: core.ReactRollback, Inconclusive: core.ReactHalt, Error: core.ReactHalt}}
	switch kind {
	case core.KindAlarms:
		c.Alarms = new(core.AlarmNames)
	case core.KindBurnRate:
		c.BurnRate = new(core.BurnRate)
	case core.KindCompare:
		c.Compare = new(core.Compare)
	case core.KindRun:
		c.Run = new(core.Command)
	case core.KindThreshold:
		c.Threshold = new(core.Threshold)
	}
	return c
}

func TestBreaches(t *testing.T) {
	for name, c := range map[string]struct {
		weights []float64
		set     func(*core.Plan, *core.Floors)
		want    string // what is said, without the place of the policy
	}{
		"no floors": {[]float64{1}, func(*core.Plan, *core.Floors) {}, ""},

		"a bake at the floor":    {[]float64{1, 1}, func(_ *core.Plan, f *core.Floors) { f.Bake.Min = time.Hour }, ""},
		"a bake below the floor": {[]float64{1, 1}, func(p *core.Plan, f *core.Floors) { f.Bake.Min, p.Waves[1].Bake.Min = time.Hour, time.Minute }, "wave b bakes for 1m; asks for at least 1h"},
		"a first bake":           {[]float64{1, 1}, func(_ *core.Plan, f *core.Floors) { f.Bake.First = 2 * time.Hour }, "the first wave, a, bakes for 1h; asks for at least 2h"},
		"both, the longer first": {[]float64{1, 1}, func(_ *core.Plan, f *core.Floors) { f.Bake.Min, f.Bake.First = 3*time.Hour, 2*time.Hour },
			"wave a bakes for 1h; asks for at least 3h\nwave b bakes for 1h; asks for at least 3h"},

		"a first wave at the floor":    {[]float64{1, 2, 7}, func(_ *core.Plan, f *core.Floors) { f.FirstWave.Max = 0.1 }, ""},
		"a first wave above the floor": {[]float64{1, 2, 6}, func(_ *core.Plan, f *core.Floors) { f.FirstWave.Max = 0.1 }, "the first wave, a, takes 11.1% of the weight; allows 10%"},
		"targets without a weight":     {[]float64{0, 0}, func(_ *core.Plan, f *core.Floors) { f.FirstWave.Max = 0.1 }, "the first wave, a, takes 50% of the weight; allows 10%"},

		"growth at the floor":    {[]float64{1, 3, 9}, func(_ *core.Plan, f *core.Floors) { f.Growth.Max = 3 }, ""},
		"growth above the floor": {[]float64{1, 3, 10}, func(_ *core.Plan, f *core.Floors) { f.Growth.Max = 3 }, "wave c is 3.33 times as large as wave b before it; allows 3 times"},
		"waves that shrink":      {[]float64{9, 3, 1}, func(_ *core.Plan, f *core.Floors) { f.Growth.Max = 1 }, ""},

		"a wave at the floor":    {[]float64{2, 4, 4}, func(_ *core.Plan, f *core.Floors) { f.Largest.Max = 0.4 }, ""},
		"a wave above the floor": {[]float64{1, 4, 5}, func(_ *core.Plan, f *core.Floors) { f.Largest.Max = 0.4 }, "wave c takes 50% of the weight at once; allows 40%"},
		"only one wave":          {[]float64{1}, func(_ *core.Plan, f *core.Floors) { f.Largest.Max = 0.99 }, "wave a takes 100% of the weight at once; allows 99%"},

		"a check that is there": {[]float64{1}, func(p *core.Plan, f *core.Floors) {
			p.Checks, f.Checks.Require = []core.Check{check("errors", core.KindCompare)}, []core.CheckMatch{{Kind: core.KindCompare}, {Name: "errors"}, {Name: "errors", Kind: core.KindCompare}}
		}, ""},
		"a check that is not there": {[]float64{1}, func(p *core.Plan, f *core.Floors) {
			p.Checks, f.Checks.Require = []core.Check{check("errors", core.KindRun)}, []core.CheckMatch{{Kind: core.KindCompare}, {Name: "error"}, {Name: "errors", Kind: core.KindCompare}}
		}, "there is no check of kind compare; requires one\nthere is no check error; requires one\nthere is no check errors of kind compare; requires one"},
		"one of two can stop it": {[]float64{1}, func(p *core.Plan, f *core.Floors) {
			p.Checks, f.Checks.Require = []core.Check{check("a", core.KindRun), check("b", core.KindRun)}, []core.CheckMatch{{Kind: core.KindRun}}
			p.Checks[0].Shadow = true
		}, ""},
		"a shadow": {[]float64{1}, func(p *core.Plan, f *core.Floors) {
			p.Checks, f.Checks.Require = []core.Check{check("a", core.KindAlarms)}, []core.CheckMatch{{Kind: core.KindAlarms}}
			p.Checks[0].Shadow = true
		}, "check a is a shadow; requires a check of kind alarms that can stop a rollout"},
		"one that halts": {[]float64{1}, func(p *core.Plan, f *core.Floors) {
			p.Checks, f.Checks.Require = []core.Check{check("a", core.KindThreshold)}, []core.CheckMatch{{Kind: core.KindThreshold}}
			p.Checks[0].React.Fail = core.ReactHalt
		}, ""},
		"one that notifies of what nobody knows": {[]float64{1}, func(p *core.Plan, f *core.Floors) {
			p.Checks, f.Checks.Require = []core.Check{check("a", core.KindBurnRate)}, []core.CheckMatch{{Kind: core.KindBurnRate}}
			p.Checks[0].React.Inconclusive = core.ReactNotify
		}, "check a only notifies when it does not know; requires a check of kind burn_rate that can stop a rollout"},

		"an emergency": {[]float64{1}, func(p *core.Plan, f *core.Floors) {
			f.Bake.Emergency, p.Emergency = time.Hour, &core.Emergency{MinBake: time.Hour}
		}, ""},
		"no emergency": {[]float64{1}, func(_ *core.Plan, f *core.Floors) { f.Bake.Emergency = time.Hour }, ""},
		"a short emergency": {[]float64{1}, func(p *core.Plan, f *core.Floors) {
			f.Bake.Emergency, p.Emergency = time.Hour, &core.Emergency{MinBake: time.Minute}
		}, "a wave may bake for only 1m in an emergency; asks for at least 1h"},
		"a rehearsal": {[]float64{1}, func(p *core.Plan, f *core.Floors) {
			f.Rollback.Rehearse, p.Rollback.Rehearse = true, core.RehearseFirst
		}, ""},
		"no rehearsal":                  {[]float64{1}, func(_ *core.Plan, f *core.Floors) { f.Rollback.Rehearse = true }, "the first wave does not rehearse a rollback; requires it"},
		"nothing to rehearse":           {[]float64{1}, func(p *core.Plan, f *core.Floors) { f.Rollback.Rehearse, p.Activate = true, true }, ""},
		"a rollback":                    {[]float64{1}, func(_ *core.Plan, f *core.Floors) { f.Rollback.Required = true }, ""},
		"no rollback":                   {[]float64{1}, func(p *core.Plan, f *core.Floors) { f.Rollback.Required, p.Rollback.When = true, nil }, "a failed deploy does not roll back; requires it"},
		"no rollback of a failed check": {[]float64{1}, func(p *core.Plan, f *core.Floors) { f.Rollback.Required, p.Rollback.When = true, p.Rollback.When[:1] }, "a failed check does not roll back; requires it"},
		"no check that would roll back": {[]float64{1}, func(p *core.Plan, f *core.Floors) {
			f.Rollback.Required, p.Checks = true, []core.Check{check("a", core.KindRun), check("b", core.KindRun)}
			p.Checks[0].Shadow, p.Checks[1].React.Fail = true, core.ReactHalt
		}, "no check rolls back when it fails; requires it"},

		"a driver":            {[]float64{1}, func(_ *core.Plan, f *core.Floors) { f.Drivers.Allow = []string{"drill", "run"} }, ""},
		"another driver":      {[]float64{1}, func(_ *core.Plan, f *core.Floors) { f.Drivers.Allow = []string{"drill"} }, "the driver run deploys; does not allow it"},
		"another driver back": {[]float64{1}, func(p *core.Plan, f *core.Floors) { f.Drivers.Allow, p.Rollback.Driver = []string{"run"}, "drill" }, "the driver drill rolls back; does not allow it"},
	} {
		t.Run(name, func(t *testing.T) {
			s := subject(c.weights...)
			c.set(s.Plan, &s.Policy.Floors)
			var got []string
			for _, b := range Breaches(s) {
				before, after, _ := strings.Cut(b.What, ", and policy.yaml:")
				_, asks, _ := strings.Cut(after, " ")
				got = append(got, before+"; "+asks)
				if b.Line < 1 || b.Column < 1 || b.Want == "" || after == "" {
					t.Errorf("incomplete: %+v", b)
				}
			}
			if said := strings.Join(got, "\n"); said != c.want {
				t.Errorf("got\n%s\nwant\n%s", said, c.want)
			}
		})
	}
}

// TestRules: a rule adds to the floors for all, on the lines that it matches.
func TestRules(t *testing.T) {
	for name, c := range map[string]struct {
		match core.LineMatch
		want  bool
	}{
		"the service":           {core.LineMatch{Services: []string{"pay", "shop"}}, true},
		"another service":       {core.LineMatch{Services: []string{"pay"}}, false},
		"a pattern":             {core.LineMatch{Services: []string{"s*p"}}, true},
		"a pattern of others":   {core.LineMatch{Services: []string{"s*x"}}, false},
		"no part of a name":     {core.LineMatch{Services: []string{"sho"}}, false},
		"both":                  {core.LineMatch{Services: []string{"shop"}, Environments: []string{"prod*"}}, true},
		"only one of both":      {core.LineMatch{Services: []string{"shop"}, Environments: []string{"test"}}, false},
		"the environment alone": {core.LineMatch{Environments: []string{"production"}}, true},
	} {
		s := subject(1)
		s.Policy.Rules = []core.PolicyRule{{Match: c.match, Floors: core.Floors{Bake: core.BakeFloor{Min: 2 * time.Hour}}}}
		if got := len(Breaches(s)) == 1; got != c.want {
			t.Errorf("%s: matches: %v", name, got)
		}
		s.Policy.Bake.Min = 3 * time.Hour
		if got := len(Breaches(s)); got != 1 && !c.want || got != 2 && c.want {
			t.Errorf("%s: %d breaches with a floor for all", name, got)
		}
	}
}

func TestDenies(t *testing.T) {
	p := &core.Policy{Floors: core.Floors{Overrides: core.Overrides{Rollback: []string{"alice", "Bob"}, Abort: []string{}}}}
	p.Rules = []core.PolicyRule{{Match: core.LineMatch{Services: []string{"shop"}},
		Floors: core.Floors{Overrides: core.Overrides{Rollback: []string{"alice"}, Promote: []string{"carol"}}}}}
	shop, other := core.Line{Service: "shop", Environment: "test"}, core.Line{Service: "other", Environment: "test"}
	for _, c := range []struct {
		line   core.Line
		kind   core.OverrideKind
		actor  string
		denied bool
	}{
		{other, "rollback", "alice", false},
		{other, "rollback", "bob", false}, // whatever the case
		{shop, "rollback", "bob", true},   // the rule comes on top
		{shop, "rollback", "ALICE", false},
		{other, "rollback", "", true},
		{other, "abort", "alice", true},
		{other, "promote", "", false},
		{shop, "promote", "dora", true},
		{shop, "emergency", "dora", false},
		{shop, "drift", "dora", false},
	} {
		if d, denied := Denies(p, where{}, "policy.yaml", c.line, c.kind, c.actor); denied != c.denied || denied && d.Place == "" {
			t.Errorf("%s by %q on %s: denied: %v, %+v", c.kind, c.actor, c.line, denied, d)
		}
	}
}
