package core

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Every interface of Breakwater is on this screen. Each has one or two methods; a technology that can do more says so
// by a second, optional interface.

// A Ledger keeps the events of lines, append-only. It is the only state there is.
type Ledger interface {
	// Read returns the events of the newest rollout of a line, oldest first, and none if the line has none yet.
	// A ledger that cannot be read to its end is an error, never a shorter answer.
	Read(ctx context.Context, line Line) ([]Event, error)
	// Append adds events right after the one numbered after (0: the line is empty): all of them or none. It returns
	// ErrConflict if the line does not end at after. Any other error may also come after a successful write: only
	// reading again tells.
	Append(ctx context.Context, line Line, after int64, events []Event) error
}

// A Historian is a Ledger that also gives the rollouts before the newest.
type Historian interface {
	// History yields every event of a line, oldest first. It stops after the first error.
	History(ctx context.Context, line Line) iter.Seq2[Event, error]
}

// ErrConflict says that somebody else wrote to the line since it was read.
var ErrConflict = errors.New("somebody else wrote to the ledger")

// A Driver puts versions on targets.
type Driver interface {
	// Deploy puts act.Version on act.Target and returns once it is there. It may be called again for a target that
	// it was cut off on. When ctx ends it stops what it started before it returns. The output is for people.
	Deploy(ctx context.Context, act Act) (output string, err error)
}

// An Act is what is done to one target, forwards or back.
type Act struct {
	Rollout  string
	Wave     string
	Target   Target
	Version  string // what to put on the target
	Previous string // what it replaces
	Attempt  int    // 1 for the first
	Rollback bool
}

// An Asker opens the plan's checks for one wave.
type Asker interface {
	// Open prepares to look at a wave. What it starts ends with ctx or with Close.
	Open(ctx context.Context, scope Asked) (Looker, error)
}

// A Looker asks every check of a wave, once a look.
type Looker interface {
	// Look asks what was true at the instant at, which may lie in the past. Looks come in rising order. A source
	// that cannot be asked is a verdict, not an error.
	Look(ctx context.Context, at time.Time) Evidence
	Close() error
}

// A Delayed Looker has no answers before an instant, because its queries would reach back to before the bake.
type Delayed interface {
	FirstLook() time.Time
}

// Asked is what the checks are asked about.
type Asked struct {
	Rollout  string
	Wave     string // empty for a precheck
	Version  string
	Previous string
	Targets  []Target
	Since    time.Time // start of the bake
	Bake     Bake
}

// A Source answers queries with numbers.
type Source interface {
	// Query asks what was true at one instant. No samples means that there is no data; an error means that the
	// source could not be asked.
	Query(ctx context.Context, query string, at time.Time) ([]Sample, error)
}

// A Sample is one value of an answer.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// A Watcher is a Source that knows only what it saw itself, so it must be told what to look at before it is asked.
type Watcher interface {
	// Watch starts to observe the targets, in place of those before, until ctx ends.
	Watch(ctx context.Context, targets []Target) error
}

// A Clock tells the time and waits. Nothing below the entry reads another clock.
type Clock interface {
	Now() time.Time
	// Wait returns nil at the instant until, or ctx's error.
	Wait(ctx context.Context, until time.Time) error
}

// An Observer is told what happens, to show it to people. It must not block.
type Observer interface {
	// Recorded comes after an event is in the ledger and applied to r.
	Recorded(r *Rollout, e Event)
	// Looked comes after every look of a bake, whether or not it is written down.
	Looked(r *Rollout, seen Evidence)
	// Acted comes after each act on a target, with its whole output.
	Acted(act Act, result Result, output string)
}

// A Notifier tells people outside the CI system.
type Notifier interface {
	Notify(ctx context.Context, r *Rollout) error
}

// A Forge is the CI system that this process runs in.
type Forge interface {
	// Job says who runs this process and for which commit.
	Job() Job
	// Log returns the forms that the forge's log understands.
	Log() Log
	// Publish sets the job's outputs and its summary.
	Publish(ctx context.Context, r Published) error
}

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

// Published is what a job leaves behind.
type Published struct {
	Outputs []Output
	Summary string // Markdown, safe to show
}

// An Output is one named value for later jobs.
type Output struct{ Name, Value string }
