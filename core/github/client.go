package github

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/patient"
)

// A Client talks to the API about one repository. It is safe for concurrent use.
type Client struct {
	calls
	BaseURL     *url.URL // of the API
	Owner, Name string

	transport *patient.Transport
}

// An Env is what a client takes from the process it runs in.
type Env struct {
	Lookup func(name string) string // of the environment
	Clock  core.Clock

	// Waits is told that GitHub asked for patience, and until when. Nil: nobody is.
	Waits func(why string, until time.Time)
}

// TokenVariable holds the token that goes before GITHUB_TOKEN. No command of a plan sees it.
const TokenVariable = "BREAKWATER_TOKEN"

// New returns a client for a repository, OWNER/NAME; empty: the job's own. The token is that of the action's input, else
// GITHUB_TOKEN; GITHUB_API_URL names the API of an Enterprise server.
func New(repository string, env Env) (*Client, error) {
	repository = cmp.Or(repository, env.Lookup("GITHUB_REPOSITORY"))
	owner, name, ok := strings.Cut(repository, "/")
	switch {
	case repository == "":
		return nil, errors.New("which repository? Outside GitHub Actions name it: github:OWNER/NAME")
	case !ok || !plain(owner) || !plain(name):
		return nil, fmt.Errorf("%q is no repository: write OWNER/NAME", repository)
	}
	token := cmp.Or(env.Lookup(TokenVariable), env.Lookup("GITHUB_TOKEN"))
	if token == "" {
		return nil, errors.New("there is no token for GitHub: set GITHUB_TOKEN, in a workflow by env: {GITHUB_TOKEN: ${{ github.token }}}")
	}
	base, err := url.Parse(strings.TrimSuffix(cmp.Or(env.Lookup("GITHUB_API_URL"), "https://api.github.com"), "/") + "/")
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("GITHUB_API_URL is %q: it must be a URL", env.Lookup("GITHUB_API_URL"))
	}
	t := &patient.Transport{Service: service, Next: http.DefaultTransport, Clock: env.Clock, Waits: env.Waits}
	client := github.NewClient(&http.Client{Transport: t}).WithAuthToken(token)
	client.BaseURL = base
	return &Client{calls: callsOf(client), BaseURL: base, Owner: owner, Name: name, transport: t}, nil
}

// plain reports whether a name can be part of a path of the API as it is.
func plain(name string) bool {
	odd := strings.IndexFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-", r))
	})
	return name != "" && odd < 0 && name != "." && name != ".."
}

// Repository is OWNER/NAME.
func (c *Client) Repository() string { return c.Owner + "/" + c.Name }

// Requests counts those that were sent, each try of each, also what was answered by "not modified".
func (c *Client) Requests() int { return c.transport.Requests() }

// Status is the status code of an answer that was an error; 0 if there was no answer.
func Status(err error) int {
	if answer, ok := errors.AsType[*github.ErrorResponse](err); ok && answer.Response != nil {
		return answer.Response.StatusCode
	}
	if limited, ok := errors.AsType[*github.RateLimitError](err); ok && limited.Response != nil {
		return limited.Response.StatusCode
	}
	if limited, ok := errors.AsType[*github.AbuseRateLimitError](err); ok && limited.Response != nil {
		return limited.Response.StatusCode
	}
	return 0
}

// Refused says of a failed request what it was to do and, where GitHub did not let the job do it, what permits it.
func Refused(do, permission string, err error) error {
	status := Status(err)
	said := err.Error()
	if answer, ok := errors.AsType[*github.ErrorResponse](err); ok {
		said = answer.Message
		for _, e := range answer.Errors {
			if e.Message != "" {
				said += ": " + e.Message
			}
		}
	}
	switch status {
	case 0:
		return fmt.Errorf("GitHub could not be asked to %s: %w", do, err)
	case http.StatusUnauthorized:
		return &refusal{fmt.Sprintf("GitHub does not %s: %s (401); the token is wrong or has expired", do, said), err}
	case http.StatusForbidden, http.StatusNotFound:
		return &refusal{fmt.Sprintf("GitHub does not %s: %s (%d); the job needs permissions: {%s}", do, said, status, permission), err}
	default:
		return &refusal{fmt.Sprintf("GitHub does not %s: %s (%d)", do, said, status), err}
	}
}

// A refusal says in our words what GitHub said in its own.
type refusal struct {
	text string
	err  error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.err }
