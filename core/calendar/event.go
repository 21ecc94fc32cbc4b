package calendar

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/teambition/rrule-go"

	"github.com/breakwater-ci/breakwater/core"
)

// An event is one entry of a calendar, with all its repetitions.
type event struct {
	from    stamp
	lasts   time.Duration
	rule    *rrule.ROption // nil: it does not repeat
	more    []stamp        // RDATE
	but     []stamp        // EXDATE, and the repetitions that another entry moves
	name    string
	uid     string
	moves   *stamp // the repetition of the event with the same uid that this one is instead of
	off     bool   // cancelled
	defined property
}

// most bounds how many repetitions of one event are looked at: a rule that needs more is a mistake.
const most = 100_000

// eventOf reads an event. What cannot be told is an error: half an event would be a freeze with a hole.
func eventOf(props []property) (*event, error) {
	e := &event{defined: props[0]}
	var until *stamp
	var rule string
	begun := false
	for _, p := range props[1:] {
		var err error
		var some []stamp
		switch p.name {
		case "UID":
			e.uid = p.value
		case "SUMMARY":
			e.name = plain(p.value)
		case "STATUS":
			e.off = strings.EqualFold(p.value, "CANCELLED")
		case "DTSTART":
			begun = true
			e.from, err = stampOf(p, p.value)
		case "DTEND":
			until = new(stamp)
			*until, err = stampOf(p, p.value)
		case "DURATION":
			e.lasts, err = durationOf(p)
		case "RRULE":
			if rule != "" {
				return nil, p.wrong("this event has two rules; make two events of it")
			}
			rule = p.value
			e.rule, err = ruleOf(p)
		case "EXRULE":
			return nil, p.wrong("EXRULE is not understood; use EXDATE")
		case "RDATE":
			some, err = stampsOf(p)
			e.more = append(e.more, some...)
		case "EXDATE":
			some, err = stampsOf(p)
			e.but = append(e.but, some...)
		case "RECURRENCE-ID":
			if p.params["RANGE"] != "" {
				return nil, p.wrong("a change of all later repetitions is not understood; end the one event and begin another")
			}
			e.moves = new(stamp)
			*e.moves, err = stampOf(p, p.value)
		}
		if err != nil {
			return nil, err
		}
	}
	switch year := e.from.shown.Year(); {
	case !begun:
		return nil, e.defined.wrong("this event has no DTSTART")
	case year < 1900 || year > 2100: // a rule without an end is followed for 290 years
		return nil, e.defined.wrong("this event begins in the year %d", year)
	}
	return e, e.settle(until)
}

// settle works out how long the event lasts and how its rule begins and ends.
func (e *event) settle(until *stamp) error {
	switch {
	case until != nil:
		e.lasts = until.in(e.from.zone).Sub(e.from.shown)
	case e.lasts == 0 && e.from.day:
		e.lasts = 24 * time.Hour
	}
	if e.lasts < 0 {
		return e.defined.wrong("this event ends before it begins")
	}
	if e.rule == nil {
		return nil
	}
	e.rule.Dtstart = e.from.shown
	rule, err := rrule.NewRRule(*e.rule)
	if err != nil {
		return e.defined.wrong("the rule of this event: %v", err)
	}
	if _, ever := rule.Iterator()(); !ever {
		return e.defined.wrong("the rule of this event never comes true")
	}
	return nil
}

// ruleOf reads a rule by which an event repeats, in what the clock shows: an end that is given in UTC is put in the zone
// of the event once that is known, see spans.
func ruleOf(p property) (*rrule.ROption, error) {
	const longest = 500 // a longer one only costs time
	text := strings.ToUpper(p.value)
	if len(text) > longest {
		return nil, p.wrong("this rule is too long")
	}
	rule, err := rrule.StrToROption(text)
	if err != nil || strings.Contains(text, "DTSTART") {
		return nil, p.wrong("%q is no rule of an iCalendar file", short(p.value))
	}
	switch {
	case rule.Freq > rrule.DAILY:
		return nil, p.wrong("an event that repeats within a day is no freeze")
	case rule.Interval < 0 || rule.Interval > most || rule.Count < 0:
		return nil, p.wrong("%q is no rule of an iCalendar file", short(p.value))
	}
	for part := range strings.SplitSeq(text, ";") {
		if value, ok := strings.CutPrefix(part, "UNTIL="); ok && !strings.HasSuffix(value, "Z") && !strings.Contains(value, "T") {
			rule.Until = rule.Until.Add(24*time.Hour - time.Second) // a day, to its end
		}
	}
	return rule, nil
}

// spans are the repetitions of the event that overlap what the clocks show from one reading to another.
func (e *event) spans(from, to time.Time) ([]core.Span, error) {
	var all []core.Span
	add := func(shown time.Time) {
		if shown.After(to) || shown.Add(e.lasts).Before(from) || e.excepts(shown) {
			return
		}
		all = append(all, core.Span{
			From: core.Moment{At: shown, Local: true}, To: core.Moment{At: shown.Add(e.lasts), Local: true},
			Zone: e.from.zone, Why: e.name,
		})
	}
	add(e.from.shown) // the first is one whether or not its rule says so
	for _, s := range e.more {
		add(s.in(e.from.zone))
	}
	if e.rule == nil {
		return all, nil
	}
	option := *e.rule
	if !option.Until.IsZero() && e.from.zone != nil {
		option.Until = stamp{shown: option.Until, zone: time.UTC}.in(e.from.zone)
	}
	rule, err := rrule.NewRRule(option)
	if err != nil {
		return nil, e.defined.wrong("the rule of this event: %v", err)
	}
	next := rule.Iterator()
	for n := 0; ; n++ {
		shown, ok := next()
		if !ok || shown.After(to) {
			return all, nil
		}
		if n == most {
			return nil, e.defined.wrong("this event repeats too often since it began")
		}
		if !shown.Equal(e.from.shown) {
			add(shown)
		}
	}
}

// excepts reports whether a repetition does not take place, or at another time.
func (e *event) excepts(shown time.Time) bool {
	return slices.ContainsFunc(e.but, func(s stamp) bool {
		if s.day && !e.from.day {
			return s.shown.Equal(shown.Truncate(24 * time.Hour))
		}
		return s.in(e.from.zone).Equal(shown)
	})
}

// plain is a text of a calendar without its escapes, safe to be shown in one line.
func plain(text string) string {
	text = strings.NewReplacer(`\\`, `\`, `\n`, " ", `\N`, " ", `\,`, ",", `\;`, ";").Replace(text)
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	return short(strings.Join(strings.Fields(text), " "))
}
