package aws_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/aws/cloudwatchtest"
)

// A clock jumps to what is waited for, and keeps how long that was.
type clock struct {
	now   time.Time
	waits []time.Duration
	stop  func() // called at each wait
}

func (c *clock) Now() time.Time { return c.now }

func (c *clock) Wait(ctx context.Context, until time.Time) error {
	c.waits = append(c.waits, until.Sub(c.now))
	c.now = until
	if c.stop != nil {
		c.stop()
	}
	return ctx.Err()
}

func open(t *testing.T, o aws.Options, env aws.Env) *aws.Session {
	t.Helper()
	s, err := aws.Open(t.Context(), o, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// ask asks for an alarm.
func ask(ctx context.Context, s *aws.Session) error {
	_, err := cloudwatch.NewFromConfig(s.Config).DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmTypes: types.AlarmTypeMetricAlarm.Values()})
	if err != nil {
		return aws.Refused("show alarms", `cloudwatch:DescribeAlarms on "*"`, err)
	}
	return nil
}

// TestRetries: what may pass is tried six times, by our clock, after pauses that double; each operation begins anew.
func TestRetries(t *testing.T) {
	server := cloudwatchtest.New(t)
	c := &clock{now: time.Now()}
	told := 0
	s := open(t, aws.Options{}, aws.Env{Lookup: cloudwatchtest.Lookup(server.URL), Clock: c, Waits: func(string, time.Time) { told++ }})
	server.Meddle(cloudwatchtest.Refuse(400, "ThrottlingException", "Rate exceeded"))
	for n := range 2 {
		err := ask(t.Context(), s)
		if err == nil || !strings.Contains(err.Error(), "AWS does not show alarms: Rate exceeded (ThrottlingException)") || permanent(err) {
			t.Errorf("error %v", err)
		}
		if len(c.waits) != 5*(n+1) || told != len(c.waits) || s.Requests() != 6*(n+1) {
			t.Fatalf("%d waits, told of %d, %d requests", len(c.waits), told, s.Requests())
		}
		for i, wait := range c.waits[5*n:] {
			if pause := 500 * time.Millisecond << i; wait < pause/2 || wait > pause*3/2 {
				t.Errorf("wait %d is %s; want about %s", i+1, wait, pause)
			}
		}
	}
	before := s.Requests()
	server.Meddle(cloudwatchtest.Refuse(400, "ValidationError", "no"))
	if err := ask(t.Context(), s); err == nil || !permanent(err) || s.Requests() != before+1 {
		t.Errorf("a mistake is tried %d times: %v", s.Requests()-before, err)
	}
	server.Meddle(cloudwatchtest.Refuse(500, "InternalServiceFault", "x"))
	ctx, cancel := context.WithCancel(t.Context())
	c.stop = cancel
	if err := ask(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v; want the end of the context", err)
	}
}

// TestRefused: who did not permit what, and what to do.
func TestRefused(t *testing.T) {
	server := cloudwatchtest.New(t)
	s := open(t, aws.Options{}, aws.Env{Lookup: cloudwatchtest.Lookup(server.URL), Clock: &clock{}})
	for _, c := range []struct {
		do   cloudwatchtest.Meddler
		want string
		ever bool
	}{
		{cloudwatchtest.Refuse(400, "AccessDeniedException", "User\nx is not authorized"), `AWS does not show alarms: User x is not authorized (AccessDeniedException); allow cloudwatch:DescribeAlarms on "*"`, true},
		{cloudwatchtest.Refuse(403, "ExpiredTokenException", "old"), "the credentials are wrong or have expired", true},
		{cloudwatchtest.Refuse(400, "ValidationError", strings.Repeat("long ", 500)), "... (ValidationError)", true},
		{cloudwatchtest.Refuse(503, "ServiceUnavailable", ""), "AWS does not show alarms: UnknownError (ServiceUnavailable)", false},
		{func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			w.Header().Set("Location", "https://evil.example")
			w.WriteHeader(307)
		}, "307", false},
		{func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) }, "AWS could not be asked to show alarms", false},
	} {
		server.Meddle(c.do)
		err := ask(t.Context(), s)
		if err == nil || !strings.Contains(err.Error(), c.want) || permanent(err) != c.ever || len(err.Error()) > 500 {
			t.Errorf("error %v; want %q, permanent %t", err, c.want, c.ever)
		}
	}
}

// TestVerify: another account is refused before anything else is asked, and the right one is asked for once.
func TestVerify(t *testing.T) {
	server := cloudwatchtest.New(t)
	env := aws.Env{Lookup: cloudwatchtest.Lookup(server.URL), Clock: &clock{}}
	if err := open(t, aws.Options{}, env).Verify(t.Context()); err != nil || len(server.Asked()) != 0 {
		t.Errorf("without an account: %v, asked %q", err, server.Asked())
	}
	s := open(t, aws.Options{Account: cloudwatchtest.Account, Role: cloudwatchtest.Role}, env)
	for range 3 {
		if err := s.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if who, err := s.Identify(t.Context()); err != nil || who.Account != cloudwatchtest.Account || !strings.HasPrefix(who.ARN, "arn:aws:") {
		t.Errorf("we are %+v, %v", who, err)
	}
	if got, want := server.Asked(), []string{"sts:AssumeRole AKIDTEST", "sts:GetCallerIdentity ASIAROLE"}; !slices.Equal(got, want) || s.Requests() != 2 {
		t.Errorf("asked %q; want %q", got, want)
	}
	err := open(t, aws.Options{Account: "210987654321"}, env).Verify(t.Context())
	if err == nil || !permanent(err) || !strings.Contains(err.Error(), "of AWS account 123456789012 and must be of 210987654321") {
		t.Errorf("error %v", err)
	}
	err = open(t, aws.Options{Account: "210987654321", Role: "arn:aws:iam::210987654321:role/x"}, env).Verify(t.Context())
	if err == nil || !permanent(err) || !strings.Contains(err.Error(), "AWS does not give us the role arn:aws:iam::210987654321:role/x") || !strings.Contains(err.Error(), "allow sts:AssumeRole on it") {
		t.Errorf("error %v", err)
	}
}

// TestNoCredentials: that there are none is said, with what to do. The SDK's chain reads the environment of the process.
func TestNoCredentials(t *testing.T) {
	for name, value := range map[string]string{"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
		"AWS_ACCESS_KEY_ID": "", "AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_CA_BUNDLE": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": ""} {
		t.Setenv(name, value)
	}
	server := cloudwatchtest.New(t)
	nothing := func(name string) string { return map[string]string{"AWS_ENDPOINT_URL": server.URL}[name] }
	_, err := aws.Open(t.Context(), aws.Options{}, aws.Env{Lookup: nothing, Clock: &clock{}})
	if err == nil || !strings.Contains(err.Error(), "which region? Say region, or set AWS_REGION") {
		t.Errorf("error %v", err)
	}
	s := open(t, aws.Options{Region: "eu-west-1"}, aws.Env{Lookup: nothing, Clock: &clock{}})
	if err := ask(t.Context(), s); err == nil || !strings.Contains(err.Error(), "AWS cannot be asked to show alarms: there are no credentials") {
		t.Errorf("error %v", err)
	}
	if len(server.Asked()) != 0 {
		t.Errorf("it asked %q", server.Asked())
	}
}

// TestRoleIsNotThere: a role that cannot be had is asked for six times, and not six times for each try of what needs it.
func TestRoleIsNotThere(t *testing.T) {
	server := cloudwatchtest.New(t)
	server.Meddle(func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) })
	s := open(t, aws.Options{Role: cloudwatchtest.Role}, aws.Env{Lookup: cloudwatchtest.Lookup(server.URL), Clock: &clock{}})
	if err := ask(t.Context(), s); err == nil || !strings.Contains(err.Error(), "AWS cannot be asked to show alarms: AWS could not be asked to give us the role") || s.Requests() != 6 {
		t.Errorf("%d requests: %v", s.Requests(), err)
	}
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]aws.Options{
		"":                           {Region: "us-gov-east-1", Role: "arn:aws-us-gov:iam::123456789012:role/path/x", Account: "123456789012"},
		"not a name as eu-west-1":    {Region: "eu-west-1.evil.example"},
		"not of the form arn:aws":    {Role: "deploy"},
		"not 12 digits":              {Account: "1234"},
		"one of them is wrong":       {Role: "arn:aws:iam::123456789012:role/x", Account: "210987654321"},
		`region is "eu-west-1\nx"`:   {Region: "eu-west-1\nx"},
		`account is "123456789012 "`: {Account: "123456789012 "},
	} {
		err := o.Check()
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", o, err, want)
		}
	}
}

func permanent(err error) bool {
	p, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err)
	return ok && p.Permanent()
}
