package ledger

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
)

// A bucket is the way to the objects of one bucket whose keys begin with a prefix.
type bucket struct {
	api        *s3.Client
	session    *aws.Session
	clock      core.Clock
	name       string
	prefix     string  // empty, or with a slash at its end
	owner      *string // account that the bucket must belong to; nil: any. S3 checks it in every request
	encryption types.ServerSideEncryption
	kmsKey     *string
}

var (
	bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixForm = regexp.MustCompile(`^[\w!.*'()-]+(/[\w!.*'()-]+)*$`)
)

// openBucket reads what follows s3: in the URL of a ledger.
func openBucket(ctx context.Context, place string, env Env) (bucket, error) {
	where, query, _ := strings.Cut(place, "?")
	name, prefix, _ := strings.Cut(strings.TrimPrefix(where, "//"), "/")
	prefix = strings.Trim(prefix, "/")
	who, asked, err := aws.FromQuery(query, "key", "sse")
	switch {
	case err != nil:
		return bucket{}, err
	case !strings.HasPrefix(where, "//") || !bucketForm.MatchString(name):
		return bucket{}, fmt.Errorf("%q is no bucket; write s3://BUCKET/PREFIX", name)
	case prefix != "" && !prefixForm.MatchString(prefix):
		return bucket{}, fmt.Errorf("%q cannot begin the keys of a ledger; use letters, digits, dash, underscore and dots, with slashes between", prefix)
	}
	b := bucket{name: name, clock: env.Clock, encryption: types.ServerSideEncryption(asked.Get("sse"))}
	if prefix != "" {
		b.prefix = prefix + "/"
	}
	if b.encryption != "" && !slices.Contains(b.encryption.Values(), b.encryption) {
		return bucket{}, fmt.Errorf("sse is %q; known: AES256, aws:kms, aws:kms:dsse", b.encryption)
	}
	if key := asked.Get("key"); key != "" {
		if !strings.HasPrefix(string(b.encryption), "aws:kms") {
			return bucket{}, errors.New("key goes with sse=aws:kms")
		}
		b.kmsKey = &key
	}
	if who.Account != "" {
		b.owner = &who.Account
	}
	b.session, err = aws.Open(ctx, who, aws.Env{Lookup: func(name string) string { return lookup(env.Environ, name) }, Clock: env.Clock, Waits: env.Waits})
	if err != nil {
		return bucket{}, err
	}
	b.api = s3.NewFromConfig(b.session.Config, func(o *s3.Options) {
		// What is not AWS seldom has a host name for each bucket.
		o.UsePathStyle = b.session.Elsewhere() || lookup(env.Environ, "AWS_ENDPOINT_URL_S3") != ""
	})
	return b, nil
}

// list gives the first keys with a prefix, in order, at most that many. A token goes on after an earlier list; an empty
// one comes back where nothing is left.
func (b bucket) list(ctx context.Context, prefix string, most int32, token string) (keys []string, next string, err error) {
	in := &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix, MaxKeys: &most, ExpectedBucketOwner: b.owner}
	if token != "" {
		in.ContinuationToken = &token
	}
	out, err := b.api.ListObjectsV2(ctx, in)
	if err != nil {
		return nil, "", b.refused(ctx, "list "+b.show(prefix), "s3:ListBucket on arn:aws:s3:::"+b.name, err)
	}
	for _, o := range out.Contents {
		keys = append(keys, sdk.ToString(o.Key))
	}
	if sdk.ToBool(out.IsTruncated) {
		next = sdk.ToString(out.NextContinuationToken)
	}
	return keys, next, nil
}

// show names an object for people.
func (b bucket) show(key string) string { return "s3://" + b.name + "/" + key }

// allow is what permits an action on the objects of the ledger.
func (b bucket) allow(action string) string {
	return action + " on arn:aws:s3:::" + b.name + "/" + b.prefix + "*"
}

// refused says what S3 did not do. The end of ctx stays what it is.
func (b bucket) refused(ctx context.Context, do, action string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("S3 was asked to %s: %w", do, ctx.Err())
	}
	hint := ""
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok && answer.Response != nil && answer.HTTPStatusCode() == 301 {
		hint = "; the bucket is in another region: add ?region=" + answer.Response.Header.Get("X-Amz-Bucket-Region") + " to the URL of the ledger"
	}
	if b.owner != nil && aws.Status(err) == 403 {
		hint = "; the bucket must belong to account " + *b.owner
	}
	return fmt.Errorf("the ledger: %w%s", aws.Refused(do, action, err), hint)
}
