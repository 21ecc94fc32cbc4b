package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// parse reads targets written as "name label=value label=value; name ...".
func parse(text string) []core.Target {
	var targets []core.Target
	for one := range strings.SplitSeq(text, ";") {
		fields := strings.Fields(one)
		if len(fields) == 0 {
			continue
		}
		t := core.Target{Name: fields[0], Labels: map[string]string{}}
		for _, f := range fields[1:] {
			label, value, _ := strings.Cut(f, "=")
			t.Labels[label] = value
		}
		targets = append(targets, t)
	}
	return targets
}

// numbered makes n targets, named format with 1 to n.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format+";", i+1)
	}
	return b.String()
}

func show(waves []core.StartWave) string {
	var parts []string
	for _, w := range waves {
		names := []string{w.Name + ":"}
		for _, t := range w.Targets {
			names = append(names, t.Name)
		}
		parts = append(parts, strings.Join(names, " "))
	}
	return strings.Join(parts, " | ")
}

// sizes shows how many targets each wave has.
func sizes(waves []core.StartWave) string {
	var parts []string
	for _, w := range waves {
		parts = append(parts, fmt.Sprintf("%s:%d", w.Name, len(w.Targets)))
	}
	return strings.Join(parts, " ")
}

func all(name string, s *core.Split) core.WaveRule {
	return core.WaveRule{Name: name, Select: core.Select{All: true}, Split: s}
}

func labelled(name string, pairs ...string) core.WaveRule {
	sel := core.Select{Labels: map[string][]string{}}
	for _, pair := range pairs {
		label, values, _ := strings.Cut(pair, "=")
		sel.Labels[label] = strings.Split(values, "|")
	}
	return core.WaveRule{Name: name, Select: sel}
}

func count(n int) core.Amount                  { return core.Amount{Count: n, Set: true} }
func percent(p float64) core.Amount            { return core.Amount{Percent: p, Set: true} }
func rules(r ...core.WaveRule) []core.WaveRule { return r }

func TestWaves(t *testing.T) {
	const fleet = "box region=us tier=onebox; us-a region=us; us-b region=us; eu-a region=eu; ap-a region=ap"
	tests := []struct {
		name    string
		targets string
		rules   []core.WaveRule
		want    string
		brief   bool // want is sizes only
	}{
		{name: "one wave", targets: "a; b", rules: rules(all("everything", nil)), want: "everything: a b"},
		{name: "each rule takes what is left", targets: fleet,
			rules: rules(labelled("one-box", "tier=onebox"), labelled("first", "region=us"), all("rest", nil)),
			want:  "one-box: box | first: us-a us-b | rest: eu-a ap-a"},
		{name: "every label must match", targets: fleet,
			rules: rules(labelled("x", "region=us", "tier=onebox"), all("rest", nil)),
			want:  "x: box | rest: us-a us-b eu-a ap-a"},
		{name: "a list means any", targets: fleet,
			rules: rules(labelled("x", "region=eu|ap"), all("rest", nil)),
			want:  "x: eu-a ap-a | rest: box us-a us-b"},
		{name: "split doubles by default", targets: numbered(10, "t%d"), rules: rules(all("w", &core.Split{})),
			want: "w-1:1 w-2:2 w-3:4 w-4:3", brief: true},
		{name: "split of one is still suffixed", targets: "a", rules: rules(all("w", &core.Split{})), want: "w-1: a"},
		{name: "split first, growth, max", targets: numbered(20, "t%d"),
			rules: rules(all("w", &core.Split{First: count(2), Growth: 1.5, Max: count(6)})),
			want:  "w-1:2 w-2:3 w-3:4 w-4:6 w-5:5", brief: true},
		{name: "split as shares", targets: numbered(40, "t%d"),
			rules: rules(all("w", &core.Split{First: percent(5), Growth: 3, Max: percent(25)})),
			want:  "w-1:2 w-2:6 w-3:10 w-4:10 w-5:10 w-6:2", brief: true},
		{name: "a share is of the selection", targets: "x kind=x;" + numbered(8, "t%d"),
			rules: rules(labelled("x", "kind=x"), all("w", &core.Split{First: percent(50), Growth: 1})),
			want:  "x:1 w-1:4 w-2:4", brief: true},
		{name: "a small share is at least one", targets: numbered(3, "t%d"),
			rules: rules(all("w", &core.Split{First: percent(1), Max: percent(1)})),
			want:  "w-1:1 w-2:1 w-3:1", brief: true},
		{name: "max caps first", targets: numbered(4, "t%d"),
			rules: rules(all("w", &core.Split{First: count(3), Max: count(2)})), want: "w-1:2 w-2:2", brief: true},
		{name: "growth is exact where floats are not", targets: numbered(215, "t%d"),
			rules: rules(all("w", &core.Split{First: count(100), Growth: 1.15})), want: "w-1:100 w-2:115", brief: true},
		{name: "growth without bound", targets: numbered(5, "t%d"),
			rules: rules(all("w", &core.Split{Growth: 1e300})), want: "w-1:1 w-2:4", brief: true},
		{name: "by keeps groups together and counts them",
			targets: "u1 region=us; e1 region=eu; u2 region=us; a1 region=ap; e2 region=eu",
			rules:   rules(all("w", &core.Split{By: "region"})), want: "w-1: u1 u2 | w-2: e1 e2 a1"},
		{name: "spread never repeats while another choice exists",
			targets: "u1 c=us; u2 c=us; u3 c=us; e1 c=eu; e2 c=eu; a1 c=ap",
			rules:   rules(all("w", &core.Split{First: count(2), Growth: 1, Spread: "c"})),
			want:    "w-1: u1 e1 | w-2: u2 e2 | w-3: u3 a1"},
		{name: "spread repeats the least repeated",
			targets: "u1 c=us; u2 c=us; u3 c=us; u4 c=us; e1 c=eu; e2 c=eu; a1 c=ap",
			rules:   rules(all("w", &core.Split{First: count(7), Spread: "c"})),
			want:    "w-1: u1 e1 a1 u2 e2 u3 u4"},
		{name: "targets without the spread label count as one value", targets: "x; y; e1 c=eu; e2 c=eu",
			rules: rules(all("w", &core.Split{First: count(2), Growth: 1, Spread: "c"})),
			want:  "w-1: x e1 | w-2: y e2"},
		{name: "a group counts with the values of all its members",
			targets: "a1 g=a z=1; a2 g=a z=2; b1 g=b z=2; b2 g=b z=3; c1 g=c z=3; d1 g=d z=1",
			rules:   rules(all("w", &core.Split{By: "g", First: count(2), Growth: 1, Spread: "z"})),
			want:    "w-1: a1 a2 c1 | w-2: b1 b2 d1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			waves, err := Waves(&core.Plan{Waves: tt.rules}, parse(tt.targets))
			if err != nil {
				t.Fatal(err)
			}
			got := show(waves)
			if tt.brief {
				got = sizes(waves)
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestWavesRefuses(t *testing.T) {
	tests := []struct {
		name    string
		targets string
		rules   []core.WaveRule
		want    string // the whole error
	}{
		{"no targets", "", rules(all("w", nil)),
			"there are no targets; list at least one"},
		{"duplicate targets", "a; b; a; a", rules(all("w", nil)),
			`targets listed more than once: "a"; give each its own name`},
		{"targets that no rule takes", "x k=v;" + numbered(22, "t%d"), rules(labelled("w", "k=v")),
			`targets in no wave: "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10" and 12 more; ` +
				`add a last wave with select: all, or widen one`},
		{"a rule that matches nothing", "a k=v", rules(labelled("w", "k=x|y", "j=1"), all("rest", nil)),
			`wave "w": takes no target: none has j=1 and k=x|y; mend its select or the labels, or remove it`},
		{"a rule that comes too late", "a k=v", rules(all("early", nil), labelled("late", "k=v")),
			`wave "late": takes no target: earlier waves took everything that it matches ("early"); ` +
				`move it up, narrow those, or remove it`},
		{"a rule without select", "a", rules(core.WaveRule{Name: "w"}, all("rest", nil)),
			`wave "w": selects nothing; set select to labels, or to all for every target that is left`},
		{"duplicate waves", "a k=1; b k=2; c", rules(labelled("w", "k=1"), labelled("w", "k=2"), all("rest", nil)),
			`two waves are named "w", from rule 1 ("w") and rule 2 ("w"); rename one rule`},
		{"duplicate waves after suffixing", "a k=1; b", rules(labelled("w-1", "k=1"), all("w", &core.Split{})),
			`two waves are named "w-1", from rule 1 ("w-1") and rule 2 ("w"); rename one rule`},
		{"no label to split by", "a r=x; b; c", rules(all("w", &core.Split{By: "r"})),
			`wave "w": split: by: targets without the label "r": "b", "c"; label them, or split by another`},
		{"shrinking waves", "a", rules(all("w", &core.Split{Growth: 0.5})),
			`wave "w": split: growth is 0.5; waves never shrink, so it must be at least 1`},
		{"everything at once", "a; a; b", rules(labelled("w", "k=v"), labelled("v", "k=v")),
			`targets listed more than once: "a"; give each its own name` + "\n" +
				`wave "w": takes no target: none has k=v; mend its select or the labels, or remove it` + "\n" +
				`wave "v": takes no target: none has k=v; mend its select or the labels, or remove it` + "\n" +
				`targets in no wave: "a", "a", "b"; add a last wave with select: all, or widen one`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			waves, err := Waves(&core.Plan{Waves: tt.rules}, parse(tt.targets))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if waves != nil {
				t.Errorf("got waves with an error: %s", show(waves))
			}
		})
	}
}

func TestWavesRefusesTargets(t *testing.T) {
	targets := []core.Target{{Name: "a"}, {}, {}, {Name: "b", Weight: -1}}
	_, err := Waves(&core.Plan{Waves: rules(all("w", nil))}, targets)
	want := "targets without a name: 2; name each one\n" + `targets with a weight that is not a number above 0: "b"`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// lunch is shut for an hour, to each wave; from the second on for good if never is set.
type lunch struct {
	from  time.Time
	never bool
}

func (l lunch) Opening(wave int, at time.Time) core.Opening {
	switch {
	case l.never && wave > 0:
		return core.Opening{Why: "closed"}
	case !at.Before(l.from) && at.Before(l.from.Add(time.Hour)):
		return core.Opening{Until: l.from.Add(time.Hour), Why: "lunch"}
	}
	return core.Opening{Open: true}
}

func TestOutlookWithWindows(t *testing.T) {
	start := time.Date(2026, 6, 8, 11, 0, 0, 0, time.UTC)
	bake := core.Bake{Min: time.Hour}
	p := &core.Plan{Waves: []core.WaveRule{{Name: "a", Bake: bake}, {Name: "b", Bake: bake}, {Name: "c", Bake: bake}}}
	var waves []core.StartWave
	for i, w := range p.Waves {
		waves = append(waves, core.StartWave{Name: w.Name, Rule: i, Targets: []core.StartTarget{{Target: core.Target{Name: w.Name}}}})
	}
	rows := Outlook(p, waves, start, lunch{from: start.Add(time.Hour)})
	for i, hours := range []time.Duration{0, 2, 3} {
		if got := rows[i].EarliestStart.Sub(start); got != hours*time.Hour || (rows[i].Waits != "") != (i == 1) {
			t.Errorf("wave %d starts after %s: %q", i, got, rows[i].Waits)
		}
	}
	if want := "Blocked: wave b may not start before 2026-06-08 13:00 UTC: lunch."; rows[1].Waits != want {
		t.Errorf("%q, want %q", rows[1].Waits, want)
	}
	rows = Outlook(p, waves, start, lunch{never: true})
	if rows[0].EarliestFinish.IsZero() || !rows[1].EarliestStart.IsZero() || !rows[2].EarliestFinish.IsZero() ||
		rows[1].Waits != "Blocked: wave b may not start within a year: closed." || rows[2].Waits != "" {
		t.Errorf("a window that never opens: %+v", rows)
	}
}

func TestOutlook(t *testing.T) {
	targets := parse("box tier=onebox; a; b; c")
	targets[3].Weight = 2
	p := &core.Plan{Waves: rules(labelled("one-box", "tier=onebox"), all("rest", &core.Split{First: count(1)}))}
	p.Waves[0].Bake = core.Bake{Min: time.Hour, Max: 4 * time.Hour}
	p.Waves[1].Bake = core.Bake{Min: 30 * time.Minute, Max: 2 * time.Hour}
	waves, err := Waves(p, targets)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	var got []string
	for _, r := range Outlook(p, waves, start, nil) {
		got = append(got, fmt.Sprintf("%s %d %.0f%% %.0f%% %s %s-%s", r.Wave, r.Targets, r.Share*100, r.AtRisk*100,
			r.Bake.Max, r.EarliestStart.Format("15:04"), r.EarliestFinish.Format("15:04")))
	}
	want := []string{
		"one-box 1 20% 20% 4h0m0s 09:00-10:00",
		"rest-1 1 20% 40% 2h0m0s 10:00-10:30",
		"rest-2 2 60% 100% 2h0m0s 10:30-11:00",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
