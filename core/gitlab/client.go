package gitlab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/patient"
)

// A Client talks to the API about one project. It is safe for concurrent use.
type Client struct {
	Project string // its full path, or its id

	byJob     bool   // with the job's own token
	token     string // a project access token; empty: there is none
	graphql   string // URL
	api       calls
	transport *patient.Transport
}

// An Env is what a client takes from the process it runs in.
type Env struct {
	Lookup func(name string) string // of the environment
	Clock  core.Clock

	// Waits is told that GitLab asked for patience, and until when. Nil: nobody is.
	Waits func(why string, until time.Time)
}

// New returns a client for a project, GROUP/NAME or an id; empty: the job's own. The token is a project access token in
// BREAKWATER_TOKEN, else that of the job, which may do little; CI_API_V4_URL names the API.
func New(project string, env Env) (*Client, error) {
	project = strings.Trim(cmp.Or(project, env.Lookup("CI_PROJECT_PATH"), env.Lookup("CI_PROJECT_ID")), "/")
	if project == "" {
		return nil, errors.New("which project? Outside GitLab CI name it: gitlab:GROUP/NAME")
	}
	if strings.ContainsAny(project, "?#% \\") {
		return nil, fmt.Errorf("%q is no project: write GROUP/NAME", project)
	}
	base, err := url.Parse(cmp.Or(env.Lookup("CI_API_V4_URL"), "https://gitlab.com/api/v4"))
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("CI_API_V4_URL is %q: it must be a URL", env.Lookup("CI_API_V4_URL"))
	}
	c := &Client{Project: project, transport: &patient.Transport{Service: service, Next: http.DefaultTransport, Clock: env.Clock, Waits: env.Waits}}
	options := []gl.ClientOptionFunc{gl.WithBaseURL(base.String()), gl.WithHTTPClient(&http.Client{Transport: c.transport}),
		gl.WithoutRetries(), gl.WithCustomLimiter(unlimited{})} // our transport has the patience
	if token := env.Lookup(TokenVariable); token != "" {
		c.token = token
		c.graphql = cmp.Or(env.Lookup("CI_API_GRAPHQL_URL"), strings.TrimSuffix(strings.TrimSuffix(base.String(), "/"), "/v4")+"/graphql")
		//lint:ignore SA1019 see calls
		api, err := gl.NewClient(token, options...)
		if err != nil {
			return nil, err
		}
		c.api = callsOf(api)
		return c, nil
	}
	c.byJob = true
	token := env.Lookup(jobTokenVariable)
	if token == "" {
		return nil, errors.New("there is no token for GitLab: set BREAKWATER_TOKEN to a project access token with the scope api")
	}
	//lint:ignore SA1019 see calls
	api, err := gl.NewJobClient(token, options...)
	if err != nil {
		return nil, err
	}
	c.api = callsOf(api)
	return c, nil
}

// unlimited lets every request through.
type unlimited struct{}

func (unlimited) Wait(context.Context) error { return nil }

// ByJob reports whether the token is only that of the job.
func (c *Client) ByJob() bool { return c.byJob }

// Requests counts those that were sent, each try of each.
func (c *Client) Requests() int { return c.transport.Requests() }

// An Error is an answer that is no success.
type Error struct {
	Status int
	Said   string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Said, e.Status) }

// Code is the status code of an answer that was an error; 0 if there was no answer.
func Code(err error) int {
	if answer, ok := errors.AsType[*Error](err); ok {
		return answer.Status
	}
	return 0
}

// Refused says of a failed request what it was to do and, where GitLab did not let the job do it, what is needed for it.
func (c *Client) Refused(do, need string, err error) error {
	switch status := Code(err); status {
	case 0:
		return fmt.Errorf("GitLab could not be asked to %s: %w", do, err)
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		if c.byJob {
			return fmt.Errorf("GitLab does not %s: %w; the job's own token may not do that. Set BREAKWATER_TOKEN to a project access token with %s", do, err, need)
		}
		if status == http.StatusUnauthorized {
			return fmt.Errorf("GitLab does not %s: %w; BREAKWATER_TOKEN is wrong or has expired", do, err)
		}
		return fmt.Errorf("GitLab does not %s: %w; BREAKWATER_TOKEN needs %s", do, err, need)
	default:
		return fmt.Errorf("GitLab does not %s: %w", do, err)
	}
}
