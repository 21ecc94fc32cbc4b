package core

import (
	"encoding/json"
	"time"
)

// VerdictKind is how a check answers.
type VerdictKind string

// The verdicts. What is unknown is never a pass.
const (
	Pass         VerdictKind = "pass"
	Fail         VerdictKind = "fail"
	Inconclusive VerdictKind = "inconclusive" // no data, or too little of it
	Error        VerdictKind = "error"        // the source could not be asked
)

// A Verdict is the answer of one check at one look, with what a human needs to check it.
type Verdict struct {
	Check   string      `json:"check"`
	Verdict VerdictKind `json:"verdict"`
	Reason  string      `json:"reason"`           // one sentence: why
	Shadow  bool        `json:"shadow"`           // judged and scored, never acted on
	At      time.Time   `json:"at"`               // the instant that was asked about
	Query   string      `json:"query,omitempty"`  // the query as it was sent
	Window  string      `json:"window,omitempty"` // the stretch of time that the query covered
	Value   *float64    `json:"value,omitempty"`  // the worst value seen, when it is a finite number

	Evidence json.RawMessage `json:"evidence,omitempty"` // of a compare, burn_rate or threshold check: the numbers behind the reason
	Memory   json.RawMessage `json:"memory,omitempty"`   // what the check needs to go on in another process
}

// Evidence is what was seen of the world: by the looks of one bake so far, and of the windows. The zero value is: nobody
// has looked, and no window holds anything up.
type Evidence struct {
	First    time.Time     // no look before this instant can tell anything: the queries reach back too far
	At       time.Time     // instant of the newest look; zero before the first
	Late     time.Duration // how long after that instant the checks were asked
	Took     time.Duration // how long their answers took
	Verdicts []Verdict     // one for each check, in the plan's order
	Enough   bool          // the bake's until is met; true when the plan has none
	Seen     string        // what until has counted so far, for people: "8,412 of 10,000"

	Window *Opening // of the wave at work, if it has not begun; nil: it may start at any time
}
