package window

import (
	"time"
	_ "time/tzdata" // a slim image has no time zones of its own
)

// instant is the first instant at which the clock and calendar of a zone show a reading, or a later one. A reading that
// daylight saving leaves out is so the end of the gap, and one that comes twice is its first. The reading is given as if
// it were UTC.
func instant(reading time.Time, zone *time.Location) time.Time {
	const farthest = 26 * time.Hour // no zone is farther from UTC than a day, and the last stretch must begin before
	for at := reading.Add(-farthest).In(zone); ; {
		_, offset := at.Zone()
		shown := reading.Add(-time.Duration(offset) * time.Second)
		_, end := at.ZoneBounds()
		switch {
		case shown.Before(at):
			return at
		case end.IsZero() || shown.Before(end):
			return shown.In(zone)
		}
		at = end
	}
}

// reading is what the clock and calendar of a zone show at an instant, as if it were UTC.
func reading(at time.Time, zone *time.Location) time.Time {
	_, offset := at.In(zone).Zone()
	return at.UTC().Add(time.Duration(offset) * time.Second)
}

// midnight is the beginning of the day of a reading.
func midnight(reading time.Time) time.Time {
	y, m, d := reading.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}
