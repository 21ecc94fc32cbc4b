package metric

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// DatadogOptions are the options of a source of type datadog.
type DatadogOptions struct {
	Site   string      `json:"site,omitempty" jsonschema_description:"Site of the organisation, for example datadoghq.eu. Default: datadoghq.com."`
	URL    core.Secret `json:"url,omitempty" jsonschema_description:"Address of the API, in place of site, without /api/v1."`
	APIKey core.Secret `json:"api_key" jsonschema_description:"API key."`
	AppKey core.Secret `json:"app_key" jsonschema_description:"Application key. Its scopes: timeseries_query for queries, monitors_read for alarms."`
	Points string      `json:"points,omitempty" jsonschema_description:"How the points of a window become one number. Default: the sum of counts, the average of everything else." jsonschema:"enum=avg,enum=last,enum=max,enum=min,enum=sum"`
	Reach
}

// A datadog asks the metrics of Datadog, and its monitors.
//
// A query covers the window: of the points that begin in it, one number is made for each series. Points of counts, of one
// metric with .as_count(), are added up. A count divided by a count is the sum of the one by the sum of the other, which
// is how monitors evaluate it too; an average of ratios would give a quiet minute the weight of a busy one. Other
// formulas over counts have no such rule and are refused. Points of everything else, rates and gauges, are averaged. The
// option points says otherwise for every query of the source. Points that are null are no points.
type datadog struct {
	language
	*service
	points string
}

var datadogSite = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)

func newDatadog(o *DatadogOptions, env Env) (core.Source, error) {
	address := o.URL
	switch {
	case o.APIKey == "" || o.AppKey == "":
		return nil, errors.New("api_key and app_key must both be set")
	case o.Site != "" && o.URL != "":
		return nil, errors.New("site and url are both set; keep one")
	case o.Site != "" && !datadogSite.MatchString(o.Site):
		return nil, fmt.Errorf("site is %q, not a name as datadoghq.eu", o.Site)
	case o.URL == "":
		address = core.Secret("https://api." + cmp.Or(o.Site, "datadoghq.com"))
	}
	if err := checkWay(o.Points); err != nil {
		return nil, err
	}
	reach := o.Reach
	reach.Headers = maps.Clone(o.Headers)
	if reach.Headers == nil {
		reach.Headers = make(map[string]core.Secret)
	}
	reach.Headers["DD-API-KEY"], reach.Headers["DD-APPLICATION-KEY"] = o.APIKey, o.AppKey
	s, err := newService(address, reach, "api_key, app_key and the scopes of the latter", datadogErrors, env)
	if err != nil {
		return nil, err
	}
	return &datadog{language: datadogQL, service: s, points: o.Points}, nil
}

// datadogErrors is what the API says of an error.
func datadogErrors(body []byte) string {
	var said struct {
		Errors []string `json:"errors"`
	}
	_ = json.Unmarshal(body, &said)
	return strings.Join(said.Errors, "; ")
}

// Window returns the shortest window that makes sense: the API has a point for every 20 seconds at best.
func (*datadog) Window() time.Duration { return 80 * time.Second }

// Spans says that an answer always covers the window.
func (*datadog) Spans() bool { return true }

// datadogQL is the language of Datadog's metrics queries:
//
//   - $targets and $labels.NAME are a list, which stands only in {tag IN ($targets)}.
//   - $wave, $version and $previous are one value, which stands only in {tag:$version} or in such a list.
//   - $window are seconds, for .rollup(sum, $window). There are no $from and $until: the source asks for the window.
//
// Nothing quotes a value there, so one that a tag cannot have, or that reads as part of the query, is refused.
var datadogQL = language{put: putDatadog}

var (
	datadogList  = regexp.MustCompile(`(?i)\{[^{}]*\sIN\s*\(([^()]*,)?\s*$`)
	datadogNext  = regexp.MustCompile(`^\s*[,)]`)
	datadogTag   = regexp.MustCompile(`\{[^{}]*[\w./-]:$`)
	datadogValue = regexp.MustCompile(`^[\pL\pN_][\pL\pN_.:/-]*$`)
	datadogWord  = regexp.MustCompile(`(?i)^(and|or|not|in)$`)
)

func putDatadog(v term, in place) (string, error) {
	listed := datadogList.MatchString(in.before) && datadogNext.MatchString(in.after)
	switch {
	case v.span > 0:
		return strconv.FormatInt(int64((v.span+time.Second-1)/time.Second), 10), nil
	case !v.at.IsZero():
		return "", fmt.Errorf("%s has no place in a query to Datadog: the source asks for the window itself", v.name)
	case v.list && !listed:
		return "", fmt.Errorf("%s is a list; it stands in {tag IN (%s)}", v.name, v.name)
	case !listed && !datadogTag.MatchString(in.before):
		return "", fmt.Errorf("%s stands in {tag:%s} or {tag IN (%s)}", v.name, v.name, v.name)
	}
	for _, text := range v.texts {
		if !datadogValue.MatchString(text) || datadogWord.MatchString(text) {
			return "", fmt.Errorf("%s is %q, which cannot stand in a query to Datadog: letters, digits, and _ . : / - can", v.name, text)
		}
	}
	return strings.Join(v.texts, ","), nil
}

// count is one metric as a count.
const count = `\s*(?:default_zero\()?\s*sum:[\w.]+\{[^{}]*\}(?:\s*by\s*\{[^{}]*\})?\.as_count\(\)(?:\.rollup\(sum(?:,\s*\d+)?\))?\s*\)?\s*`

var (
	oneCount  = regexp.MustCompile(`^` + count + `$`)
	twoCounts = regexp.MustCompile(`^(` + count + `)/(` + count + `)$`)
)

// checkDatadog finds a query whose points cannot be made one number. A source with the option points takes it all the
// same, but a query should not change its meaning with an option that stands elsewhere.
func checkDatadog(query string) error {
	if strings.TrimSpace(query) == "" {
		return errors.New("the query is empty")
	}
	if strings.Contains(query, ".as_count()") && !oneCount.MatchString(query) && !twoCounts.MatchString(query) {
		return errFormula
	}
	return nil
}

var errFormula = errors.New("points of this formula cannot be made one number; use one count, sum:metric{...}.as_count(), " +
	"one count / another count, or .as_rate()")

// Query asks for the window before an instant.
func (d *datadog) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	if err := checkDatadog(q.Text); err != nil && (d.points == "" || err != errFormula) {
		return nil, d.fail(true, nil, "%s", err)
	}
	two := twoCounts.FindStringSubmatch(q.Text)
	switch {
	case d.points != "":
		return d.ask(ctx, q.Text, q, d.points)
	case oneCount.MatchString(q.Text):
		return d.ask(ctx, q.Text, q, "sum")
	case two == nil:
		return d.ask(ctx, q.Text, q, "avg")
	}
	above, err := d.ask(ctx, two[1], q, "sum")
	if err != nil {
		return nil, err
	}
	below, err := d.ask(ctx, two[2], q, "sum")
	if err != nil {
		return nil, err
	}
	var ratios []core.Sample
	for _, a := range above {
		for _, b := range below {
			if maps.Equal(a.Labels, b.Labels) {
				ratios = append(ratios, core.Sample{Labels: a.Labels, Value: a.Value / b.Value})
			}
		}
	}
	return ratios, nil
}

// ask asks one query and rolls up the points of its series.
func (d *datadog) ask(ctx context.Context, query string, q core.Query, way string) ([]core.Sample, error) {
	from, until := q.At.Add(-q.Window).Unix(), q.At.Unix()
	body, err := d.get(ctx, "/api/v1/query", url.Values{
		"query": {strings.TrimSpace(query)}, "from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(until, 10)},
	})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Series []struct {
			Points [][]*float64 `json:"pointlist"` // milliseconds and a value
			Tags   []string     `json:"tag_set"`
		} `json:"series"`
	}
	if err := d.read(body, &answer); err != nil {
		return nil, err
	}
	if answer.Status != "ok" || answer.Error != "" {
		return nil, d.fail(false, nil, "it answers with status %q: %s", clip(answer.Status), clip(answer.Error))
	}
	samples := make([]core.Sample, 0, len(answer.Series))
	for _, series := range answer.Series {
		var points []float64
		for _, p := range series.Points {
			if len(p) != 2 || p[0] == nil {
				return nil, d.fail(false, nil, "a point of its answer has no time")
			}
			if p[1] != nil && *p[0] >= float64(from)*1e3 && *p[0] < float64(until)*1e3 {
				points = append(points, *p[1])
			}
		}
		if len(points) > 0 {
			samples = append(samples, core.Sample{Labels: datadogLabels(series.Tags), Value: roll(way, points)})
		}
	}
	return samples, nil
}

// datadogLabels makes labels of tags. A tag without a value is a label without one.
func datadogLabels(tags []string) map[string]string {
	labels := make(map[string]string, len(tags))
	for _, tag := range slices.Sorted(slices.Values(tags)) {
		name, value, _ := strings.Cut(tag, ":")
		if before, twice := labels[name]; twice {
			value = before + "," + value
		}
		labels[name] = value
	}
	return labels
}

// A monitor is a monitor of Datadog with what its groups remember.
type monitor struct {
	ID       int64     `json:"id"`
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	Deleted  any       `json:"deleted"`
	Overall  string    `json:"overall_state"`
	Modified any       `json:"overall_state_modified"`
	Options  struct {
		Thresholds struct {
			Warning *float64 `json:"warning"`
		} `json:"thresholds"`
	} `json:"options"`
	State struct {
		Groups map[string]monitorGroup `json:"groups"`
	} `json:"state"`
}

// A monitorGroup is the state of one group of a monitor. It remembers the last of each kind of event, in Unix seconds.
type monitorGroup struct {
	Status    string `json:"status"`
	Triggered int64  `json:"last_triggered_ts"`
	Resolved  int64  `json:"last_resolved_ts"`
	NoData    int64  `json:"last_nodata_ts"`
}

// Alarms says when monitors, by name or id, were in state Alert. The groups of a monitor remember when they last triggered
// and resolved, so that one that fired at any moment up to now is known, though not how often. What they do not tell is
// said: a group without data, one that last triggered after the end of the stretch, and a monitor with a warning
// threshold that triggered and recovered, for that may have been a warning. A monitor that is muted is judged like any
// other: it goes on evaluating, and a downtime says who is told, not that all is well.
func (d *datadog) Alarms(ctx context.Context, names []string, from, until time.Time) ([]core.Alarm, error) {
	alarms := make([]core.Alarm, len(names))
	for i, name := range names {
		m, err := d.monitor(ctx, name)
		if err != nil {
			return nil, err
		}
		alarms[i] = m.alarm(name, from, until)
	}
	return alarms, nil
}

var digits = regexp.MustCompile(`^[0-9]+$`)

// monitor finds a monitor by its id or its whole name.
func (d *datadog) monitor(ctx context.Context, name string) (monitor, error) {
	if digits.MatchString(name) {
		body, err := d.get(ctx, "/api/v1/monitor/"+name, url.Values{"group_states": {"all"}})
		if err != nil {
			return monitor{}, err
		}
		var m monitor
		if err := d.read(body, &m); err != nil {
			return monitor{}, err
		}
		if strconv.FormatInt(m.ID, 10) != name || m.Deleted != nil {
			return monitor{}, d.fail(true, nil, "it has no monitor %s", name)
		}
		return m, nil
	}
	var found []monitor
	const pageSize = 100
	for page := 0; ; page++ {
		body, err := d.get(ctx, "/api/v1/monitor", url.Values{
			"name": {name}, "group_states": {"all"}, "page": {strconv.Itoa(page)}, "page_size": {strconv.Itoa(pageSize)},
		})
		if err != nil {
			return monitor{}, err
		}
		var all []monitor
		if err := d.read(body, &all); err != nil {
			return monitor{}, err
		}
		for _, m := range all {
			if m.Name == name && m.Deleted == nil { // the API finds parts of names too
				found = append(found, m)
			}
		}
		if len(all) < pageSize {
			break
		}
	}
	switch len(found) {
	case 0:
		return monitor{}, d.fail(true, nil, "no monitor is named %q", clip(name))
	case 1:
		return found[0], nil
	default:
		return monitor{}, d.fail(true, nil, "%d monitors are named %q; give the id of one", len(found), clip(name))
	}
}

// alarm says what a monitor knows of a stretch.
func (m monitor) alarm(name string, from, until time.Time) core.Alarm {
	alarm := core.Alarm{Name: name}
	doubt := func(group, text string) {
		if alarm.Blind == "" {
			alarm.Blind = text
			if group != "" && group != "*" {
				alarm.Blind = "group " + clip(group) + ": " + text
			}
		}
	}
	if m.Created.After(from) {
		doubt("", "the monitor was made at "+m.Created.UTC().Format(time.RFC3339))
	}
	for _, group := range slices.Sorted(maps.Keys(m.State.Groups)) {
		episode, text := m.State.Groups[group].over(from, until, m.Options.Thresholds.Warning != nil)
		if text != "" {
			doubt(group, text)
		}
		if episode != nil {
			if group != "*" {
				episode.Text = clip(group)
			}
			alarm.Episodes = append(alarm.Episodes, *episode)
		}
	}
	slices.SortStableFunc(alarm.Episodes, func(a, b core.Episode) int { return a.From.Compare(b.From) })
	if len(m.State.Groups) > 0 {
		return alarm
	}
	written, _ := m.Modified.(string)
	changed, err := time.Parse(time.RFC3339, written)
	switch {
	case m.Overall == "Alert" && err == nil && !changed.After(until):
		if changed.Before(from) {
			changed = from
		}
		alarm.Episodes = []core.Episode{{From: changed}}
	case m.Overall == "OK" && err == nil && changed.Before(from):
	case m.Overall == "OK" || m.Overall == "Alert":
		doubt("", "it does not remember what was before its state "+m.Overall)
	default:
		doubt("", fmt.Sprintf("its state is %q", clip(m.Overall)))
	}
	return alarm
}

// over says what a group knows of a stretch. warns: it may trigger as a warning.
func (g monitorGroup) over(from, until time.Time, warns bool) (*core.Episode, string) {
	triggered, resolved, noData := time.Unix(g.Triggered, 0).UTC(), time.Unix(g.Resolved, 0).UTC(), time.Unix(g.NoData, 0).UTC()
	begin := triggered
	if begin.Before(from) {
		begin = from
	}
	switch g.Status {
	case "Alert":
		if triggered.After(until) {
			return nil, "it fired later, at " + triggered.Format(time.RFC3339) + ", and does not remember what was before"
		}
		return &core.Episode{From: begin}, ""
	case "OK", "Warn":
	default:
		return nil, fmt.Sprintf("its state is %q", clip(g.Status))
	}
	lost := resolved.Before(triggered) // when it recovered
	switch {
	case g.NoData > 0 && !noData.Before(from) && !noData.After(until):
		return nil, "it had no data at " + noData.Format(time.RFC3339)
	case g.Triggered == 0, triggered.Before(from) && !lost && !resolved.After(from):
		return nil, ""
	case triggered.After(until):
		return nil, "it fired later, at " + triggered.Format(time.RFC3339) + ", and does not remember what was before"
	case warns:
		return nil, "it triggered at " + triggered.Format(time.RFC3339) + " and does not remember whether that was a warning"
	case lost:
		return nil, "it triggered at " + triggered.Format(time.RFC3339) + " and does not remember when it recovered"
	default:
		return &core.Episode{From: begin, Until: resolved}, ""
	}
}
