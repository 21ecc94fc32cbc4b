package metric

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	"github.com/prometheus/common/model"

	"github.com/breakwater-ci/breakwater/core"
)

// PrometheusOptions are the options of a source of type prometheus.
type PrometheusOptions struct {
	URL      core.Secret            `json:"url" jsonschema_description:"Address of the server, without /api/v1."`
	Headers  map[string]core.Secret `json:"headers,omitempty" jsonschema_description:"Headers to send, for example X-Scope-OrgID."`
	Basic    *Basic                 `json:"basic,omitempty" jsonschema_description:"Name and password for basic authentication."`
	Bearer   core.Secret            `json:"bearer,omitempty" jsonschema_description:"Token for bearer authentication."`
	TLS      *TLS                   `json:"tls,omitempty" jsonschema_description:"Whom to trust, and our own certificate."`
	Timeout  time.Duration          `json:"timeout,omitempty" jsonschema_description:"Longest time for one answer. Default: 30s."`
	Interval time.Duration          `json:"interval,omitempty" jsonschema_description:"The server's scrape interval. Default: 15s."`
}

const answerLimit = 16 << 20 // bytes of one answer

const mostPoints = 11_000 // of a series in one answer

// A prometheus asks a server that speaks Prometheus' HTTP API. It uses the official client for the transport and reads
// the answers itself, because it is stricter: an answer without a status, without a value or with a warning is no answer.
type prometheus struct {
	language
	client   api.Client
	http     *http.Client
	host     string // for messages
	timeout  time.Duration
	interval time.Duration
}

func newPrometheus(o *PrometheusOptions, env Env) (core.Source, error) {
	u, err := checkURL(o.URL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("url %w", err)
	}
	if o.Timeout < 0 || o.Interval < 0 {
		return nil, fmt.Errorf("timeout and interval must not be below zero")
	}
	way := access{headers: o.Headers, basic: o.Basic, bearer: o.Bearer, tls: o.TLS, proxy: env.Proxy, limit: answerLimit}
	client, err := way.client(env)
	if err != nil {
		return nil, err
	}
	asker, err := api.NewClient(api.Config{Address: u.String(), Client: client})
	if err != nil {
		return nil, fmt.Errorf("url is not one that the client takes")
	}
	return &prometheus{
		language: promQL, client: asker, http: client, host: u.Host,
		timeout: orDefault(o.Timeout, 30*time.Second), interval: orDefault(o.Interval, 15*time.Second),
	}, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Window returns the shortest window that makes sense in a query.
func (p *prometheus) Window() time.Duration { return 4 * p.interval }

// Close closes the connections that are kept for the next query.
func (p *prometheus) Close() error {
	p.http.CloseIdleConnections()
	return nil
}

// Query asks for the value of a query at one instant, once: asking again is the caller's choice. What the server
// refuses for good (credentials, a query that it cannot parse, a wrong address) is a permanent error; what may be
// different next time is not, status 422 included, which Thanos and Mimir also send when a store of theirs is down.
func (p *prometheus) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	data, err := p.ask(ctx, http.MethodPost, "/api/v1/query", url.Values{"query": {q.Text}, "time": {unix(q.At)}})
	if err != nil {
		return nil, err
	}
	return p.samples(data)
}

// Range asks for the values of a query at many instants, in as few answers as the server gives. Instants are exact to
// the millisecond, so a step is a number of them.
func (p *prometheus) Range(ctx context.Context, q core.Query, step time.Duration, n int) ([][]core.Sample, error) {
	if step < time.Millisecond || step%time.Millisecond != 0 {
		return nil, p.fail(true, nil, "a step of %s is no whole number of milliseconds", step)
	}
	all := make([][]core.Sample, 0, max(n, 0))
	for len(all) < n {
		part := min(n-len(all), mostPoints)
		first := q.At.Truncate(time.Millisecond).Add(-time.Duration(n-1-len(all)) * step)
		data, err := p.ask(ctx, http.MethodPost, "/api/v1/query_range", url.Values{
			"query": {q.Text}, "start": {unix(first)}, "end": {unix(first.Add(time.Duration(part-1) * step))}, "step": {seconds(step)},
		})
		if err != nil {
			return nil, err
		}
		points, err := p.points(data, first, step, part)
		if err != nil {
			return nil, err
		}
		all = append(all, points...)
	}
	return all, nil
}

// unix writes an instant as seconds, exact to the millisecond.
func unix(at time.Time) string { return seconds(time.Duration(at.UnixMilli()) * time.Millisecond) }

func seconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Milliseconds())/1e3, 'f', 3, 64)
}

// ask sends a form and returns the data of the answer.
func (p *prometheus) ask(ctx context.Context, method, path string, form url.Values) (json.RawMessage, error) {
	asking, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	address := p.client.URL(path, nil)
	body := form.Encode()
	if method == http.MethodGet {
		parameters := address.Query()
		for name, values := range form {
			parameters[name] = values
		}
		address.RawQuery, body = parameters.Encode(), ""
	}
	req, err := http.NewRequestWithContext(asking, method, address.String(), strings.NewReader(body))
	if err != nil {
		return nil, p.fail(true, nil, "the request cannot be made")
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, text, err := p.client.Do(asking, req)
	if ctx.Err() != nil {
		return nil, p.fail(false, ctx.Err(), "no answer yet when we stopped waiting")
	}
	if err != nil {
		return nil, p.fail(false, err, "%s", reason(err, p.timeout))
	}
	return p.read(resp, text)
}

func (p *prometheus) fail(permanent bool, cause error, format string, args ...any) error {
	return &failure{text: p.host + ": " + fmt.Sprintf(format, args...), permanent: permanent, cause: cause}
}

// answer is the form of what the server sends.
type answer struct {
	Status   string          `json:"status"`
	Error    string          `json:"error"`
	Warnings []string        `json:"warnings"`
	Data     json.RawMessage `json:"data"`
}

// A result is the data of an answer to a query.
type result struct {
	Type   string          `json:"resultType"`
	Result json.RawMessage `json:"result"`
}

// read returns the data of an answer, or says what is wrong with it.
func (p *prometheus) read(resp *http.Response, body []byte) (json.RawMessage, error) {
	var a answer
	bad := json.Unmarshal(body, &a)
	detail := ""
	if bad == nil && a.Error != "" {
		detail = ": " + clip(a.Error)
	}
	switch code := resp.StatusCode; {
	case code/100 == 3:
		to := "another address"
		if u, err := resp.Location(); err == nil {
			to = u.Scheme + "://" + u.Host
		}
		return nil, p.fail(true, nil, "it redirects to %s; give the final url, or credentials if that is a login", to)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return nil, p.fail(true, nil, "it refuses us (%d); check basic, bearer or headers", code)
	case code == http.StatusBadRequest:
		return nil, p.fail(true, nil, "bad query%s", detail)
	case code == http.StatusNotFound, code == http.StatusMethodNotAllowed:
		return nil, p.fail(true, nil, "no Prometheus API there (%d); check the path of url", code)
	case code == http.StatusUnprocessableEntity:
		return nil, p.fail(false, nil, "it cannot evaluate the query%s", detail)
	case code/100 != 2:
		return nil, p.fail(false, nil, "status %d %s%s", code, http.StatusText(code), detail)
	case bad != nil:
		return nil, p.fail(false, bad, "it does not answer like the Prometheus API (%s); check url", contentType(resp))
	case a.Status != "success":
		return nil, p.fail(false, nil, "it answers with status %q%s", clip(a.Status), detail)
	}
	if err := partly(a.Warnings); err != nil {
		return nil, p.fail(false, nil, "%s", err)
	}
	return a.Data, nil
}

func contentType(resp *http.Response) string {
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if kind == "" {
		return "no content type"
	}
	return clip(kind)
}

// samples reads the values at one instant. A NaN is a value like any other.
func (p *prometheus) samples(data json.RawMessage) ([]core.Sample, error) {
	var r result
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, p.fail(false, err, "its samples cannot be read: %s", clip(err.Error()))
	}
	switch r.Type {
	case "scalar":
		var s model.Scalar
		if err := json.Unmarshal(r.Result, &s); err != nil {
			return nil, p.fail(false, err, "its scalar cannot be read: %s", clip(err.Error()))
		}
		return []core.Sample{{Value: float64(s.Value)}}, nil
	case "vector":
		var series []struct {
			Metric map[string]string `json:"metric"`
			Value  *model.SamplePair `json:"value"` // nil for a native histogram
		}
		if err := json.Unmarshal(r.Result, &series); err != nil {
			return nil, p.fail(false, err, "its samples cannot be read: %s", clip(err.Error()))
		}
		samples := make([]core.Sample, len(series))
		for i, s := range series {
			if s.Value == nil {
				return nil, p.fail(true, nil, "%s", errHistogram)
			}
			samples[i] = core.Sample{Labels: s.Metric, Value: float64(s.Value.Value)}
		}
		return samples, nil
	default:
		return nil, p.fail(true, nil, "%s", wrongType(clip(r.Type)))
	}
}

// points reads the values at n instants. A value at any other instant is none that was asked for.
func (p *prometheus) points(data json.RawMessage, first time.Time, step time.Duration, n int) ([][]core.Sample, error) {
	var r struct {
		Type   string `json:"resultType"`
		Result []struct {
			Metric     map[string]string  `json:"metric"`
			Values     []model.SamplePair `json:"values"`
			Histograms []json.RawMessage  `json:"histograms"`
		} `json:"result"`
	}
	err := json.Unmarshal(data, &r)
	if err == nil && r.Type != "matrix" {
		err = fmt.Errorf("they are a %s", clip(r.Type))
	}
	if err != nil {
		return nil, p.fail(false, err, "its points cannot be read: %s", clip(err.Error()))
	}
	all := make([][]core.Sample, n)
	for _, series := range r.Result {
		if len(series.Histograms) > 0 {
			return nil, p.fail(true, nil, "%s", errHistogram)
		}
		for _, point := range series.Values {
			after := int64(point.Timestamp) - first.UnixMilli()
			i := after / step.Milliseconds()
			if after < 0 || after%step.Milliseconds() != 0 || i >= int64(n) {
				return nil, p.fail(false, nil, "it answers for %s, which was not asked", point.Timestamp.Time().UTC().Format(time.RFC3339Nano))
			}
			all[i] = append(all[i], core.Sample{Labels: series.Metric, Value: float64(point.Value)})
		}
	}
	return all, nil
}

// An alertRule is a rule of the server that fires an alarm.
type alertRule struct {
	Name           string    `json:"name"`
	Type           string    `json:"type"`
	Health         string    `json:"health"`
	LastError      string    `json:"lastError"`
	LastEvaluation time.Time `json:"lastEvaluation"`
	Alerts         []struct {
		State       string            `json:"state"`
		Annotations map[string]string `json:"annotations"`
	} `json:"alerts"`
	every time.Duration
}

// Alarms reads when alerts were firing from the series ALERTS, which the server writes at each evaluation of its rules.
// The rules say that an alert of such a name exists, and that it is evaluated. A time in which the server was down leaves
// no trace in ALERTS, but for its end: an alert that was last evaluated too long before the end is not known. Episodes
// are exact to the scrape interval.
func (p *prometheus) Alarms(ctx context.Context, names []string, from, until time.Time) ([]core.Alarm, error) {
	rules, err := p.rules(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if rules[name] == nil {
			return nil, p.fail(true, nil, "no alerting rule is named %q", clip(name))
		}
	}
	stretch := max(until.Sub(from), time.Millisecond)
	step := max(p.interval, stretch/mostPoints)
	n := int((stretch + step - 1) / step)
	step = (stretch/time.Duration(n) + time.Millisecond - 1).Truncate(time.Millisecond)
	matched, err := promString(alternation(names), '"')
	if err != nil {
		return nil, p.fail(true, err, "%s", err)
	}
	firing := fmt.Sprintf(`ALERTS{alertname=~"%s",alertstate="firing"}`, matched)
	points, err := p.Range(ctx, core.Query{At: until, Text: fmt.Sprintf(
		"max by (alertname) (%s or max_over_time(%s[%s]))", firing, firing, promDuration(step),
	)}, step, n)
	if err != nil {
		return nil, err
	}
	alarms := make([]core.Alarm, len(names))
	for i, name := range names {
		alarms[i] = core.Alarm{Name: name, Episodes: episodes(points, name, from, until, step), Blind: blind(rules[name], until)}
		if last := len(alarms[i].Episodes) - 1; last >= 0 && alarms[i].Episodes[last].Until.IsZero() {
			alarms[i].Episodes[last].Text = firingText(rules[name])
		}
	}
	return alarms, nil
}

// rules returns the alerting rules by name. Several may share one.
func (p *prometheus) rules(ctx context.Context) (map[string][]alertRule, error) {
	data, err := p.ask(ctx, http.MethodGet, "/api/v1/rules", url.Values{"type": {"alert"}})
	if err != nil {
		return nil, err
	}
	var found struct {
		Groups []struct {
			Interval float64     `json:"interval"`
			Rules    []alertRule `json:"rules"`
		} `json:"groups"`
	}
	if err := json.Unmarshal(data, &found); err != nil {
		return nil, p.fail(false, err, "its rules cannot be read: %s", clip(err.Error()))
	}
	rules := make(map[string][]alertRule)
	for _, group := range found.Groups {
		for _, rule := range group.Rules {
			if rule.Type == "alerting" {
				rule.every = time.Duration(group.Interval * float64(time.Second))
				rules[rule.Name] = append(rules[rule.Name], rule)
			}
		}
	}
	return rules, nil
}

// episodes joins the instants at which an alert was seen. Each of them stands for the step that it ends.
func episodes(points [][]core.Sample, name string, from, until time.Time, step time.Duration) []core.Episode {
	var all []core.Episode
	on := false
	for i, samples := range points {
		begin := until.Add(-time.Duration(len(points)-i) * step)
		if begin.Before(from) {
			begin = from
		}
		was := on
		on = slices.ContainsFunc(samples, func(s core.Sample) bool { return s.Labels["alertname"] == name })
		switch {
		case on && !was:
			all = append(all, core.Episode{From: begin})
		case was && !on:
			all[len(all)-1].Until = begin
		}
	}
	return all
}

// blind says why the rules of an alert do not tell whether it fired.
func blind(rules []alertRule, until time.Time) string {
	for _, rule := range rules {
		switch late := until.Sub(rule.LastEvaluation); {
		case rule.Health == "err":
			return "its rule cannot be evaluated: " + clip(rule.LastError)
		case rule.Health != "ok":
			return fmt.Sprintf("the health of its rule is %q", clip(rule.Health))
		case late > 3*max(rule.every, time.Minute):
			return fmt.Sprintf("its rule was last evaluated at %s", rule.LastEvaluation.UTC().Format(time.RFC3339))
		}
	}
	return ""
}

// firingText returns what the firing alerts say for people.
func firingText(rules []alertRule) string {
	for _, rule := range rules {
		for _, alert := range rule.Alerts {
			if alert.State == "firing" {
				if text := alertText(alert.Annotations); text != "" {
					return text
				}
			}
		}
	}
	return ""
}
