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
	ID      int64 // rises with when it was created
	Name    string
	Outcome Outcome // empty: it is not over
	Said    string  // what the forge says of how it ended, in one word
	URL     string
	Took    time.Duration
}

// A Report is all that is to be shown of a rollout.
type Report struct {
	Rollout string
	Line    Line
	State   State
	Title   string       // one sentence
	Text    string       // Markdown, safe to show; a forge cuts it where it must
	Notes   []Annotation // on the plan
	Began   time.Time
	Ended   time.Time // when it came to rest; zero: it has not
}

// A Deployment is what a register says of one wave of a rollout.
type Deployment struct {
	Line        Line
	Rollout     string
	Commit      string // that is deployed
	Wave        string
	Number, Of  int // which wave it is, from 1, and how many there are
	State       DeploymentState
	Whole       DeploymentState // how the rollout stands, for a register that knows no waves
	Description string          // one sentence; a forge cuts it where it must
	URL         string          // of what was deployed; empty: not known
}

// DeploymentState is how the deployment of a wave stands.
type DeploymentState string

// The states of a deployment.
const (
	DeploymentRunning DeploymentState = "running" // it is deployed, or bakes
	DeploymentDone    DeploymentState = "done"    // it has passed its bake
	DeploymentFailed  DeploymentState = "failed"
	DeploymentGone    DeploymentState = "gone" // it was good in itself, and is not out any more
)

// An Entry is a version that a register has.
type Entry struct {
	Version string
	Source  string // where that is written, for people
}

// Published is what a job leaves behind.
type Published struct {
	Outputs []Output
	Summary string // Markdown, safe to show
	Tests   string // JUnit's XML, for forges that show test results; empty: there are none
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
