package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	mostPoints = 60 // of a line
	mostCharts = 20 // in a summary
	mostAtWork = 6  // of the wave at work; other waves have one
)

// The colours of lines, which differ for those who cannot tell red from green.
const (
	blue   = "#2f81f7"
	orange = "#d97706"
	wine   = "#cf222e"
)

// chartSummary draws what the checks saw over time: of the wave at work several checks, of every other wave the one that
// says most.
func chartSummary(b *strings.Builder, r *core.Rollout, looks *Looks) {
	from, to := window(r)
	drawn, hidden := 0, 0
	draw := func(about, wave string, most int) {
		all := looks.of(wave)
		if len(all) == 0 {
			return
		}
		if drawn == 0 {
			b.WriteString("\n### What the checks saw\n")
		}
		shown := telling(all, min(most, mostCharts-drawn))
		for _, s := range shown {
			fmt.Fprintf(b, "\n**%s**, %s: %s\n\n%s", markdown(s.check, 60), markdown(about, 80), s.legend(), s.xychart(about))
		}
		drawn += len(shown)
		hidden += len(all) - len(shown)
	}
	if w := atWork(r); w != nil {
		draw("wave "+w.Name, w.Name, mostAtWork)
	}
	draw("after the rollback", afterRollback, mostAtWork)
	for i := min(to, r.Wave) - 1; i >= from; i-- {
		draw("wave "+r.Waves[i].Name, r.Waves[i].Name, 1)
	}
	if hidden > 0 {
		fmt.Fprintf(b, "\nCharts that are not shown: %d. `breakwater report` draws all of them.\n", hidden)
	}
}

// telling are the series that say most, in their order: those that failed before others, those with a control before
// those without.
func telling(all []*series, most int) []*series {
	chosen := make([]bool, len(all))
	left := most
	for _, says := range []func(*series) bool{
		func(s *series) bool { return s.worst() == core.Fail && !s.shadow },
		func(s *series) bool { return s.control && !s.shadow },
		func(s *series) bool { return !s.shadow },
		func(*series) bool { return true },
	} {
		for i, s := range all {
			if left > 0 && !chosen[i] && says(s) {
				chosen[i] = true
				left--
			}
		}
	}
	var shown []*series
	for i, s := range all {
		if chosen[i] {
			shown = append(shown, s)
		}
	}
	return shown
}

// legend says what the lines of a chart are, and when they were seen. A diagram cannot.
func (s *series) legend() string {
	first, last := s.looks[0], s.looks[len(s.looks)-1]
	text := "blue is the value"
	if s.control {
		text = "blue is the value over all looks so far, orange its control"
	}
	if s.bounded() {
		text += ", red the limit"
	}
	unseen := 0
	for _, l := range s.looks {
		if l.value == nil {
			unseen++
		}
	}
	text += fmt.Sprintf(". %s, %s to %s UTC", plural(len(s.looks), "look"), instant(first.at), last.at.UTC().Format(time.TimeOnly))
	if unseen > 0 {
		text += fmt.Sprintf(", %d without a number", unseen)
	}
	return text + ". Between looks a line stays where it was."
}

func (s *series) bounded() bool {
	for _, l := range s.looks {
		if l.max != nil || l.min != nil {
			return true
		}
	}
	return false
}

// xychart draws a series as a Mermaid diagram in a fenced block.
func (s *series) xychart(about string) string {
	points := s.grid()
	lines := []struct {
		color string
		of    func(look) *float64
	}{
		{blue, func(l look) *float64 { return l.value }}, {orange, func(l look) *float64 { return l.control }},
		{wine, func(l look) *float64 { return l.max }}, {wine, func(l look) *float64 { return l.min }},
	}
	var colors []string
	var drawn [][]float64
	low, high := math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		values := steps(points, l.of)
		if values == nil {
			continue
		}
		colors, drawn = append(colors, l.color), append(drawn, values)
		for _, v := range values {
			low, high = min(low, v), max(high, v)
		}
	}
	low, high = room(low, high)
	exponent := scale(low, high)
	var b strings.Builder
	fmt.Fprintf(&b, "```mermaid\n%%%%{init: {\"xyChart\": {\"height\": 300}, \"themeVariables\": {\"xyChart\": {\"plotColorPalette\": %q}}}}%%%%\nxychart-beta\n",
		strings.Join(colors, ", "))
	fmt.Fprintf(&b, "    title \"%s, %s\"\n", mermaid(s.check), mermaid(about))
	unit, span := "seconds", s.span().Seconds()
	switch {
	case span >= 3*3600:
		unit, span = "hours", span/3600
	case span >= 180:
		unit, span = "minutes", span/60
	}
	fmt.Fprintf(&b, "    x-axis \"%s since %s UTC\" 0 --> %s\n", unit, s.looks[0].at.UTC().Format(time.TimeOnly), short(span))
	title := ""
	if exponent != 0 {
		title = fmt.Sprintf("\"x 1e%d\" ", exponent)
	}
	fmt.Fprintf(&b, "    y-axis %s%s --> %s\n", title, scaled(low, exponent), scaled(high, exponent))
	for _, values := range drawn {
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = scaled(v, exponent)
		}
		fmt.Fprintf(&b, "    line [%s]\n", strings.Join(texts, ", "))
	}
	b.WriteString("```\n")
	return b.String()
}

// grid puts the looks where they are in time, for a diagram that knows points at equal distances only: of those that
// fall together the one that matters most, and where nobody looked the one before.
func (s *series) grid() []look {
	first, span := s.looks[0].at, s.span()
	nearest := span
	for i := 1; i < len(s.looks); i++ {
		nearest = min(nearest, s.looks[i].at.Sub(s.looks[i-1].at))
	}
	n := min(mostPoints, int(span/nearest)+1)
	points := make([]look, n)
	taken := make([]bool, n)
	for _, l := range s.looks {
		i := int(math.Round(float64(l.at.Sub(first)) / float64(span) * float64(n-1)))
		if !taken[i] || byHarm(l, points[i]) > 0 {
			points[i], taken[i] = l, true
		}
	}
	for i := range points {
		if !taken[i] {
			points[i] = points[i-1] // the first look is at 0
		}
	}
	return points
}

func (s *series) span() time.Duration { return s.looks[len(s.looks)-1].at.Sub(s.looks[0].at) }

// steps are the numbers of a line, nil if there are none: where one is missing the one before stands, or the first.
func steps(points []look, of func(look) *float64) []float64 {
	values := make([]float64, len(points))
	last := (*float64)(nil)
	for _, p := range points {
		if last = of(p); last != nil {
			break
		}
	}
	if last == nil {
		return nil
	}
	for i, p := range points {
		if v := of(p); v != nil {
			last = v
		}
		values[i] = *last
	}
	return values
}

// room is the range of an axis: from 0 where that is not far, with some air above, and never empty.
func room(low, high float64) (float64, float64) {
	if low > 0 && low < 0.8*high {
		low = 0
	}
	if low == high {
		low -= math.Abs(low) / 10
	}
	high += max((high-low)/20, math.Abs(high)/100, 1e-9)
	return max(low, -math.MaxFloat64), min(high, math.MaxFloat64)
}

// scale is the power of ten, a multiple of three, by which numbers are written: a diagram knows no exponents.
func scale(low, high float64) int {
	most := max(math.Abs(low), math.Abs(high))
	if most >= 0.01 && most < 1e6 {
		return 0
	}
	return max(-300, 3*int(math.Floor(math.Log10(most)/3)))
}

func scaled(v float64, exponent int) string {
	return short(v / math.Pow10(exponent))
}

// short writes a number without an exponent.
func short(v float64) string {
	text := strconv.FormatFloat(v, 'f', 4, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
