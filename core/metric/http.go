package metric

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Basic is a name and a password.
type Basic struct {
	User     string      `json:"user" jsonschema_description:"User name."`
	Password core.Secret `json:"password" jsonschema_description:"Password."`
}

// TLS says whom to trust and who we are. Paths are absolute, or relative to the plan and then inside its folder.
type TLS struct {
	CA                 string `json:"ca,omitempty" jsonschema_description:"File with the certificates to trust, in PEM. Default: those of the system."`
	Cert               string `json:"cert,omitempty" jsonschema_description:"File with our own certificate, in PEM."`
	Key                string `json:"key,omitempty" jsonschema_description:"File with the key of our own certificate, in PEM."`
	ServerName         string `json:"server_name,omitempty" jsonschema_description:"Name that the server's certificate must have. Default: the host of the URL."`
	InsecureSkipVerify bool   `json:"insecure_skip_verify,omitempty" jsonschema_description:"Trust any certificate. Default: false."`
}

// access is how a source gets in: what the options of all kinds share.
type access struct {
	headers map[string]core.Secret
	basic   *Basic
	bearer  core.Secret
	tls     *TLS
	proxy   func(*http.Request) (*url.URL, error)
	limit   int64 // of the bytes in an answer
}

const userAgent = "breakwater"

// A visitor is the transport of a source: it says who asks, and bounds what comes back.
type visitor struct {
	*http.Transport
	headers  http.Header
	limit    int64
	answered func(http.Header) // nil: nobody wants to know
}

// client returns a client that follows no redirect: what it sends, credentials included, is for one host only.
func (a access) client(env Env) (*http.Client, error) {
	headers := http.Header{"User-Agent": {userAgent}}
	for name, value := range a.headers {
		headers.Set(name, value.Reveal())
	}
	switch {
	case a.basic != nil && a.bearer != "":
		return nil, errors.New("basic and bearer are both set; keep one")
	case (a.basic != nil || a.bearer != "") && headers.Get("Authorization") != "":
		return nil, errors.New("the header Authorization is set beside basic or bearer; keep one")
	case a.basic != nil:
		pair := a.basic.User + ":" + a.basic.Password.Reveal()
		headers.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	case a.bearer != "":
		headers.Set("Authorization", "Bearer "+a.bearer.Reveal())
	}
	trust, err := a.tls.config(env.Dir)
	if err != nil {
		return nil, err
	}
	dial := env.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	return &http.Client{
		Transport: &visitor{headers: headers, limit: a.limit, answered: env.Answered, Transport: &http.Transport{
			Proxy:               a.proxy,
			DialContext:         dial,
			TLSClientConfig:     trust,
			TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout:     90 * time.Second,
			ForceAttemptHTTP2:   true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// RoundTrip adds the headers to a request. Reading more than the limit from the answer is an [http.MaxBytesError].
func (v *visitor) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	for name, values := range v.headers {
		req.Header[name] = values
	}
	if host := v.headers.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := v.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if v.answered != nil {
		v.answered(resp.Header)
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, v.limit)
	return resp, nil
}

func (t *TLS) config(dir string) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify}
	if t.CA != "" {
		pem, err := readFile(dir, t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: %s holds no certificate in PEM", t.CA)
		}
	}
	if t.Cert == "" && t.Key == "" {
		return c, nil
	}
	cert, err := readFile(dir, t.Cert)
	if err != nil {
		return nil, fmt.Errorf("tls.cert: %w", err)
	}
	key, err := readFile(dir, t.Key)
	if err != nil {
		return nil, fmt.Errorf("tls.key: %w", err)
	}
	own, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("tls.cert and tls.key: %w", err)
	}
	c.Certificates = []tls.Certificate{own}
	return c, nil
}

// readFile reads a file that a plan names. A relative path cannot leave the folder of the plan.
func readFile(dir, name string) ([]byte, error) {
	if name == "" {
		return nil, errors.New("a certificate and its key go together; one is not set")
	}
	if filepath.IsAbs(name) {
		return os.ReadFile(name)
	}
	f, err := os.OpenInRoot(dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// checkURL parses an address. Its error does not show the address: it may hold a password.
func checkURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errors.New("is no URL of the form http://host:port/path")
	}
	return u, nil
}

// reason says in a few words why a request did not come through.
func reason(err error, timeout time.Duration) string {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // the wrapper shows the whole URL
	}
	if big, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fmt.Sprintf("its answer is larger than %d MiB", big.Limit>>20)
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not trusted: " + untrusted.Err.Error()
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok && lookup.IsNotFound {
		return "no such host"
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %s", timeout)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "it closed the connection"
	default:
		return err.Error()
	}
}
