package window

import (
	"slices"
	"time"
)

// A span is a stretch of time. Its end is outside of it.
type span struct{ from, to time.Time }

// merged sorts spans and joins those that touch or overlap. Empty ones are dropped.
func merged(all []span) []span {
	all = slices.DeleteFunc(all, func(s span) bool { return !s.from.Before(s.to) })
	slices.SortFunc(all, func(a, b span) int { return a.from.Compare(b.from) })
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && !s.from.After(out[n-1].to) {
			if s.to.After(out[n-1].to) {
				out[n-1].to = s.to
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// common is what two lists of merged spans have in common.
func common(a, b []span) []span {
	var out []span
	for len(a) > 0 && len(b) > 0 {
		from, to := later(a[0].from, b[0].from), earlier(a[0].to, b[0].to)
		if from.Before(to) {
			out = append(out, span{from, to})
		}
		if a[0].to.Before(b[0].to) {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// without is what is left of merged spans when others are taken out.
func without(a, b []span) []span {
	var out []span
	for _, s := range a {
		for _, hole := range b {
			if !hole.to.After(s.from) {
				continue
			}
			if !hole.from.Before(s.to) {
				break
			}
			if s.from.Before(hole.from) {
				out = append(out, span{s.from, hole.from})
			}
			s.from = hole.to
		}
		if s.from.Before(s.to) {
			out = append(out, s)
		}
	}
	return out
}

// around is the span that an instant is in; false if it is in none.
func around(all []span, at time.Time) (span, bool) {
	for _, s := range all {
		if !at.Before(s.from) && at.Before(s.to) {
			return s, true
		}
	}
	return span{}, false
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
