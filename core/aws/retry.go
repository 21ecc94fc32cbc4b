package aws

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"
)

const (
	tries      = 6                      // of a request that AWS could not answer, unless its user wants it otherwise: about 15 s in all
	firstPause = 500 * time.Millisecond // doubles with each try, and is spread by half to either side
)

// A patient decides as the SDK does what is worth another try: throttling, trouble on the side of AWS, a lost connection.
// Only it waits by our clock, and it never runs out of tokens: an API that is asked as seldom as here is not overrun.
type patient struct {
	sdk.RetryerV2
	env Env
}

func newPatient(env Env) sdk.Retryer {
	return &patient{retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = cmp.Or(env.Tries, tries)
		o.RateLimiter = ratelimit.None
	}), env}
}

// GetRetryToken waits until it is time for the next try.
func (p *patient) GetRetryToken(ctx context.Context, failed error) (func(error) error, error) {
	release, err := p.RetryerV2.GetRetryToken(ctx, failed)
	if err != nil {
		return nil, err
	}
	pause := firstPause
	if tried, ok := middleware.GetStackValue(ctx, pauses{}).(*time.Duration); ok {
		pause, *tried = *tried, 2**tried
	}
	until := p.env.Clock.Now().Add(time.Duration(float64(pause) * (0.5 + rand.Float64())))
	if p.env.Waits != nil && throttles.IsErrorThrottle(failed).Bool() {
		p.env.Waits("AWS asks for a pause", until)
	}
	return release, p.env.Clock.Wait(ctx, until)
}

var throttles = retry.IsErrorThrottles(retry.DefaultThrottles)

// RetryDelay is none: the wait is over when there is a token.
func (*patient) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

// pauses is the key of the next pause of one operation, which the SDK tells a retryer nothing else about.
type pauses struct{}

// middleware counts requests, and begins each operation with the shortest pause.
func (s *Session) middleware() []func(*middleware.Stack) error {
	begin := middleware.InitializeMiddlewareFunc("BreakwaterPause", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		pause := firstPause
		return next.HandleInitialize(middleware.WithStackValue(ctx, pauses{}, &pause), in)
	})
	count := middleware.DeserializeMiddlewareFunc("BreakwaterCount", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		s.sent.Add(1)
		return next.HandleDeserialize(ctx, in)
	})
	return []func(*middleware.Stack) error{
		func(stack *middleware.Stack) error { return stack.Initialize.Add(begin, middleware.After) },
		func(stack *middleware.Stack) error { return stack.Deserialize.Add(count, middleware.After) },
	}
}
