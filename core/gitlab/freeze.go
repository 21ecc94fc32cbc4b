package gitlab

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/breakwater-ci/breakwater/core"
)

// mostFreezes is how many freezes one period may have in a stretch of time: more is no plan of people, and takes long.
const mostFreezes = 10_000

// Frozen reads freeze periods as a calendar. One that cannot be read, or that would never end, is an error: a freeze that
// is not understood must not look like none.
//
// A freeze begins whenever its start says so, and ends with the next instant of its end, as GitLab has it.
func Frozen(periods []FreezePeriod, now time.Time) (core.Calendar, error) {
	all := make(frozen, len(periods))
	for i, p := range periods {
		read, err := p.read()
		if err != nil {
			return nil, fmt.Errorf("GitLab's freeze period from %q to %q in %q cannot be read: %w; write it anew in the project's settings, under CI/CD, deploy freezes", p.Start, p.End, p.Zone, err)
		}
		if read.end.Next(now).IsZero() {
			return nil, fmt.Errorf("GitLab's freeze period from %q to %q never ends: there is no such day", p.Start, p.End)
		}
		all[i] = read
	}
	return all, nil
}

// A period is a freeze period that was read.
type period struct {
	start, end cron.Schedule
	zone       *time.Location
	why        string
}

type frozen []period

func (p FreezePeriod) read() (period, error) {
	zone := cmp.Or(p.Zone, "UTC")
	if zone == "Local" { // of whatever machine this is
		return period{}, fmt.Errorf("%q is no time zone", zone)
	}
	at, err := time.LoadLocation(zone)
	if err != nil {
		return period{}, fmt.Errorf("%w; want a name such as Europe/Dublin", err)
	}
	start, from, err := schedule(p.Start)
	if err != nil {
		return period{}, err
	}
	end, to, err := schedule(p.End)
	return period{start, end, at, fmt.Sprintf("GitLab's freeze period from %q to %q %s", from, to, zone)}, err
}

// fields are the five of cron and nothing else: no zone, whose place is beside it, and no words such as @every.
var fields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// schedule reads a text of cron, and gives it back with single spaces.
func schedule(text string) (cron.Schedule, string, error) {
	words := strings.Fields(text)
	if len(words) != 5 || strings.Contains(text, "=") {
		return nil, "", fmt.Errorf("%q is no cron of five fields", text)
	}
	shown := strings.Join(words, " ")
	days := strings.Split(words[4], ",")
	for i, d := range days { // Sunday is 7 as well as 0
		if from, ok := strings.CutSuffix(d, "-7"); ok {
			days[i] = from + "-6,0"
		} else if d == "7" {
			days[i] = "0"
		}
	}
	words[4] = strings.Join(days, ",")
	read, err := fields.Parse(strings.Join(words, " "))
	return read, shown, err
}

// Between implements [core.Calendar].
func (f frozen) Between(from, to time.Time) ([]core.Span, error) {
	var all []core.Span
	for _, p := range f {
		spans, err := p.spans(from, to)
		if err != nil {
			return nil, err
		}
		all = append(all, spans...)
	}
	return all, nil
}

// spans are the freezes of a period that overlap a stretch of time.
func (p period) spans(from, to time.Time) ([]core.Span, error) {
	var all []core.Span
	end := p.before(from)
	for range mostFreezes {
		start := p.start.Next(end.Add(-time.Second)) // one that begins as another ends is one of its own
		if start.IsZero() || start.After(to) {
			return all, nil
		}
		if end = p.end.Next(start); end.IsZero() {
			return nil, fmt.Errorf("%s: the freeze that begins at %s has no end", p.why, core.Zoned(start))
		}
		if end.After(from) {
			all = append(all, core.Span{From: core.Moment{At: start}, To: core.Moment{At: end}, Why: p.why})
		}
	}
	return nil, fmt.Errorf("%s: it begins too often to be told", p.why)
}

// before is an instant to look for freezes from, so that one that is on at another is found: at least one begins in
// between, and the last to begin decides. What began more than five years ago and never since, cron does not know.
func (p period) before(at time.Time) time.Time {
	at = at.In(p.zone)
	for _, days := range []int{1, 32, 367} {
		if back := at.AddDate(0, 0, -days); !p.start.Next(back).After(at) && !p.start.Next(back).IsZero() {
			return back
		}
	}
	return at.AddDate(-5, 0, 0)
}
