package metric

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
)

// CloudwatchOptions are the options of a source of type cloudwatch.
type CloudwatchOptions struct {
	aws.Options
	Timeout time.Duration `json:"timeout,omitempty" jsonschema_description:"Longest time for one answer. Default: 30s."`
}

// cloudTries is few: whoever looks asks again, and wants to know what was wrong.
const cloudTries = 2

// A cloudWatch asks Amazon CloudWatch for metrics, and its alarms.
//
// A query covers the window, in whole periods that lie on the clock: a window that ends within a period ends at its
// begin, for a period that is not over has not all of its data. So an answer may be up to one period old.
type cloudWatch struct {
	calls   cloudCalls
	session *aws.Session
	clock   core.Clock
}

// cloudCalls are what is asked of CloudWatch. A program that reflects on types keeps every method of every type that it can
// reach; so no type here has the client in it, with all of its operations.
type cloudCalls struct {
	data    func(context.Context, *cloudwatch.GetMetricDataInput) (*cloudwatch.GetMetricDataOutput, error)
	alarms  func(context.Context, *cloudwatch.DescribeAlarmsInput) (*cloudwatch.DescribeAlarmsOutput, error)
	history func(context.Context, *cloudwatch.DescribeAlarmHistoryInput) (*cloudwatch.DescribeAlarmHistoryOutput, error)
}

func cloudCallsOf(session *aws.Session) cloudCalls {
	api := cloudwatch.NewFromConfig(session.Config)
	return cloudCalls{
		data: func(ctx context.Context, in *cloudwatch.GetMetricDataInput) (*cloudwatch.GetMetricDataOutput, error) {
			return api.GetMetricData(ctx, in)
		},
		alarms: func(ctx context.Context, in *cloudwatch.DescribeAlarmsInput) (*cloudwatch.DescribeAlarmsOutput, error) {
			return api.DescribeAlarms(ctx, in)
		},
		history: func(ctx context.Context, in *cloudwatch.DescribeAlarmHistoryInput) (*cloudwatch.DescribeAlarmHistoryOutput, error) {
			return api.DescribeAlarmHistory(ctx, in)
		},
	}
}

func newCloudWatch(o *CloudwatchOptions, env Env) (core.Source, error) {
	if o.Timeout < 0 {
		return nil, fmt.Errorf("timeout must not be below zero")
	}
	c := &cloudWatch{clock: env.Clock}
	look := env.Lookup
	if look == nil {
		look = func(string) string { return "" }
	}
	var err error
	c.session, err = aws.Open(context.Background(), o.Options, aws.Env{Lookup: look, Clock: env.Clock, Timeout: o.Timeout, Tries: cloudTries, Transport: func(t *http.Transport) {
		t.Proxy = env.Proxy
		if env.Dial != nil {
			t.DialContext = env.Dial
		}
	}})
	if err != nil {
		return nil, err
	}
	c.calls = cloudCallsOf(c.session)
	return c, nil
}

// Close closes the connections that are kept for the next question.
func (c *cloudWatch) Close() error { return c.session.Close() }

// Window returns the shortest window that makes sense: most metrics have a point a minute.
func (*cloudWatch) Window() time.Duration { return 4 * time.Minute }

// Spans says that an answer always covers the window.
func (*cloudWatch) Spans() bool { return true }

// Fill implements [core.Source].
func (*cloudWatch) Fill(query string, v core.Variables) (string, error) {
	return fillCloudWatch(query, v)
}

// refused says what CloudWatch did not do. The end of ctx stays what it is.
func (c *cloudWatch) refused(ctx context.Context, do, action string, err error) error {
	if ctx.Err() != nil {
		return &failure{text: "CloudWatch: no answer yet when we stopped waiting", cause: ctx.Err()}
	}
	return fmt.Errorf("CloudWatch in %s: %w", c.session.Config.Region, aws.Refused(do, action+` on "*"`, err))
}

// fail says that CloudWatch could not be asked. permanent: asking again is of no use.
func (c *cloudWatch) fail(permanent bool, format string, args ...any) error {
	return &failure{text: "CloudWatch in " + c.session.Config.Region + ": " + fmt.Sprintf(format, args...), permanent: permanent}
}
