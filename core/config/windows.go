package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // whether a time zone exists must not depend on the machine

	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core"
)

// The forms of windows. The patterns are those of the schema too, which cannot know what days and zones there are.
const (
	dayForm      = `(Mon|Tue|Wed|Thu|Fri|Sat|Sun)`
	daysForm     = `(daily|` + dayForm + `(-` + dayForm + `)?(,` + dayForm + `(-` + dayForm + `)?)*)`
	timeForm     = `([01][0-9]|2[0-3]):[0-5][0-9]`
	zoneForm     = `[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*`
	hoursForm    = `^` + daysForm + ` ` + timeForm + `-(` + timeForm + `|24:00)( ` + zoneForm + `)?$`
	momentForm   = `^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2}))?$`
	calendarForm = `^(https://[^\s/]+(/\S*)?|\$\{[A-Za-z_][A-Za-z0-9_]*\}\S*|[^:/\\$\s][^:\\$]*)$`
	upwardsForm  = `(^|/)\.\.(/|$)`
)

var (
	days       = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"} // by time.Weekday
	isTime     = regexp.MustCompile(`^` + timeForm + `$`)
	isZone     = regexp.MustCompile(`^` + zoneForm + `$`)
	isMoment   = regexp.MustCompile(momentForm)
	isCalendar = regexp.MustCompile(calendarForm)
)

const (
	wantHours = `days, hours and maybe a time zone, such as "Mon-Thu 09:00-16:00 Europe/Dublin", "Mon,Wed,Fri 09:00-16:00 target" or "daily 22:00-02:00"`
	wantZone  = "an IANA time zone such as Europe/Dublin, or UTC"
)

// A slip is what is wrong with a text, and what would be right.
type slip struct{ message, want string }

// hours decodes "Mon-Thu 09:00-16:00 target".
func (d *decoder) hours(n *yaml.Node, p *core.Hours) {
	if tag(n) != "!!str" {
		d.wrongType(n, wantHours)
		return
	}
	h, wrong := parseHours(n.Value)
	if wrong != nil {
		d.refuse(n, wrong.want, "%s", wrong.message)
		return
	}
	*p = h
}

func parseHours(text string) (core.Hours, *slip) {
	h := core.Hours{Text: text}
	fields := strings.Split(text, " ")
	if len(fields) < 2 || len(fields) > 3 {
		return h, &slip{fmt.Sprintf("the text %q has not the form of hours", clip(text)), wantHours}
	}
	if wrong := parseDays(fields[0], &h.Days); wrong != nil {
		return h, wrong
	}
	from, to, found := strings.Cut(fields[1], "-")
	if !found {
		return h, &slip{fmt.Sprintf("%q is no stretch of time", clip(fields[1])), "a beginning and an end, such as 09:00-16:00"}
	}
	var ok bool
	if h.From, ok = parseTime(from); !ok {
		return h, &slip{fmt.Sprintf("%q is no time at which a day's window can begin", clip(from)), "two digits each, from 00:00 to 23:59"}
	}
	if h.To, ok = parseTime(to); !ok && to != "24:00" {
		return h, &slip{fmt.Sprintf("%q is no time at which a window can end", clip(to)), "two digits each, from 00:00 to 23:59, or 24:00 for the end of the day"}
	}
	if to == "24:00" {
		h.To = 24 * time.Hour
	}
	if h.From == h.To {
		return h, &slip{fmt.Sprintf("a window from %s to %s is empty", from, to), "00:00-24:00 for whole days"}
	}
	if len(fields) == 3 {
		h.Zone = fields[2]
		if h.Zone != core.ZoneTarget && !validZone(h.Zone) {
			return h, &slip{fmt.Sprintf("there is no time zone %q", clip(h.Zone)), wantZone + ", or target for each target's own"}
		}
	}
	return h, nil
}

// parseDays reads daily, days and ranges of days, which may wrap around the end of the week: "Fri-Mon,Wed".
func parseDays(text string, p *[7]bool) *slip {
	if text == "daily" {
		*p = [7]bool{true, true, true, true, true, true, true}
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		for _, name := range []string{first, last} {
			if !slices.Contains(days, name) {
				known := append(slices.Clone(days[1:]), days[0], "daily")
				return &slip{fmt.Sprintf("%q is no day", clip(name)), oneOf(name, known)}
			}
		}
		from, to := slices.Index(days, first), slices.Index(days, last)
		for day := from; ; day = (day + 1) % 7 {
			if p[day] {
				return &slip{fmt.Sprintf("%s is in %q twice", days[day], clip(text)), "each day once"}
			}
			p[day] = true
			if day == to {
				break
			}
		}
	}
	return nil
}

// parseTime reads a time of day. 24:00 is none: it is only an end.
func parseTime(text string) (time.Duration, bool) {
	if !isTime.MatchString(text) {
		return 0, false
	}
	at, err := time.Parse("15:04", text)
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute, err == nil
}

// validZone reports whether a time zone exists. "Local" would be another one on every machine.
func validZone(name string) bool {
	if !isZone.MatchString(name) || name == "Local" {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}

// moment decodes a day or an instant.
func (d *decoder) moment(n *yaml.Node, p *core.Moment) {
	const want = "a day such as 2026-12-18, or an instant such as 2026-12-18T17:00:00Z"
	if got := tag(n); got != "!!str" && got != "!!timestamp" || !isMoment.MatchString(n.Value) {
		d.wrongType(n, want)
		return
	}
	layout := time.RFC3339
	if p.Day = len(n.Value) == len(time.DateOnly); p.Day {
		layout, p.Local = time.DateOnly, true
	}
	var err error
	if p.At, err = time.Parse(layout, n.Value); err != nil {
		d.refuse(n, want, "%s is in no calendar", clip(n.Value))
	}
}

// validCalendar accepts a file in the working folder, an https URL, or ${NAME}.
func validCalendar(text string) bool {
	if _, wrong := expand(text, nil); len(wrong) > 0 || !isCalendar.MatchString(text) {
		return false
	}
	return strings.Contains(text, "://") || strings.HasPrefix(text, "$") || filepath.IsLocal(text)
}

// Expand fills ${NAME} in a text that the loader leaves as it is written: in the calendar of a freeze.
func Expand(text string, lookup func(string) (string, bool)) (string, error) {
	filled, wrong := expand(text, lookup)
	if len(wrong) > 0 {
		return "", wrong[0]
	}
	return filled, nil
}

// checkWindows looks for windows that say nothing, and freezes that are never or in two ways.
func (d *decoder) checkWindows(p *core.Plan) {
	w := p.Windows
	if w == nil || d.bad(&p.Windows) {
		return
	}
	if !d.given(&w.Allow) && !d.given(&w.Freeze) && !d.refused[d.seen[&p.Windows]] {
		d.mistake(d.seen[&p.Windows], "allow, freeze or both", "these windows say nothing")
	}
	for i := range w.Freeze {
		d.checkFreeze(&w.Freeze[i])
	}
}

func (d *decoder) checkFreeze(f *core.Freeze) {
	const want = "from and to, or a calendar"
	at := d.seen[f]
	if d.refused[at] {
		return
	}
	dated := d.given(&f.From) || d.given(&f.To)
	switch {
	case dated && d.given(&f.Calendar):
		d.mistake(at, want+"; make two freezes of it", "this freeze comes from two places")
	case !dated && !d.given(&f.Calendar):
		d.mistake(at, want, "this freeze is never")
	case dated && !d.given(&f.From):
		d.mistake(at, "from: the first day, or the instant at which it begins", "this freeze has no beginning")
	case dated && !d.given(&f.To):
		d.mistake(at, "to: the last day, or the instant at which it ends", "this freeze has no end")
	case dated && d.good(&f.From) && d.good(&f.To) && never(f):
		d.mistake(d.seen[&f.To], "a later one than from", "this freeze ends before it begins")
	}
}

// never reports whether a freeze ends before it begins. Of a day and an instant that depends on the zone, but not if they
// are days apart.
func never(f *core.Freeze) bool {
	switch {
	case f.From.Day && f.To.Day:
		return f.To.At.Before(f.From.At)
	case f.From.Day == f.To.Day:
		return !f.From.At.Before(f.To.At)
	default:
		return f.To.At.Add(48 * time.Hour).Before(f.From.At)
	}
}
