package judge

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// countReason says why counts are judged as they are.
func countReason(name string, v Verdict, outage *CountLook) string {
	e := v.Evidence
	if o := outage; o != nil {
		return fmt.Sprintf("%s %s against %s on the control within one look, %s of %s against %s of %s: an outage of one arm.",
			upper(name), share(o.CandidateBad/o.Candidate), share(o.ControlBad/o.Control),
			count(o.CandidateBad), count(o.Candidate), count(o.ControlBad), count(o.Control))
	}
	if e.Totals == nil || e.Totals.Candidate == 0 {
		return noLooks(name, e)
	}
	what := fmt.Sprintf("%s %s against %s on the control%s, %s of %s against %s of %s",
		upper(name), share(e.Candidate), share(e.Control), times(e.Ratio),
		count(e.Totals.CandidateBad), count(e.Totals.Candidate), count(e.Totals.ControlBad), count(e.Totals.Control))
	return what + countEnding(v)
}

// histogramReason says why a histogram is judged as it is.
func histogramReason(name string, v Verdict) string {
	e := v.Evidence
	if e.Totals == nil || e.Totals.Candidate == 0 {
		return noLooks(name, e)
	}
	what := fmt.Sprintf("%s slower than %s: %s against %s on the control%s, %s of %s against %s of %s",
		upper(name), strconv.FormatFloat(e.Edge, 'g', 4, 64), share(e.Candidate), share(e.Control), times(e.Ratio),
		count(e.Totals.CandidateBad), count(e.Totals.Candidate), count(e.Totals.ControlBad), count(e.Totals.Control))
	if l := e.Latency; l != nil {
		what += fmt.Sprintf("; p%s %s against %s", strconv.FormatFloat(100*l.Quantile, 'g', 6, 64),
			latency(l.Candidate, l.CandidateBeyond), latency(l.Control, l.ControlBeyond))
	}
	return what + countEnding(v)
}

func latency(x float64, beyond bool) string {
	if beyond {
		return "above " + strconv.FormatFloat(x, 'g', 3, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

func countEnding(v Verdict) string {
	e := v.Evidence
	switch v.Verdict {
	case core.Fail:
		return "; " + chance(e.Most)
	case core.Pass:
		return fmt.Sprintf("; %s would have shown.", hidden(e))
	default:
		return fmt.Sprintf("; too few to tell: %s could still hide.", hidden(e))
	}
}

// hidden words the regression that a pass excludes.
func hidden(e Evidence) string {
	rise := number(100*e.SafeRise) + " percentage points"
	switch {
	case e.SafeRise == 0:
		return number(e.SafeRatio) + " times as many"
	case e.SafeRatio == 0:
		return "a rise of " + rise
	default:
		return number(e.SafeRatio) + " times as many, and " + rise + " more,"
	}
}

// noLooks says why there is nothing to judge.
func noLooks(name string, e Evidence) string {
	switch {
	case e.Looks == 0 && e.Unusable > 0:
		return fmt.Sprintf("None of %s at %s could be used: the numbers are missing, negative or zero.",
			looks(e.Unusable), name)
	case e.Looks > 0:
		return fmt.Sprintf("The first %d looks at %s after a deploy are a warm-up; they are not judged.", warmUp, name)
	default:
		return fmt.Sprintf("There is no look at %s yet.", name)
	}
}

// chance says how likely evidence is in a healthy release.
func chance(most float64) string {
	return fmt.Sprintf("chance of that in a healthy release below 1 in %s.", count(twoDigits(min(most, 1e9))))
}

// twoDigits rounds down to two digits: a promise of a chance must not grow by rounding.
func twoDigits(x float64) float64 {
	if x < 10 {
		return math.Floor(x)
	}
	unit := math.Pow(10, math.Floor(math.Log10(x))-1)
	return math.Floor(x/unit+1e-9) * unit
}

func times(ratio float64) string {
	if ratio == 0 {
		return ""
	}
	return ", " + number(ratio) + " times"
}

// share writes a share as a percentage that does not hide small ones.
func share(x float64) string {
	switch p := 100 * x; {
	case p == 0:
		return "0%"
	case p < 0.1:
		return strconv.FormatFloat(p, 'g', 2, 64) + "%"
	default:
		return strconv.FormatFloat(p, 'f', 2, 64) + "%"
	}
}

// number writes a number with at most two digits after the point, and only where they matter.
func number(x float64) string {
	digits := 2
	switch {
	case math.Abs(x) >= 10:
		digits = 0
	case math.Abs(x) >= 2:
		digits = 1
	case math.Abs(x) < 0.1:
		return strconv.FormatFloat(x, 'g', 2, 64)
	}
	text := strconv.FormatFloat(x, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// count writes a whole number with commas.
func count(x float64) string {
	digits := strconv.FormatFloat(x, 'f', 0, 64)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// reason says why a gauge is judged as it is.
func (g *Gauge) reason(v Verdict, visible float64) string {
	e, name := v.Evidence, upper(g.Options.Name)
	if len(g.State.Sides) == 0 {
		return fmt.Sprintf("%s has %d usable looks before the deploy; it takes %d to know how the arms compare anyway.",
			name, e.Before, gaugeBefore)
	}
	if e.Looks == 0 {
		return noLooks(g.Options.Name, e)
	}
	w := g.worst()
	before := w.Usual
	if w.Direction == Decrease {
		before = -before
	}
	what := fmt.Sprintf("%s %s against %s on the control over %s, where %s is usual",
		name, number(e.Candidate), number(e.Control), looks(e.Looks), change(before))
	switch v.Verdict {
	case core.Fail:
		return fmt.Sprintf("%s: %s; a healthy release does that about once in %s bakes.",
			what, change(math.Log(e.Ratio)), count(twoDigits(min(e.Most, 1e9))))
	case core.Pass:
		return fmt.Sprintf("%s; a change of %s would have shown.", what, percent(math.Expm1(visible)))
	default:
		return fmt.Sprintf("%s; too noisy to tell yet: a change of less than %s could hide.",
			what, percent(math.Expm1(min(visible, 5))))
	}
}

// change words a difference of logarithms.
func change(log float64) string {
	switch p := math.Expm1(log); {
	case math.Abs(p) < 0.0005:
		return "no difference"
	case p > 0:
		return percent(p) + " more"
	default:
		return percent(-p) + " less"
	}
}

func percent(x float64) string { return number(100*x) + "%" }

func looks(n int) string {
	if n == 1 {
		return "1 look"
	}
	return strconv.Itoa(n) + " looks"
}
