package report

import (
	"cmp"
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// mostEvents is how many lines the log of a page has, the newest.
const mostEvents = 1000

//go:embed report.html
var pageText string

// htmlPage is the page. html/template escapes all that stands in it; before that, line takes out what would not show.
var htmlPage = template.Must(template.New("report").Funcs(template.FuncMap{
	"line":    func(s string) string { return line(s, 600) },
	"instant": instant, "clock": func(t time.Time) string { return t.UTC().Format(time.TimeOnly) }, "number": number,
}).Parse(pageText))

// A sheet is what the page shows, made from a rollout.
type sheet struct {
	Rollout   *core.Rollout
	State     string
	Tone      string
	Why       string
	Emergency bool
	Now       time.Time
	Facts     []fact
	Overrides []string
	Advice    []string
	Ticks     []tick
	Waves     []waveSheet
	Precheck  []verdictSheet
	Verified  checkSheet
	Events    []eventSheet
	Hidden    int  // events before those
	Short     bool // the log is shown unfolded
}

// A fact is a line of the page's head. Link is empty if there is none.
type fact struct{ Name, Text, Link string }

type waveSheet struct {
	Name, State, Tone string
	Progress, Share   string
	Bake, Tally       string
	Began             bool
	Open              bool // what failed, or is at work, is not folded
	Spans             []spanSheet
	Checks            checkSheet
	Targets           []targetSheet
}

type checkSheet struct {
	Verdicts []verdictSheet
	Charts   []drawing
}

type targetSheet struct {
	*core.TargetRecord
	Tone  string
	Took  string
	Lines []string
}

type verdictSheet struct {
	core.Verdict
	Tone, Ratio, Against string
}

type eventSheet struct {
	At         time.Time
	Wave, Type string
	What       string
	By         string // who asked for it, or took the line; empty: the actor before
	Looks      int    // that said the same one after the other
	Until      time.Time
}

// HTML writes the report of one rollout as one page that needs nothing else: it loads nothing and runs nothing. events
// are those of the rollout.
func HTML(w io.Writer, r *core.Rollout, events []core.Event, v View) error {
	var looks Looks
	looks.Read(events)
	s := sheet{
		Rollout: r, State: string(r.State), Tone: tone(string(r.State)), Why: cmp.Or(why(r), r.State.Meaning()), Emergency: r.Emergency, Now: v.Now,
		Facts: facts(r, v.Now), Overrides: overrides(r.Overrides, htmlText), Advice: advice(r, due(r, v.Next), htmlText),
		Precheck: verdictSheets(r.Precheck), Verified: checkSheet{verdictSheets(r.Verified), drawings(looks.of(afterRollback))},
	}
	scope := scopeOf(r, v.Now)
	s.Ticks = scope.ticks()
	share := shares(r)
	for i := range r.Waves {
		s.Waves = append(s.Waves, newWaveSheet(r, &r.Waves[i], &looks, scope, v))
		s.Waves[i].Share = percent(share[i])
	}
	log := eventSheets(events)
	s.Hidden = max(0, len(log)-mostEvents)
	s.Events, s.Short = log[s.Hidden:], len(log) <= 40
	if err := htmlPage.Execute(w, s); err != nil {
		return fmt.Errorf("the page could not be written: %w", err)
	}
	return nil
}

// htmlText makes untrusted text one line that shows; the template escapes it.
func htmlText(s string) string { return line(s, 500) }

// facts are the head of the page: what went out, in place of what, by whom and when.
func facts(r *core.Rollout, now time.Time) []fact {
	by := r.Start.By
	who := fact{Name: "Started", Text: fmt.Sprintf("%s UTC by %s", instant(r.Began), line(cmp.Or(by.Name, by.Host, by.ID, "somebody"), 80))}
	if strings.HasPrefix(by.URL, "https://") {
		who.Link = by.URL
	}
	all := []fact{{Name: "Previous version", Text: htmlText(previous(r))}, who}
	if r.Ended.IsZero() {
		all = append(all, fact{Name: "In this state since", Text: fmt.Sprintf("%s UTC, %s", instant(r.Changed), lasting(now.Sub(r.Changed)))})
	} else {
		all = append(all, fact{Name: "Ended", Text: fmt.Sprintf("%s UTC, after %s", instant(r.Ended), lasting(r.Ended.Sub(r.Began)))})
	}
	n, of := out(r)
	all = append(all, fact{Name: "Runs this version, or may", Text: fmt.Sprintf("%d of %s", n, plural(of, "target"))})
	if r.Why != "" && r.Why != why(r) {
		all = append(all, fact{Name: "Went back because", Text: htmlText(r.Why)})
	}
	for _, each := range []fact{{Name: "Newer version", Text: newer(r.Newer, line)}, {Name: "Policy", Text: policy(r.Start.Policy, line)}} {
		if each.Text != "" {
			all = append(all, each)
		}
	}
	return append(all, fact{Name: "Rollout", Text: htmlText(r.ID)}, fact{Name: "Plan", Text: htmlText(r.Start.PlanFile)})
}

func newWaveSheet(r *core.Rollout, w *core.Wave, looks *Looks, scope scope, v View) waveSheet {
	s := waveSheet{
		Name: w.Name, State: waveState(w), Tone: tone(waveState(w)), Progress: progress(w), Bake: bakeText(r, w, v), Tally: tally(w.Verdicts),
		Began: !w.Began.IsZero(), Checks: checkSheet{verdictSheets(w.Verdicts), drawings(looks.of(w.Name))},
	}
	if s.Began {
		s.Spans = scope.sheets(spans(r, w, v.Now))
	}
	for i := range w.Targets {
		t := &w.Targets[i]
		one := targetSheet{TargetRecord: t, Tone: targetTone(t.State), Took: "-", Lines: lines(t.Tail, mostTail, 300)}
		if t.Took > 0 {
			one.Took = lasting(t.Took)
		}
		s.Open = s.Open || t.Error != ""
		s.Targets = append(s.Targets, one)
	}
	s.Open = s.Open || s.Began && len(w.Targets) <= 12
	return s
}

func verdictSheets(all []core.Verdict) []verdictSheet {
	var rows []verdictSheet
	for _, v := range all {
		rows = append(rows, verdictSheet{Verdict: v, Tone: tones[verdictPaint([]core.Verdict{v})], Ratio: strings.TrimPrefix(ratio(v), ", "), Against: against(v)})
	}
	return rows
}

// eventSheets is the log: looks that say the same are one line of it.
func eventSheets(events []core.Event) []eventSheet {
	var log []eventSheet
	for _, e := range condensed(events) {
		one := newEventSheet(e)
		if n := len(log); n > 0 && e.Type == core.EventLooked {
			if last := &log[n-1]; last.Type == one.Type && last.Wave == one.Wave && last.What == one.What {
				last.Looks, last.Until = last.Looks+1, e.At
				continue
			}
		}
		log = append(log, one)
	}
	return log
}

func newEventSheet(e core.Event) eventSheet {
	s := eventSheet{At: e.At, Wave: cmp.Or(e.Wave, "-"), Type: string(e.Type), What: happened(e), Looks: 1}
	switch {
	case e.Override != nil:
		s.By = cmp.Or(e.Override.By.Name, e.Override.By.Host, e.Override.By.ID, "somebody")
	case e.Lease != nil:
		s.By = cmp.Or(e.Lease.Holder.Name, e.Lease.Holder.Host, e.Lease.Holder.ID)
	}
	return s
}

// tones are the names of colours in the page.
var tones = map[paint]string{green: "good", yellow: "warn", red: "bad", cyan: "work", none: "idle"}

func tone(state string) string { return tones[statePaint(state)] }

func targetTone(state core.TargetState) string {
	switch state {
	case core.TargetDeployed:
		return "good"
	case core.TargetFailed, core.TargetRollbackFailed:
		return "bad"
	case core.TargetRolledBack:
		return "warn"
	case core.TargetDeploying, core.TargetRollingBack:
		return "work"
	default:
		return "idle"
	}
}

// drawings draws series that have something to draw.
func drawings(all []*series) []drawing {
	var drawn []drawing
	for _, s := range all {
		drawn = append(drawn, s.draw())
	}
	return drawn
}
