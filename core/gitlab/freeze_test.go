package gitlab_test

import (
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core/gitlab"
)

// TestFrozen: a freeze is on from each start to the next end, in the zone that it names, however long ago it began.
func TestFrozen(t *testing.T) {
	weekend := gitlab.FreezePeriod{Start: "0 17 * * 5", End: "0 8 * * 1", Zone: "Europe/Dublin"}
	for _, c := range []struct {
		name   string
		period gitlab.FreezePeriod
		at     string
		until  string // empty: none is on
	}{
		{"before a weekend", weekend, "2026-11-27T16:59:59Z", ""},
		{"at its first instant", weekend, "2026-11-27T17:00:00Z", "2026-11-30T08:00:00Z"},
		{"in it", weekend, "2026-11-29T12:00:00Z", "2026-11-30T08:00:00Z"},
		{"at its end", weekend, "2026-11-30T08:00:00Z", ""},
		{"in summer time", weekend, "2026-07-03T16:00:00Z", "2026-07-06T07:00:00Z"},
		{"as the clocks change", weekend, "2026-10-24T12:00:00Z", "2026-10-26T08:00:00Z"},
		{"a year's end", gitlab.FreezePeriod{Start: "0 0 20 12 *", End: "0 0 5 1 *"}, "2027-01-04T23:59:00Z", "2027-01-05T00:00:00Z"},
		{"most of a year", gitlab.FreezePeriod{Start: "0 0 1 2 *", End: "0 0 1 1 *"}, "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"began on a leap day", gitlab.FreezePeriod{Start: "0 0 29 2 *", End: "0 0 1 1 *"}, "2028-11-30T00:00:00Z", "2029-01-01T00:00:00Z"},
		{"and that is long ago", gitlab.FreezePeriod{Start: "0 0 29 2 *", End: "0 0 1 1 *"}, "2026-11-30T00:00:00Z", ""},
		{"a day that never comes", gitlab.FreezePeriod{Start: "0 0 30 2 *", End: "0 0 1 1 *"}, "2026-11-30T00:00:00Z", ""},
		{"starts twice", gitlab.FreezePeriod{Start: "0 9,12 * * *", End: "0 14 * * *"}, "2026-11-30T13:00:00Z", "2026-11-30T14:00:00Z"},
		{"one ends as the next starts", gitlab.FreezePeriod{Start: "0 */6 * * *", End: "0 */6 * * *"}, "2026-11-30T13:00:00Z", "2026-11-30T18:00:00Z"},
		{"Sunday is 7", gitlab.FreezePeriod{Start: "0 0 * * 6-7", End: "0 23 * * 6,7"}, "2026-11-29T12:00:00Z", "2026-11-29T23:00:00Z"},
		{"words", gitlab.FreezePeriod{Start: " 0  0 * NOV\tmon", End: "0 23 * * *", Zone: "UTC"}, "2026-11-30T12:00:00Z", "2026-11-30T23:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			read, err := gitlab.Frozen([]gitlab.FreezePeriod{c.period}, at)
			if err != nil {
				t.Fatal(err)
			}
			spans, err := read.Between(at, at.AddDate(0, 1, 0))
			if err != nil {
				t.Fatal(err)
			}
			until := ""
			for _, s := range spans {
				if !s.From.At.After(at) && s.To.At.After(at) {
					until = s.To.At.UTC().Format(time.RFC3339)
				}
				if strings.ContainsAny(s.Why, "\t\n") {
					t.Errorf("why: %q", s.Why)
				}
			}
			if until != c.until {
				t.Errorf("frozen until %q; want %q of %v", until, c.until, spans)
			}
		})
	}
}

// TestFrozenRefuses: what cannot be read is no empty calendar.
func TestFrozenRefuses(t *testing.T) {
	for _, c := range []struct {
		period gitlab.FreezePeriod
		want   string
	}{
		{gitlab.FreezePeriod{Start: "", End: "0 8 * * 1"}, "cannot be read"},
		{gitlab.FreezePeriod{Start: "0 17 * *", End: "0 8 * * 1"}, "no cron of five fields"},
		{gitlab.FreezePeriod{Start: "0 17 * * 5", End: "0 25 * * 1"}, "cannot be read"},
		{gitlab.FreezePeriod{Start: "0 17 * * 5#2", End: "0 8 * * 1"}, "cannot be read"},
		{gitlab.FreezePeriod{Start: "@every 1h", End: "0 8 * * 1"}, "no cron of five fields"},
		{gitlab.FreezePeriod{Start: "@daily", End: "0 8 * * 1"}, "no cron of five fields"},
		{gitlab.FreezePeriod{Start: "TZ=0", End: "0 8 * * 1"}, "no cron of five fields"},
		{gitlab.FreezePeriod{Start: "TZ=Asia/Tokyo 8 * * 1", End: "0 8 * * 1"}, "no cron of five fields"},
		{gitlab.FreezePeriod{Start: "0 17 * * 5", End: "0 8 * * 1", Zone: "Berlin"}, "want a name such as Europe/Dublin"},
		{gitlab.FreezePeriod{Start: "0 17 * * 5", End: "0 8 * * 1", Zone: "Local"}, "is no time zone"},
		{gitlab.FreezePeriod{Start: "0 17 * * 5", End: "0 8 * * 1", Zone: "../../etc/passwd"}, "cannot be read"},
		{gitlab.FreezePeriod{Start: "0 17 * * 5", End: "0 0 30 2 *"}, "never ends"},
	} {
		if _, err := gitlab.Frozen([]gitlab.FreezePeriod{c.period}, clock{}.Now()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %q", c.period, err, c.want)
		}
	}
	often, err := gitlab.Frozen([]gitlab.FreezePeriod{{Start: "* * * * *", End: "* * * * *"}}, clock{}.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := often.Between(clock{}.Now(), clock{}.Now().AddDate(1, 0, 0)); err == nil || !strings.Contains(err.Error(), "begins too often") {
		t.Errorf("every minute: %v", err)
	}
}
