package report

import (
	"encoding/json"
	"io"
	"net/url"

	"github.com/breakwater-ci/breakwater/core"
)

// The parts of SARIF 2.1.0 (OASIS Standard, 27 March 2020) that findings need. Its section numbers stand beside.
type (
	sarifLog struct { // 3.13
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct { // 3.14
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct { // 3.18
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct { // 3.19
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct { // 3.49
		ID               string             `json:"id"`
		Name             string             `json:"name"`
		ShortDescription sarifText          `json:"shortDescription"`
		FullDescription  sarifText          `json:"fullDescription"`
		Help             sarifText          `json:"help"`
		HelpURI          string             `json:"helpUri"`
		Default          sarifConfiguration `json:"defaultConfiguration"`
		Properties       map[string]string  `json:"properties"`
	}
	sarifConfiguration struct { // 3.50
		Level core.Level `json:"level"`
	}
	sarifText struct { // 3.11, 3.12
		Text string `json:"text"`
	}
	sarifResult struct { // 3.27
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        core.Level         `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifLocation struct { // 3.28
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct { // 3.29
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct { // 3.4
		URI  string `json:"uri"`
		Base string `json:"uriBaseId"`
	}
	sarifRegion struct { // 3.30
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
	}
	sarifSuppression struct { // 3.35
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
	}
)

const project = "https://github.com/breakwater-ci/breakwater"

// SARIF writes findings as SARIF 2.1.0, which code scanning reads. practices are all the rules that were applied, so
// that a rule which found nothing is told from one that does not exist. Files are relative to the root of the
// repository. version is that of Breakwater.
func SARIF(w io.Writer, version string, practices []core.Practice, findings []core.Finding) error {
	driver := sarifDriver{Name: "breakwater", Version: version, InformationURI: project, Rules: []sarifRule{}}
	index := make(map[string]int)
	for i, p := range practices {
		index[p.ID] = i
		driver.Rules = append(driver.Rules, sarifRule{
			ID: p.ID, Name: p.Name, ShortDescription: sarifText{p.Title + "."}, FullDescription: sarifText{p.Why},
			Help: sarifText{p.Do}, HelpURI: project + "#lint", Default: sarifConfiguration{p.Level}, Properties: map[string]string{"from": p.From},
		})
	}
	results := make([]sarifResult, 0, len(findings))
	for _, f := range findings {
		r := sarifResult{
			RuleID: f.Rule, RuleIndex: index[f.Rule], Level: f.Level, Message: sarifText{f.What + " " + f.Why + " " + f.Do},
			Locations: []sarifLocation{{sarifPhysical{
				sarifArtifact{(&url.URL{Path: f.File}).String(), "%SRCROOT%"}, sarifRegion{f.Line, f.Column},
			}}},
			Fingerprints: map[string]string{"breakwater/v1": f.Fingerprint},
		}
		if f.Waived != nil {
			r.Suppressions = []sarifSuppression{{"inSource", "accepted", f.Waived.Why + " (until " + f.Waived.Until.String() + ")"}}
		}
		results = append(results, r)
	}
	return writeJSON(w, sarifLog{
		Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0",
		Runs: []sarifRun{{Tool: sarifTool{driver}, ColumnKind: "unicodeCodePoints", Results: results}},
	})
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
