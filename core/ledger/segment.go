package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/breakwater-ci/breakwater/core"
)

// segments are the segments of one line, numbered from 0 without gaps.
type segments struct {
	line  core.Line
	count int
	step  int                                                       // how many are loaded at once when all are read
	name  func(i int) string                                        // for errors
	load  func(ctx context.Context, from, to int) ([][]byte, error) // the texts of [from, to)
	tears bool                                                      // an append can be cut off half-way
}

// newest returns the events of the newest rollout. It reads from the newest segment back, twice as many at each step,
// until it finds the event that started the rollout.
func (s segments) newest(ctx context.Context) ([]core.Event, error) {
	var found [][]core.Event // newest segment first
	var later []core.Event
	for to, step := s.count, 1; to > 0; to, step = max(0, to-step), step*2 {
		texts, err := s.load(ctx, max(0, to-step), to)
		if err != nil {
			return nil, err
		}
		for i := to - 1; len(texts) > 0; i-- {
			events, err := s.parse(i, texts[len(texts)-1])
			if err == nil && len(later) > 0 {
				err = s.joins(i+1, endOf(events[len(events)-1]), later)
			}
			if err != nil {
				return nil, err
			}
			texts, later = texts[:len(texts)-1], events
			start := lastStarted(events)
			found = append(found, events[max(0, start):])
			if start >= 0 {
				slices.Reverse(found)
				return slices.Concat(found...), nil
			}
		}
	}
	return nil, nil
}

func lastStarted(events []core.Event) int {
	for i, e := range slices.Backward(events) {
		if e.Type == core.EventStarted {
			return i
		}
	}
	return -1
}

// all yields every event, oldest first.
func (s segments) all(ctx context.Context) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		var at end
		for from := 0; from < s.count; from += s.step {
			texts, err := s.load(ctx, from, min(from+s.step, s.count))
			for i := 0; err == nil && i < len(texts); i++ {
				var events []core.Event
				if events, err = s.parse(from+i, texts[i]); err == nil && len(events) > 0 {
					err = s.joins(from+i, at, events)
				}
				if err != nil {
					break
				}
				for _, e := range events {
					at = endOf(e)
					if !yield(e, nil) {
						return
					}
				}
			}
			if err != nil {
				yield(core.Event{}, err)
				return
			}
		}
	}
}

// parse reads segment i. Only the newest may end in an append that was cut off, or be empty because of that.
func (s segments) parse(i int, text []byte) ([]core.Event, error) {
	events, whole, err := parse(s.name(i), s.line, text)
	switch {
	case err != nil:
		return nil, err
	case s.tears && i == s.count-1:
	case whole < len(text):
		return nil, &CorruptError{File: s.name(i), Err: fmt.Errorf("it is cut off after byte %d", whole)}
	case len(events) == 0:
		return nil, &CorruptError{File: s.name(i), Err: errors.New("it is empty")}
	}
	if i == 0 && len(events) > 0 {
		err = s.joins(0, end{}, events)
	}
	return events, err
}

// joins checks that segment i goes on where the one before it ended.
func (s segments) joins(i int, at end, events []core.Event) error {
	if err := follows(at, events[0]); err != nil {
		return &CorruptError{File: s.name(i), Line: 1, Err: err}
	}
	return nil
}

// numbered checks that names are those of the segments from 0 on.
func numbered(names []string, name func(i int) string, show func(name string) string) error {
	for i, got := range names {
		if got != name(i) {
			return &CorruptError{File: show(name(i)), Err: fmt.Errorf("it is missing; next is %s", got)}
		}
	}
	return nil
}

// holds says whether text is right after the event numbered after: a write got through whose answer was lost, and others
// wrote since.
func (s segments) holds(ctx context.Context, text []byte, after int64) (bool, error) {
	for i := s.count - 1; i >= 0; i-- {
		texts, err := s.load(ctx, i, i+1)
		if err != nil {
			return false, err
		}
		if bytes.Contains(texts[0], text) {
			return true, nil
		}
		events, err := s.parse(i, texts[0])
		if err != nil {
			return false, err
		}
		if events[0].Seq <= after+1 {
			break
		}
	}
	return false, nil
}
