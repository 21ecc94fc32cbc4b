package report

import (
	"fmt"
	"io"

	"github.com/breakwater-ci/breakwater/core"
)

// A degradation is a finding as GitLab's Code Quality report has it.
type degradation struct {
	Description string   `json:"description"`
	CheckName   string   `json:"check_name"`
	Fingerprint string   `json:"fingerprint"`
	Severity    string   `json:"severity"`
	Location    location `json:"location"`
}

type location struct {
	Path  string `json:"path"`
	Lines begins `json:"lines"`
}

type begins struct {
	Begin int `json:"begin"`
}

// severities are GitLab's words for levels. It knows blocker and critical too: a plan that can be run is neither.
var severities = map[core.Level]string{core.LevelError: "major", core.LevelWarning: "minor", core.LevelNote: "info"}

// CodeQuality writes findings as a Code Quality report, which GitLab shows in a merge request. The report knows no
// waivers: what is waived is an info that says so.
func CodeQuality(w io.Writer, findings []core.Finding) error {
	report := make([]degradation, 0, len(findings))
	for _, f := range findings {
		d := degradation{
			Description: fmt.Sprintf("%s %s", f.What, f.Do), CheckName: f.Rule + " " + f.Name, Fingerprint: f.Fingerprint,
			Severity: severities[f.Level], Location: location{Path: f.File, Lines: begins{f.Line}},
		}
		if f.Waived != nil {
			d.Severity = "info"
			d.Description = fmt.Sprintf("Waived until %s (%s): %s", f.Waived.Until, f.Waived.Why, d.Description)
		}
		report = append(report, d)
	}
	return writeJSON(w, report)
}
