package aws

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// patience is for one answer, to its end.
const patience = 30 * time.Second

// A client sends requests. It follows no redirect: what is sent, signed as it is, is for one host only.
type client struct{ http.Client }

// buildable is what the SDK wants while it reads its configuration: it adds the certificates of AWS_CA_BUNDLE.
func buildable(env Env) *awshttp.BuildableClient {
	b := awshttp.NewBuildableClient()
	if env.Transport != nil {
		b = b.WithTransportOptions(env.Transport)
	}
	return b
}

// newClient goes on with the transport that the SDK was content with. Unlike the SDK's own client it can be closed.
func newClient(b *awshttp.BuildableClient, timeout time.Duration) *client {
	return &client{http.Client{
		Transport:     b.GetTransport(),
		Timeout:       cmp.Or(timeout, patience),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Do sends a copy of the body. The SDK closes its own as soon as an answer begins; a transport that has not seen the end of
// the body by then takes that for an error, and closes the connection in the middle of the answer.
func (c *client) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	return c.Client.Do(req)
}
