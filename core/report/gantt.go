package report

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/breakwater-ci/breakwater/core"
)

// gantt draws the waves that have started as a Mermaid diagram in a fenced block: a bar for the deploy, one for the
// bake, and one for the way back. Times are UTC whatever the zone of the
// reader, as in the tables.
func gantt(r *core.Rollout, now time.Time) string {
	var b strings.Builder
	from, to := window(r)
	longest := 0
	for _, w := range r.Waves[from:to] {
		longest = max(longest, utf8.RuneCountInString(mermaid(w.Name)))
	}
	fmt.Fprintf(&b, "```mermaid\n%%%%{init: {\"gantt\": {\"leftPadding\": %d}}}%%%%\ngantt\n", 30+6*longest) // else names lie on bars
	b.WriteString("    title " + mermaid(r.Line.String()+" "+r.Start.Version) + " in UTC\n")
	b.WriteString("    dateFormat YYYY-MM-DD HH:mm:ss\n    axisFormat " + axis(r, now) + "\n    todayMarker off\n")
	for i := from; i < to; i++ {
		if w := &r.Waves[i]; !w.Began.IsZero() {
			fmt.Fprintf(&b, "    section %s\n", mermaid(w.Name))
			for _, s := range spans(r, w, now) {
				bar(&b, s)
			}
		}
	}
	if r.State == core.StatePending {
		b.WriteString("    section no wave yet\n")
		bar(&b, span{"waiting", "active", r.Began, later(now, r.Began.Add(time.Second))})
	}
	b.WriteString("```\n")
	return b.String()
}

// A span is a stretch of a wave's time. Its tag is Mermaid's: done, active or crit.
type span struct {
	name     string
	tag      string
	from, to time.Time
}

// spans are what happened to a wave that has begun: its deploy, its bake, and the way back.
func spans(r *core.Rollout, w *core.Wave, now time.Time) []span {
	var all []span
	add := func(name, tag string, from, to time.Time) {
		if !to.After(from.Add(time.Second)) {
			to = from.Add(time.Second) // one without length is not drawn
		}
		all = append(all, span{name, tag, from, to})
	}
	over := now
	if r.State.Resting() {
		over = r.Changed
	}
	back := w.State == core.WaveRollingBack || w.State == core.WaveRolledBack || w.State == core.WaveRollbackFailed
	switch {
	case !w.Out.IsZero():
		add("deploy", "done", w.Began, w.Out)
		name, tag := bakeSpan(w, back)
		add(name, tag, w.Since, bakeEnd(r, w, now))
	case back:
		add("deploy failed", "crit", w.Began, r.Turned)
	case w.State == core.WaveDeploying:
		add("deploy", "active", w.Began, over)
	default:
		add("deploy "+string(w.State), "crit", w.Began, over)
	}
	if back {
		if w.State != core.WaveRollingBack && !r.Restored.IsZero() {
			over = r.Restored
		}
		add(string(w.State), "crit", r.Turned, over)
	}
	return all
}

// bakeSpan is the name of a bake and its tag. back: the wave goes, or went, back.
func bakeSpan(w *core.Wave, back bool) (name, tag string) {
	switch {
	case back && w.Passed.IsZero():
		return "bake not passed", "crit"
	case w.State == core.WaveBaking:
		return "bake", "active"
	case w.State == core.WaveHalted:
		return "bake halted", "crit"
	case w.State == core.WavePassed && w.Promoted:
		return "bake " + promoted, "crit"
	default:
		return "bake", "done"
	}
}

// bar draws one span.
func bar(b *strings.Builder, s span) {
	fmt.Fprintf(b, "    %s :%s, %s, %s\n", mermaid(s.name), s.tag, instant(s.from), instant(s.to))
}

// axis is how the diagram writes times, by how long it is.
func axis(r *core.Rollout, now time.Time) string {
	end := now
	if r.State.Resting() {
		end = r.Changed
	}
	switch d := end.Sub(r.Began); {
	case d < 10*time.Minute:
		return "%H:%M:%S"
	case d < 24*time.Hour:
		return "%H:%M"
	default:
		return "%b %d %H:%M"
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
