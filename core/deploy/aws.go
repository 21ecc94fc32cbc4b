package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
)

// amazon is what drivers on AWS share: the way to each target, and how often AWS was asked.
type amazon struct {
	core.AWS
	env Env

	mu   sync.Mutex
	ways map[aws.Options]*aws.Session // targets of one region and role share what was found out
}

// Requests implements [core.Counted].
func (a *amazon) Requests() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, way := range a.ways {
		n += way.Requests()
	}
	return n
}

// way is the way to the target of an act, in the account that the plan names. The region also keeps a label from naming a
// host, see [aws.Options.Check].
func (a *amazon) way(ctx context.Context, act core.Act) (sdk.Config, error) {
	way, err := a.session(ctx, act)
	if err != nil {
		return sdk.Config{}, err
	}
	return way.Config, way.Verify(ctx)
}

func (a *amazon) session(ctx context.Context, act core.Act) (*aws.Session, error) {
	var o aws.Options
	if err := fillAll(act, map[*string]string{&o.Region: a.Region, &o.Role: a.Role, &o.Account: a.Account}); err != nil {
		return nil, err
	}
	way, err := a.open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("the way to the target %s: %w", act.Target.Name, err)
	}
	return way, nil
}

func (a *amazon) open(ctx context.Context, o aws.Options) (*aws.Session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if way, known := a.ways[o]; known {
		return way, nil
	}
	way, err := aws.Open(ctx, o, aws.Env{Lookup: a.env.Lookup, Clock: a.env.Clock, Waits: a.env.Waits})
	if err != nil {
		return nil, err
	}
	if a.ways == nil {
		a.ways = make(map[aws.Options]*aws.Session)
	}
	a.ways[o] = way
	return way, nil
}

// fillAll fills texts of the options with what an act is about.
func fillAll(act core.Act, texts map[*string]string) error {
	for to, text := range texts {
		filled, err := act.Fill(text)
		if err != nil {
			return err
		}
		*to = filled
	}
	return nil
}

// said is an error of the SDK in short: the action as IAM knows it, what AWS says, and what it takes. An error that has
// been put into words already stays as it is.
func said(err error) error {
	op, plain := err.(*smithy.OperationError)
	if !plain {
		return err
	}
	action := strings.ToLower(op.ServiceID) + ":" + op.OperationName
	api, answered := errors.AsType[smithy.APIError](err)
	switch {
	case !answered:
		return redacted{fmt.Sprintf("%s was not answered: %v", action, op.Err), err}
	case strings.HasPrefix(api.ErrorCode(), "AccessDenied"):
		return redacted{fmt.Sprintf("AWS refuses %s: %s; the job's role needs that action, see docs/drivers.md", action, api.ErrorMessage()), err}
	default:
		return redacted{fmt.Sprintf("%s: %s (%s)", action, api.ErrorMessage(), api.ErrorCode()), err}
	}
}

// throttledOnly has a request tried again only where AWS says that it came too early: then it has done nothing. One that
// was lost on the way may have been carried out.
func throttledOnly(r sdk.Retryer) sdk.Retryer { return cautious{r.(sdk.RetryerV2)} }

type cautious struct{ sdk.RetryerV2 }

func (cautious) IsErrorRetryable(err error) bool {
	return retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorRetryable(err).Bool()
}

// shortMark is a mark that fits into a description, whatever the names of the plan are.
func shortMark(act core.Act) mark {
	m := markOf(act)
	m.rollout, m.target = shortRollout(m.rollout), short(m.target)
	return m
}

// shortRollout keeps the number of a rollout, which comes after its line.
func shortRollout(id string) string {
	i := strings.LastIndexByte(id, '-')
	return short(id[:max(i, 0)]) + id[max(i, 0):]
}

// short cuts a long name, and keeps it apart from those that begin alike.
func short(name string) string {
	const most = 60
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:most-9] + "-" + hex.EncodeToString(sum[:4])
}

// lineOf is the line of a rollout. What another rollout of the line has left on a target is ours to end.
func lineOf(rollout string) string { return rollout[:max(strings.LastIndexByte(rollout, '-'), 0)] }
