package report

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/breakwater-ci/breakwater/core"
)

var practices = []core.Practice{
	{ID: "BW001", Name: "no-bake", Level: core.LevelError, Title: "A wave does not bake", Why: "Slow faults are not seen.", Do: "Set bake.min.", From: "REL08-BP05"},
	{ID: "BW005", Name: "big-first-wave", Level: core.LevelWarning, Title: "The first wave is large", Why: "It meets many users.", Do: "Begin small.", From: "A book"},
	{ID: "BW009", Name: "no-deploy-timeout", Level: core.LevelNote, Title: "The deploy has no timeout", Why: "It may hang.", Do: "Set one.", From: "A page"},
}

func finding(i int, line int, what string, waived *core.Waiver) core.Finding {
	p := practices[i]
	return core.Finding{Rule: p.ID, Name: p.Name, Level: p.Level, File: ".github/breakwater plan.yaml", Line: line, Column: 3,
		What: what, Why: p.Why, Do: p.Do, From: p.From, Fingerprint: strings.Repeat("0123", 8), Waived: waived}
}

var findings = []core.Finding{
	finding(0, 12, "There is no bake after wave one-box.", nil),
	finding(1, 14, "The first wave, one-box, takes 25% of the weight.", &core.Waiver{
		Rule: "BW005", Why: "there are only four hosts", Until: core.Date{Year: 2027, Month: 3, Day: 1}}),
	finding(2, 20, "The deploy has no timeout of its own.", nil),
}

func TestFindings(t *testing.T) {
	var text, sarif, quality bytes.Buffer
	if err := FindingsText(&text, findings, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "findings.txt", text.String())
	if err := SARIF(&sarif, "v1.2.3", practices, findings); err != nil {
		t.Fatal(err)
	}
	golden(t, "findings.sarif", sarif.String())
	if err := CodeQuality(&quality, findings); err != nil {
		t.Fatal(err)
	}
	golden(t, "findings.codequality.json", quality.String())
}

func TestCountFindings(t *testing.T) {
	if got := CountFindings(findings); got != "1 error, 1 note, 1 waived" {
		t.Error(got)
	}
	if got := CountFindings(nil); got != "none" {
		t.Error(got)
	}
}

// TestSARIF checks what the specification asks for, also where there is nothing to say and where a name is hostile.
func TestSARIF(t *testing.T) {
	odd := finding(0, 1, "\x1b[2J <b> \u202e", &core.Waiver{Why: "::error::"})
	odd.File = "a:b/ü%?#\\.yaml"
	for name, list := range map[string][]core.Finding{"some": findings, "none": nil, "odd": {odd}} {
		var b bytes.Buffer
		if err := SARIF(&b, "", practices, list); err != nil {
			t.Fatal(err)
		}
		value, err := validator.UnmarshalJSON(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if err := sarifSchema(t).Validate(value); err != nil {
			t.Errorf("%s: %#v", name, err)
		}
		var log sarifLog
		if err := json.Unmarshal(b.Bytes(), &log); err != nil {
			t.Fatal(err)
		}
		run := log.Runs[0]
		if run.Results == nil || len(run.Results) != len(list) || len(run.Tool.Driver.Rules) != len(practices) {
			t.Errorf("%s: %d results of %d rules", name, len(run.Results), len(run.Tool.Driver.Rules))
		}
		for i, r := range run.Results {
			if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID || (len(r.Suppressions) > 0) != (list[i].Waived != nil) {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

func sarifSchema(t *testing.T) *validator.Schema {
	t.Helper()
	text, err := os.Open("testdata/sarif.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	value, err := validator.UnmarshalJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	compiler := validator.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("sarif.json", value); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestFindingsOfHostiles: nothing from a plan moves a cursor or gives a forge a command.
func TestFindingsOfHostiles(t *testing.T) {
	bad := "\x1b[2J\r\n::error::x\u202e##[group]" + strings.Repeat("long ", 200)
	f := finding(0, 1, bad, &core.Waiver{Why: bad})
	f.File = bad
	var b bytes.Buffer
	if err := FindingsText(&b, []core.Finding{f}, false); err != nil {
		t.Fatal(err)
	}
	if err := printable(b.String()); err != nil {
		t.Error(err)
	}
	if strings.Contains(b.String(), "##[") || strings.Contains("\n"+b.String(), "\n::") || strings.Contains(b.String(), " ::") {
		t.Errorf("a forge would take this for a command:\n%s", b.String())
	}
}

func TestDiagnosesText(t *testing.T) {
	found := []core.Diagnosis{
		core.Well("plan", "breakwater.yaml loads; targets: %d, waves: %d.", 3, 2),
		{About: "source prom", Health: core.HealthWarning, What: "It answers, and has no data for check errors: sum(increase(http_requests_total{instance=~\"a|b\"}[5m]))",
			Do: "Try the query where you look at metrics; what has no data never passes."},
		{About: "ledger", Health: core.HealthProblem, What: "It cannot be written: 403 Forbidden.", Do: "Let this job write there."},
		{About: "aws-lambda", Health: core.HealthUntried, What: "Not tried: lambda:UpdateAlias.", Do: "See that the role has it."},
		{About: hostile, Health: core.HealthProblem, What: hostile, Do: hostile},
	}
	var text bytes.Buffer
	if err := Diagnoses(&text, found, false); err != nil {
		t.Fatal(err)
	}
	if err := printable(text.String()); err != nil {
		t.Error(err)
	}
	golden(t, "diagnoses.txt", text.String())
}
