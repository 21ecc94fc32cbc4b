package report

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// read takes test results as those who show them do.
func read(t *testing.T, text string) junitReport {
	t.Helper()
	var all junitReport
	if err := xml.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return all
}

// outcome is what a case says, in a word.
func (c junitCase) outcome() string {
	switch {
	case c.Failure != nil:
		return "failed"
	case c.Error != nil:
		return "error"
	case c.Skipped != nil:
		return "skipped"
	default:
		return "passed"
	}
}

// TestJUnitVerdicts: only a check that passed has passed.
func TestJUnitVerdicts(t *testing.T) {
	for _, c := range []struct {
		verdict core.Verdict
		more    bool
		want    string
	}{
		{core.Verdict{Verdict: core.Pass}, false, "passed"},
		{core.Verdict{Verdict: core.Pass, Shadow: true}, false, "passed"},
		{core.Verdict{Verdict: core.Fail}, false, "failed"},
		{core.Verdict{Verdict: core.Fail}, true, "failed"},
		{core.Verdict{Verdict: core.Fail, Shadow: true}, false, "skipped"},
		{core.Verdict{Verdict: core.Inconclusive}, false, "failed"},
		{core.Verdict{Verdict: core.Inconclusive}, true, "skipped"},
		{core.Verdict{Verdict: core.Error}, true, "error"},
		{core.Verdict{Verdict: core.Error}, false, "error"},
		{core.Verdict{Verdict: "made up"}, false, "error"},
	} {
		if got := junitChecks("s", []core.Verdict{c.verdict}, c.more).Cases[0].outcome(); got != c.want {
			t.Errorf("%+v (more: %t) is %s, want %s", c.verdict, c.more, got, c.want)
		}
	}
}

// TestJUnitTargets: nor is a target out that is on its way, or went back.
func TestJUnitTargets(t *testing.T) {
	for _, c := range []struct {
		state core.TargetState
		err   string
		want  string
	}{
		{core.TargetDeployed, "", "passed"},
		{core.TargetDeploying, "", "skipped"},
		{core.TargetRollingBack, "", "skipped"},
		{core.TargetRolledBack, "", "skipped"},
		{core.TargetRolledBack, "no space left", "failed"},
		{core.TargetFailed, "", "failed"},
		{core.TargetRollbackFailed, "no space left", "error"},
		{"made up", "", "skipped"},
	} {
		if got := junitTarget("s", &core.TargetRecord{State: c.state, Error: c.err}).outcome(); got != c.want {
			t.Errorf("a target that is %s (%q) is %s, want %s", c.state, c.err, got, c.want)
		}
	}
}

// TestJUnitAdds: the sums are those of the cases, whatever the texts hold.
func TestJUnitAdds(t *testing.T) {
	for _, mark := range []string{"]]>", "\x00\x1b[31m", "&<\"'", "𝕏"} {
		r, _ := crowd(t, mark, 5, 50, 3)
		all := read(t, JUnit(r))
		if len(all.Suites) != 7 { // one a wave, before and after
			t.Errorf("%q: there are %d suites", mark, len(all.Suites))
		}
		for _, s := range all.Suites {
			sums := map[string]int{}
			for _, c := range s.Cases {
				sums[c.outcome()]++
			}
			if s.Tests != len(s.Cases) || s.Tests == 0 || s.Failures != sums["failed"] || s.Errors != sums["error"] || s.Skipped != sums["skipped"] {
				t.Errorf("%q: suite %s says %d tests, %d failures, %d errors, %d skipped, and has %v", mark, s.Name, s.Tests, s.Failures, s.Errors, s.Skipped, sums)
			}
		}
	}
	if all := read(t, JUnit(hostileRollout(t))); strings.Contains(all.Suites[0].Name, "\x1b") {
		t.Errorf("a suite is called %q", all.Suites[0].Name)
	}
}
