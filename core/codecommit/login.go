package codecommit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/breakwater-ci/breakwater/core/aws"
)

// A Login is how git is let into a repository over HTTPS by whoever asks AWS, without credentials of its own.
type Login struct {
	remote  Remote
	session *aws.Session
}

// Login finds out who we are. An error says that there are no credentials.
func (r Remote) Login(ctx context.Context, env aws.Env) (*Login, error) {
	session, err := aws.Open(ctx, aws.Options{Region: r.Region}, env)
	if err != nil {
		return nil, err
	}
	l := &Login{r, session}
	if _, _, err := l.At(ctx, time.Time{}); err != nil {
		session.Close() // of idle connections; it does not fail
		return nil, err
	}
	return l, nil
}

// At is a user name and a password that are good for some minutes from an instant. Both are secret.
func (l *Login) At(ctx context.Context, at time.Time) (user, password string, err error) {
	found, err := l.session.Config.Credentials.Retrieve(ctx)
	if err != nil {
		return "", "", aws.Refused("let git in", "codecommit:GitPull and codecommit:GitPush on the repository "+l.remote.Repository, err)
	}
	user, password = sign(l.remote, found, at)
	return user, password, nil
}

// Close closes the connections that are kept.
func (l *Login) Close() error { return l.session.Close() }

// sign is AWS' signature, version 4, of a request by the method GIT, which there is none of: it lets any of git's requests in. The
// time has no zone where it is signed, and one where it is sent.
func sign(r Remote, by sdk.Credentials, at time.Time) (user, password string) {
	day, stamp := at.UTC().Format("20060102"), at.UTC().Format("20060102T150405")
	scope := day + "/" + r.Region + "/codecommit/aws4_request"
	request := sha256.Sum256([]byte("GIT\n/v1/repos/" + r.Repository + "\n\nhost:" + r.Host + "\n\nhost\n"))
	key := []byte("AWS4" + by.SecretAccessKey)
	for _, part := range []string{day, r.Region, "codecommit", "aws4_request"} {
		key = mac(key, part)
	}
	signature := mac(key, fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%x", stamp, scope, request))
	user = by.AccessKeyID
	if by.SessionToken != "" {
		user += "%" + by.SessionToken
	}
	return user, stamp + "Z" + hex.EncodeToString(signature)
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text)) // it never fails
	return h.Sum(nil)
}
