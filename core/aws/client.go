// Package aws is the way to AWS: who asks, in which region, and how often it tries.
package aws

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/breakwater-ci/breakwater/core"
)

// Options say where to ask, and as whom. What is empty is as the environment of the job says.
type Options struct {
	Region  string
	Role    string // ARN of a role to take on
	Account string // the only account in which anything may be done
}

// Env is what the way to AWS takes from this process.
type Env struct {
	Lookup func(name string) string // of the environment
	Clock  core.Clock
	HTTP   sdk.HTTPClient // nil: the SDK's own
}

// mostAttempts is how often a request is made that AWS throttles or that is lost on the way.
const mostAttempts = 6

// Config returns what the clients of all services are made of. AWS_ENDPOINT_URL names another server than AWS's own. It
// is an error if there is no region, and if the account is not the one of the options.
func Config(ctx context.Context, o Options, env Env) (sdk.Config, error) {
	region := o.Region
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if region == "" {
			region = env.Lookup(name)
		}
	}
	if region == "" {
		return sdk.Config{}, errors.New("which region? The plan names it: aws: {region: eu-west-1}, or the environment: AWS_REGION")
	}
	load := []func(*config.LoadOptions) error{
		config.WithRegion(region),
		config.WithRetryer(func() sdk.Retryer { return newPatient(env.Clock) }),
	}
	if env.HTTP != nil {
		load = append(load, config.WithHTTPClient(env.HTTP))
	}
	if key := env.Lookup("AWS_ACCESS_KEY_ID"); key != "" {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(
			key, env.Lookup("AWS_SECRET_ACCESS_KEY"), env.Lookup("AWS_SESSION_TOKEN"))))
	}
	if url := env.Lookup("AWS_ENDPOINT_URL"); url != "" {
		load = append(load, config.WithBaseEndpoint(url))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return sdk.Config{}, fmt.Errorf("the settings of AWS cannot be read: %w", err)
	}
	if o.Role != "" {
		cfg.Credentials = sdk.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), o.Role, func(a *stscreds.AssumeRoleOptions) {
			a.RoleSessionName = "breakwater"
		}))
	}
	if o.Account != "" {
		return cfg, expect(ctx, cfg, o.Account)
	}
	return cfg, nil
}

// expect reports whether these credentials are for another account.
func expect(ctx context.Context, cfg sdk.Config, account string) error {
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return fmt.Errorf("AWS does not say which account this is: %w", err)
	}
	if got := sdk.ToString(who.Account); got != account {
		return fmt.Errorf("the credentials are for account %s, and the plan is for %s: nothing was done", got, account)
	}
	return nil
}

// patient is the SDK's way to try again, by the clock that everything else waits by. The SDK itself then waits no more,
// unless the answer says for how long.
type patient struct {
	*retry.Standard
	clock core.Clock
}

func newPatient(clock core.Clock) patient {
	return patient{clock: clock, Standard: retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = mostAttempts
	})}
}

// GetRetryToken waits for some seconds, not for all who were refused at once the same.
func (p patient) GetRetryToken(ctx context.Context, why error) (func(error) error, error) {
	release, err := p.Standard.GetRetryToken(ctx, why)
	if err != nil {
		return nil, err
	}
	pause := time.Second + rand.N(4*time.Second)
	return release, p.clock.Wait(ctx, p.clock.Now().Add(pause))
}

// RetryDelay is nothing: the wait is over.
func (patient) RetryDelay(int, error) (time.Duration, error) { return 0, nil }
