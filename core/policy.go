package core

import "time"

// A Policy is what plans must keep to. Somebody else than the author of a plan writes it, in a file of its own, and it
// comes from where the author of a plan cannot change it.
type Policy struct {
	Version int `json:"version" jsonschema_description:"Version of the policy format: 1."`
	Floors
	Rules []PolicyRule `json:"rules,omitempty" jsonschema_description:"Floors for some lines only. They come on top of those for all: a plan keeps to every floor that is meant for its line."`
}

// A PolicyRule is floors for the lines that it matches.
type PolicyRule struct {
	Match LineMatch `json:"match" jsonschema_description:"The lines that are meant."`
	Floors
}

// A LineMatch chooses lines. What it leaves out it does not ask about.
type LineMatch struct {
	Services     []string `json:"services,omitempty" jsonschema_description:"Names of services; * stands for any characters. Default: every service."`
	Environments []string `json:"environments,omitempty" jsonschema_description:"Names of environments; * stands for any characters. Default: every environment."`
}

// Floors are the least that a plan must do. The zero value of each asks for nothing.
type Floors struct {
	Bake      BakeFloor      `json:"bake,omitempty" jsonschema_description:"How long waves must bake."`
	FirstWave FirstWaveFloor `json:"first_wave,omitempty" jsonschema_description:"How large the first wave may be."`
	Growth    GrowthFloor    `json:"growth,omitempty" jsonschema_description:"How much larger than the one before a wave may be."`
	Largest   LargestFloor   `json:"largest,omitempty" jsonschema_description:"How large any wave may be: what is put at risk at once."`
	Checks    CheckFloor     `json:"checks,omitempty" jsonschema_description:"What must be asked during every bake."`
	Rollback  RollbackFloor  `json:"rollback,omitempty" jsonschema_description:"What must be put back without being asked."`
	Drivers   DriverFloor    `json:"drivers,omitempty" jsonschema_description:"What may put versions on targets."`
	Overrides Overrides      `json:"overrides,omitempty" jsonschema_description:"Who may act by hand. Default: everybody."`
}

// A BakeFloor is the shortest that bake.min may be.
type BakeFloor struct {
	Min       time.Duration `json:"min,omitempty" jsonschema_description:"Least bake.min of every wave."`
	Emergency time.Duration `json:"emergency,omitempty" jsonschema_description:"Least emergency.min_bake: how short bakes may be on the fast lane."`
	First     time.Duration `json:"first,omitempty" jsonschema_description:"Least bake.min of the first wave."`
}

// A FirstWaveFloor bounds the first wave.
type FirstWaveFloor struct {
	Max Ratio `json:"max" jsonschema_description:"Largest share of all weight, such as 10%."`
}

// A GrowthFloor bounds the step from one wave to the next.
type GrowthFloor struct {
	Max float64 `json:"max" jsonschema_description:"How many times the weight of the wave before it a wave may have."`
}

// A LargestFloor bounds every wave.
type LargestFloor struct {
	Max Ratio `json:"max" jsonschema_description:"Largest share of all weight in one wave, such as 40%."`
}

// A CheckFloor is checks that a plan must have.
type CheckFloor struct {
	Require []CheckMatch `json:"require" jsonschema_description:"For each of these the plan needs a check that can stop a rollout: not a shadow, and never only notifying."`
}

// A CheckMatch describes a check.
type CheckMatch struct {
	Name string    `json:"name,omitempty" jsonschema_description:"Its name."`
	Kind CheckKind `json:"kind,omitempty" jsonschema_description:"What it asks." jsonschema:"enum=alarms,enum=burn_rate,enum=compare,enum=run,enum=threshold"`
}

// CheckKind is what a check asks: the key of its question.
type CheckKind string

// The kinds of check.
const (
	KindAlarms    CheckKind = "alarms"
	KindBurnRate  CheckKind = "burn_rate"
	KindCompare   CheckKind = "compare"
	KindRun       CheckKind = "run"
	KindThreshold CheckKind = "threshold"
)

// Kind is what the check asks, empty if it asks nothing.
func (c *Check) Kind() CheckKind {
	switch {
	case c.Alarms != nil:
		return KindAlarms
	case c.BurnRate != nil:
		return KindBurnRate
	case c.Compare != nil:
		return KindCompare
	case c.Run != nil:
		return KindRun
	case c.Threshold != nil:
		return KindThreshold
	default:
		return ""
	}
}

// A RollbackFloor is what a plan must say about rollbacks.
type RollbackFloor struct {
	Required bool `json:"required,omitempty" jsonschema_description:"A failed deploy and a failed check must both roll back by themselves."`
	Rehearse bool `json:"rehearse,omitempty" jsonschema_description:"The first wave must prove that a rollback works: rollback.rehearse must be first."`
}

// A DriverFloor is the drivers that a plan may use, forwards and back.
type DriverFloor struct {
	Allow []string `json:"allow" jsonschema_description:"Names of drivers."`
}

// Overrides says who may do what by hand. Names are those of actors, as the CI system has them; upper and lower case are
// the same. Nil is everybody, an empty list nobody.
type Overrides struct {
	Promote   []string `json:"promote,omitempty" jsonschema_description:"Who may end a bake early or pass a halted wave. Default: everybody; an empty list is nobody."`
	Rollback  []string `json:"rollback,omitempty" jsonschema_description:"Who may put the previous version back. Default: everybody; an empty list is nobody."`
	Abort     []string `json:"abort,omitempty" jsonschema_description:"Who may end a rollout and keep what is out. Default: everybody; an empty list is nobody."`
	Emergency []string `json:"emergency,omitempty" jsonschema_description:"Who may take the fast lane. Default: everybody; an empty list is nobody."`
	Drift     []string `json:"drift,omitempty" jsonschema_description:"Who may accept targets that do not run what the ledger says. Default: everybody; an empty list is nobody."`
}

// Of returns who may do an override of a kind, and nil for a kind that does not exist.
func (o *Overrides) Of(kind OverrideKind) *[]string {
	switch kind {
	case OverridePromote:
		return &o.Promote
	case OverrideRollback:
		return &o.Rollback
	case OverrideAbort:
		return &o.Abort
	case OverrideEmergency:
		return &o.Emergency
	case OverrideDrift:
		return &o.Drift
	default:
		return nil
	}
}

// Obeyed says which policy a rollout kept to when it started.
type Obeyed struct {
	Name   string `json:"name"`             // where it was read, without secrets
	Commit string `json:"commit,omitempty"` // of which commit; empty for a plain file
	Digest string `json:"digest"`           // sha256:... of its text
}
