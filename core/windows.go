package core

import "time"

// Windows say when a wave may start. What is under way is never held up by them: a wave that is half out, a bake and a
// rollback go on whatever the hour.
type Windows struct {
	Allow      []Hours  `json:"allow,omitempty" jsonschema_description:"Hours of the week in which a wave may start, such as Mon-Thu 09:00-16:00 target. Default: always."`
	Freeze     []Freeze `json:"freeze,omitempty" jsonschema_description:"Stretches of time in which no wave may start, whatever allow says."`
	MustFinish bool     `json:"must_finish,omitempty" jsonschema_description:"Refuse to start what would not finish before a window shuts, deploys and shortest bakes included. Default: false."`
	Timezone   string   `json:"timezone,omitempty" jsonschema_description:"Zone of hours and days that name none: an IANA name such as Europe/Dublin, UTC, or target for each target's own. Default: UTC."`
}

// ZoneTarget is the word for each target's own time zone.
const ZoneTarget = "target"

// Hours are a stretch of some days of every week.
type Hours struct {
	Days [7]bool       // by [time.Weekday]: the days on which it begins
	From time.Duration // after midnight
	To   time.Duration // after midnight, at most 24h; not above From: on the day after
	Zone string        // IANA name, UTC or target; empty: the zone of the windows
	Text string        // as written
}

// A Freeze is a stretch of time, or all events of a calendar.
type Freeze struct {
	From     Moment `json:"from,omitempty" jsonschema_description:"First day, or the instant at which it begins."`
	To       Moment `json:"to,omitempty" jsonschema_description:"Last day, which is part of it, or the instant at which it ends."`
	Calendar string `json:"calendar,omitempty" jsonschema_description:"An iCalendar file in the working folder, or an https URL of one; ${NAME} is filled in. Each of its events is a freeze."`
	Why      string `json:"why,omitempty" jsonschema_description:"What it is for, in every message. Default: what the event is called."`
}

// A Moment is an instant, or what the clock and calendar of a zone show. The zero value is unset.
type Moment struct {
	At    time.Time // the instant; or, if local, what is shown, as if it were UTC
	Local bool
	Day   bool // written as a day
}

// A Span is a stretch of time in a calendar. To is outside of it.
type Span struct {
	From, To Moment
	Zone     *time.Location // of what is local; nil: as the windows say
	Why      string         // what the event is called; may be empty
}

// An Opening is what the windows say of a wave at one instant. The zero value is shut: unknown is never open.
type Opening struct {
	Open    bool
	Until   time.Time // open: when the window shuts; shut: when the wave may start. Zero: not within a year
	Why     string    // shut: why, in words
	Unknown bool      // nobody knows, because a calendar could not be read
}

// Zoned writes an instant with the zone that it is told in: 2027-01-05 09:00 Europe/Dublin.
func Zoned(t time.Time) string { return t.Format("2006-01-02 15:04 ") + t.Location().String() }
