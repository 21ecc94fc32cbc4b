package calendar

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A stamp is a date or a time of an iCalendar file.
type stamp struct {
	shown time.Time      // what the clock of its zone shows, as if it were UTC
	day   bool           // a date
	zone  *time.Location // nil: none, it is local wherever it is read
}

// stampOf reads the value of a property as a date or time; a list of them with stampsOf.
func stampOf(p property, value string) (stamp, error) {
	var s stamp
	var err error
	switch len(value) {
	case len("20060102"):
		s.day = true
		s.shown, err = time.Parse("20060102", value)
	case len("20060102T150405"):
		s.shown, err = time.Parse("20060102T150405", value)
		if id := p.params["TZID"]; err == nil && id != "" {
			s.zone, err = zone(p, id)
		}
	case len("20060102T150405Z"):
		s.zone = time.UTC
		s.shown, err = time.Parse("20060102T150405Z", value)
	default:
		return s, p.wrong("%s is no date or time of a calendar: %q", short(p.name), short(value))
	}
	if _, bad := err.(*time.ParseError); bad {
		return s, p.wrong("%s is no date or time of a calendar: %q", short(p.name), short(value))
	}
	return s, err
}

func stampsOf(p property) ([]stamp, error) {
	var all []stamp
	for value := range strings.SplitSeq(p.value, ",") {
		s, err := stampOf(p, value)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func zone(p property, id string) (*time.Location, error) {
	if id != "Local" {
		if zone, err := time.LoadLocation(id); err == nil {
			return zone, nil
		}
	}
	return nil, p.wrong("the time zone %q is none that is known; use an IANA name such as Europe/Dublin", short(id))
}

// in is what the clock of a zone shows at a stamp. One without a zone shows the same everywhere.
func (s stamp) in(zone *time.Location) time.Time {
	if s.zone == nil || zone == nil || s.zone.String() == zone.String() {
		return s.shown
	}
	y, m, d := s.shown.Date()
	at := time.Date(y, m, d, s.shown.Hour(), s.shown.Minute(), s.shown.Second(), 0, s.zone)
	_, offset := at.In(zone).Zone()
	return at.UTC().Add(time.Duration(offset) * time.Second)
}

var isDuration = regexp.MustCompile(`^\+?P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?$`)

// durationOf reads a duration such as P1D or PT1H30M.
func durationOf(p property) (time.Duration, error) {
	parts := isDuration.FindStringSubmatch(p.value)
	if parts == nil {
		return 0, p.wrong("%q is no duration such as P1D or PT8H", short(p.value))
	}
	var sum time.Duration
	for i, unit := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if parts[i+1] != "" {
			n, _ := strconv.Atoi(parts[i+1]) // the form has digits only, and few
			sum += time.Duration(n) * unit
		}
	}
	return sum, nil
}
