package aws

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// Code is what AWS calls an error; empty if AWS did not answer.
func Code(err error) string {
	if said, ok := errors.AsType[smithy.APIError](err); ok {
		return said.ErrorCode()
	}
	return ""
}

// Status is the status code of an answer that was an error; 0 if there was no answer.
func Status(err error) int {
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return answer.HTTPStatusCode()
	}
	return 0
}

// Denied reports whether AWS has refused a request because IAM does not permit it.
func Denied(err error) bool {
	code := Code(err)
	return denied[code] || Status(err) == http.StatusForbidden && !stale[code]
}

// Refused says of a failed request what it was to do and, where AWS did not let us do it, which action of IAM permits it:
// for example "s3:GetObject on arn:aws:s3:::bucket/*". Asking again is of no use where its error has a method Permanent()
// bool that returns true.
func Refused(do, action string, err error) error {
	if none, ok := errors.AsType[*noCredentials](err); ok {
		return noneFor(do, none)
	}
	said, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fmt.Errorf("AWS could not be asked to %s: %w", do, reason(err))
	}
	code := said.ErrorCode()
	text := fmt.Sprintf("AWS does not %s: %s", do, clip(said.ErrorMessage(), code))
	switch {
	case stale[code]:
		return &refusal{text + "; the credentials are wrong or have expired, or this machine's clock is", err, true}
	case Denied(err):
		return &refusal{text + "; allow " + action, err, true}
	default:
		again := retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err).Bool()
		return &refusal{text, err, !again && Status(err)/100 == 4}
	}
}

// noneFor says why there are no credentials to do something.
func noneFor(do string, none *noCredentials) error {
	text := fmt.Sprintf("AWS cannot be asked to %s: ", do)
	if none.role {
		said, ok := errors.AsType[*refusal](none.err)
		return &refusal{text + none.err.Error(), none, ok && said.permanent}
	}
	return &refusal{text + fmt.Sprintf("there are no credentials: %s; %s", reason(none.err), none.hint), none, false}
}

// denied are the names that services give to what IAM did not permit.
var denied = map[string]bool{"AccessDenied": true, "AccessDeniedException": true, "UnauthorizedOperation": true, "AuthorizationError": true, "Forbidden": true}

// stale are the names that services give to credentials that are none.
var stale = map[string]bool{"ExpiredToken": true, "ExpiredTokenException": true, "InvalidAccessKeyId": true, "InvalidClientTokenId": true,
	"InvalidToken": true, "MissingAuthenticationToken": true, "RequestExpired": true, "RequestTimeTooSkewed": true, "SignatureDoesNotMatch": true,
	"UnrecognizedClientException": true, "InvalidSignatureException": true}

// reason is the innermost error that says something: the SDK wraps it in the names of its own parts.
func reason(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	if wrapped, ok := errors.AsType[*smithy.OperationError](err); ok {
		return wrapped.Err
	}
	return err
}

// clip is what AWS said, short and on one line, and how it calls that.
func clip(message, code string) string {
	message = strings.Join(strings.Fields(message), " ")
	if most := 300; len(message) > most {
		message = strings.ToValidUTF8(message[:most], "") + "..."
	}
	if message == "" {
		return code
	}
	return fmt.Sprintf("%s (%s)", message, code)
}

// A refusal says in our words what AWS said in its own.
type refusal struct {
	text      string
	err       error
	permanent bool
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.err }

// Permanent reports whether asking again is of no use.
func (r *refusal) Permanent() bool { return r.permanent }
