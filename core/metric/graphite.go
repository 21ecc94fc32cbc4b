package metric

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/breakwater-ci/breakwater/core"
)

// GraphiteOptions are the options of a source of type graphite.
type GraphiteOptions struct {
	URL      core.Secret   `json:"url" jsonschema_description:"Address of the server, without /render."`
	Points   string        `json:"points,omitempty" jsonschema_description:"How the points of a window become one number. Default: avg." jsonschema:"enum=avg,enum=last,enum=max,enum=min,enum=sum"`
	Dots     string        `json:"dots,omitempty" jsonschema_description:"What stands for a dot of a name in the path of a metric, for example _."`
	Interval time.Duration `json:"interval,omitempty" jsonschema_description:"Time between two points. Default: 1m."`
	Reach
}

// A graphite asks the render API of Graphite, or of what speaks it.
//
// A query covers the window: of the points in it, one number is made for each series. Graphite does not tell a count from
// a gauge, so the source does not either: points are averaged, which keeps the unit of a point, unless the option points
// says otherwise. Points that are null are no points. A part of a cluster that does not answer may be missing without a
// word; Graphite has a setting for that, STORE_FAIL_ON_ERROR.
type graphite struct {
	language
	*service
	points   string
	interval time.Duration
}

func newGraphite(o *GraphiteOptions, env Env) (core.Source, error) {
	if err := checkWay(o.Points); err != nil {
		return nil, err
	}
	if o.Interval < 0 {
		return nil, errors.New("interval must not be below zero")
	}
	if o.Dots != "" && !graphitePath.MatchString(o.Dots) {
		return nil, fmt.Errorf("dots is %q, which cannot stand in the path of a metric", o.Dots)
	}
	s, err := newService(o.URL, o.Reach, "basic, bearer or headers", graphiteErrors, env)
	if err != nil {
		return nil, err
	}
	return &graphite{language: graphiteQL(o.Dots), service: s, points: o.Points, interval: orDefault(o.Interval, time.Minute)}, nil
}

// graphiteErrors is what an answer says of an error: plain text is for people, a page is not.
func graphiteErrors(body []byte) string {
	text := strings.TrimSpace(string(body))
	if strings.HasPrefix(text, "<") || strings.HasPrefix(text, "{") {
		return messageOf(body)
	}
	return text
}

// Window returns the shortest window that makes sense.
func (g *graphite) Window() time.Duration { return 4 * g.interval }

// Spans says that an answer always covers the window.
func (*graphite) Spans() bool { return true }

// graphiteQL is the language of Graphite. In the path of a metric:
//
//   - $targets and $labels.NAME are {a,b}, and what is a dot in a name is what dots says.
//   - $wave, $version and $previous are the value.
//
// In quotes they are a regex, or a value after = and != of seriesByTag. Graphite looks for a regex anywhere in a name, so
// that shop-1 would find shop-10: there must be an end on both sides, ^ or \. before and $ or \. after. Dots are kept in
// what seriesByTag matches.
//
// $window stands in quotes: '$window'. There are no $from and $until: the source asks for the window. What no path and no
// string can hold is refused.
func graphiteQL(dots string) language {
	return language{quotes: `'"`, put: func(v term, in place) (string, error) { return putGraphite(v, in, dots) }}
}

var (
	graphitePath  = regexp.MustCompile(`^[A-Za-z0-9_:@+~-]+$`)
	graphiteMatch = regexp.MustCompile(`^[^=!~]+(!?=~?)`)
	graphiteBegin = regexp.MustCompile(`(\^|\\\.|\[\.\]|^[^=!~]+!?=~)$`)
	graphiteEnd   = regexp.MustCompile(`^(\$|\\\.|\[\.\])`)
)

func putGraphite(v term, in place, dots string) (string, error) {
	matched := ""
	if found := graphiteMatch.FindStringSubmatch(in.inside); found != nil {
		matched = found[1]
	}
	switch {
	case v.span > 0 && in.quote == 0:
		return "", fmt.Errorf("%s stands in quotes: '%s'", v.name, v.name)
	case v.span > 0:
		return strconv.FormatInt(int64((v.span+time.Second-1)/time.Second), 10) + "s", nil
	case !v.at.IsZero():
		return "", fmt.Errorf("%s has no place in a query to Graphite: the source asks for the window itself", v.name)
	case in.quote == 0:
		return graphiteNames(v, in, dots)
	case v.list && (matched == "=" || matched == "!="):
		return "", fmt.Errorf("%s is a regex; match it with =~ or !=~, not with %s", v.name, matched)
	}
	texts := make([]string, len(v.texts))
	for i, text := range v.texts {
		if text == "" || !utf8.ValidString(text) || strings.ContainsAny(text, "'\"\\") || strings.ContainsFunc(text, unicode.IsControl) {
			return "", fmt.Errorf("%s is %q, which cannot stand in a string of Graphite", v.name, text)
		}
		texts[i] = text
		if matched == "" && dots != "" {
			texts[i] = strings.ReplaceAll(text, ".", dots)
		}
	}
	if matched == "=" || matched == "!=" {
		return texts[0], nil
	}
	if !graphiteBegin.MatchString(in.inside) || !graphiteEnd.MatchString(in.after) {
		return "", fmt.Errorf(`%s is a regex, and Graphite finds it anywhere in a name; write ^%s$, or \.%s\. with a dot on both sides`, v.name, v.name, v.name)
	}
	return alternation(texts), nil
}

// graphiteNames puts values into the path of a metric.
func graphiteNames(v term, in place, dots string) (string, error) {
	names := make([]string, len(v.texts))
	for i, text := range v.texts {
		names[i] = text
		if dots != "" {
			names[i] = strings.ReplaceAll(text, ".", dots)
		}
		switch {
		case strings.Contains(names[i], "."):
			return "", fmt.Errorf("%s is %q, and a dot ends a part of a path; the option dots says what stands for it", v.name, text)
		case !graphitePath.MatchString(names[i]):
			return "", fmt.Errorf("%s is %q, which cannot stand in the path of a metric: letters, digits, and _ : @ + ~ - can", v.name, text)
		}
	}
	all := strings.Join(names, ",")
	if len(names) > 1 && strings.LastIndex(in.before, "{") <= strings.LastIndex(in.before, "}") {
		all = "{" + all + "}"
	}
	return all, nil
}

// checkGraphite finds a query that asks nothing.
func checkGraphite(query string) error {
	if strings.TrimSpace(query) == "" {
		return errors.New("the query is empty")
	}
	return nil
}

// Query asks for the window before an instant. Graphite takes whole seconds; it gives the points after the first and up to
// the last.
func (g *graphite) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	if err := checkGraphite(q.Text); err != nil {
		return nil, g.fail(true, nil, "%s", err)
	}
	from, until := q.At.Add(-q.Window).Unix(), q.At.Unix()
	form := url.Values{
		"target": {strings.TrimSpace(q.Text)}, "format": {"json"},
		"from": {strconv.FormatInt(from, 10)}, "until": {strconv.FormatInt(until, 10)},
	}
	body, err := g.send(ctx, http.MethodPost, "/render", nil, "application/x-www-form-urlencoded", []byte(form.Encode()))
	if err != nil {
		return nil, err
	}
	var answer []struct {
		Target string            `json:"target"`
		Tags   map[string]string `json:"tags"`
		Points [][]*float64      `json:"datapoints"` // a value and seconds
	}
	if err := g.read(body, &answer); err != nil {
		return nil, err
	}
	samples := make([]core.Sample, 0, len(answer))
	for _, series := range answer {
		var points []float64
		for _, p := range series.Points {
			if len(p) != 2 || p[1] == nil {
				return nil, g.fail(false, nil, "a point of its answer has no time")
			}
			if p[0] != nil && *p[1] > float64(from) && *p[1] <= float64(until) {
				points = append(points, *p[0])
			}
		}
		if len(points) > 0 {
			labels := map[string]string{"target": series.Target}
			maps.Copy(labels, series.Tags)
			samples = append(samples, core.Sample{Labels: labels, Value: roll(g.points, points)})
		}
	}
	return samples, nil
}
