package core

import "time"

// A Plan describes how one service goes out to one environment. Field names in the json tags are the keys of the YAML
// file; the same tags make the JSON Schema, so the loader and the schema cannot drift apart.
type Plan struct {
	Version     int                   `json:"version" jsonschema_description:"Version of the plan format: 1."`
	Service     string                `json:"service" jsonschema_description:"What is deployed. Letters, digits, dot, dash and underscore."`
	Environment string                `json:"environment" jsonschema_description:"Where it goes, for example production. Letters, digits, dot, dash and underscore."`
	Targets     Targets               `json:"targets" jsonschema_description:"The smallest things deployed to: a list, {file: targets.json} or {run: ./list-targets.sh}."`
	Waves       []WaveRule            `json:"waves" jsonschema_description:"Which targets are deployed together, in order. Every target must be in exactly one wave."`
	Deploy      Deploy                `json:"deploy" jsonschema_description:"How a version is put on a target."`
	Rollback    Rollback              `json:"rollback,omitempty" jsonschema_description:"When and how the previous version is put back."`
	Current     *Current              `json:"current,omitempty" jsonschema_description:"How to ask a target which version it runs now."`
	Bake        Bake                  `json:"bake,omitempty" jsonschema_description:"How long a wave must stay healthy before the next may start. A wave may override single keys."`
	Sources     map[string]SourceSpec `json:"sources,omitempty" jsonschema_description:"Where numbers come from, by name."`
	Checks      []Check               `json:"checks,omitempty" jsonschema_description:"Questions asked of the world at every look of a bake."`
	Precheck    bool                  `json:"precheck,omitempty" jsonschema_description:"Ask every check before the first wave, so that what is already broken is not blamed on the release. Default: true."`
	FalseAlarms Ratio                 `json:"false_alarms,omitempty" jsonschema_description:"Chance that a healthy rollout is stopped by its compare checks, over all of them, all waves and all looks. Default: 1%."`
	React       Reactions             `json:"react,omitempty" jsonschema_description:"What a verdict does: rollback, halt or notify."`
	Waive       []Waiver              `json:"waive,omitempty" jsonschema_description:"Rules of lint that this plan does not follow on purpose, each with a reason and an end."`
	Requires    *Requires             `json:"requires,omitempty" jsonschema_description:"What must be green on the commit before the first wave."`
	OnNewer     OnNewer               `json:"on_newer,omitempty" jsonschema_description:"What happens when a newer version arrives while a rollout is unfinished. queue: it waits until the line is free. supersede: the rollout ends at the next border of waves. reject: it is refused. Default: queue." jsonschema:"enum=queue,enum=supersede,enum=reject"`
	Windows     *Windows              `json:"windows,omitempty" jsonschema_description:"When a wave may start. Default: always."`
	Emergency   *Emergency            `json:"emergency,omitempty" jsonschema_description:"The fast lane of run --emergency: shorter bakes, windows passed. Never fewer checks, never without rollback."`
	Activate    bool                  `json:"activate,omitempty" jsonschema_description:"This release must not be rolled back across: where a rollback would begin the rollout halts instead. Default: false."`
	Notify      []Secret              `json:"notify,omitempty" jsonschema_description:"Who is told when a rollout halts, rolls back or ends: https://, slack://, teams:// and other notifier URLs."`
}

// Line names what a plan deploys: at most one rollout is active on a line.
func (p *Plan) Line() Line { return Line{Service: p.Service, Environment: p.Environment} }

// A Line is one service in one environment.
type Line struct{ Service, Environment string }

// String returns service/environment.
func (l Line) String() string { return l.Service + "/" + l.Environment }

// A Target is the smallest thing deployed to: a host, cell, zone, region, cluster or function alias.
type Target struct {
	Name   string            `json:"name" jsonschema_description:"Unique name of the target."`
	Labels map[string]string `json:"labels,omitempty" jsonschema_description:"Labels that waves select and split by."`
	Weight float64           `json:"weight,omitempty" jsonschema_description:"Its share of what is at risk, relative to the others. Default: 1."`

	Timezone string `json:"timezone,omitempty" jsonschema_description:"Its time zone, for windows in the zone target: an IANA name such as Europe/Dublin. Default: the zone of the windows."`
}

// Targets says where the list of targets comes from. Exactly one field is set.
type Targets struct {
	List []Target `json:"-"`
	File string   `json:"file,omitempty" jsonschema_description:"A JSON or YAML file with the list of targets, relative to the working folder."`
	Run  Command  `json:"run,omitempty" jsonschema_description:"A command that prints the list of targets as JSON."`
}

// A WaveRule takes targets out of those that no earlier rule took, and makes one wave of them, or several by Split.
type WaveRule struct {
	Name   string `json:"name" jsonschema_description:"Name of the wave. With split, -1, -2 and so on are appended."`
	Select Select `json:"select" jsonschema_description:"Labels that must all match, or all for every target that no earlier wave took."`
	Split  *Split `json:"split,omitempty" jsonschema_description:"Cut the selection into several waves of growing size."`
	Bake   Bake   `json:"bake,omitempty" jsonschema_description:"Overrides single keys of the plan's bake for this wave."`
}

// Size is what says how large the waves of a rule are: pointers to fields, the nearest cause first.
func (r *WaveRule) Size() []any {
	if r.Split == nil {
		return []any{&r.Select}
	}
	return []any{&r.Split.First, &r.Split, &r.Select}
}

// Select chooses targets. With All it takes what is left; otherwise every label must have one of the listed values.
type Select struct {
	All    bool
	Labels map[string][]string
}

// Split cuts a selection into waves of growing size.
type Split struct {
	By     string  `json:"by,omitempty" jsonschema_description:"Label whose values stay together: a wave takes whole groups of it, and first, growth and max count groups. Without it they count targets."`
	First  Amount  `json:"first,omitempty" jsonschema_description:"Size of the first wave, a number or a share of the selection. Default: 1."`
	Growth float64 `json:"growth,omitempty" jsonschema_description:"Factor from one wave to the next, at least 1. Default: 2."`
	Max    Amount  `json:"max,omitempty" jsonschema_description:"Largest wave, a number or a share of the selection. Default: no limit."`
	Spread string  `json:"spread,omitempty" jsonschema_description:"Label of which a wave never holds two of the same value while another choice exists."`
}

// An Amount is a number or a share: 4 or 25%. The zero value is unset.
type Amount struct {
	Count   int
	Percent float64 // 0 to 100, used when Count is 0
	Set     bool
}

// Of returns how many of n an amount is. A share is rounded down, and a share above zero of at least one thing is
// never less than floor.
func (a Amount) Of(n, floor int) int {
	k := a.Count
	if a.Percent > 0 {
		k = int(a.Percent * float64(n) / 100)
		if k < floor {
			k = floor
		}
	}
	return min(k, n)
}

// A Command is a script for a shell. Nothing from an input is ever pasted into it: values reach it as environment.
type Command struct {
	Script string `json:"script" jsonschema_description:"The script."`
	Shell  string `json:"shell,omitempty" jsonschema_description:"sh (default) or bash; both run with -eu." jsonschema:"enum=sh,enum=bash"`
}

// Deploy says how a version is put on a target.
type Deploy struct {
	Driver   string        `json:"-"` // name of the driver: the key under which its options stand, "run" for a command
	Options  any           `json:"-"` // the driver's own options, of the type that its table entry names
	Timeout  time.Duration `json:"timeout,omitempty" jsonschema_description:"Longest time for one target. Default: 30m."`
	Parallel Amount        `json:"parallel,omitempty" jsonschema_description:"Targets deployed at the same time, a number or a share of the wave. Default: 1."`
	Tolerate Amount        `json:"tolerate,omitempty" jsonschema_description:"Failing targets that a wave may have, a number or a share of the wave. Default: 0."`
}

// Trigger is what may start a rollback by itself.
type Trigger string

// The triggers of a rollback.
const (
	TriggerDeploy Trigger = "deploy" // more targets of a wave failed than the plan tolerates
	TriggerCheck  Trigger = "check"  // a check reacted with rollback
)

// Scope is what a rollback covers.
type Scope string

// The scopes of a rollback.
const (
	ScopeRollout Scope = "rollout" // every wave that is out, newest first
	ScopeWave    Scope = "wave"    // only the failing wave
)

// Rollback says when and how the previous version is put back.
type Rollback struct {
	When     []Trigger     `json:"when,omitempty" jsonschema_description:"What triggers a rollback: deploy, check. An empty list halts instead. Default: both." jsonschema:"enum=deploy,enum=check"`
	Scope    Scope         `json:"scope,omitempty" jsonschema_description:"rollout: every wave that is out, newest first. wave: only the failing one. Default: rollout." jsonschema:"enum=rollout,enum=wave"`
	Driver   string        `json:"-"` // empty: deploy again with the previous version
	Options  any           `json:"-"`
	Timeout  time.Duration `json:"timeout,omitempty" jsonschema_description:"Longest time for one target. Default: as deploy."`
	Parallel Amount        `json:"parallel,omitempty" jsonschema_description:"Targets rolled back at the same time. Default: as deploy."`
	Rehearse Rehearse      `json:"rehearse,omitempty" jsonschema_description:"first: deploy the first wave, put the previous version back, and deploy it again, to prove that a rollback works. Default: not." jsonschema:"enum=first"`
	Verify   time.Duration `json:"verify,omitempty" jsonschema_description:"After a rollback the checks must recover within this time, or the report says so. Default: 0, not asked."`
}

// Current says how to ask a target which version it runs.
type Current struct {
	Run     Command       `json:"run" jsonschema_description:"A command that prints the version that BREAKWATER_TARGET runs now."`
	Timeout time.Duration `json:"timeout,omitempty" jsonschema_description:"Longest time for one answer, and for a new version to show after a deploy. Default: 30s."`
}

// Bake is the time after a wave in which it must stay healthy before the next may start.
type Bake struct {
	Min   time.Duration `json:"min,omitempty" jsonschema_description:"Shortest bake. Default: 30m."`
	Max   time.Duration `json:"max,omitempty" jsonschema_description:"Longest bake: one that is inconclusive extends itself up to here. Default: four times min."`
	Every time.Duration `json:"every,omitempty" jsonschema_description:"Time between two looks. Default: 1m."`
	Wait  Wait          `json:"wait,omitempty" jsonschema_description:"inline: the job waits while the wave bakes. park: the job ends and a tick looks at the bake, see breakwater tick. Default: inline." jsonschema:"enum=inline,enum=park"`
	Until *Until        `json:"until,omitempty" jsonschema_description:"The bake also lasts until this much traffic was seen."`
}

// Until is the traffic that a bake must have seen before it may end.
type Until struct {
	Source  string  `json:"source" jsonschema_description:"Name of a source."`
	Query   string  `json:"query" jsonschema_description:"A query whose values are added up; $window is the whole bake so far."`
	AtLeast float64 `json:"at_least" jsonschema_description:"What the sum must reach."`
}

// A SourceSpec says where numbers come from.
type SourceSpec struct {
	Type    string // name of the kind of source
	Options any    // the kind's own options, of the type that its table entry names
}

// A Check is one question asked of the world during the bake. Exactly one of its questions is set.
type Check struct {
	Name      string        `json:"name" jsonschema_description:"Unique name of the check."`
	Threshold *Threshold    `json:"threshold,omitempty" jsonschema_description:"A query whose values must stay below max or above min."`
	Compare   *Compare      `json:"compare,omitempty" jsonschema_description:"Is the wave worse than what it is compared with?"`
	BurnRate  *BurnRate     `json:"burn_rate,omitempty" jsonschema_description:"Is the error budget of an SLO burning too fast?"`
	Alarms    *AlarmNames   `json:"alarms,omitempty" jsonschema_description:"Alarms of which none may fire at any time in the bake."`
	Run       *Command      `json:"run,omitempty" jsonschema_description:"A command: exit 0 pass, 1 fail, 75 inconclusive, anything else error."`
	Timeout   time.Duration `json:"timeout,omitempty" jsonschema_description:"Longest time for one answer. Default: 30s."`
	Shadow    bool          `json:"shadow,omitempty" jsonschema_description:"Judged and scored, never acted on: to see what a check would do before it may."`
	React     Reactions     `json:"react,omitempty" jsonschema_description:"What this check's verdicts do; overrides the plan's react key by key."`
}

// A Threshold asks that no value of a query leaves its limits.
type Threshold struct {
	Source   string        `json:"source" jsonschema_description:"Name of a source."`
	Query    string        `json:"query" jsonschema_description:"The query. It sees $targets, $wave, $version, $previous, $window and $labels.NAME."`
	Max      *float64      `json:"max,omitempty" jsonschema_description:"A value above this is a breach."`
	Min      *float64      `json:"min,omitempty" jsonschema_description:"A value below this is a breach."`
	For      time.Duration `json:"for,omitempty" jsonschema_description:"A breach counts only once it has lasted this long."`
	Breaches Breaches      `json:"breaches,omitempty" jsonschema_description:"m of n: fails when m of the last n looks are breaches. Default: 1 of 1."`
}

// A Compare asks whether the wave is worse than a control. Exactly one of Errors with Total, Histogram and Gauge is set.
type Compare struct {
	Source    string    `json:"source" jsonschema_description:"Name of a source."`
	Errors    string    `json:"errors,omitempty" jsonschema_description:"A query that counts what went wrong in $window, for $targets. Goes with total."`
	Total     string    `json:"total,omitempty" jsonschema_description:"A query that counts everything in $window, for $targets."`
	Histogram string    `json:"histogram,omitempty" jsonschema_description:"A query for what the buckets of a latency histogram gained in $window, by le, for $targets."`
	Quantile  float64   `json:"quantile,omitempty" jsonschema_description:"The quantile of the histogram that is reported and that the margin is of. Default: 0.99."`
	Gauge     string    `json:"gauge,omitempty" jsonschema_description:"A query for the level of something, for $targets: CPU, memory, a queue. Several values are averaged."`
	Control   Control   `json:"control,omitempty" jsonschema_description:"What the wave is compared with: pending, the targets not yet deployed; before, the same targets before the wave; {weeks: n}, the same targets in the same hours of past weeks. Default: pending."`
	Margin    *Ratio    `json:"margin,omitempty" jsonschema_description:"The change that is tolerated. Of errors: in points of their share, 0.1% is one more in a thousand. Of a histogram: of its quantile. Of a gauge: of its level. Default: next to none; a change that nobody would act on never fails."`
	Direction Direction `json:"direction,omitempty" jsonschema_description:"Which change is a regression. Default: increase." jsonschema:"enum=increase,enum=decrease,enum=either"`
	Method    Method    `json:"method,omitempty" jsonschema_description:"sequential stays valid however often it looks. mann-whitney judges a gauge as Kayenta does, without that. Default: sequential." jsonschema:"enum=sequential,enum=mann-whitney"`
}

// Direction says which change is a regression.
type Direction string

// The directions.
const (
	Increase Direction = "increase"
	Decrease Direction = "decrease"
	Either   Direction = "either"
)

// Method is how a gauge is compared.
type Method string

// The methods.
const (
	MethodSequential  Method = "sequential"
	MethodMannWhitney Method = "mann-whitney"
)

// A Control is what a wave is compared with. The zero value is unset.
type Control struct {
	Kind  ControlKind
	Weeks int // of [ControlWeeks]: how many
}

// ControlKind is the kind of a [Control].
type ControlKind string

// The controls.
const (
	ControlPending ControlKind = "pending" // the targets not yet deployed, at the same time
	ControlBefore  ControlKind = "before"  // the same targets, before the wave
	ControlWeeks   ControlKind = "weeks"   // the same targets, in the same hours of past weeks
)

// A BurnRate asks whether the error budget of a service level objective burns too fast.
type BurnRate struct {
	Source    string       `json:"source" jsonschema_description:"Name of a source."`
	Objective Ratio        `json:"objective" jsonschema_description:"The share of requests that must be good, for example 99.9%."`
	Errors    string       `json:"errors" jsonschema_description:"A query that counts what went wrong in $window."`
	Total     string       `json:"total" jsonschema_description:"A query that counts everything in $window."`
	Windows   []BurnWindow `json:"windows,omitempty" jsonschema_description:"Pairs of windows that must both burn too fast. Default: those that page in the SRE workbook, 1h with 5m at 14.4 and 6h with 30m at 6."`
}

// A BurnWindow is a pair of windows with how many times as fast as sustainable the budget may burn in both.
type BurnWindow struct {
	Long  time.Duration `json:"long" jsonschema_description:"The long window."`
	Short time.Duration `json:"short" jsonschema_description:"The short window: that it still burns."`
	Burn  float64       `json:"burn" jsonschema_description:"The rate that fails, 1 uses the budget up exactly at the end of its period."`
}

// AlarmNames are alarms of a source.
type AlarmNames struct {
	Source string   `json:"source" jsonschema_description:"Name of a source that knows alarms."`
	Names  []string `json:"names" jsonschema_description:"Names of the alarms."`
}

// Ratio is a share or a relative change, 0.01 for what a plan writes as 1%.
type Ratio float64

// Breaches is m of n: how many of the last looks must be breaches. The zero value is unset.
type Breaches struct{ M, N int }

// Reaction is what a verdict does to the rollout.
type Reaction string

// The reactions.
const (
	ReactRollback Reaction = "rollback"
	ReactHalt     Reaction = "halt"
	ReactNotify   Reaction = "notify" // said in every report, but the rollout goes on
)

// Reactions says what each verdict other than pass does. An empty field of a check means: as the plan says.
type Reactions struct {
	Fail         Reaction `json:"fail,omitempty" jsonschema_description:"Default: rollback." jsonschema:"enum=rollback,enum=halt,enum=notify"`
	Inconclusive Reaction `json:"inconclusive,omitempty" jsonschema_description:"Taken when the bake has reached max. Default: halt." jsonschema:"enum=rollback,enum=halt,enum=notify"`
	Error        Reaction `json:"error,omitempty" jsonschema_description:"The source could not be asked. Default: halt." jsonschema:"enum=rollback,enum=halt,enum=notify"`
}

// To returns the reaction to a verdict, and "" for a pass.
func (r Reactions) To(k VerdictKind) Reaction {
	switch k {
	case Fail:
		return r.Fail
	case Inconclusive:
		return r.Inconclusive
	case Error:
		return r.Error
	default:
		return ""
	}
}

// A Secret is text that must not be seen: it prints as *** everywhere. Reveal gives the text itself.
type Secret string

// String hides the text from fmt.
func (Secret) String() string { return "***" }

// GoString hides the text from %#v.
func (Secret) GoString() string { return "***" }

// MarshalText hides the text from encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// Wait is how a bake is waited for.
type Wait string

// The ways to wait.
const (
	WaitInline Wait = "inline" // the job waits
	WaitPark   Wait = "park"   // the job ends; a tick looks at the bake
)
