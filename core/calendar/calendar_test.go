package calendar

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func ics(lines ...string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VCALENDAR\r\n"
}

func entry(lines ...string) string {
	return "BEGIN:VEVENT\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VEVENT"
}

// told are the spans of a calendar in a few years, each as "from/to zone why".
func told(t *testing.T, text string, from, to string) []string {
	t.Helper()
	c, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	begin, _ := time.Parse(time.DateOnly, from)
	end, _ := time.Parse(time.DateOnly, to)
	spans, err := c.Between(begin, end)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range spans {
		zone := "local"
		if s.Zone != nil {
			zone = s.Zone.String()
		}
		if !s.From.Local || !s.To.Local {
			t.Errorf("%+v is not what a clock shows", s)
		}
		const form = "2006-01-02T15:04"
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s/%s %s %s", s.From.At.Format(form), s.To.At.Format(form), zone, s.Why)))
	}
	return out
}

func TestBetween(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []string // between 2026-06-01 and 2026-06-30
	}{
		{"a day", ics(entry("SUMMARY:Midsummer", "DTSTART;VALUE=DATE:20260619")), []string{"2026-06-19T00:00/2026-06-20T00:00 local Midsummer"}},
		{"days, the end outside", ics(entry("DTSTART;VALUE=DATE:20260619", "DTEND;VALUE=DATE:20260622")), []string{"2026-06-19T00:00/2026-06-22T00:00 local"}},
		{"in UTC", ics(entry("DTSTART:20260619T220000Z", "DTEND:20260620T030000Z")), []string{"2026-06-19T22:00/2026-06-20T03:00 UTC"}},
		{"in a zone, the end in another", ics(entry("DTSTART;TZID=Europe/Dublin:20260619T220000", `DTEND;TZID="America/New_York":20260619T190000`)),
			[]string{"2026-06-19T22:00/2026-06-20T00:00 Europe/Dublin"}},
		{"without a zone", ics(entry("DTSTART:20260619T220000", "DURATION:PT1H30M")), []string{"2026-06-19T22:00/2026-06-19T23:30 local"}},
		{"weeks", ics(entry("DTSTART:20260601T000000Z", "DURATION:P1W")), []string{"2026-06-01T00:00/2026-06-08T00:00 UTC"}},
		{"what began before", ics(entry("DTSTART;VALUE=DATE:20260101", "DTEND;VALUE=DATE:20270101", "SUMMARY:all year")), []string{"2026-01-01T00:00/2027-01-01T00:00 local all year"}},
		{"not what is over", ics(entry("DTSTART;VALUE=DATE:20250101")), nil},
		{"every year", ics(entry("DTSTART;VALUE=DATE:20200619", "RRULE:FREQ=YEARLY")), []string{"2026-06-19T00:00/2026-06-20T00:00 local"}},
		{"the last Friday of a month", ics(entry("DTSTART;TZID=Europe/Dublin:20260130T180000", "DTEND;TZID=Europe/Dublin:20260130T230000", "RRULE:FREQ=MONTHLY;BYDAY=-1FR")),
			[]string{"2026-06-26T18:00/2026-06-26T23:00 Europe/Dublin"}},
		{"until, a day to its end", ics(entry("DTSTART;VALUE=DATE:20260610", "RRULE:FREQ=DAILY;UNTIL=20260612")),
			[]string{"2026-06-10T00:00/2026-06-11T00:00 local", "2026-06-11T00:00/2026-06-12T00:00 local", "2026-06-12T00:00/2026-06-13T00:00 local"}},
		{"until, an instant in the zone of the event", ics(entry("DTSTART;TZID=Asia/Tokyo:20260610T080000", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20260610T230000Z")),
			[]string{"2026-06-10T08:00/2026-06-10T09:00 Asia/Tokyo", "2026-06-11T08:00/2026-06-11T09:00 Asia/Tokyo"}},
		{"count", ics(entry("DTSTART;VALUE=DATE:20260601", "RRULE:FREQ=WEEKLY;COUNT=2")), []string{"2026-06-01T00:00/2026-06-02T00:00 local", "2026-06-08T00:00/2026-06-09T00:00 local"}},
		{"one more and one less", ics(entry("DTSTART;VALUE=DATE:20260601", "RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE;VALUE=DATE:20260608", "RDATE;VALUE=DATE:20260610,20260612")),
			[]string{"2026-06-01T00:00/2026-06-02T00:00 local", "2026-06-10T00:00/2026-06-11T00:00 local", "2026-06-12T00:00/2026-06-13T00:00 local", "2026-06-15T00:00/2026-06-16T00:00 local"}},
		{"one less, told in UTC", ics(entry("DTSTART;TZID=Europe/Dublin:20260601T090000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE:20260608T080000Z")),
			[]string{"2026-06-01T09:00/2026-06-01T10:00 Europe/Dublin"}},
		{"one less, told as a day", ics(entry("DTSTART;TZID=Europe/Dublin:20260601T090000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE;VALUE=DATE:20260608")),
			[]string{"2026-06-01T09:00/2026-06-01T10:00 Europe/Dublin"}},
		{"one is moved, one is cancelled", ics(
			entry("UID:a", "DTSTART;VALUE=DATE:20260601", "RRULE:FREQ=WEEKLY;COUNT=3", "SUMMARY:old"),
			entry("UID:a", "RECURRENCE-ID;VALUE=DATE:20260608", "DTSTART;VALUE=DATE:20260609", "SUMMARY:moved"),
			entry("UID:a", "RECURRENCE-ID;VALUE=DATE:20260615", "DTSTART;VALUE=DATE:20260615", "STATUS:CANCELLED")),
			[]string{"2026-06-01T00:00/2026-06-02T00:00 local old", "2026-06-09T00:00/2026-06-10T00:00 local moved"}},
		{"cancelled", ics(entry("DTSTART;VALUE=DATE:20260601", "STATUS:CANCELLED")), nil},
		{"transparent as holidays are", ics(entry("DTSTART;VALUE=DATE:20260601", "TRANSP:TRANSPARENT")), []string{"2026-06-01T00:00/2026-06-02T00:00 local"}},
		{"an alarm and a zone are no events", ics("BEGIN:VTIMEZONE", "TZID:x", "BEGIN:STANDARD", "DTSTART:16010101T000000", "END:STANDARD", "END:VTIMEZONE",
			entry("DTSTART;VALUE=DATE:20260601", "BEGIN:VALARM", "DURATION:wrong", "END:VALARM")), []string{"2026-06-01T00:00/2026-06-02T00:00 local"}},
		{"folded lines, escapes and what a terminal would obey", ics(entry("DTSTART;VALUE=DATE:20260601", "SUMMARY:End of\r\n  quarter\\, no\\nre\r\n\tleases \x1b[31m")),
			[]string{"2026-06-01T00:00/2026-06-02T00:00 local End of quarter, no releases [31m"}},
		{"a leap day every year is every fourth", ics(entry("DTSTART;VALUE=DATE:20240229", "RRULE:FREQ=YEARLY")), nil},
		{"nothing", ics(), nil},
		{"line feeds, and a byte order mark", "\ufeff" + strings.ReplaceAll(ics(entry("DTSTART;VALUE=DATE:20260601")), "\r\n", "\n"), []string{"2026-06-01T00:00/2026-06-02T00:00 local"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := told(t, tt.text, "2026-06-01", "2026-06-30")
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
	if got := told(t, ics(entry("DTSTART;VALUE=DATE:20240229", "RRULE:FREQ=YEARLY")), "2028-02-01", "2028-03-20"); len(got) != 1 {
		t.Errorf("a leap day: %v", got)
	}
}

// TestNotUnderstood: what cannot be told is an error, never a calendar with less in it.
func TestNotUnderstood(t *testing.T) {
	day := "DTSTART;VALUE=DATE:20260601"
	for text, want := range map[string]string{
		"": "there is nothing in it",
		"<html><body>Please sign in: here</body></html>":                      "line 1: this is no iCalendar file",
		"nothing of the kind":                                                 `line 1: "nothing of the kind" is no line`,
		"BEGIN:VCARD\nEND:VCARD\n":                                            "line 1: this is no iCalendar file",
		"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260601T000000Z\n":           "it is cut off: \"VEVENT\" has no end",
		"BEGIN:VCALENDAR\nEND:VEVENT\n":                                       `line 2: "VEVENT" ends where "VCALENDAR" is open`,
		ics(entry("SUMMARY:when?")):                                           "line 3: this event has no DTSTART",
		ics(entry("DTSTART:2026-06-01")):                                      `line 4: DTSTART is no date or time of a calendar: "2026-06-01"`,
		ics(entry("DTSTART:00010101", "RRULE:FREQ=DAILY")):                    "begins in the year 1",
		ics(entry("DTSTART:20260631")):                                        "line 4: DTSTART is no date",
		ics(entry("DTSTART;TZID=W. Europe Standard Time:20260601T000000")):    `the time zone "W. Europe Standard Time" is none that is known`,
		ics(entry("DTSTART;TZID=Local:20260601T000000")):                      `"Local"`,
		ics(entry(day, "DTEND;VALUE=DATE:20260531")):                          "ends before it begins",
		ics(entry(day, "DURATION:-P1D")):                                      "no duration",
		ics(entry(day, "RRULE:FREQ=HOURLY")):                                  "repeats within a day",
		ics(entry(day, "RRULE:FREQ=SOMETIMES")):                               "no rule",
		ics(entry(day, "RRULE:FREQ=DAILY;INTERVAL=-1")):                       "no rule",
		ics(entry(day, "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")):          "never comes true",
		ics(entry(day, "RRULE:FREQ=DAILY;BYMONTH=13")):                        "bymonth must be between 1 and 12",
		ics(entry(day, "RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY")):              "two rules",
		ics(entry(day, "RRULE:FREQ=DAILY;BYHOUR="+strings.Repeat("1,", 300))): "too long",
		ics(entry(day, "EXRULE:FREQ=DAILY")):                                  "EXRULE is not understood",
		ics(entry(day, "RDATE;VALUE=PERIOD:20260601T000000Z/PT1H")):           "RDATE is no date",
		ics(entry(day, "RECURRENCE-ID;RANGE=THISANDFUTURE:20260601")):         "all later repetitions",
		ics("DTSTART;X"): `a parameter of "DTSTART" has no value`,
		ics(`X;Y="z:`):   `a parameter of "X" has no end`,
		ics("X;Y=z"):     `a parameter of "X" has no end`,
	} {
		if _, err := Read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	c, err := Read(ics(entry("DTSTART:19500101T000000", "DURATION:PT1H", "RRULE:FREQ=DAILY;BYHOUR=0,6,12,18")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Between(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)); err == nil || !strings.Contains(err.Error(), "repeats too often") {
		t.Errorf("four times a day since 1950: %v", err)
	}
}

// still is a clock that does not wait.
type still struct{ waited int }

func (*still) Now() time.Time { return time.Time{} }

func (s *still) Wait(ctx context.Context, _ time.Time) error { s.waited++; return ctx.Err() }

func TestOpenFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("good.ics", ics(entry("DTSTART;VALUE=DATE:20260601")))
	write("large.ics", strings.Repeat("x", largest+1))
	env := Env{Dir: dir, Clock: new(still)}
	if _, err := Open(t.Context(), "good.ics", env); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{
		"none.ics": "no such file", "../good.ics": "escapes", "large.ics": "larger than 1 MiB",
		"http://example.com/x.ics": "only https is trusted",
	} {
		if _, err := Open(t.Context(), name, env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func TestOpenURLs(t *testing.T) {
	asked := 0
	answer := func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch r.URL.Path {
		case "/good":
			fmt.Fprint(w, ics(entry("DTSTART;VALUE=DATE:20260601")))
		case "/tired":
			if asked < tries {
				http.Error(w, "later", http.StatusServiceUnavailable)
				return
			}
			fmt.Fprint(w, ics())
		case "/moved":
			http.Redirect(w, r, "/good", http.StatusFound)
		case "/unsafe":
			http.Redirect(w, r, "http://example.com/secret-key", http.StatusFound)
		case "/login":
			fmt.Fprint(w, "<html>sign in: please</html>")
		case "/broken":
			http.Error(w, "no", http.StatusInternalServerError)
		default:
			http.NotFound(w, r)
		}
	}
	server := httptest.NewTLSServer(http.HandlerFunc(answer))
	defer server.Close()
	clock := new(still)
	env := Env{Transport: server.Client().Transport, Clock: clock}
	for path, want := range map[string]struct {
		asked int
		err   string
	}{
		"/good": {1, ""}, "/tired": {3, ""}, "/moved": {2, ""},
		"/unsafe": {3, "not https"}, "/login": {1, "no iCalendar file"}, "/broken": {3, "500"}, "/secret-key": {1, "404"},
	} {
		asked = 0
		_, err := Open(t.Context(), server.URL+path, env)
		if (err == nil) != (want.err == "") || err != nil && !strings.Contains(err.Error(), want.err) || asked != want.asked {
			t.Errorf("%s: asked %d times, %v; want %+v", path, asked, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "secret-key") || strings.Contains(err.Error(), server.URL)) {
			t.Errorf("%s: the error tells the address: %v", path, err)
		}
	}
	server.Close()
	if _, err := Open(t.Context(), server.URL+"/secret-key", env); err == nil || strings.Contains(err.Error(), "secret-key") {
		t.Errorf("nobody there: %v", err)
	}
}

// FuzzRead: nothing panics, what is refused is told, and what is told has its place in time.
func FuzzRead(f *testing.F) {
	f.Add(ics(entry("DTSTART;VALUE=DATE:20260601", "RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE;VALUE=DATE:20260608")))
	f.Add(ics(entry("UID:a", "DTSTART;TZID=\"Europe/Dublin\":20260101T090000", "DURATION:P1DT2H", "RRULE:FREQ=MONTHLY;BYDAY=-1FR;BYSETPOS=1;WKST=SU;INTERVAL=2")))
	f.Add(ics(entry("DTSTART:20260601T090000Z", "DTEND:20260601T100000Z", "RRULE:FREQ=YEARLY;BYWEEKNO=20;BYYEARDAY=-1;UNTIL=20300101", "RDATE:20260701T090000Z", "SUMMARY:a\\,b")))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Read(text)
		if err != nil {
			if err.Error() == "" || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("refused with %q", err)
			}
			return
		}
		spans, err := c.Between(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
		if err != nil {
			return
		}
		for _, s := range spans {
			if s.To.At.Before(s.From.At) || strings.ContainsFunc(s.Why, func(r rune) bool { return r < ' ' }) {
				t.Errorf("%+v", s)
			}
		}
	})
}

var _ core.Calendar = pages(nil)
