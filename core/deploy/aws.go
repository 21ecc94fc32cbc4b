package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
)

// amazon is what drivers on AWS share: the way to each target, and how often AWS was asked.
type amazon struct {
	core.AWS
	env      Env
	requests atomic.Int64

	mu   sync.Mutex
	ways map[aws.Options]sdk.Config // targets of one region and role share what was found out
}

// Requests implements [core.Counted].
func (a *amazon) Requests() int { return int(a.requests.Load()) }

// isRegion also keeps a label from naming a host.
var isRegion = regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)+$`)

// way is the way to the target of an act.
func (a *amazon) way(ctx context.Context, act core.Act) (sdk.Config, error) {
	var o aws.Options
	if err := fillAll(act, map[*string]string{&o.Region: a.Region, &o.Role: a.Role, &o.Account: a.Account}); err != nil {
		return sdk.Config{}, err
	}
	if o.Region != "" && !isRegion.MatchString(o.Region) {
		return sdk.Config{}, fmt.Errorf("%q is no region of AWS: see the labels of the target %s", o.Region, act.Target.Name)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if way, known := a.ways[o]; known {
		return way, nil
	}
	way, err := aws.Config(ctx, o, aws.Env{Lookup: a.env.Lookup, Clock: a.env.Clock})
	if err != nil {
		return sdk.Config{}, err
	}
	way.APIOptions = append(way.APIOptions, a.count)
	if a.ways == nil {
		a.ways = make(map[aws.Options]sdk.Config)
	}
	a.ways[o] = way
	return way, nil
}

// count has every request counted, also one that repeats another.
func (a *amazon) count(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("count",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			a.requests.Add(1)
			return next.HandleFinalize(ctx, in)
		}), middleware.After)
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

// fault is the code of an error that AWS answered with; empty if it was none.
func fault(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
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
