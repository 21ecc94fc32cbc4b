package core

import "time"

// A Job is what the CI system says of the process.
type Job struct {
	Actor  Actor
	Commit string // default version
	Ledger string // default ledger URL
}

// A Log writes to a job's log in the forge's own forms.
type Log interface {
	// Group prints text under a title, folded away where the log can fold.
	Group(title, text string)
	// Annotate points at a place in a file; line and column count from 1, 0 is unknown.
	Annotate(a Annotation)
	// Mask keeps a secret out of everything that is logged from now on.
	Mask(secret string)
}

// An Annotation is a message about a place in a file.
type Annotation struct {
	Error        bool // else a warning
	Title        string
	Message      string
	File         string
	Line, Column int
}

// A Status is what is said of a commit under one name. A later one of the same name replaces it.
type Status struct {
	Name        string
	State       StatusState
	Description string // one sentence; a forge cuts it where it must
}

// A Change asks to enter a line.
type Change struct {
	Name   string   // for people, such as #12
	Commit string   // on which its status is shown
	Labels []string // what people have put on it
	Shows  []Status // what its commit shows already, as far as that was asked
}

// StatusState is what a status says.
type StatusState string

// The states of a status.
const (
	StatusPending StatusState = "pending"
	StatusSuccess StatusState = "success"
	StatusFailure StatusState = "failure"
)

// A RunJob is one job of a CI run.
type RunJob struct {
	Name    string
	Outcome Outcome // empty: it is not over
	Said    string  // what the forge says of how it ended, in one word
	URL     string
	Took    time.Duration
}

// Published is what a job leaves behind.
type Published struct {
	Outputs []Output
	Summary string // Markdown, safe to show
}

// An Output is one named value for later jobs.
type Output struct{ Name, Value string }

// A Pace is how often a ledger is used. Zero: as often as the engine likes.
type Pace struct {
	Lease  time.Duration // how long a lease lasts; it is renewed at half of that
	Glance time.Duration // between two looks while time passes
	Watch  time.Duration // between two looks while targets are acted on
	Gather time.Duration // how long outcomes of targets may wait for others, to be written down together
}
