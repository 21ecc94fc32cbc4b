package deploy

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
)

// Place implements [core.Examiner].
func (f *function) Place(act core.Act) (string, error) { return f.place(act, f.Function, f.Alias) }

// Examine implements [core.Examiner].
func (f *function) Examine(ctx context.Context, act core.Act) []core.Diagnosis {
	s := &shift{function: f, act: act}
	needs := []string{"lambda:GetAlias", "lambda:GetFunctionConfiguration", "lambda:ListVersionsByFunction", "lambda:UpdateAlias"}
	if f.Code != nil {
		needs = append(needs, "lambda:PublishVersion", "lambda:UpdateFunctionCode")
	}
	return f.examine(ctx, act, "aws-lambda", needs, s.open, func(t *audit) {
		t.place = "alias " + s.String()
		of := s.resource()
		seen := t.try("lambda:GetAlias", of+":"+s.alias, func() (err error) {
			s.is, err = s.look(ctx)
			return err
		})
		t.try("lambda:ListVersionsByFunction", of, func() error {
			_, err := s.api.versions(ctx, &lambda.ListVersionsByFunctionInput{FunctionName: &s.of})
			return err
		})
		in := &lambda.GetFunctionConfigurationInput{FunctionName: &s.of}
		if seen {
			in.Qualifier = &s.is.version
			of += ":" + s.is.version
		}
		t.try("lambda:GetFunctionConfiguration", of, func() error {
			_, err := s.api.GetFunctionConfiguration(ctx, in)
			return err
		})
		if f.Code != nil {
			s.rehearse(ctx, t)
		}
		if err := s.foreign(); seen && err != nil {
			t.refused(err)
		}
	})
}

// rehearse asks whether the code may be changed: of all that changes something, only that can be asked without doing it.
// What AWS says of the code itself is no matter, as it may not be there yet.
func (s *shift) rehearse(ctx context.Context, t *audit) {
	in, err := s.newCode()
	if err != nil {
		t.problem("Mend code in the plan, or the labels of the target.", "%v", err)
		return
	}
	in.DryRun = true
	t.try("lambda:UpdateFunctionCode", s.resource(), func() error {
		_, err := s.api.UpdateFunctionCode(ctx, in)
		switch {
		case aws.Code(err) == "InvalidParameterValueException", aws.Code(err) == "ResourceConflictException":
			return nil
		case err != nil && aws.Denied(err) && (strings.Contains(err.Error(), "denied by S3") || strings.Contains(err.Error(), "ECR image")):
			return nil
		}
		return err
	})
}

// resource is the function as policies name it.
func (s *shift) resource() string {
	if isARN(s.of) {
		return s.of
	}
	return "function:" + s.of
}
