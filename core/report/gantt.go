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
			bars(&b, r, w, now)
		}
	}
	if r.State == core.StatePending {
		b.WriteString("    section no wave yet\n")
		bar(&b, "waiting", "active", r.Began, now)
	}
	b.WriteString("```\n")
	return b.String()
}

// bars draws one wave.
func bars(b *strings.Builder, r *core.Rollout, w *core.Wave, now time.Time) {
	over := now
	if r.State.Resting() {
		over = r.Changed
	}
	back := w.State == core.WaveRollingBack || w.State == core.WaveRolledBack || w.State == core.WaveRollbackFailed
	switch {
	case !w.Out.IsZero():
		bar(b, "deploy", "done", w.Began, w.Out)
		switch end := bakeEnd(r, w, now); w.State {
		case core.WaveBaking:
			bar(b, "bake", "active", w.Since, end)
		case core.WaveHalted:
			bar(b, "bake halted", "crit", w.Since, end)
		case core.WavePassed:
			if w.Promoted {
				bar(b, "bake "+promoted, "crit", w.Since, end)
				break
			}
			bar(b, "bake", "done", w.Since, end)
		default:
			bar(b, "bake", "done", w.Since, end)
		}
	case back:
		bar(b, "deploy failed", "crit", w.Began, r.Turned)
	case w.State == core.WaveDeploying:
		bar(b, "deploy", "active", w.Began, over)
	default:
		bar(b, "deploy "+mermaid(string(w.State)), "crit", w.Began, over)
	}
	if back {
		if w.State != core.WaveRollingBack && !r.Restored.IsZero() {
			over = r.Restored
		}
		bar(b, mermaid(string(w.State)), "crit", r.Turned, over)
	}
}

// bar draws one bar. None is shorter than a second: one without length is not drawn.
func bar(b *strings.Builder, name, tag string, from, to time.Time) {
	if !to.After(from.Add(time.Second)) {
		to = from.Add(time.Second)
	}
	fmt.Fprintf(b, "    %s :%s, %s, %s\n", name, tag, instant(from), instant(to))
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
