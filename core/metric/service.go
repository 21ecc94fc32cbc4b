package metric

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Reach are the options that say how a source gets to its service. Every kind that asks one over HTTP has them.
type Reach struct {
	Headers map[string]core.Secret `json:"headers,omitempty" jsonschema_description:"Headers to send."`
	Basic   *Basic                 `json:"basic,omitempty" jsonschema_description:"Name and password for basic authentication."`
	Bearer  core.Secret            `json:"bearer,omitempty" jsonschema_description:"Token for bearer authentication."`
	TLS     *TLS                   `json:"tls,omitempty" jsonschema_description:"Whom to trust, and our own certificate."`
	Timeout time.Duration          `json:"timeout,omitempty" jsonschema_description:"Longest time for one answer. Default: 30s."`
}

// A service is a monitoring system that is asked over HTTP. Its errors are short, name its host and show no secret.
type service struct {
	http    *http.Client
	base    *url.URL
	timeout time.Duration
	detail  func(body []byte) string // what an answer says about an error; nil: nothing
	advice  string                   // what to check when it refuses us
}

func newService(address core.Secret, r Reach, advice string, detail func([]byte) string, env Env) (*service, error) {
	base, err := checkURL(address.Reveal())
	if err != nil {
		return nil, fmt.Errorf("url %w", err)
	}
	if r.Timeout < 0 {
		return nil, fmt.Errorf("timeout must not be below zero")
	}
	way := access{headers: r.Headers, basic: r.Basic, bearer: r.Bearer, tls: r.TLS, proxy: env.Proxy, limit: answerLimit}
	client, err := way.client(env)
	if err != nil {
		return nil, err
	}
	return &service{http: client, base: base, timeout: orDefault(r.Timeout, 30*time.Second), advice: advice, detail: detail}, nil
}

// Close closes the connections that are kept for the next question.
func (s *service) Close() error {
	s.http.CloseIdleConnections()
	return nil
}

// fail says that the service could not be asked. permanent: asking again is of no use.
func (s *service) fail(permanent bool, cause error, format string, args ...any) error {
	return &failure{text: s.base.Host + ": " + fmt.Sprintf(format, args...), permanent: permanent, cause: cause}
}

// get asks for a path below the base, with these parameters added to those of the base.
func (s *service) get(ctx context.Context, path string, parameters url.Values) ([]byte, error) {
	return s.send(ctx, http.MethodGet, path, parameters, "", nil)
}

// send sends a request and returns the body of an answer with a status of 2xx. Anything else is a [failure]: what the
// service refuses for good is permanent, what may be different next time is not.
func (s *service) send(ctx context.Context, method, path string, parameters url.Values, contentType string, body []byte) ([]byte, error) {
	asking, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	address := s.base.JoinPath(path)
	query := address.Query()
	for name, values := range parameters {
		query[name] = values
	}
	address.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(asking, method, address.String(), bytes.NewReader(body))
	if err != nil {
		return nil, s.fail(true, nil, "the request cannot be made")
	}
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := s.http.Do(req)
	var answer []byte
	if err == nil {
		defer resp.Body.Close()
		answer, err = io.ReadAll(resp.Body)
	}
	switch {
	case ctx.Err() != nil:
		return nil, s.fail(false, ctx.Err(), "no answer yet when we stopped waiting")
	case err != nil:
		return nil, s.fail(false, err, "%s", reason(err, s.timeout))
	case resp.StatusCode/100 != 2:
		return nil, s.refused(resp, answer)
	}
	return answer, nil
}

// refused says what a status that is not 2xx means.
func (s *service) refused(resp *http.Response, body []byte) error {
	detail := ""
	if s.detail != nil {
		if text := s.detail(body); text != "" {
			detail = ": " + clip(text)
		}
	}
	switch code := resp.StatusCode; {
	case code/100 == 3:
		to := "another address"
		if u, err := resp.Location(); err == nil {
			to = u.Scheme + "://" + u.Host
		}
		return s.fail(true, nil, "it redirects to %s; give the final url, or credentials if that is a login", to)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return s.fail(true, nil, "it refuses us (%d); check %s%s", code, s.advice, detail)
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code/100 == 5:
		return s.fail(false, nil, "status %d %s%s", code, http.StatusText(code), detail)
	case code == http.StatusNotFound, code == http.StatusMethodNotAllowed:
		return s.fail(true, nil, "nothing there answers (%d); check url%s", code, detail)
	default:
		return s.fail(true, nil, "it refuses the query (%d)%s", code, detail)
	}
}

// read decodes an answer in JSON. Null is none.
func (s *service) read(answer []byte, into any) error {
	err := json.Unmarshal(answer, into)
	if err == nil && string(bytes.TrimSpace(answer)) == "null" {
		err = errors.New("null")
	}
	if err != nil {
		return s.fail(false, err, "it does not answer in the form that is expected of it; check url")
	}
	return nil
}
