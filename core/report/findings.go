package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// FindingsText prints what lint found, for a terminal or a job's log.
func FindingsText(w io.Writer, findings []core.Finding, color bool) error {
	p := &page{w: w, color: color}
	p.print("\n%s\n", bold.on("Findings: "+CountFindings(findings), color))
	for _, f := range findings {
		word := string(f.Level)
		if f.Waived != nil {
			word = "waived"
		}
		p.print("\n  %s %s %s  %s:%d:%d\n", levelPaint(f).on(word, color), f.Rule, f.Name, line(f.File, 200), f.Line, f.Column)
		p.paragraph("    ", line(f.What, 600))
		p.paragraph("    ", "Why: "+f.Why)
		p.paragraph("    ", fmt.Sprintf("Do: %s", f.Do))
		p.paragraph("    ", "From: "+f.From)
		if f.Waived != nil {
			p.paragraph("    ", "Waived until "+f.Waived.Until.String()+": "+line(f.Waived.Why, 300))
		}
	}
	return p.err
}

func levelPaint(f core.Finding) paint {
	switch {
	case f.Waived != nil:
		return dim
	case f.Level == core.LevelError:
		return red
	case f.Level == core.LevelWarning:
		return yellow
	default:
		return none
	}
}

// CountFindings counts findings by level, the worst first: "1 error, 2 warnings, 1 waived".
func CountFindings(findings []core.Finding) string {
	count := make(map[core.Level]int)
	waived := 0
	for _, f := range findings {
		if f.Waived != nil {
			waived++
			continue
		}
		count[f.Level]++
	}
	var parts []string
	for _, l := range core.Levels {
		if count[l] > 0 {
			parts = append(parts, plural(count[l], string(l)))
		}
	}
	if waived > 0 {
		parts = append(parts, fmt.Sprintf("%d waived", waived))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
