package cloudwatchtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

// A metric is a time series: everything that was reported, each with its instant.
type metric struct {
	namespace, name string
	dimensions      map[string]string
	times           []time.Time
	values          []float64
}

// A Result is what an expression gives.
type Result struct {
	Label    string
	Times    []time.Time
	Values   []float64
	Status   string // empty: Complete
	Messages []string
}

// Report adds a value to a metric.
func (s *Server) Report(namespace, name string, dimensions map[string]string, at time.Time, value float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range s.metrics {
		if m.namespace == namespace && m.name == name && maps.Equal(m.dimensions, dimensions) {
			s.metrics[i].times, s.metrics[i].values = append(m.times, at), append(m.values, value)
			return
		}
	}
	s.metrics = append(s.metrics, metric{namespace, name, dimensions, []time.Time{at}, []float64{value}})
}

// Expressions says what expressions give. Their language is CloudWatch's own, so a test knows what it wants to be answered.
// No results and no function: an error.
func (s *Server) Expressions(found func(expression string, from, until time.Time) []Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = found
}

func (s *Server) getMetricData(in cbor.Map) (cbor.Map, error) {
	queries := in["MetricDataQueries"].(cbor.List)
	from, until := when(in["StartTime"]), when(in["EndTime"])
	if len(queries) > 500 {
		return nil, errors.New("the collection MetricDataQueries must not have a size greater than 500")
	}
	if !from.Before(until) || !from.Truncate(time.Minute).Equal(from) {
		return nil, fmt.Errorf("from %s to %s is no stretch of whole minutes", from, until)
	}
	var results []cbor.Value
	for _, v := range queries {
		q := v.(cbor.Map)
		if q["ReturnData"] == cbor.Bool(false) {
			continue
		}
		found, err := s.one(q, from, until)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			results = append(results, s.parts(q["Id"], r)...)
		}
	}
	// A page has one part of each result, or what is left of them.
	page, out := cut(results, in, max(s.page, 1))
	out["MetricDataResults"], out["Messages"] = cbor.List(page), cbor.List{}
	return out, nil
}

// one answers one query.
func (s *Server) one(q cbor.Map, from, until time.Time) ([]Result, error) {
	if expression, ok := q["Expression"].(cbor.String); ok {
		if s.found == nil {
			//lint:ignore ST1005 it is AWS' own sentence
			return nil, fmt.Errorf("Error in expression '%v': invalid syntax", q["Id"])
		}
		return s.found(string(expression), from, until), nil
	}
	stat := q["MetricStat"].(cbor.Map)
	of := stat["Metric"].(cbor.Map)
	dimensions := make(map[string]string)
	list, _ := of["Dimensions"].(cbor.List)
	for _, d := range list {
		dimensions[string(d.(cbor.Map)["Name"].(cbor.String))] = string(d.(cbor.Map)["Value"].(cbor.String))
	}
	seconds, err := cbor.AsInt64(stat["Period"])
	if err != nil {
		return nil, err
	}
	r := Result{Label: fmt.Sprint(of["MetricName"], dimensions)}
	for _, m := range s.metrics {
		if cbor.String(m.namespace) == of["Namespace"] && cbor.String(m.name) == of["MetricName"] && maps.Equal(m.dimensions, dimensions) {
			r.Times, r.Values = m.over(string(stat["Stat"].(cbor.String)), time.Duration(seconds)*time.Second, from, until)
		}
	}
	return []Result{r}, nil
}

// over gives a statistic over each period that has data. Periods count from the beginning of the stretch.
func (m metric) over(stat string, period time.Duration, from, until time.Time) (times []time.Time, values []float64) {
	for ; from.Before(until); from = from.Add(period) {
		var in []float64
		total := 0.0
		for i, at := range m.times {
			if !at.Before(from) && at.Before(from.Add(period)) {
				in, total = append(in, m.values[i]), total+m.values[i]
			}
		}
		if len(in) == 0 {
			continue
		}
		slices.Sort(in)
		value := map[string]float64{"Sum": total, "SampleCount": float64(len(in)), "Average": total / float64(len(in)),
			"Minimum": in[0], "Maximum": in[len(in)-1], "p50": in[len(in)/2]}[stat]
		times, values = append(times, from), append(values, value)
	}
	return times, values
}

// parts are a result in pieces that fit on a page: all but the last are partial.
func (s *Server) parts(id cbor.Value, r Result) []cbor.Value {
	part := func(status string, times []time.Time, values []float64) cbor.Map {
		stamps, numbers := cbor.List{}, cbor.List{}
		for i := range times {
			stamps, numbers = append(stamps, stamp(times[i])), append(numbers, cbor.Float64(values[i]))
		}
		messages := cbor.List{}
		for _, text := range r.Messages {
			messages = append(messages, cbor.Map{"Code": cbor.String("Fake"), "Value": cbor.String(text)})
		}
		return cbor.Map{"Id": id, "Label": cbor.String(r.Label), "StatusCode": cbor.String(status), "Timestamps": stamps, "Values": numbers, "Messages": messages}
	}
	var all []cbor.Value
	for len(r.Times) > s.page {
		all = append(all, part("PartialData", r.Times[:s.page], r.Values[:s.page]))
		r.Times, r.Values = r.Times[s.page:], r.Values[s.page:]
	}
	status := r.Status
	if status == "" {
		status = "Complete"
	}
	return append(all, part(status, r.Times, r.Values))
}
