package metric

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
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

// A prometheus asks a server that speaks Prometheus' HTTP API. It uses the official client for the transport and reads
// the one answer that it needs itself, because it is stricter: an answer without a status, without a value or with a
// warning is no answer.
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
	resp, body, err := p.post(ctx, "/api/v1/query", url.Values{"query": {q.Text}, "time": {unix(q.At)}})
	if err != nil {
		return nil, err
	}
	return p.read(resp, body)
}

// unix writes an instant as seconds, exact to the millisecond.
func unix(at time.Time) string { return strconv.FormatFloat(float64(at.UnixMilli())/1e3, 'f', 3, 64) }

// post sends a form and returns the whole answer.
func (p *prometheus) post(ctx context.Context, path string, form url.Values) (*http.Response, []byte, error) {
	asking, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	address := p.client.URL(path, nil).String()
	req, err := http.NewRequestWithContext(asking, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, nil, p.fail(true, nil, "the request cannot be made")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, body, err := p.client.Do(asking, req)
	if ctx.Err() != nil {
		return nil, nil, p.fail(false, ctx.Err(), "no answer yet when we stopped waiting")
	}
	if err != nil {
		return nil, nil, p.fail(false, err, "%s", reason(err, p.timeout))
	}
	return resp, body, nil
}

func (p *prometheus) fail(permanent bool, cause error, format string, args ...any) error {
	return &failure{text: p.host + ": " + fmt.Sprintf(format, args...), permanent: permanent, cause: cause}
}

// answer is the form of what the server sends.
type answer struct {
	Status   string   `json:"status"`
	Error    string   `json:"error"`
	Warnings []string `json:"warnings"`
	Data     struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	} `json:"data"`
}

// read turns an answer into samples, or says what is wrong with it.
func (p *prometheus) read(resp *http.Response, body []byte) ([]core.Sample, error) {
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
	return p.samples(a.Data.Type, a.Data.Result)
}

func contentType(resp *http.Response) string {
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if kind == "" {
		return "no content type"
	}
	return clip(kind)
}

// samples reads the values. A NaN is a value like any other.
func (p *prometheus) samples(kind string, result json.RawMessage) ([]core.Sample, error) {
	switch kind {
	case "scalar":
		var s model.Scalar
		if err := json.Unmarshal(result, &s); err != nil {
			return nil, p.fail(false, err, "its scalar cannot be read: %s", clip(err.Error()))
		}
		return []core.Sample{{Value: float64(s.Value)}}, nil
	case "vector":
		var series []struct {
			Metric map[string]string `json:"metric"`
			Value  *model.SamplePair `json:"value"` // nil for a native histogram
		}
		if err := json.Unmarshal(result, &series); err != nil {
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
		return nil, p.fail(true, nil, "%s", wrongType(clip(kind)))
	}
}
