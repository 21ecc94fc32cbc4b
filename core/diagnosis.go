package core

import (
	"fmt"
	"time"
)

// A Diagnosis is one thing that the doctor has looked at.
type Diagnosis struct {
	About  string `json:"about"` // plan, ledger, source prom
	Health Health `json:"health"`
	What   string `json:"what"`         // one sentence
	Do     string `json:"do,omitempty"` // what to do about it; empty if it is well
}

// Health says how well something is.
type Health string

// How well something can be.
const (
	HealthOK      Health = "ok"
	HealthWarning Health = "warning" // a rollout would go on, and know less than it could
	HealthProblem Health = "problem" // a rollout would be refused, halt, or do what nobody wants
	HealthUntried Health = "untried" // nobody knows: to look at it would change something
)

// Well is a diagnosis of something that needs nothing.
func Well(about, format string, args ...any) Diagnosis {
	return Diagnosis{About: about, Health: HealthOK, What: fmt.Sprintf(format, args...)}
}

// How far two clocks may be apart. Leases last minutes, and a bake asks sources about the time up to now.
const (
	skewWarning = 5 * time.Second
	skewProblem = time.Minute
)

// Skew is the diagnosis of our clock beside another that was read at the same time, to the second.
func Skew(than string, ours, theirs time.Time) Diagnosis {
	d := Diagnosis{About: "clock", Health: HealthOK}
	off := ours.Sub(theirs)
	way := "ahead of"
	if off < 0 {
		off, way = -off, "behind"
	}
	off = off.Round(time.Second)
	switch {
	case off > skewProblem:
		d.Health = HealthProblem
	case off > skewWarning:
		d.Health = HealthWarning
	default:
		d.What = fmt.Sprintf("The clock here is within %s of that of %s.", skewWarning, than)
		return d
	}
	d.What = fmt.Sprintf("The clock here is %s %s that of %s.", Brief(off), way, than)
	d.Do = "Set the clock of the one that is wrong by NTP: bakes and leases are measured by both."
	return d
}
