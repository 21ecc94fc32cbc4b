package doctor

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// book is a ledger of one line, with what may be wrong with one.
type book struct {
	events *[]core.Event
	blind  bool  // it does not look where the line ends
	late   bool  // it refuses what comes too late, and keeps it
	leaky  bool  // it keeps nothing
	mute   error // of every read
	full   error // of every write
	busy   *int  // how many writes others come before
}

func (b book) Read(context.Context, core.Line) ([]core.Event, error) {
	return slices.Clone(*b.events), b.mute
}

func (b book) Append(_ context.Context, _ core.Line, after int64, events []core.Event) error {
	if b.busy != nil && *b.busy > 0 {
		*b.busy--
		return core.ErrConflict
	}
	if b.full != nil || b.leaky {
		return b.full
	}
	fits := int64(len(*b.events)) == after
	if fits || b.blind || b.late {
		*b.events = append(*b.events, events...)
	}
	if !fits && !b.blind {
		return core.ErrConflict
	}
	return nil
}

type clock struct{}

func (clock) Now() time.Time { return time.Now() }

func (clock) Wait(ctx context.Context, until time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(until)):
		return nil
	}
}

func TestLedger(t *testing.T) {
	for name, c := range map[string]struct {
		ours, theirs book
		health       core.Health
		want         string
	}{
		"one that works":                 {book{}, book{}, core.HealthOK, "refuses the second"},
		"one without a comparison":       {book{}, book{blind: true}, core.HealthProblem, "It took what two wrote at the same time: two jobs could release"},
		"one that keeps what it refuses": {book{}, book{late: true}, core.HealthProblem, "It refused what came too late, and has it all the same."},
		"one that forgets":               {book{leaky: true}, book{full: core.ErrConflict}, core.HealthProblem, "What was written is not in it."},
		"one that cannot be read":        {book{mute: errors.New("no such host")}, book{}, core.HealthProblem, "It cannot be read: no such host."},
		"one that cannot be written":     {book{full: errors.New("403 Forbidden")}, book{}, core.HealthProblem, "It cannot be written: 403 Forbidden."},
		"one that breaks off":            {book{}, book{full: errors.New("EOF")}, core.HealthProblem, "Nobody knows what it does when two write at the same time: EOF."},
		"another doctor":                 {book{busy: new(2)}, book{}, core.HealthOK, "refuses the second"},
		"nothing but other doctors":      {book{busy: new(99)}, book{}, core.HealthProblem, "Others write to its scratch line all the time."},
	} {
		t.Run(name, func(t *testing.T) {
			events := new([]core.Event)
			c.ours.events, c.theirs.events = events, events
			for range 2 { // the second time there is something already
				d := Ledger(t.Context(), c.ours, c.theirs, core.Actor{ID: "me"}, clock{})
				if d.Health != c.health || !strings.Contains(d.What, c.want) || (d.Do == "") != (d.Health == core.HealthOK) {
					t.Fatalf("%+v", d)
				}
				if c.health != core.HealthOK {
					return
				}
			}
			if r, err := core.Replay(Scratch, (*events)[2:]); err != nil || r.State != core.StateAborted || len(*events) != 4 {
				t.Errorf("it leaves %+v, %v", *events, err)
			}
		})
	}
}

func TestScript(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"yes.sh": 0o755, "no.sh": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	ran := filepath.Join(dir, "ran")
	for script, want := range map[string]string{
		"./yes.sh --fast":             "ok ./yes.sh is there and executable.",
		"# first\n\n  ./yes.sh; ls":   "ok ./yes.sh is there and executable.",
		filepath.Join(dir, "yes.sh"):  "ok " + filepath.Join(dir, "yes.sh") + " is there and executable.",
		"./no.sh":                     "problem ./no.sh is not executable.",
		"./gone.sh":                   "problem ./gone.sh is not there.",
		"./":                          "problem ./ is a folder.",
		"./yes.sh/x":                  "problem ./yes.sh/x cannot be looked at",
		"touch ran":                   "ok touch is there.",
		"if true; then touch ran; fi": "ok if is there.",
		"cd sub && ./x":               "ok cd is there.",
		"no-such-program x":           "problem no-such-program is not in PATH.",
		"A=1 touch ran":               "ok The shell takes it.",
		`"$HOME/x"`:                   "ok The shell takes it.",
		"go() { touch ran; }\ngo":     "ok The shell takes it.",
		"if true":                     "problem The shell does not take it: ",
		"echo 'open":                  "problem The shell does not take it: ",
		"# nothing":                   "ok The shell takes it.",
		"touch ran\nif":               "problem The shell does not take it: ",
	} {
		for _, sh := range []string{"sh", "bash"} {
			d := Script(t.Context(), "deploy.run", core.Command{Script: script, Shell: sh}, dir, shell.New(dir, os.Environ()))
			if got := string(d.Health) + " " + d.What; !strings.HasPrefix(got, want) || (d.Do == "") != (d.Health == core.HealthOK) {
				t.Errorf("%s: %q: %+v, want %s", sh, script, d, want)
			}
		}
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("a script was run")
	}
}

// A source answers by what its queries say.
type source struct{}

func (source) Fill(query string, v core.Variables) (string, error) {
	if query == "unfillable" {
		return "", errors.New("there is no label x")
	}
	return strings.ReplaceAll(query, "$targets", v.Targets[0].Name), nil
}

func (source) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	switch q.Text {
	case "slow":
		<-ctx.Done()
		return nil, ctx.Err()
	case "dead":
		return nil, errors.New("connection refused")
	case "nothing":
		return nil, nil
	case "nan":
		return []core.Sample{{Value: math.NaN()}}, nil
	default:
		return []core.Sample{{Value: 1}, {Value: 2}}, nil
	}
}

// An alarmist is a source of alarms.
type alarmist struct{ source }

func (alarmist) Alarms(_ context.Context, names []string, _, _ time.Time) ([]core.Alarm, error) {
	var all []core.Alarm
	for _, name := range names {
		a := core.Alarm{Name: name}
		switch name {
		case "gone":
			return nil, errors.New("there is no alarm gone")
		case "loud":
			a.Episodes = []core.Episode{{From: time.Unix(0, 0)}}
		case "over":
			a.Episodes = []core.Episode{{From: time.Unix(0, 0), Until: time.Unix(1, 0)}}
		}
		all = append(all, a)
	}
	return all, nil
}

func TestSources(t *testing.T) {
	threshold := func(query string) core.Check {
		return core.Check{Threshold: &core.Threshold{Source: "s", Query: query}, Timeout: 10 * time.Second}
	}
	alarms := func(from string, names ...string) core.Check {
		return core.Check{Alarms: &core.AlarmNames{Source: from, Names: names}}
	}
	for name, c := range map[string]struct {
		check core.Check
		want  string
	}{
		"values":        {threshold("up"), "ok It answers check c with 2 values."},
		"no data":       {threshold("nothing"), "warning It answers, and has no data for check c: nothing"},
		"no numbers":    {threshold("nan"), "warning It answers, and has no data for check c: nan"},
		"dead":          {threshold("dead"), "problem It could not be asked for check c: connection refused."},
		"slow":          {threshold("slow"), "problem It could not be asked for check c: no answer within 10s."},
		"unfillable":    {threshold("unfillable"), "problem It could not be asked for check c: there is no label x."},
		"no errors yet": {core.Check{Compare: &core.Compare{Source: "s", Errors: "nothing", Total: "up"}}, "ok It answers check c with 2 values."},
		"no total":      {core.Check{Compare: &core.Compare{Source: "s", Errors: "up", Total: "nothing"}}, "warning It answers, and has no data for check c: nothing"},
		"histogram":     {core.Check{Compare: &core.Compare{Source: "s", Histogram: "nothing"}}, "warning It answers, and has no data for check c: nothing"},
		"burn rate": {core.Check{BurnRate: &core.BurnRate{Source: "s", Errors: "nothing", Total: "$targets", Windows: []core.BurnWindow{{Long: time.Hour}}}},
			"ok It answers check c with 2 values."},
		"quiet alarms":  {alarms("a", "quiet", "over"), "ok It answers check c with 2 alarms."},
		"a loud alarm":  {alarms("a", "quiet", "loud"), "warning It answers check c, and alarm loud is firing now."},
		"no such alarm": {alarms("a", "gone"), "problem It could not be asked for check c: there is no alarm gone."},
		"no alarms":     {alarms("s", "quiet"), "problem It could not be asked for check c: it knows no alarms."},
		"not opened":    {core.Check{Threshold: &core.Threshold{Source: "broken"}}, ""},
		"a command":     {core.Check{Run: &core.Command{Script: "exit 1"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.check.Name = "c"
				p := &core.Plan{Checks: []core.Check{c.check}}
				got := ""
				for _, d := range Sources(t.Context(), p, map[string]core.Source{"s": source{}, "a": alarmist{}}, []core.Target{{Name: "t"}}, clock{}) {
					got += string(d.Health) + " " + d.What
					if (d.Do == "") != (d.Health == core.HealthOK) {
						t.Errorf("%+v", d)
					}
				}
				if got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			})
		})
	}
}

// A watcher knows only what it saw itself.
type watcher struct {
	source
	since *time.Time
	err   error
}

func (watcher) Window() time.Duration { return 20 * time.Second }

func (w watcher) Watch(context.Context, []core.Target) error {
	*w.since = time.Now()
	return w.err
}

func (w watcher) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	if time.Since(*w.since) < 20*time.Second || q.Window != 20*time.Second {
		return nil, nil
	}
	return w.source.Query(ctx, q)
}

func TestWatchers(t *testing.T) {
	p := &core.Plan{
		Sources: map[string]core.SourceSpec{"s": {}, "unused": {}},
		Bake:    core.Bake{Until: &core.Until{Source: "s", Query: "up"}}, Waves: []core.WaveRule{{Name: "w"}},
	}
	p.Waves[0].Bake.Until = p.Bake.Until
	for err, want := range map[error]string{
		nil:                "source s: It answers bake.until with 2 values.\nsource unused: Nothing in the plan asks it.\n",
		errors.New("full"): "source s: It could not be asked for bake.until: full.\nsource unused: Nothing in the plan asks it.\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			got := ""
			for _, d := range Sources(t.Context(), p, map[string]core.Source{"s": watcher{since: new(time.Time), err: err}}, []core.Target{{Name: "t"}}, clock{}) {
				got += d.About + ": " + d.What + "\n"
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestScriptWithoutItsShell(t *testing.T) {
	d := Script(t.Context(), "deploy.run", core.Command{Script: "ls", Shell: "bash"}, t.TempDir(), shell.New("", []string{"PATH=/nowhere"}))
	if want := "The shell does not take it: bash is not in PATH; install it, or leave out shell: bash."; d.Health != core.HealthProblem || d.What != want {
		t.Errorf("%+v", d)
	}
}
