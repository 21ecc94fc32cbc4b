package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/breakwater-ci/breakwater/core/aws"
)

// eachLook is the time between two looks at a function that is changing.
const eachLook = 5 * time.Second

// resolve returns the version of the function that the act's version is: the newest one whose description says so, the
// one of that number, or one that is published now.
func (s *shift) resolve(ctx context.Context) (string, error) {
	if s.Code == nil {
		return s.published(ctx)
	}
	// Two aliases of one function must not change its code at the same time.
	select {
	case s.publishing <- struct{}{}:
		defer func() { <-s.publishing }()
	case <-ctx.Done():
		return "", fmt.Errorf("another act is changing the code of %s: %w", s.of, ctx.Err())
	}
	number, err := s.published(ctx)
	if _, missing := errors.AsType[unpublished](err); missing {
		return s.publish(ctx)
	}
	return number, err
}

// An unpublished is a version that the function does not have.
type unpublished struct{ version, of string }

func (u unpublished) Error() string {
	return fmt.Sprintf("no version of %s has the description or the number %q: publish it first, or have the plan say where its code is: code: {bucket: ..., key: ...}", u.of, u.version)
}

// published looks for what was published already.
func (s *shift) published(ctx context.Context) (string, error) {
	found, numbered := "", ""
	pages := lambda.NewListVersionsByFunctionPaginator(s.api.versions, &lambda.ListVersionsByFunctionInput{FunctionName: &s.of})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", err
		}
		for _, v := range page.Versions {
			switch number := sdk.ToString(v.Version); {
			case number == latest:
			case sdk.ToString(v.Description) == s.act.Version:
				found = number // they come oldest first
			case number == s.act.Version:
				numbered = number
			}
		}
	}
	switch {
	case found != "":
		return found, nil
	case numbered != "":
		return numbered, nil
	default:
		return "", unpublished{s.act.Version, s.of}
	}
}

// publish makes a version of the code that the plan names. Each step holds only if the function is still as the step
// before has left it.
func (s *shift) publish(ctx context.Context) (string, error) {
	now, err := s.settled(ctx)
	if err != nil {
		return "", err
	}
	in, err := s.newCode()
	if err != nil {
		return "", err
	}
	in.RevisionId = now.RevisionId
	code, err := s.api.UpdateFunctionCode(ctx, in)
	if err != nil {
		return "", changed(s.of, err)
	}
	if now, err = s.inPlace(ctx, sdk.ToString(code.CodeSha256)); err != nil {
		return "", err
	}
	made, err := s.api.PublishVersion(ctx, &lambda.PublishVersionInput{
		FunctionName: &s.of, CodeSha256: now.CodeSha256, RevisionId: now.RevisionId, Description: &s.act.Version,
	})
	if err != nil {
		return "", changed(s.of, err)
	}
	number := sdk.ToString(made.Version)
	s.tell("%s is published as version %s of %s", s.act.Version, number, s.of)
	return number, nil
}

// newCode is where the plan says that the code of the act's version is.
func (s *shift) newCode() (*lambda.UpdateFunctionCodeInput, error) {
	in := &lambda.UpdateFunctionCodeInput{FunctionName: &s.of}
	var bucket, key, image string
	if err := fillAll(s.act, map[*string]string{&bucket: s.Code.Bucket, &key: s.Code.Key, &image: s.Code.Image}); err != nil {
		return nil, err
	}
	if image != "" {
		in.ImageUri = &image
	} else {
		in.S3Bucket, in.S3Key = &bucket, &key
	}
	return in, nil
}

// changed says what it means that a function is not as it was.
func changed(of string, err error) error {
	if code := aws.Code(err); code == "PreconditionFailedException" || code == "ResourceConflictException" {
		return fmt.Errorf("somebody else is changing %s: nothing was published; see who deploys to it: %w", of, said(err))
	}
	return err
}

// inPlace waits until the function has new code. A look may show what was there a moment ago.
func (s *shift) inPlace(ctx context.Context, sum string) (*lambda.GetFunctionConfigurationOutput, error) {
	for n := 0; ; n++ {
		now, err := s.settled(ctx)
		switch {
		case err != nil:
			return nil, err
		case sdk.ToString(now.CodeSha256) == sum && now.LastUpdateStatus == types.LastUpdateStatusFailed:
			return nil, fmt.Errorf("the code of %s cannot be put in place: %s", s.of, sdk.ToString(now.LastUpdateStatusReason))
		case sdk.ToString(now.CodeSha256) == sum:
			return now, nil
		case n == len(pauses):
			return nil, fmt.Errorf("somebody else has changed the code of %s meanwhile: nothing was published; see who deploys to it", s.of)
		}
		if err := s.env.Clock.Wait(ctx, s.env.Clock.Now().Add(pauses[n])); err != nil {
			return nil, err
		}
	}
}

// settled waits until it is decided whether the newest code of the function is in place.
func (s *shift) settled(ctx context.Context) (*lambda.GetFunctionConfigurationOutput, error) {
	for {
		is, err := s.api.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &s.of})
		switch {
		case err != nil:
			return nil, err
		case is.LastUpdateStatus != types.LastUpdateStatusInProgress:
			return is, nil
		}
		if err := s.rest(ctx, "the code of "+s.of+" is being put in place"); err != nil {
			return nil, err
		}
	}
}

// ready waits until the version that is to have the traffic can take it.
func (s *shift) ready(ctx context.Context) error {
	for {
		is, err := s.api.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &s.of, Qualifier: &s.put})
		switch {
		case err != nil:
			return err
		case is.State == types.StateFailed:
			return fmt.Errorf("version %s of %s cannot run: %s", s.put, s.of, sdk.ToString(is.StateReason))
		case is.State == types.StateActive, is.State == types.StateInactive: // one that was idle for long wakes up when it is called
			return nil
		}
		if err := s.rest(ctx, fmt.Sprintf("version %s of %s gets ready", s.put, s.of)); err != nil {
			return err
		}
	}
}

// rest waits between two looks.
func (s *shift) rest(ctx context.Context, what string) error {
	if err := s.env.Clock.Wait(ctx, s.env.Clock.Now().Add(eachLook)); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
