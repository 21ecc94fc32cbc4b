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

// A Lot is a Ledger that also keeps markers on parked lines, so that one question finds them all, and when each is due.
type Lot interface {
	// Parked returns the marker of every line that has one, by the names of the lines. What it costs does not grow with
	// the number of lines.
	Parked(ctx context.Context) ([]Marker, error)
	// Park puts a marker on the line of was that is due at an instant, to the second, and then takes away the marks of
	// was; a zero instant only takes away. It takes nothing else away: what another process has put there since was was
	// read is for somebody else to find. The line has events. After an error the old marks, the new one, or both are there.
	Park(ctx context.Context, was Marker, due time.Time) error
}

// A Metered is a Ledger whose every use counts against a limit, so that it is used sparingly.
type Metered interface {
	// Pace says how often is not too often; zero values leave it to the engine.
	Pace() Pace
}

// Counted is a Ledger, a Driver or a Forge that counts how often an API was asked.
type Counted interface {
	Requests() int
}

// ErrConflict says that somebody else wrote to the line since it was read.
var ErrConflict = errors.New("somebody else wrote to the ledger")

// A Driver puts versions on targets.
type Driver interface {
	// Deploy puts act.Version on act.Target and returns once it is there. It may be called again for a target that
	// it was cut off on. When ctx ends it stops what it started before it returns. The output is for people.
	Deploy(ctx context.Context, act Act) (output string, err error)
}

// An Examiner is a Driver that can say whether it is let do its work.
type Examiner interface {
	// Place names what an act is done to, and on which way. What was looked at for one act holds for all of its place.
	Place(act Act) (string, error)
	// Examine looks at what Deploy would look at, and changes nothing. It names each permission that is missing, and those
	// that could not be tried.
	Examine(ctx context.Context, act Act) []Diagnosis
}

// A Confirmer is a Driver whose targets may wait, with the version on them, to be told that their wave has passed: until
// then they can go back at once, and do so by themselves if nobody tells them.
type Confirmer interface {
	// Holds reports whether a target waits once Deploy has returned.
	Holds() bool
	// Confirm tells the target of an act, which Deploy has carried out, that its wave has passed, and returns once it has
	// ended what it held open. A target that knows is left alone; one that does not run the version any more is an error. It
	// may be called again for a target that it was cut off on.
	Confirm(ctx context.Context, act Act) (output string, err error)
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
	Named    bool // a person has named the version of a rollback: it need not be what was there before
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
	Control  []Target  // those not yet deployed, which a wave may be compared with
	Began    time.Time // when the wave's first target was announced; zero before it
	Since    time.Time // start of the bake
	Bake     Bake
	Nth      int       // which bake of the rollout this is, from 1: one begun afresh counts again
	Back     bool      // the question is whether a rollback has helped
	Known    []Verdict // newest that were written down in this bake: what it takes to go on with it
}

// Variables are what a query about these targets may name.
func (a Asked) Variables(at time.Time, window time.Duration) Variables {
	return Variables{Targets: a.Targets, Wave: a.Wave, Version: a.Version, Previous: a.Previous, Window: window, At: at}
}

// A Timetable says when the waves of a rollout may start. It is pure: the same wave and instant have the same answer.
type Timetable interface {
	// Opening tells whether a wave, counted from 0, may start at an instant.
	Opening(wave int, at time.Time) Opening
}

// A Calendar knows stretches of time that somebody else wrote down.
type Calendar interface {
	// Between returns what overlaps the time between two instants, whatever the zone of what is local; it may return
	// more. An event that cannot be told is an error: a calendar that is not understood must not look empty.
	Between(from, to time.Time) ([]Span, error)
}

// A Source answers queries with numbers, in a query language of its own.
type Source interface {
	// Fill puts the variables of a plan into a query. What it puts in is data and never query, whatever it holds.
	Fill(query string, v Variables) (string, error)
	// Query asks what was true at one instant. No samples means that there is no data; an error means that the
	// source could not be asked.
	Query(ctx context.Context, q Query) ([]Sample, error)
}

// Variables are what a query of a plan may name.
type Variables struct {
	Targets  []Target // $targets, $labels.NAME
	Wave     string
	Version  string
	Previous string
	Window   time.Duration // $window: from $from
	At       time.Time     // to $until
}

// A Query is one question to a source, with its variables filled in.
type Query struct {
	Text   string
	At     time.Time     // the instant that is asked about
	Window time.Duration // the stretch before it that is covered, for sources whose queries do not say so themselves
}

// A Ranger is a Source that answers a query at many instants at once.
type Ranger interface {
	// Range asks at q.At and at the n-1 instants before it, a step apart. It answers for each, oldest first; no
	// samples where there is no data.
	Range(ctx context.Context, q Query, step time.Duration, n int) ([][]Sample, error)
}

// An Alarmist is a Source that knows which alarms fired.
type Alarmist interface {
	// Alarms says of each named alarm, in the order of the names, when it was firing between two instants. An alarm
	// that does not exist is an error: a misspelt name must not look healthy.
	Alarms(ctx context.Context, names []string, from, until time.Time) ([]Alarm, error)
}

// An Alarm is what a source knows of one alarm over a stretch of time.
type Alarm struct {
	Name     string
	Episodes []Episode // when it was firing, oldest first
	Blind    string    // why a part of the stretch is not known; empty: all of it is
}

// An Episode is a stretch of time in which an alarm was firing.
type Episode struct {
	From  time.Time
	Until time.Time // zero: it still is
	Text  string    // what the alarm said, if it said something
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
	// Recorded comes after an event is in the ledger and applied to r, also one that was written beside this process.
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

// A StatusReader is a Forge that knows the statuses of commits.
type StatusReader interface {
	// Statuses returns the newest status of each name on a commit. What the forge calls a check counts as one.
	Statuses(ctx context.Context, commit string) ([]Status, error)
}

// A StatusWriter is a Forge that can say something of a commit, which a protected branch may require.
type StatusWriter interface {
	// SetStatus puts a status in the place of the one of the same name.
	SetStatus(ctx context.Context, commit string, s Status) error
}

// A Gatekeeper is a Forge that knows which changes ask to enter.
type Gatekeeper interface {
	// Changes are those that the job is about; with all of them, every open one that is to enter the job's branch.
	Changes(ctx context.Context, all bool) ([]Change, error)
}

// A Statusless is a Forge where no status of a commit can be believed.
type Statusless interface {
	// Instead says why, and what to do in the place of a plan's requires; whole sentences.
	Instead() string
}

// An Usher is a Forge that shows on a change itself, and not on its commit, whether it may enter.
type Usher interface {
	// Show puts what is said of a change, one of those that Changes has given, in the place of what was said of it under the
	// same name.
	Show(ctx context.Context, c Change, s Status) error
}

// A Doorman is a Forge that has places of its own, beside the statuses of commits, where it waits for whether a change may
// enter.
type Doorman interface {
	// Answer tells the place with an id of a change, as of those that Changes has given. A forge that has none there says so
	// in the log.
	Answer(ctx context.Context, place int, c Change, s StatusState) error
}

// A Door is a place of another system by which changes enter a line.
type Door interface {
	// Look says whether it is open.
	Look(ctx context.Context) (Doorway, error)
	// Open opens it.
	Open(ctx context.Context) error
	// Shut shuts it, where it was as Look has said, and does nothing if it was shut for the same reason. People see why,
	// one sentence, in the other system.
	Shut(ctx context.Context, was Doorway, why string) error
}

// A Freezer is a Forge that knows stretches of time in which people want nothing to be deployed.
type Freezer interface {
	// Freezes are those that are set there now; nil: there are none, or the forge has said in the log why nobody knows. An
	// error means that a freeze may well be on.
	Freezes(ctx context.Context) (Calendar, error)
}

// A Commenter is a Forge that can tell the people who made a change what became of it.
type Commenter interface {
	// Comment puts text, Markdown that is safe to show, where the change of a commit was discussed, in the place of what
	// was said there under the same name. A commit that was discussed nowhere is no error.
	Comment(ctx context.Context, commit, name, text string) error
}

// A Reporter is a Forge that can show a whole report beside the status of a commit.
type Reporter interface {
	// Report shows a report on a commit, in the place of what was shown there of the same rollout. What it notes on files
	// is added to what was noted before, each once. A report of a rollout that goes on again may take a new place.
	Report(ctx context.Context, commit string, r Report) error
}

// A Registrar is a Forge that keeps a register of what was deployed where.
type Registrar interface {
	// Register makes the entry of a wave say what d says. It finds the entry that another process has made, makes one if
	// there is none, and does nothing where the entry says so already.
	Register(ctx context.Context, d Deployment) error
	// Registered is what the register takes for the newest version that is out on a line as a whole, whoever entered it. The
	// zero value: it knows of none.
	Registered(ctx context.Context, line Line) (Entry, error)
}

// A Restarter is a Forge that can have an earlier run of the CI system run again.
type Restarter interface {
	// Restart starts the next attempt of a run, named as in [Actor.Run]. A run that is still going is an error.
	Restart(ctx context.Context, run string) error
}

// A Foreman is a Forge that knows what became of the jobs of a CI run.
type Foreman interface {
	// Crew says which run the job is one of whose jobs are told apart by attempts, and which attempt of it is at work now. A
	// later attempt has a higher number, and begins only after something of the one before has failed or was cancelled. The
	// run is empty if there is none.
	Crew(ctx context.Context) (run string, attempt int, err error)
	// Jobs returns the jobs of one attempt of a run, named as by Crew: of each name the newest, but for one that never began
	// where another did. The job X of a matrix that is called NAME is "NAME (X)", and one that is called by OTHER, or is part
	// of it, "OTHER / NAME (X)".
	Jobs(ctx context.Context, run string, attempt int) ([]RunJob, error)
}

// A Divider is a Foreman whose matrices may have as many jobs as they like, because Breakwater divides them.
type Divider interface {
	Divides()
}

// A Patient is a Forge that can say whether it lets this job do its work.
type Patient interface {
	// Examine looks at the token, at what it permits, at the forge's clock (see [Skew]) and the like, and changes nothing
	// that anybody would see. The plan says what is needed; it is nil if it does not load. Something that could not be
	// looked at is a problem, and names the permission that is missing.
	Examine(ctx context.Context, p *Plan) []Diagnosis
}
