package metric

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/breakwater-ci/breakwater/core"
)

// A query to CloudWatch is an expression of metric math, with its metrics found by SEARCH; a query of Metrics Insights,
// which begins with SELECT; or a list of metrics and expressions in JSON, as GetMetricData and the console have it.
//
// Whether its points can be added up is told by the statistic. For everything else, ratios and percentiles above all, the
// period must be $window: then there is one point, and CloudWatch has made it of all the data.

// A cloudMetric is one entry of a list in JSON.
type cloudMetric struct {
	ID         string      `json:"Id"`
	Expression string      `json:"Expression,omitempty"`
	MetricStat *cloudStat  `json:"MetricStat,omitempty"`
	Period     cloudPeriod `json:"Period,omitempty"`
	Label      string      `json:"Label,omitempty"`
	AccountID  string      `json:"AccountId,omitempty"`
	ReturnData *bool       `json:"ReturnData,omitempty"`
}

// A cloudStat is a statistic of a metric.
type cloudStat struct {
	Metric struct {
		Namespace  string           `json:"Namespace"`
		MetricName string           `json:"MetricName"`
		Dimensions []cloudDimension `json:"Dimensions,omitempty"`
	} `json:"Metric"`
	Period cloudPeriod `json:"Period"`
	Stat   string      `json:"Stat"`
	Unit   string      `json:"Unit,omitempty"`
}

// A cloudDimension is a name and a value of a metric.
type cloudDimension struct {
	Name  string `json:"Name"`
	Value string `json:"Value"`
}

// A cloudPeriod is a number of seconds. In a plan it may be "$window".
type cloudPeriod int32

const wholeWindow cloudPeriod = -1

// UnmarshalJSON implements [json.Unmarshaler].
func (p *cloudPeriod) UnmarshalJSON(text []byte) error {
	if string(text) == `"$window"` {
		*p = wholeWindow
		return nil
	}
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n < 1 {
		return fmt.Errorf(`a period is %s; write a number of seconds, or "$window"`, text)
	}
	*p = cloudPeriod(n)
	return nil
}

func (p cloudPeriod) filled(v core.Variables) cloudPeriod {
	if p == wholeWindow {
		return cloudPeriod(wholePeriods(v.Window, time.Minute) / time.Second)
	}
	return p
}

// wholePeriods rounds a window up.
func wholePeriods(window, period time.Duration) time.Duration {
	return (window + period - 1) / period * period
}

// readList reads a list in JSON.
func readList(text string) ([]cloudMetric, error) {
	var list []cloudMetric
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("the list of metrics is no JSON of GetMetricData: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the list of metrics has something behind its end")
	}
	return list, nil
}

// A cloudQuery is a query, variables filled in.
type cloudQuery struct {
	metrics []cloudMetric
	period  time.Duration // the longest of them
}

// expressionID is the id of a query that is one expression.
const expressionID = "q"

// readCloudQuery reads a filled query and finds what is wrong with it.
func readCloudQuery(text string, window time.Duration) (cloudQuery, error) {
	q := cloudQuery{metrics: []cloudMetric{{ID: expressionID, Expression: strings.TrimSpace(text)}}}
	if strings.HasPrefix(q.metrics[0].Expression, "[") {
		var err error
		if q.metrics, err = readList(text); err != nil {
			return q, err
		}
	} else if insights.MatchString(text) {
		q.metrics[0].Period = wholeWindow.filled(core.Variables{Window: window})
	}
	if len(q.metrics) == 0 || strings.TrimSpace(text) == "" {
		return q, errors.New("the query is empty")
	}
	seen, returned := make(map[string]bool), false
	for _, m := range q.metrics {
		if err := m.check(); err != nil {
			return q, err
		}
		if seen[m.ID] {
			return q, fmt.Errorf("the Id %s is there twice", m.ID)
		}
		seen[m.ID] = true
		returned = returned || m.returns()
		for _, p := range m.periods() {
			q.period = max(q.period, time.Duration(p)*time.Second)
		}
	}
	switch {
	case !returned:
		return q, errors.New("ReturnData is false everywhere; nothing would be answered")
	case q.period == 0:
		return q, errors.New("the query says no period; give SEARCH a third argument, for example $window")
	}
	return q, nil
}

var idForm = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)

func (m cloudMetric) check() error {
	switch {
	case !idForm.MatchString(m.ID):
		return fmt.Errorf("an Id is %q; it begins with a small letter, and has letters, digits and _", m.ID)
	case (m.Expression == "") == (m.MetricStat == nil):
		return fmt.Errorf("%s must have one of Expression and MetricStat", m.ID)
	case m.MetricStat != nil && (m.MetricStat.Metric.Namespace == "" || m.MetricStat.Metric.MetricName == "" || m.MetricStat.Stat == "" || m.MetricStat.Period == 0):
		return fmt.Errorf("%s must have Namespace, MetricName, Period and Stat", m.ID)
	}
	for _, p := range m.periods() {
		if p%60 != 0 && !slices.Contains([]cloudPeriod{1, 5, 10, 20, 30}, p) {
			return fmt.Errorf("the period of %s is %d s; CloudWatch has 1, 5, 10, 20, 30 and multiples of 60", m.ID, p)
		}
	}
	return nil
}

func (m cloudMetric) returns() bool { return m.ReturnData == nil || *m.ReturnData }

// search is a SEARCH: its statistic and its period.
var search = regexp.MustCompile(`SEARCH\(\s*'[^']*'\s*,\s*'([^']*)'\s*(?:,\s*([0-9]+)\s*)?\)`)

// periods are all that a metric or expression names.
func (m cloudMetric) periods() []cloudPeriod {
	var all []cloudPeriod
	if m.MetricStat != nil {
		all = append(all, m.MetricStat.Period)
	}
	if m.Period != 0 {
		all = append(all, m.Period)
	}
	for _, found := range search.FindAllStringSubmatch(m.Expression, -1) {
		if n, err := strconv.ParseInt(found[2], 10, 32); err == nil && n > 0 {
			all = append(all, cloudPeriod(n))
		}
	}
	return all
}

// foundSum is an expression that is nothing but found metrics, or their sum.
var foundSum = regexp.MustCompile(`^\s*(?:SUM\(\s*)?` + search.String() + `\s*\)?\s*$`)

// way is how the points of a metric become one number; empty: there is none, so there must be one point.
func (m cloudMetric) way() string {
	stat := ""
	if m.MetricStat != nil {
		stat = m.MetricStat.Stat
	} else if found := foundSum.FindStringSubmatch(m.Expression); found != nil && (found[1] == "Sum" || found[1] == "SampleCount") {
		stat = found[1]
	}
	return map[string]string{"Sum": "sum", "SampleCount": "sum", "Maximum": "max", "Minimum": "min"}[stat]
}

// checkWindow says why a query cannot be one number over a window.
func (q cloudQuery) checkWindow(window time.Duration) error {
	if q.period > wholePeriods(window, time.Minute) {
		return fmt.Errorf("its period, %s, is longer than the window, %s", core.Brief(q.period), core.Brief(window))
	}
	for _, m := range q.metrics {
		if m.returns() && m.way() == "" && q.period < window {
			return fmt.Errorf("the points of %s cannot be made one number; write $window as its period, or use Sum, SampleCount, Maximum or Minimum", m.ID)
		}
	}
	return nil
}

// checkCloudWatch finds mistakes in a query with made-up values.
func checkCloudWatch(filled string) error {
	window := sample("").Window
	q, err := readCloudQuery(filled, window)
	if err != nil {
		return err
	}
	if q.period < window { // a period of the plan's own; how it stands to the window is seen when there is one
		return q.checkWindow(window)
	}
	return nil
}

// asked is the query as the SDK has it.
func (q cloudQuery) asked() []types.MetricDataQuery {
	all := make([]types.MetricDataQuery, len(q.metrics))
	for i, m := range q.metrics {
		one := types.MetricDataQuery{Id: &m.ID, ReturnData: sdk.Bool(m.returns()), Label: text(m.Label), AccountId: text(m.AccountID), Expression: text(m.Expression)}
		if m.Period != 0 {
			one.Period = sdk.Int32(int32(m.Period))
		}
		if s := m.MetricStat; s != nil {
			one.MetricStat = &types.MetricStat{Period: sdk.Int32(int32(s.Period)), Stat: &s.Stat, Unit: types.StandardUnit(s.Unit),
				Metric: &types.Metric{Namespace: &s.Metric.Namespace, MetricName: &s.Metric.MetricName}}
			for _, d := range s.Metric.Dimensions {
				one.MetricStat.Metric.Dimensions = append(one.MetricStat.Metric.Dimensions, types.Dimension{Name: &d.Name, Value: &d.Value})
			}
		}
		all[i] = one
	}
	return all
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
