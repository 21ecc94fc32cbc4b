package metric

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// fillCloudWatch puts variables in. A list in JSON is taken apart first, so that no value can change its form.
func fillCloudWatch(query string, v core.Variables) (string, error) {
	if !strings.HasPrefix(strings.TrimSpace(query), "[") {
		return fillExpression(query, v)
	}
	list, err := readList(query)
	if err != nil {
		return "", err
	}
	var filled []cloudMetric
	for _, m := range list {
		m.Period = m.Period.filled(v)
		if m.Expression, err = fillExpression(m.Expression, v); err != nil {
			return "", err
		}
		if m.MetricStat == nil {
			filled = append(filled, m)
			continue
		}
		m.MetricStat.Period = m.MetricStat.Period.filled(v)
		each, err := m.each(v)
		if err != nil {
			return "", err
		}
		filled = append(filled, each...)
	}
	text, err := json.Marshal(filled)
	return string(text), err
}

// each is a metric once for every value of the list that a dimension names, say $targets. The ids are numbered then, and
// METRICS("id") in an expression is all of them.
func (m cloudMetric) each(v core.Variables) ([]cloudMetric, error) {
	lists, all := 0, []cloudMetric{m}
	for i, d := range m.MetricStat.Metric.Dimensions {
		values := []string{""}
		if name := variable.FindString(d.Value); name == d.Value && name != "" {
			one, err := termOf(name, v)
			if err == nil {
				err = readable(one)
			}
			if err != nil {
				return nil, err
			}
			if one.list {
				lists++
			}
			values = one.texts
		} else if text, err := dimensionQL.Fill(d.Value, v); err != nil {
			return nil, err
		} else {
			values[0] = text
		}
		if lists > 1 {
			return nil, fmt.Errorf("two dimensions of %s are lists; CloudWatch cannot tell which values go together", m.ID)
		}
		if len(values) == 0 {
			return nil, fmt.Errorf("%s has no place in a dimension", d.Value)
		}
		all = fanOut(all, i, values)
	}
	if lists > 0 {
		for i := range all {
			all[i].ID = fmt.Sprintf("%s_%d", m.ID, i+1)
		}
	}
	return all, nil
}

// fanOut makes of each metric one for each value of its dimension i.
func fanOut(all []cloudMetric, i int, values []string) []cloudMetric {
	var out []cloudMetric
	for _, m := range all {
		for _, value := range values {
			one, stat := m, *m.MetricStat
			stat.Metric.Dimensions = slices.Clone(stat.Metric.Dimensions)
			stat.Metric.Dimensions[i].Value = value
			one.MetricStat = &stat
			out = append(out, one)
		}
	}
	return out
}

// dimensionQL is a value of a dimension in JSON, of which a variable is a part.
var dimensionQL = language{put: func(v term, _ place) (string, error) {
	if v.list || len(v.texts) != 1 {
		return "", fmt.Errorf("%s is a part of a dimension's value; only $wave, $version and $previous can be", v.name)
	}
	return v.texts[0], readable(v)
}}

// fillExpression puts variables into an expression, or a query of Metrics Insights:
//
//   - Inside of SEARCH('...') a text becomes "text", a list ("a" OR "b"), which are matched exactly.
//   - In a WHERE a text, or a list with one value, becomes 'text'.
//   - $window are seconds, in whole minutes.
func fillExpression(query string, v core.Variables) (string, error) {
	put := putSearch
	if insights.MatchString(query) {
		put = putInsights
	}
	return language{quotes: `'"`, put: put}.Fill(query, v)
}

var (
	insights   = regexp.MustCompile(`(?i)^\s*SELECT\s`)
	searchTerm = regexp.MustCompile(`[\w"]\s*=\s*$`)
	whereTerm  = regexp.MustCompile(`(?i)\sWHERE\s.*[\w"]\s*!?=\s*$`)
	// plainValue are the texts that need no escape between quotes of either kind: how CloudWatch reads one is not written down.
	plainValue = regexp.MustCompile(`^[^'"\\\pC]+$`)
)

func putSearch(v term, in place) (string, error) {
	if seconds, ok, err := periodOf(v); ok {
		return seconds, err
	}
	if in.quote != '\'' || strings.Count(in.inside, `"`)%2 != 0 || !searchTerm.MatchString(in.inside) {
		return "", fmt.Errorf("%s stands only inside of SEARCH('...'), after =, without quotes around it", v.name)
	}
	if err := quotable(v); err != nil {
		return "", err
	}
	text := quoted(v, `"`, strings.NewReplacer(), " OR ")
	if v.list {
		text = "(" + text + ")"
	}
	return text, nil
}

func putInsights(v term, in place) (string, error) {
	if seconds, ok, err := periodOf(v); ok {
		return seconds, err
	}
	switch {
	case in.quote != 0 || !whereTerm.MatchString(in.before):
		return "", fmt.Errorf("%s stands only in WHERE name = %s, without quotes around it", v.name, v.name)
	case len(v.texts) > 1:
		return "", fmt.Errorf("%s has %d values, and Metrics Insights compares with one; use SEARCH, or a list of metrics", v.name, len(v.texts))
	}
	return quoted(v, "'", strings.NewReplacer(), ""), quotable(v)
}

// periodOf writes a term that is a time, and reports whether it is one.
func periodOf(v term) (text string, is bool, err error) {
	switch {
	case v.span > 0:
		return strconv.Itoa(int(wholePeriods(v.span, time.Minute) / time.Second)), true, nil
	case !v.at.IsZero():
		return "", true, fmt.Errorf("%s has no place in a query to CloudWatch: the source asks for the window itself", v.name)
	case len(v.texts) == 0:
		return "", true, fmt.Errorf("%s is zero", v.name)
	}
	return "", false, nil
}

func quotable(v term) error {
	for _, text := range v.texts {
		if !plainValue.MatchString(text) {
			return fmt.Errorf("%s is %q, which cannot be quoted safely in an expression; use a list of metrics in JSON", v.name, text)
		}
	}
	return readable(v)
}
