package window

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// on makes hours of days of the week: "1-4" is Monday to Thursday.
func on(days string, from, to time.Duration, zone string) core.Hours {
	h := core.Hours{From: from * time.Minute, To: to * time.Minute, Zone: zone, Text: "these hours"}
	for d := range h.Days {
		h.Days[d] = strings.Contains(days, fmt.Sprint(d))
	}
	return h
}

const hour = 60 // minutes

func day(text string) core.Moment {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return core.Moment{At: at, Local: true, Day: true}
}

// table has one wave for each zone, or list of zones with commas, of one target each. A deploy takes 30m at most, a bake
// 1h at least.
func table(t testing.TB, w core.Windows, waves ...string) *Table {
	t.Helper()
	p := &core.Plan{Windows: &w, Deploy: core.Deploy{Timeout: 30 * time.Minute}, Waves: []core.WaveRule{{Bake: core.Bake{Min: time.Hour}}}}
	var start []core.StartWave
	for i, zones := range waves {
		sw := core.StartWave{Name: fmt.Sprintf("w%d", i)}
		for zone := range strings.SplitSeq(zones, ",") {
			sw.Targets = append(sw.Targets, core.StartTarget{Target: core.Target{Name: zone, Timezone: zone}})
		}
		p.Deploy.Parallel = core.Amount{Percent: 100, Set: true}
		start = append(start, sw)
	}
	calendars := make([]core.Calendar, len(w.Freeze))
	for i, f := range w.Freeze {
		if f.Calendar != "" {
			calendars[i] = page{f.Calendar}
		}
	}
	table, err := New(p, start, calendars)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// page is a calendar with one event in a zone of its own, or one that cannot be told.
type page struct{ text string }

func (p page) Between(time.Time, time.Time) ([]core.Span, error) {
	if p.text == "broken" {
		return nil, errors.New("calendar broken cannot be read")
	}
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	return []core.Span{{From: day("2026-06-10"), To: day("2026-06-11"), Zone: tokyo, Why: "audit"}}, err
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestOpening: an instant, whether it is open, and when that changes.
func TestOpening(t *testing.T) {
	office := core.Windows{Allow: []core.Hours{on("1234", 9*hour, 16*hour, "target")}}
	night := core.Windows{Allow: []core.Hours{on("5", 22*hour, 2*hour, "UTC")}}
	gap := core.Windows{Allow: []core.Hours{on("0", 2*hour+30, 5*hour, "Europe/Berlin")}}
	inGap := core.Windows{Allow: []core.Hours{on("0", 2*hour+15, 2*hour+45, "Europe/Berlin")}}
	fold := core.Windows{Allow: []core.Hours{on("0", 2*hour+30, 5*hour, "Europe/Berlin")}}
	toFold := core.Windows{Allow: []core.Hours{on("0", 0, 2*hour+30, "Europe/Berlin")}}
	all := core.Windows{Allow: []core.Hours{on("0123456", 0, 24*hour, "Europe/Berlin")}}
	frozen := core.Windows{Timezone: "Europe/Dublin", Freeze: []core.Freeze{{From: day("2026-12-18"), To: day("2027-01-04"), Why: "holidays"}}}
	leap := core.Windows{Freeze: []core.Freeze{{From: day("2028-02-29"), To: day("2028-02-29")}}}
	both := core.Windows{Allow: []core.Hours{on("4", 9*hour, 16*hour, "")}, Timezone: "Europe/Dublin", Freeze: frozen.Freeze}
	never := core.Windows{Freeze: []core.Freeze{{From: day("2020-01-01"), To: day("2999-12-31")}}}
	own := core.Windows{Timezone: "target", Freeze: []core.Freeze{{From: day("2026-06-10"), To: day("2026-06-10")}}}
	calendar := core.Windows{Freeze: []core.Freeze{{Calendar: "tokyo"}}}
	instants := core.Windows{Freeze: []core.Freeze{{From: core.Moment{At: at(t, "2026-06-10T10:00:00Z")}, To: core.Moment{At: at(t, "2026-06-10T12:30:00+02:00")}}}}
	tests := []struct {
		name    string
		windows core.Windows
		zones   string
		at      string
		open    bool
		until   string // empty: not within a year
		why     string
	}{
		{"exact start is inside", office, "UTC", "2026-06-08T09:00:00Z", true, "2026-06-08T16:00:00Z", ""},
		{"the instant before is outside", office, "UTC", "2026-06-08T08:59:59Z", false, "2026-06-08T09:00:00Z", "no window, as it is Mon 08:59 UTC and only these hours is allowed"},
		{"the last instant is inside", office, "UTC", "2026-06-08T15:59:59Z", true, "2026-06-08T16:00:00Z", ""},
		{"exact end is outside", office, "UTC", "2026-06-08T16:00:00Z", false, "2026-06-09T09:00:00Z", "Mon 16:00"},
		{"over the weekend", office, "UTC", "2026-06-11T16:00:00Z", false, "2026-06-15T09:00:00Z", ""},
		{"half-hour zone", office, "Asia/Kolkata", "2026-06-08T03:30:00Z", true, "2026-06-08T10:30:00Z", ""},
		{"quarter-hour zone", office, "Asia/Kathmandu", "2026-06-08T03:14:59Z", false, "2026-06-08T03:15:00Z", "Mon 08:59 Asia/Kathmandu"},
		{"another weekday there", office, "Pacific/Auckland", "2026-06-07T21:00:00Z", true, "2026-06-08T04:00:00Z", ""},
		{"all targets of a wave must have their window", office, "Europe/Dublin,America/New_York", "2026-06-08T09:00:00Z", false, "2026-06-08T13:00:00Z", "Mon 05:00 America/New_York"},
		{"it shuts with the first of them", office, "Europe/Dublin,America/New_York", "2026-06-08T14:00:00Z", true, "2026-06-08T15:00:00Z", ""},
		{"over midnight, the evening", night, "UTC", "2026-06-05T22:00:00Z", true, "2026-06-06T02:00:00Z", ""},
		{"over midnight, the morning after", night, "UTC", "2026-06-06T01:59:59Z", true, "2026-06-06T02:00:00Z", ""},
		{"over midnight belongs to the day on which it begins", night, "UTC", "2026-06-05T01:00:00Z", false, "2026-06-05T22:00:00Z", ""},
		{"a window that begins in the gap opens at its end", gap, "UTC", "2026-03-29T00:59:59Z", false, "2026-03-29T01:00:00Z", ""},
		{"and shuts at its own time", gap, "UTC", "2026-03-29T01:00:00Z", true, "2026-03-29T03:00:00Z", ""},
		{"a window inside the gap is not there that day", inGap, "UTC", "2026-03-29T00:00:00Z", false, "2026-04-05T00:15:00Z", ""},
		{"a window that begins in the repeated hour opens in the first", fold, "UTC", "2026-10-25T00:29:59Z", false, "2026-10-25T00:30:00Z", ""},
		{"and stays open through the second", fold, "UTC", "2026-10-25T01:10:00Z", true, "2026-10-25T04:00:00Z", ""},
		{"a window that ends in the repeated hour shuts in the first", toFold, "UTC", "2026-10-25T00:30:00Z", false, "2026-10-31T23:00:00Z", ""},
		{"whole days touch, over the change of the clock", all, "UTC", "2026-03-28T12:00:00Z", true, "", ""},
		{"a freeze begins with its first day", frozen, "UTC", "2026-12-17T23:59:59Z", true, "2026-12-18T00:00:00Z", ""},
		{"a freeze holds its last day", frozen, "UTC", "2027-01-04T23:59:59Z", false, "2027-01-05T00:00:00Z", "a freeze (holidays), until 2027-01-05 00:00 Europe/Dublin"},
		{"a freeze is over the day after", frozen, "UTC", "2027-01-05T00:00:00Z", true, "", ""},
		{"a leap day", leap, "UTC", "2028-02-29T12:00:00Z", false, "2028-03-01T00:00:00Z", "a freeze, until 2028-03-01 00:00 UTC"},
		{"the day before a leap day", leap, "UTC", "2028-02-28T12:00:00Z", true, "2028-02-29T00:00:00Z", ""},
		{"a freeze beats what is allowed", both, "UTC", "2026-12-24T10:00:00Z", false, "2027-01-07T09:00:00Z", "holidays"},
		{"never again", never, "UTC", "2026-06-08T09:00:00Z", false, "", "a freeze, until 3000-01-01 00:00 UTC"},
		{"a freeze in each target's own zone", own, "Asia/Tokyo,America/New_York", "2026-06-09T15:00:00Z", false, "2026-06-11T04:00:00Z", ""},
		{"a calendar in a zone of its own", calendar, "UTC", "2026-06-10T14:59:59Z", false, "2026-06-10T15:00:00Z", "a freeze (audit), until 2026-06-11 00:00 Asia/Tokyo"},
		{"instants, whatever the zone they are written in", instants, "UTC", "2026-06-10T10:29:59Z", false, "2026-06-10T10:30:00Z", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := table(t, tt.windows, tt.zones).Opening(0, at(t, tt.at))
			until := ""
			if !o.Until.IsZero() {
				until = o.Until.UTC().Format(time.RFC3339)
			}
			if o.Open != tt.open || until != tt.until || !strings.Contains(o.Why, tt.why) || o.Unknown || o.Open == (o.Why != "") {
				t.Errorf("at %s: %+v (until %s), want open %v until %s, why %q", tt.at, o, until, tt.open, tt.until, tt.why)
			}
		})
	}
}

// TestMustFinish has waves that need an hour and a half each.
func TestMustFinish(t *testing.T) {
	office := core.Windows{MustFinish: true, Timezone: "Europe/Dublin", Allow: []core.Hours{on("12345", 9*hour, 16*hour, "")}}
	short := core.Windows{MustFinish: true, Allow: []core.Hours{on("12345", 9*hour, 10*hour, "")}}
	sun := core.Windows{MustFinish: true, Allow: []core.Hours{on("12345", 9*hour, 16*hour, "target")}}
	free := core.Windows{MustFinish: true, Freeze: []core.Freeze{{From: day("2026-06-12"), To: day("2026-06-14"), Why: "audit"}}}
	tests := []struct {
		name    string
		windows core.Windows
		waves   []string
		wave    int
		at      string
		open    bool
		until   string
		why     string
	}{
		{"all of it fits exactly", office, []string{"UTC", "UTC"}, 0, "2026-06-12T12:00:00Z", true, "2026-06-12T15:00:00Z", ""},
		{"a second too late", office, []string{"UTC", "UTC"}, 0, "2026-06-12T12:00:01Z", false, "2026-06-15T08:00:00Z",
			"wave w1 would not finish: from 2026-06-12 14:30 Europe/Dublin it may take until 2026-06-12 16:00 Europe/Dublin (30m to deploy, at the plan's timeout; 1h to bake), and its window shuts at 2026-06-12 16:00 Europe/Dublin"},
		{"a later wave has only itself to finish", office, []string{"UTC", "UTC", "UTC"}, 1, "2026-06-12T13:30:00Z", true, "2026-06-12T15:00:00Z", ""},
		{"and is held back if it would not", office, []string{"UTC", "UTC", "UTC"}, 1, "2026-06-12T13:30:01Z", false, "2026-06-15T08:00:00Z", "wave w1 would not finish"},
		{"the next wave would find its window shut", office, []string{"UTC", "UTC"}, 0, "2026-06-12T14:00:00Z", false, "2026-06-15T08:00:00Z", "wave w0 would not finish"},
		{"never", short, []string{"UTC"}, 0, "2026-06-12T09:00:00Z", false, "", "wave w0 would not finish"},
		{"before a freeze", free, []string{"UTC", "UTC"}, 0, "2026-06-11T22:00:00Z", false, "2026-06-15T00:00:00Z", "wave w1 would not finish"},
		{"following the sun, the second is not yet up", sun, []string{"Europe/Dublin", "America/New_York"}, 0, "2026-06-12T08:00:00Z", false, "2026-06-12T11:30:00Z",
			"the rollout would not finish: wave w1 would start at 2026-06-12 05:30 America/New_York, and then there is no window, as it is Fri 05:30"},
		{"following the sun, it is", sun, []string{"Europe/Dublin", "America/New_York"}, 0, "2026-06-12T11:30:00Z", true, "2026-06-12T15:00:00Z", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := table(t, tt.windows, tt.waves...).Opening(tt.wave, at(t, tt.at))
			until := ""
			if !o.Until.IsZero() {
				until = o.Until.UTC().Format(time.RFC3339)
			}
			if o.Open != tt.open || until != tt.until || !strings.Contains(o.Why, tt.why) {
				t.Errorf("at %s: %+v (until %s)", tt.at, o, until)
			}
		})
	}
}

func TestUnknownIsShut(t *testing.T) {
	o := table(t, core.Windows{Freeze: []core.Freeze{{Calendar: "broken"}}}, "UTC").Opening(0, at(t, "2026-06-08T09:00:00Z"))
	if o.Open || !o.Unknown || o.Why != "calendar broken cannot be read" {
		t.Errorf("%+v", o)
	}
}

func TestUnknownZones(t *testing.T) {
	wave := func(zone string) []core.StartWave {
		return []core.StartWave{{Targets: []core.StartTarget{{Target: core.Target{Name: "a", Timezone: zone}}}}}
	}
	for want, w := range map[string]core.Windows{
		"Mars/Olympus": {Timezone: "Mars/Olympus"},
		"Mars/Gale":    {Allow: []core.Hours{{Zone: "Mars/Gale"}}},
		"Mars/Jezero":  {},
	} {
		zone := ""
		if want == "Mars/Jezero" {
			zone = want
		}
		_, err := New(&core.Plan{Windows: &w, Waves: make([]core.WaveRule, 1)}, wave(zone), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// random draws windows of some zones around a time at which many of them change their clocks.
func random(rnd *rand.Rand) (core.Windows, string) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia"}
	zone := func() string { return zones[rnd.IntN(len(zones))] }
	w := core.Windows{Timezone: append(zones, "target")[rnd.IntN(len(zones)+1)], MustFinish: rnd.IntN(3) == 0}
	for range rnd.IntN(3) {
		h := core.Hours{From: time.Duration(rnd.IntN(24*4)) * 15 * time.Minute, To: time.Duration(1+rnd.IntN(24*4)) * 15 * time.Minute, Text: "hours"}
		for d := range h.Days {
			h.Days[d] = rnd.IntN(2) == 0
		}
		h.Days[rnd.IntN(7)] = true
		h.Zone = []string{"", "target", zone()}[rnd.IntN(3)]
		w.Allow = append(w.Allow, h)
	}
	for range rnd.IntN(3) {
		from := time.Date(2026, time.Month(1+rnd.IntN(12)), 1+rnd.IntN(28), 0, 0, 0, 0, time.UTC)
		w.Freeze = append(w.Freeze, core.Freeze{From: core.Moment{At: from, Local: true, Day: true},
			To: core.Moment{At: from.AddDate(0, 0, rnd.IntN(20)), Local: true, Day: true}})
	}
	return w, zone() + "," + zone()
}

// TestOpeningsTileTime walks through random windows from one change to the next: what is said of an instant holds up to
// the change and not at it, so the stretches tile time.
func TestOpeningsTileTime(t *testing.T) {
	for seed := range uint64(150) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		w, zones := random(rnd)
		finish := w.MustFinish
		tab := table(t, w, zones, zones)
		now := time.Date(2026, time.Month(1+rnd.IntN(12)), 1+rnd.IntN(28), rnd.IntN(24), rnd.IntN(60), 0, 0, time.UTC)
		for range 12 {
			o := tab.Opening(0, now)
			if o.Until.IsZero() {
				break
			}
			if !o.Until.After(now) {
				t.Fatalf("seed %d: at %s until %s", seed, now, o.Until)
			}
			before, after := tab.Opening(0, o.Until.Add(-1)), tab.Opening(0, o.Until)
			middle := tab.Opening(0, now.Add(o.Until.Sub(now)/2))
			switch {
			case !o.Open && (before.Open || middle.Open || !after.Open):
				t.Fatalf("seed %d: shut at %s until %s, but before %v, middle %v, then %v", seed, now, o.Until, before.Open, middle.Open, after.Open)
			case o.Open && !finish && (!before.Open || !middle.Open || after.Open):
				t.Fatalf("seed %d: open at %s until %s, but before %v, middle %v, then %v", seed, now, o.Until, before.Open, middle.Open, after.Open)
			case o.Open && after.Open:
				t.Fatalf("seed %d: open at %s until %s, and then still", seed, now, o.Until)
			}
			now = o.Until
		}
	}
}

// TestOpeningsAreWhatTheClocksShow compares the stretches with what the clock of each target shows, away from the hours
// in which clocks are changed.
func TestOpeningsAreWhatTheClocksShow(t *testing.T) {
	for seed := range uint64(150) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		w, zones := random(rnd)
		w.MustFinish = false
		tab := table(t, w, zones)
		for range 30 {
			now := time.Date(2026, 1, 1, rnd.IntN(366*24), 7, 0, 0, time.UTC)
			if changing(now, zones, w) {
				continue
			}
			if got, want := tab.Opening(0, now).Open, shows(now, zones, w); got != want {
				t.Fatalf("seed %d: at %s: open is %v, the clocks say %v: %+v in %s", seed, now, got, want, w, zones)
			}
		}
	}
}

func location(names ...string) *time.Location {
	for _, n := range names {
		if n != "" && n != core.ZoneTarget {
			zone, err := time.LoadLocation(n)
			if err != nil {
				panic(err)
			}
			return zone
		}
	}
	return time.UTC
}

func changing(now time.Time, zones string, w core.Windows) bool {
	all := strings.Split(zones, ",")
	all = append(all, w.Timezone)
	for _, h := range w.Allow {
		all = append(all, h.Zone)
	}
	for _, n := range all {
		_, before := now.Add(-30 * time.Hour).In(location(n)).Zone()
		if _, after := now.Add(30 * time.Hour).In(location(n)).Zone(); before != after {
			return true
		}
	}
	return false
}

func shows(now time.Time, zones string, w core.Windows) bool {
	for target := range strings.SplitSeq(zones, ",") {
		allowed := len(w.Allow) == 0
		for _, h := range w.Allow {
			zone := location(h.Zone, w.Timezone, target)
			if h.Zone == core.ZoneTarget {
				zone = location(target)
			}
			there := now.In(zone)
			clock := time.Duration(there.Hour())*time.Hour + time.Duration(there.Minute())*time.Minute
			yesterday := (there.Weekday() + 6) % 7
			switch {
			case h.From < h.To:
				allowed = allowed || h.Days[there.Weekday()] && h.From <= clock && clock < h.To
			default:
				allowed = allowed || h.Days[there.Weekday()] && h.From <= clock || h.Days[yesterday] && clock < h.To
			}
		}
		for _, f := range w.Freeze {
			date := now.In(location(w.Timezone, target)).Format(time.DateOnly)
			allowed = allowed && (date < f.From.At.Format(time.DateOnly) || date > f.To.At.Format(time.DateOnly))
		}
		if !allowed {
			return false
		}
	}
	return true
}

// TestInstant: a reading that is left out is the end of the gap, one that comes twice its first, and a day that a zone
// never had is the next.
func TestInstant(t *testing.T) {
	for _, tt := range []struct{ zone, reading, want string }{
		{"Europe/Berlin", "2026-03-29T02:30:00Z", "2026-03-29T01:00:00Z"},
		{"Europe/Berlin", "2026-10-25T02:30:00Z", "2026-10-25T00:30:00Z"},
		{"Australia/Lord_Howe", "2026-10-04T02:15:00Z", "2026-10-03T15:30:00Z"},
		{"Africa/Cairo", "2026-04-24T00:00:00Z", "2026-04-23T22:00:00Z"},
		{"Pacific/Apia", "2011-12-30T12:00:00Z", "2011-12-30T10:00:00Z"},
		{"Asia/Kolkata", "2028-02-29T00:00:00Z", "2028-02-28T18:30:00Z"},
		{"UTC", "2026-06-08T09:00:00Z", "2026-06-08T09:00:00Z"},
	} {
		if got := instant(at(t, tt.reading), location(tt.zone)); !got.Equal(at(t, tt.want)) {
			t.Errorf("%s in %s: %s, want %s", tt.reading, tt.zone, got.UTC(), tt.want)
		}
	}
}

// BenchmarkOpeningOfAFleet looks a year ahead for ten thousand targets in a thousand waves that never fit.
func BenchmarkOpeningOfAFleet(b *testing.B) {
	zones := []string{"Europe/Berlin", "Europe/Dublin", "Asia/Kolkata", ""}
	w := core.Windows{MustFinish: true, Timezone: "UTC", Allow: []core.Hours{on("12345", 540, 960, "target")}}
	p := &core.Plan{Windows: &w, Deploy: core.Deploy{Timeout: 30 * time.Minute}, Waves: []core.WaveRule{{Bake: core.Bake{Min: time.Hour}}}}
	var waves []core.StartWave
	for i := range 1000 {
		sw := core.StartWave{Name: fmt.Sprint(i)}
		for j := range 10 {
			sw.Targets = append(sw.Targets, core.StartTarget{Target: core.Target{Name: fmt.Sprint(i, j), Timezone: zones[j%len(zones)]}})
		}
		waves = append(waves, sw)
	}
	for b.Loop() {
		t, err := New(p, waves, nil)
		if err != nil {
			b.Fatal(err)
		}
		if o := t.Opening(0, time.Date(2026, 6, 8, 9, 0, 0, 0, time.UTC)); o.Open || !o.Until.IsZero() {
			b.Fatalf("%+v", o)
		}
	}
}

func BenchmarkOpeningAfterAYear(b *testing.B) {
	tab := table(b, core.Windows{Allow: []core.Hours{on("12345", 540, 960, "target")}, Freeze: []core.Freeze{{From: day("2020-01-01"), To: day("2999-01-01")}}},
		"Europe/Berlin,America/New_York,Asia/Kolkata,Asia/Tokyo")
	for b.Loop() {
		tab.Opening(0, time.Date(2026, 6, 8, 9, 0, 0, 0, time.UTC))
	}
}
