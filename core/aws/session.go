package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/breakwater-ci/breakwater/core"
)

// An Env is what a session takes from the process it runs in.
type Env struct {
	Lookup func(name string) string // of the environment
	Clock  core.Clock

	// Timeout is for one answer, to its end. Zero: 30 seconds.
	Timeout time.Duration
	// Tries is how often a request is sent that AWS could not answer. Zero: six times, within about 15 seconds.
	Tries int
	// Transport changes how requests are sent. Nil: as the SDK does it, by the proxies of the process.
	Transport func(*http.Transport)

	// Waits is told that a service asked for patience, and until when. Nil: nobody is.
	Waits func(why string, until time.Time)
}

// A Session is who we are in AWS. Its Config is what the clients of the SDK are made of. It is safe for concurrent use.
type Session struct {
	Config sdk.Config

	options Options
	http    *client
	custom  bool // the address of the services is not AWS' own
	sent    atomic.Int64
	asked   sync.Mutex
	who     Identity // once that is known
}

// Open makes a session. It asks nobody yet: an error is a mistake in the options or in the machine's configuration.
//
// Region, keys, tokens of the CI system and address come from env. Whatever else may hold credentials (a profile, single
// sign-on, a token file, the metadata of a container or a machine) is found by the SDK's chain, which reads the environment of the
// process itself: it cannot be given another one. Nothing else below the entry does. The SDK also signs by the clock of
// the machine.
func Open(ctx context.Context, o Options, env Env) (*Session, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	s := &Session{options: o}
	load := []func(*config.LoadOptions) error{
		config.WithRegion(cmp.Or(o.Region, env.Lookup("AWS_REGION"), env.Lookup("AWS_DEFAULT_REGION"))),
		config.WithRetryer(func() sdk.Retryer { return newPatient(env) }),
		config.WithAPIOptions(s.middleware()),
		config.WithHTTPClient(buildable(env)),
		config.WithLogger(logging.Nop{}), // the SDK would write to standard error what is in its errors anyway
	}
	if address := env.Lookup("AWS_ENDPOINT_URL"); address != "" {
		s.custom = true
		load = append(load, config.WithBaseEndpoint(address))
	}
	if id, key := env.Lookup("AWS_ACCESS_KEY_ID"), env.Lookup("AWS_SECRET_ACCESS_KEY"); id != "" && key != "" {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(id, key, env.Lookup("AWS_SESSION_TOKEN"))))
	}
	var err error
	if s.Config, err = config.LoadDefaultConfig(ctx, load...); err != nil {
		return nil, fmt.Errorf("the configuration for AWS cannot be read: %w", err)
	}
	if s.Config.Region == "" {
		return nil, errors.New("which region? Say region, or set AWS_REGION")
	}
	sender, ok := s.Config.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		return nil, fmt.Errorf("the SDK sends by a %T", s.Config.HTTPClient)
	}
	s.http = newClient(sender, env.Timeout)
	s.Config.HTTPClient = s.http
	return s, s.authenticate(vouching{env, s.http}, env.Lookup("AWS_ROLE_ARN"))
}

// authenticate says who asks: what the SDK has found, or the role first, for a token of the CI system; then the role of the
// options, taken by those. Where only the options name one, the token is for that.
func (s *Session) authenticate(by vouching, first string) error {
	s.Config.Credentials = known{s.Config.Credentials, by.hint()}
	role := s.options.Role
	switch {
	case !by.possible():
	case first != "":
		if err := (Options{Role: first}).Check(); err != nil {
			return fmt.Errorf("AWS_ROLE_ARN: %w", err)
		}
		s.Config.Credentials = by.credentials(s.Config.Copy(), first)
	case role != "":
		s.Config.Credentials = by.credentials(s.Config.Copy(), role)
		return nil
	}
	if role != "" {
		s.Config.Credentials = roleCredentials(s.Config.Copy(), role)
	}
	return nil
}

// Elsewhere reports whether requests go to an address that the environment names, and not to AWS itself.
func (s *Session) Elsewhere() bool { return s.custom }

// Requests counts those that were sent, each try of each.
func (s *Session) Requests() int { return int(s.sent.Load()) }

// Close closes the connections that are kept for the next request.
func (s *Session) Close() error {
	s.http.CloseIdleConnections()
	return nil
}

// An Identity is whom AWS takes us for.
type Identity struct{ ARN, Account string }

// Identify asks AWS who we are, once.
func (s *Session) Identify(ctx context.Context) (Identity, error) {
	s.asked.Lock()
	defer s.asked.Unlock()
	if s.who.Account == "" {
		who, err := sts.NewFromConfig(s.Config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return Identity{}, Refused("say who we are", "sts:GetCallerIdentity", err)
		}
		is := Identity{ARN: sdk.ToString(who.Arn), Account: sdk.ToString(who.Account)}
		if is.ARN == "" || is.Account == "" {
			return Identity{}, errors.New("AWS does not say who we are: its answer is empty")
		}
		s.who = is
	}
	return s.who, nil
}

// Verify asks AWS in which account we are, and refuses any other than the one that the options name. It is for whoever is
// about to look at or to change something; without an account in the options it asks nobody.
func (s *Session) Verify(ctx context.Context) error {
	if s.options.Account == "" {
		return nil
	}
	who, err := s.Identify(ctx)
	if err != nil {
		return err
	}
	if who.Account != s.options.Account {
		return &wrongAccount{is: who.Account, want: s.options.Account}
	}
	return nil
}

// A wrongAccount is an error that asking again does not mend.
type wrongAccount struct{ is, want string }

func (w *wrongAccount) Error() string {
	return fmt.Sprintf("the credentials are of AWS account %s and must be of %s; nothing was touched: check role and the job's credentials", w.is, w.want)
}

// Permanent reports that asking again is of no use.
func (*wrongAccount) Permanent() bool { return true }
