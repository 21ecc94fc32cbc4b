package metric

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/breakwater-ci/breakwater/core"
)

// mostMetrics is how many metrics and expressions one GetMetricData may have.
const mostMetrics = 500

// Query asks for the window before an instant.
func (c *cloudWatch) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	answers, err := c.Range(ctx, q, time.Minute, 1)
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}

// Range implements [core.Ranger]: one question, however many instants there are.
func (c *cloudWatch) Range(ctx context.Context, q core.Query, step time.Duration, n int) ([][]core.Sample, error) {
	read, err := readCloudQuery(q.Text, q.Window)
	if err == nil {
		err = read.checkWindow(q.Window)
	}
	if err != nil {
		return nil, c.fail(true, "%s", err)
	}
	span := wholePeriods(q.Window, read.period)
	ends := make([]time.Time, n)
	for i := range ends {
		ends[i] = q.At.Add(-time.Duration(n-1-i) * step).Truncate(read.period)
	}
	from := ends[0].Add(-span)
	if err := c.kept(from, read.period); err != nil {
		return nil, err
	}
	if err := c.session.Verify(ctx); err != nil {
		return nil, c.refused(ctx, "say where we are", "sts:GetCallerIdentity", err)
	}
	series, err := c.series(ctx, read, from, ends[n-1])
	if err != nil {
		return nil, err
	}
	answers := make([][]core.Sample, n)
	for i, end := range ends {
		for _, s := range series {
			if points := s.between(end.Add(-span), end); len(points) > 0 {
				answers[i] = append(answers[i], core.Sample{Labels: s.labels, Value: roll(s.way, points)})
			}
		}
	}
	return answers, nil
}

// kept refuses a period for which CloudWatch has no points any more: it would answer with none, as if there were no data.
func (c *cloudWatch) kept(from time.Time, period time.Duration) error {
	const day = 24 * time.Hour
	for _, age := range []struct {
		old    time.Duration
		period time.Duration
	}{{63 * day, time.Hour}, {15 * day, 5 * time.Minute}, {3 * time.Hour, time.Minute}} {
		if c.clock.Now().Sub(from) >= age.old && period%age.period != 0 {
			return c.fail(true, "points of %s are gone after %s; use a period of %s or a multiple of it", core.Brief(period), core.Brief(age.old), core.Brief(age.period))
		}
	}
	return nil
}

// A cloudSeries are the points of one metric, or of one result of an expression.
type cloudSeries struct {
	labels map[string]string
	way    string
	times  []time.Time
	values []float64
	status types.StatusCode // of its newest part
	said   []types.MessageData
}

// between returns the points whose periods lie in a stretch, oldest first.
func (s *cloudSeries) between(from, until time.Time) []float64 {
	var points []float64
	for i, at := range s.times {
		if !at.Before(from) && at.Before(until) && !math.IsNaN(s.values[i]) {
			points = append(points, s.values[i])
		}
	}
	return points
}

// series asks for everything that a query returns over a stretch. Expressions go with all that they may name; metrics
// alone may be asked for in several questions.
func (c *cloudWatch) series(ctx context.Context, q cloudQuery, from, until time.Time) ([]*cloudSeries, error) {
	asked := q.asked()
	if len(asked) > mostMetrics && slices.ContainsFunc(q.metrics, func(m cloudMetric) bool { return m.Expression != "" }) {
		return nil, c.fail(true, "the query has %d metrics and expressions, and CloudWatch takes %d at once; find the metrics by SEARCH, or make smaller waves", len(asked), mostMetrics)
	}
	byID := make(map[string]cloudMetric, len(q.metrics))
	for _, m := range q.metrics {
		byID[m.ID] = m
	}
	var all []*cloudSeries
	for part := range slices.Chunk(asked, mostMetrics) {
		found, err := c.pages(ctx, part, byID, from, until)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// pages reads an answer to its end. Only what is complete counts, and a word about the whole of it means that something is missing.
func (c *cloudWatch) pages(ctx context.Context, asked []types.MetricDataQuery, byID map[string]cloudMetric, from, until time.Time) ([]*cloudSeries, error) {
	var all []*cloudSeries
	known := make(map[[2]string]*cloudSeries) // by id and label
	in := &cloudwatch.GetMetricDataInput{MetricDataQueries: asked, StartTime: &from, EndTime: &until, ScanBy: types.ScanByTimestampAscending}
	for {
		out, err := c.calls.data(ctx, in)
		if err != nil {
			return nil, c.refused(ctx, "give metrics", "cloudwatch:GetMetricData", err)
		}
		if len(out.Messages) > 0 {
			return nil, c.fail(false, "its answer is not whole: %s", saidOf(out.Messages))
		}
		for _, r := range out.MetricDataResults {
			m, ok := byID[sdk.ToString(r.Id)]
			if !ok || len(r.Timestamps) != len(r.Values) {
				return nil, c.fail(false, "its answer is not of the form that is expected of it")
			}
			name := [2]string{m.ID, sdk.ToString(r.Label)}
			s := known[name]
			if s == nil {
				s = &cloudSeries{labels: m.labels(name[1]), way: m.way()}
				known[name], all = s, append(all, s)
			}
			s.times, s.values = append(s.times, r.Timestamps...), append(s.values, r.Values...)
			s.status, s.said = r.StatusCode, append(s.said, r.Messages...)
			if r.StatusCode != types.StatusCodeComplete && r.StatusCode != types.StatusCodePartialData {
				return nil, c.incomplete(m.ID, s)
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil || *in.NextToken == "" {
			break
		}
	}
	for name, s := range known {
		if s.status != types.StatusCodeComplete {
			return nil, c.incomplete(name[0], s)
		}
	}
	return all, nil
}

// incomplete says that a part of the data is not known, so that none of it counts.
func (c *cloudWatch) incomplete(id string, s *cloudSeries) error {
	said := ""
	if len(s.said) > 0 {
		said = ": " + saidOf(s.said)
	}
	return c.fail(s.status == types.StatusCodeForbidden, "the data of %s is not whole (%s)%s", id, s.status, said)
}

// saidOf is what CloudWatch says beside its data.
func saidOf(messages []types.MessageData) string {
	var all []string
	for _, m := range messages {
		all = append(all, sdk.ToString(m.Code)+" "+sdk.ToString(m.Value))
	}
	return clip(strings.Join(all, "; "))
}

// labels are those of a result: its dimensions where they are known, and what CloudWatch calls it.
func (m cloudMetric) labels(label string) map[string]string {
	labels := map[string]string{"id": m.ID, "label": label}
	if m.MetricStat != nil {
		for _, d := range m.MetricStat.Metric.Dimensions {
			labels[d.Name] = d.Value
		}
	}
	return labels
}
