// Package calendar reads iCalendar files (RFC 5545), from a folder or by https, as stretches of time. It knows events,
// their repetitions, exceptions and moved repetitions. What it does not understand is an error: a calendar of freezes
// that is half read would let a release out in the other half.
package calendar

import (
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Read reads an iCalendar file.
func Read(text string) (core.Calendar, error) {
	entries, err := events(text)
	if err != nil {
		return nil, err
	}
	var all pages
	series := make(map[string]*event) // by uid: the entries that repeat
	for _, props := range entries {
		e, err := eventOf(props)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
		if e.moves == nil && e.uid != "" {
			series[e.uid] = e
		}
	}
	for _, e := range all {
		if of := series[e.uid]; e.moves != nil && of != nil {
			of.but = append(of.but, *e.moves)
		}
	}
	return all, nil
}

// pages are the events of one file.
type pages []*event

// Between returns what takes place between two instants, and what does so a little before or after: how far a zone is
// from UTC is left to who knows the zone.
func (p pages) Between(from, to time.Time) ([]core.Span, error) {
	const farthest = 48 * time.Hour
	from, to = from.UTC().Add(-farthest), to.UTC().Add(farthest)
	var all []core.Span
	for _, e := range p {
		if e.off {
			continue
		}
		spans, err := e.spans(from, to)
		if err != nil {
			return nil, err
		}
		all = append(all, spans...)
	}
	return all, nil
}
