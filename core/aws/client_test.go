package aws_test

import (
	"context"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
)

// A watch is a clock that is at once where somebody waits for, unless ctx has ended.
type watch struct{ now time.Time }

func (w *watch) Now() time.Time { return w.now }

func (w *watch) Wait(ctx context.Context, until time.Time) error {
	w.now = until
	return ctx.Err()
}

func TestConfig(t *testing.T) {
	clock := &watch{now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
	cloud := awstest.New(t, clock.Now)
	for name, c := range map[string]struct {
		o      aws.Options
		unset  string
		fails  int    // times that a request is throttled
		want   string // the error of the way; empty: none
		region string
		key    string
	}{
		"of the job":      {region: "eu-west-1", key: "JOB"},
		"named":           {o: aws.Options{Region: "us-east-1", Account: awstest.Account}, region: "us-east-1", key: "JOB"},
		"a role":          {o: aws.Options{Role: "arn:aws:iam::123456789012:role/deploy", Account: awstest.Account}, region: "eu-west-1", key: "arn.aws.iam..123456789012.role.deploy"},
		"throttled":       {fails: 5, region: "eu-west-1", key: "JOB"},
		"no region":       {unset: "AWS_REGION", want: "which region?"},
		"another account": {o: aws.Options{Account: "210987654321"}, want: "the credentials are for account 123456789012, and the plan is for 210987654321"},
	} {
		t.Run(name, func(t *testing.T) {
			env := make(map[string]string)
			for _, v := range cloud.Environ() {
				name, value, _ := strings.Cut(v, "=")
				env[name] = value
			}
			delete(env, c.unset)
			way, err := aws.Config(t.Context(), c.o, aws.Env{Clock: clock, Lookup: func(name string) string { return env[name] }})
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v; want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			cloud.Meddle(func(_ string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
				if c.fails--; c.fails >= 0 {
					return nil, &awstest.Fault{Code: "ThrottlingException", Message: "Rate exceeded"}
				}
				return map[string]any{"FunctionVersion": "1"}, nil
			})
			before := clock.now
			if _, err := lambda.NewFromConfig(way).GetAlias(t.Context(), &lambda.GetAliasInput{FunctionName: sdk.String("shop"), Name: sdk.String("live")}); err != nil {
				t.Error(err)
			}
			if last := cloud.Asked()[len(cloud.Asked())-1]; last.Region != c.region || last.Key != c.key {
				t.Errorf("%+v", last)
			}
			if name == "throttled" && clock.now.Sub(before) < 5*time.Second {
				t.Errorf("it has waited for %s", clock.now.Sub(before))
			}
		})
	}
}
