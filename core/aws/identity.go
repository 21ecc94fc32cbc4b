package aws

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	// idToken is a variable with a token of the job: one of id_tokens in GitLab, which lives as long as its job may.
	idToken = "BREAKWATER_ID_TOKEN"

	// GitHub makes a token, which lives for minutes, whenever a job asks at this URL and shows that other token.
	askURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	askToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
	askFor   = "permissions: {id-token: write}"

	// audience is whom a token is for, as it is known to AWS' identity providers.
	audience = "sts.amazonaws.com"

	tokenLimit = 64 << 10 // bytes of an answer
)

// others are variables that lead to credentials by themselves. Somebody has set them, so they go first.
var others = []string{"AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"}

// A vouching has a CI system vouch for its job: AWS gives a role to who shows its token.
type vouching struct {
	env  Env
	http *client
}

// possible reports whether the CI system vouches for the job, and nothing else says who we are.
func (v vouching) possible() bool {
	for _, name := range others {
		if v.env.Lookup(name) != "" {
			return false
		}
	}
	return v.env.Lookup(idToken) != "" || v.env.Lookup(askURL) != ""
}

// hint is what to do about credentials that are missing.
func (v vouching) hint() string {
	switch {
	case v.possible():
		return "say which role, in the plan or as AWS_ROLE_ARN"
	case v.env.Lookup("GITHUB_ACTIONS") == "true":
		return "give the job " + askFor + " and say which role, in the plan or as AWS_ROLE_ARN"
	case v.env.Lookup("GITLAB_CI") == "true":
		return "give the job " + idToken + " by id_tokens, with the audience " + audience + ", and say which role, in the plan or as AWS_ROLE_ARN"
	}
	return "give the job a role by OpenID Connect, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
}

// credentials take a role with a token, and take it again with a fresh one shortly before they end: the token that they were
// taken with is no good any more by then.
func (v vouching) credentials(cfg sdk.Config, role string) sdk.CredentialsProvider {
	cfg.Credentials = sdk.AnonymousCredentials{} // the token says enough
	return sdk.NewCredentialsCache(vouched{v, sts.NewFromConfig(cfg), role}, func(o *sdk.CredentialsCacheOptions) { o.ExpiryWindow = patience })
}

// vouched are the credentials of a role that is given for a token.
type vouched struct {
	vouching
	sts  *sts.Client
	role string
}

// Retrieve implements [sdk.CredentialsProvider].
func (v vouched) Retrieve(ctx context.Context) (sdk.Credentials, error) {
	token, err := v.token(ctx)
	if err != nil {
		return sdk.Credentials{}, &noCredentials{err: err, role: true}
	}
	take := stscreds.NewWebIdentityRoleProvider(v.sts, v.role, fresh(token), func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = sessionName })
	found, err := take.Retrieve(ctx)
	if err != nil {
		return found, &noCredentials{err: Refused("give us the role "+v.role, "sts:AssumeRoleWithWebIdentity in the role's trust policy, for this repository and the audience "+audience, err), role: true}
	}
	return found, nil
}

// fresh is a token that was just fetched.
type fresh string

// GetIdentityToken implements [stscreds.IdentityTokenRetriever].
func (f fresh) GetIdentityToken() ([]byte, error) { return []byte(f), nil }

// token is one that is valid now, as far as anybody can say.
func (v vouching) token(ctx context.Context) (string, error) {
	if token := v.env.Lookup(idToken); token != "" {
		return token, nil
	}
	pause := firstPause
	for try := 1; ; try++ {
		token, err := v.ask(ctx)
		if refused, ok := errors.AsType[*refusal](err); err == nil || try == cmp.Or(v.env.Tries, tries) || ok && refused.permanent || ctx.Err() != nil {
			return token, err
		}
		if err := v.env.Clock.Wait(ctx, v.env.Clock.Now().Add(pause)); err != nil {
			return "", err
		}
		pause *= 2
	}
}

// ask asks GitHub for a token once. What it answers is a secret, so no error shows any of it.
func (v vouching) ask(ctx context.Context) (string, error) {
	refused := func(err error, permanent bool, format string, a ...any) error {
		return &refusal{"GitHub gives the job no ID token: " + fmt.Sprintf(format, a...) + "; the job needs " + askFor, err, permanent}
	}
	at, err := url.Parse(v.env.Lookup(askURL))
	if err != nil || at.Host == "" {
		return "", refused(err, true, "%s is no URL", askURL)
	}
	shown := v.env.Lookup(askToken)
	if shown == "" {
		return "", refused(nil, true, "%s is not set", askToken)
	}
	query := at.Query()
	query.Set("audience", audience)
	at.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return "", refused(nil, true, "%s is no URL", askURL)
	}
	req.Header.Set("Authorization", "Bearer "+shown)
	req.Header.Set("Accept", "application/json")
	answer, err := v.http.Do(req)
	if err != nil {
		return "", refused(err, false, "it cannot be asked: %v", reason(err))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		again := answer.StatusCode/100 == 5 || answer.StatusCode == http.StatusTooManyRequests
		return "", refused(nil, !again, "it answers %d", answer.StatusCode)
	}
	var said struct{ Value string }
	text, err := io.ReadAll(io.LimitReader(answer.Body, tokenLimit))
	if err != nil || json.Unmarshal(text, &said) != nil || strings.TrimSpace(said.Value) == "" {
		return "", refused(err, false, "there is none in its answer")
	}
	return said.Value, nil
}
