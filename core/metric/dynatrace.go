package metric

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// DynatraceOptions are the options of a source of type dynatrace.
type DynatraceOptions struct {
	URL   core.Secret `json:"url" jsonschema_description:"Address of the environment, without /api/v2: https://ID.live.dynatrace.com, or https://HOST/e/ID."`
	Token core.Secret `json:"token,omitempty" jsonschema_description:"Access token with the scope metrics.read."`
	Reach
}

// A dynatrace asks the metrics API, version 2, with a metric selector. It asks for the whole window as one slot of time,
// so that each series has one number: what the selector's aggregation makes of the window.
//
// Dynatrace keeps minutes, and gives a minute whole of which only a part was asked for. The window is therefore cut to
// the minutes that lie within it. A warning is an error: it says that a dimension is unknown, or that series are missing.
type dynatrace struct {
	language
	*service
}

const slot = time.Minute // the shortest stretch that Dynatrace keeps a number for

func newDynatrace(o *DynatraceOptions, env Env) (core.Source, error) {
	reach := o.Reach
	if o.Token != "" {
		var err error
		if reach, err = reach.with("Authorization", "Api-Token ", o.Token); err != nil {
			return nil, err
		}
	}
	s, err := newService(o.URL, reach, "token and its scope metrics.read", dynatraceError, env)
	if err != nil {
		return nil, err
	}
	return &dynatrace{language: selector, service: s}, nil
}

// dynatraceError is what a body says of an error. What is wrong with a parameter says more than the whole does.
func dynatraceError(body []byte) string {
	var said struct {
		Error struct {
			Message    string                     `json:"message"`
			Violations []struct{ Message string } `json:"constraintViolations"`
		} `json:"error"`
	}
	_ = json.Unmarshal(body, &said)
	for _, v := range said.Error.Violations {
		if v.Message != "" {
			return v.Message
		}
	}
	return said.Error.Message
}

// Window returns the shortest window that makes sense in a query.
func (d *dynatrace) Window() time.Duration { return 4 * slot }

// Spans says that an answer always covers the window.
func (d *dynatrace) Spans() bool { return true }

// Query asks for the minutes of the window.
func (d *dynatrace) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	until := q.At.Truncate(slot)
	from := q.At.Add(slot - 1 - orDefault(q.Window, d.Window())).Truncate(slot)
	if !from.Before(until) {
		from = until.Add(-slot)
	}
	body, err := d.get(ctx, "/api/v2/metrics/query", url.Values{
		"metricSelector": {q.Text}, "resolution": {"Inf"},
		"from": {strconv.FormatInt(from.UnixMilli(), 10)}, "to": {strconv.FormatInt(until.UnixMilli(), 10)},
	})
	if err != nil {
		return nil, err
	}
	return d.samples(body)
}

// samples reads the numbers. The API has no pages: it cuts off what is too much, and says so by a ratio.
func (d *dynatrace) samples(body []byte) ([]core.Sample, error) {
	var a struct {
		Error    any      `json:"error"`
		Next     string   `json:"nextPageKey"`
		Warnings []string `json:"warnings"`
		Result   *[]struct {
			Metric     string      `json:"metricId"`
			Points     json.Number `json:"dataPointCountRatio"`
			Dimensions json.Number `json:"dimensionCountRatio"`
			Warnings   []string    `json:"warnings"`
			Data       []struct {
				Dimensions map[string]string `json:"dimensionMap"`
				Values     []*float64        `json:"values"`
			} `json:"data"`
		} `json:"result"`
	}
	if err := d.read(body, &a); err != nil {
		return nil, err
	}
	switch {
	case a.Error != nil:
		return nil, d.fail(false, nil, "it cannot answer: %s", clip(dynatraceError(body)))
	case a.Result == nil:
		return nil, d.fail(false, nil, "it does not answer like the metrics API: there is no result; check url")
	case len(a.Warnings) > 0:
		return nil, d.fail(false, nil, "the answer may be incomplete: %s", clip(a.Warnings[0]))
	case a.Next != "" && a.Next != "null":
		return nil, d.fail(false, nil, "the answer is incomplete: it has more pages")
	}
	var samples []core.Sample
	for _, r := range *a.Result {
		switch {
		case len(r.Warnings) > 0:
			return nil, d.fail(false, nil, "the answer may be incomplete: %s", clip(r.Warnings[0]))
		case above1(r.Points), above1(r.Dimensions):
			return nil, d.fail(true, nil, "the answer is cut off: %s reads more series than Dynatrace allows; filter it", clip(r.Metric))
		}
		for _, series := range r.Data {
			switch {
			case len(series.Values) > 1:
				return nil, d.fail(true, nil, "a series of %s has %d values; aggregate it, as :fold does", clip(r.Metric), len(series.Values))
			case len(series.Values) == 0 || series.Values[0] == nil:
				continue // no data
			}
			labels := maps.Clone(series.Dimensions)
			if len(*a.Result) > 1 {
				if labels == nil {
					labels = make(map[string]string)
				}
				labels["metric"] = r.Metric
			}
			samples = append(samples, core.Sample{Labels: labels, Value: *series.Values[0]})
		}
	}
	return samples, nil
}

// above1 reports whether more was asked for than may be.
func above1(ratio json.Number) bool {
	v, err := ratio.Float64()
	return err == nil && v > 1
}

// selector is the language of metric selectors:
//
//   - $targets and $labels.NAME are a list of values to compare with, or(eq("dt.entity.host",$targets)), which becomes an
//     eq for each; and(ne("dt.entity.host",$targets)) is its reverse. In an entity selector they are a list of names:
//     in("dt.entity.host",entitySelector("type(HOST),entityName.in($targets)")).
//   - $wave, $version and $previous are strings; in double quotes a part of one.
//   - There are no $from, $until and $window: the source adds the window.
var selector = language{quotes: `"`, escape: '~', put: putSelector}

var (
	selectorStrings = strings.NewReplacer(`~`, `~~`, `"`, `~"`)
	selectorEach    = regexp.MustCompile(`(?:\bor\s*\(\s*(eq)|\band\s*\(\s*(ne))\s*\(\s*("(?:[^"~]|~.)*")\s*,\s*$`)
	selectorEntity  = regexp.MustCompile(`\bentitySelector\s*\(\s*$`)
)

func putSelector(v term, in place) (string, error) {
	if err := readable(v); err != nil {
		return "", err
	}
	nested := in.quote != 0 && selectorEntity.MatchString(in.before)
	switch {
	case v.span > 0, !v.at.IsZero():
		return "", fmt.Errorf("%s has no place in a metric selector: the source asks for the window itself", v.name)
	case nested && strings.ContainsAny(strings.Join(v.texts, ""), `"~`):
		return "", fmt.Errorf(`%s has a value with a quote or a tilde, which cannot stand in an entity selector`, v.name)
	case nested && v.list:
		return quoted(v, `~"`, selectorStrings, ","), nil
	case v.list && in.quote != 0:
		return "", fmt.Errorf(`%s is a list; it stands without quotes: or(eq("dt.entity.host",%s))`, v.name, v.name)
	case v.list:
		each := selectorEach.FindStringSubmatch(in.before)
		if each == nil {
			return "", fmt.Errorf(`%s is a list; it stands in or(eq("dt.entity.host",%s)) or and(ne("dt.entity.host",%s))`, v.name, v.name, v.name)
		}
		return quoted(v, `"`, selectorStrings, "),"+cmp.Or(each[1], each[2])+"("+each[3]+","), nil
	case in.quote == 0:
		return quoted(v, `"`, selectorStrings, ""), nil
	default:
		return selectorStrings.Replace(v.texts[0]), nil
	}
}
