package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// Diagnoses prints what the doctor found: a row for each, with what to do where something is wrong.
func Diagnoses(w io.Writer, found []core.Diagnosis, color bool) error {
	p := &page{w: w, color: color}
	about := len("ABOUT")
	for _, d := range found {
		about = max(about, len(line(d.About, 32)))
	}
	width := columns - len("  problem    ") - about - 2
	t := &table{heads: []string{"HEALTH", "ABOUT", "WHAT"}, right: make([]bool, 3)}
	for _, d := range found {
		first := []cell{{text: line(string(d.Health), 16), paint: healthPaint(d.Health)}, {text: line(d.About, 32)}}
		said := wrap(line(d.What, 600), width)
		if d.Do != "" {
			said = append(said, wrap("Do: "+line(d.Do, 300), width)...)
		}
		for _, l := range said {
			t.rows = append(t.rows, append(first, cell{text: l}))
			first = []cell{{}, {}}
		}
	}
	p.table(t)
	p.print("\n  %s\n", countHealth(found))
	return p.err
}

// countHealth counts by health, the worst first: "1 problem, 2 warnings, 9 ok".
func countHealth(found []core.Diagnosis) string {
	count := make(map[core.Health]int)
	for _, d := range found {
		count[d.Health]++
	}
	var parts []string
	for _, h := range []core.Health{core.HealthProblem, core.HealthWarning} {
		if count[h] > 0 {
			parts = append(parts, plural(count[h], string(h)))
		}
	}
	if n := count[core.HealthUntried]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d untried", n))
	}
	return strings.Join(append(parts, fmt.Sprintf("%d ok", count[core.HealthOK])), ", ")
}

func healthPaint(h core.Health) paint {
	switch h {
	case core.HealthProblem:
		return red
	case core.HealthWarning, core.HealthUntried:
		return yellow
	default:
		return green
	}
}
