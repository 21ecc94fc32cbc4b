// Package core is the ground floor of Breakwater: its words as types, the state machine of a rollout, and every
// interface that the floors above build on. It imports the standard library only, reads no clock, opens no file and
// starts no goroutine.
//
// A [Plan] describes how one service goes out to one environment. A [Rollout] is one version going down that line; it
// is a fold over [Event] values, see [Rollout.Apply]. [Next] is a pure function that says what to do now. The engine
// carries that out and appends the events to a [Ledger].
package core
