package aws_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/breakwater-ci/breakwater/core/aws"
)

const (
	deployRole = "arn:aws:iam::123456789012:role/deploy"
	firstRole  = "arn:aws:iam::123456789012:role/first"
)

// A vouch is GitHub, which gives out tokens that are good once, and STS, which gives a role for an hour to who shows one. It
// is reached without a network, so that time may be virtual.
type vouch struct {
	t      *testing.T
	asked  []string
	given  int
	meddle func(r *http.Request) *http.Response // nil: nothing is in the way
}

// dial connects to whatever host with a pipe, for one request.
func (v *vouch) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	go func() {
		defer there.Close()
		r, err := http.ReadRequest(bufio.NewReader(there))
		if err != nil {
			return
		}
		answer := v.answer(r)
		answer.Close = true
		_ = answer.Write(there) // who has seen enough hangs up
	}()
	return here, nil
}

func (v *vouch) answer(r *http.Request) *http.Response {
	if v.meddle != nil {
		if answer := v.meddle(r); answer != nil {
			return answer
		}
	}
	w := httptest.NewRecorder()
	if r.Host == "github.test" {
		v.github(w, r)
	} else {
		v.sts(w, r)
	}
	return w.Result()
}

func (v *vouch) github(w http.ResponseWriter, r *http.Request) {
	if got := r.URL.Query(); r.Header.Get("Authorization") != "Bearer ask-token" || got.Get("audience") != "sts.amazonaws.com" || got.Get("api-version") != "2.0" {
		v.t.Errorf("GitHub is asked by %s %v", r.URL, r.Header)
	}
	v.given++
	v.asked = append(v.asked, "token")
	fmt.Fprintf(w, `{"count": 1, "value": "id-token-%d"}`, v.given)
}

var credential = regexp.MustCompile(`Credential=(\w+)/`)

func (v *vouch) sts(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(text))
	action, key := form.Get("Action"), credential.FindStringSubmatch(r.Header.Get("Authorization"))
	by := "nobody"
	if key != nil {
		by = key[1]
	}
	role := form.Get("RoleArn")[strings.LastIndexByte(form.Get("RoleArn"), '/')+1:]
	v.asked = append(v.asked, strings.Join(strings.Fields(fmt.Sprintln(action, role, form.Get("WebIdentityToken"), "by", by)), " "))
	w.Header().Set("Content-Type", "text/xml")
	if action == "GetCallerIdentity" {
		fmt.Fprint(w, "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>")
		return
	}
	if form.Get("RoleSessionName") != "breakwater" {
		v.t.Errorf("the session is named %q", form.Get("RoleSessionName"))
	}
	fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult><Credentials><AccessKeyId>KEY%[2]s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%[3]s</Expiration></Credentials></%[1]sResult></%[1]sResponse>",
		action, role, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

// session opens one in a job of GitHub's with this in its environment.
func (v *vouch) session(t *testing.T, role string, environ ...string) (*aws.Session, *clock, error) {
	t.Helper()
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, "/nowhere")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	env := map[string]string{"AWS_ENDPOINT_URL": "http://aws.test", "AWS_REGION": "eu-west-1", "GITHUB_ACTIONS": "true",
		"ACTIONS_ID_TOKEN_REQUEST_URL": "http://github.test/token?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ask-token"}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	c := &clock{now: time.Now()}
	s, err := aws.Open(t.Context(), aws.Options{Role: role}, aws.Env{Clock: c, Lookup: func(name string) string { return env[name] },
		Transport: func(transport *http.Transport) {
			transport.Proxy, transport.DialContext, transport.DisableKeepAlives = nil, v.dial, true
		}})
	return s, c, err
}

// who asks STS who we are, which takes credentials.
func who(t *testing.T, s *aws.Session) error {
	t.Helper()
	if _, err := sts.NewFromConfig(s.Config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil {
		return aws.Refused("say who we are", "sts:GetCallerIdentity", err)
	}
	return nil
}

// TestFreshToken: in a bake of hours a role is taken again before its hour is over, each time with a token of its own.
func TestFreshToken(t *testing.T) {
	for name, c := range map[string]struct {
		role    string
		environ []string
		want    []string // before the hour is over, and after
		again   []string
	}{
		"the plan's role": {role: deployRole,
			want:  []string{"token", "AssumeRoleWithWebIdentity deploy id-token-1 by nobody", "GetCallerIdentity by KEYdeploy", "GetCallerIdentity by KEYdeploy"},
			again: []string{"token", "AssumeRoleWithWebIdentity deploy id-token-2 by nobody", "GetCallerIdentity by KEYdeploy"}},
		"the job's role": {environ: []string{"AWS_ROLE_ARN=" + firstRole},
			want:  []string{"token", "AssumeRoleWithWebIdentity first id-token-1 by nobody", "GetCallerIdentity by KEYfirst", "GetCallerIdentity by KEYfirst"},
			again: []string{"token", "AssumeRoleWithWebIdentity first id-token-2 by nobody", "GetCallerIdentity by KEYfirst"}},
		"the plan's role by that of the job": {role: deployRole, environ: []string{"AWS_ROLE_ARN=" + firstRole},
			want:  []string{"token", "AssumeRoleWithWebIdentity first id-token-1 by nobody", "AssumeRole deploy by KEYfirst", "GetCallerIdentity by KEYdeploy", "GetCallerIdentity by KEYdeploy"},
			again: []string{"token", "AssumeRoleWithWebIdentity first id-token-2 by nobody", "AssumeRole deploy by KEYfirst", "GetCallerIdentity by KEYdeploy"}},
		"a token of GitLab's": {role: deployRole, environ: []string{"ACTIONS_ID_TOKEN_REQUEST_URL=", "GITHUB_ACTIONS=", "GITLAB_CI=true", "BREAKWATER_ID_TOKEN=of-the-job"},
			want:  []string{"AssumeRoleWithWebIdentity deploy of-the-job by nobody", "GetCallerIdentity by KEYdeploy", "GetCallerIdentity by KEYdeploy"},
			again: []string{"AssumeRoleWithWebIdentity deploy of-the-job by nobody", "GetCallerIdentity by KEYdeploy"}},
		"keys go first": {role: deployRole, environ: []string{"AWS_ACCESS_KEY_ID=JOB", "AWS_SECRET_ACCESS_KEY=x"},
			want:  []string{"AssumeRole deploy by JOB", "GetCallerIdentity by KEYdeploy", "GetCallerIdentity by KEYdeploy"},
			again: []string{"AssumeRole deploy by JOB", "GetCallerIdentity by KEYdeploy"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := &vouch{t: t}
			s, _, err := v.session(t, c.role, c.environ...)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				for range 2 {
					if err := who(t, s); err != nil {
						t.Fatal(err)
					}
				}
				if !slices.Equal(v.asked, c.want) {
					t.Errorf("asked %q; want %q", v.asked, c.want)
				}
				v.asked = nil
				time.Sleep(time.Hour - 20*time.Second)
				if err := who(t, s); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(v.asked, c.again) {
					t.Errorf("after an hour asked %q; want %q", v.asked, c.again)
				}
			})
		})
	}
}

func answers(host string, status int, body string) func(*http.Request) *http.Response {
	return func(r *http.Request) *http.Response {
		if r.Host != host {
			return nil
		}
		w := httptest.NewRecorder()
		w.Header().Set("Location", "http://evil.test/")
		w.WriteHeader(status)
		w.WriteString(body)
		return w.Result()
	}
}

// TestNoToken: what is missing is named, in the words of the CI system, and nothing that is secret is in an error.
func TestNoToken(t *testing.T) {
	const asks = "AWS cannot be asked to say who we are: "
	for name, c := range map[string]struct {
		role    string
		environ []string
		meddle  func(*http.Request) *http.Response
		want    string
		ever    bool
		waits   int
	}{
		"refused":       {deployRole, nil, answers("github.test", 403, "secret"), asks + "GitHub gives the job no ID token: it answers 403; the job needs permissions: {id-token: write}", true, 0},
		"elsewhere":     {deployRole, nil, answers("github.test", 302, "secret"), "it answers 302", true, 0},
		"trouble":       {deployRole, nil, answers("github.test", 503, "secret"), "it answers 503", false, 5},
		"no token":      {deployRole, nil, answers("github.test", 200, `{"secret": 1}`), "there is none in its answer", false, 5},
		"no JSON":       {deployRole, nil, answers("github.test", 200, "secret"), "there is none in its answer", false, 5},
		"half a job":    {deployRole, []string{"ACTIONS_ID_TOKEN_REQUEST_TOKEN="}, nil, "ACTIONS_ID_TOKEN_REQUEST_TOKEN is not set", true, 0},
		"no URL":        {deployRole, []string{"ACTIONS_ID_TOKEN_REQUEST_URL=:secret"}, nil, "ACTIONS_ID_TOKEN_REQUEST_URL is no URL", true, 0},
		"no permission": {deployRole, []string{"ACTIONS_ID_TOKEN_REQUEST_URL="}, nil, "give the job permissions: {id-token: write} and say which role", false, 0},
		"GitLab":        {deployRole, []string{"ACTIONS_ID_TOKEN_REQUEST_URL=", "GITHUB_ACTIONS=", "GITLAB_CI=true"}, nil, "give the job BREAKWATER_ID_TOKEN by id_tokens", false, 0},
		"which role":    {"", nil, nil, "say which role, in the plan or as AWS_ROLE_ARN", false, 0},
		"not trusted": {deployRole, nil, answers("aws.test", 403, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>"),
			asks + "AWS does not give us the role " + deployRole + ": Not authorized to perform sts:AssumeRoleWithWebIdentity (AccessDenied); allow sts:AssumeRoleWithWebIdentity in the role's trust policy", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			v := &vouch{t: t, meddle: c.meddle}
			s, clock, err := v.session(t, c.role, c.environ...)
			if err != nil {
				t.Fatal(err)
			}
			err = who(t, s)
			if err == nil || !strings.Contains(err.Error(), c.want) || permanent(err) != c.ever || len(clock.waits) != c.waits {
				t.Errorf("%d waits, error %v; want %q, permanent %t", len(clock.waits), err, c.want, c.ever)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "ask-token") || strings.Contains(err.Error(), "id-token-")) {
				t.Errorf("the error %v shows a secret", err)
			}
		})
	}
	if _, _, err := (&vouch{t: t}).session(t, "", "AWS_ROLE_ARN=deploy"); err == nil || !strings.Contains(err.Error(), "AWS_ROLE_ARN: role is") {
		t.Errorf("error %v", err)
	}
}
