package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// A junitReport is a file of test results in the form of JUnit, as far as those who show it agree on that.
type junitReport struct {
	XMLName xml.Name     `xml:"testsuites"`
	Name    string       `xml:"name,attr"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

// A junitCase has passed if nothing else is said.
type junitCase struct {
	Class   string      `xml:"classname,attr"`
	Name    string      `xml:"name,attr"`
	Seconds string      `xml:"time,attr,omitempty"`
	Failure *junitWords `xml:"failure"`
	Error   *junitWords `xml:"error"`
	Skipped *junitWords `xml:"skipped"`
}

type junitWords struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit gives a rollout as test results: a suite for each time that the checks were asked, and for each wave a case for every
// target that something was done to. Nothing is a success there that is not known to be one: what is under way is skipped,
// and a check that could not tell has failed once the bake is over.
func JUnit(r *core.Rollout) string {
	report := junitReport{Name: line(r.Line.String()+" "+r.Start.Version, 200)}
	report.add(junitChecks("before the first wave", r.Precheck, false))
	for i := range r.Waves {
		w := &r.Waves[i]
		suite := junitChecks(line("wave "+w.Name, 80), w.Verdicts, w.State == core.WaveBaking)
		for j := range w.Targets {
			if t := &w.Targets[j]; t.Attempts > 0 || t.InScope {
				suite.Cases = append(suite.Cases, junitTarget(suite.Name, t))
			}
		}
		report.add(suite)
	}
	report.add(junitChecks("after the rollback", r.Verified, r.State == core.StateRollingBack))
	return report.String()
}

// JUnitVerdicts gives the verdicts of one look as test results.
func JUnitVerdicts(verdicts []core.Verdict) string {
	report := junitReport{Name: "checks"}
	report.add(junitChecks("checks", verdicts, false))
	return report.String()
}

// add adds a suite with its sums, if it has cases.
func (j *junitReport) add(s junitSuite) {
	for _, c := range s.Cases {
		s.Tests++
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
	}
	if s.Tests > 0 {
		j.Suites = append(j.Suites, s)
	}
}

// String is the whole file.
func (j *junitReport) String() string {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	_ = e.Encode(j) // texts and numbers into memory: it always does
	b.WriteByte('\n')
	return b.String()
}

// junitChecks is a suite of verdicts. As long as there is more to come, a check that cannot tell yet is skipped.
func junitChecks(name string, verdicts []core.Verdict, more bool) junitSuite {
	suite := junitSuite{Name: name}
	for _, v := range verdicts {
		c := junitCase{Class: name, Name: line("check "+v.Check, 120)}
		words := &junitWords{Message: line(v.Reason, 500), Text: line(v.Query, 2000)}
		switch {
		case v.Verdict == core.Pass:
		case v.Shadow:
			words.Message = line(fmt.Sprintf("shadow, %s: %s", v.Verdict, v.Reason), 500)
			c.Skipped = words
		case v.Verdict == core.Inconclusive && more:
			words.Message = line("not decided yet: "+v.Reason, 500)
			c.Skipped = words
		case v.Verdict == core.Fail, v.Verdict == core.Inconclusive:
			c.Failure = words
		default:
			c.Error = words
		}
		suite.Cases = append(suite.Cases, c)
	}
	return suite
}

// junitTarget is the case of one target.
func junitTarget(suite string, t *core.TargetRecord) junitCase {
	c := junitCase{Class: suite, Name: line("target "+t.Name, 120)}
	if t.Took > 0 {
		c.Seconds = fmt.Sprintf("%.3f", t.Took.Seconds())
	}
	message := string(t.State)
	if t.Error != "" {
		message += ": " + t.Error
	}
	words := &junitWords{Message: line(message, 500), Text: strings.Join(lines(t.Tail, mostTail, 200), "\n")}
	switch {
	case t.State == core.TargetDeployed:
	case t.State == core.TargetRollbackFailed:
		c.Error = words
	case t.State == core.TargetFailed, t.Error != "":
		c.Failure = words
	default: // under way, or it went back for what need not be its own fault
		c.Skipped = words
	}
	return c
}
