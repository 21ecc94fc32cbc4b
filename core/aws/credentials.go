package aws

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// known are credentials whose absence can be told from a service that does not answer.
type known struct {
	sdk.CredentialsProvider
	hint string // what to do where there are none
}

// Retrieve implements [sdk.CredentialsProvider].
func (k known) Retrieve(ctx context.Context) (sdk.Credentials, error) {
	found, err := k.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return found, &noCredentials{err: err, hint: k.hint}
	}
	return found, nil
}

// A noCredentials says that there are none, or that a role was not given to us.
type noCredentials struct {
	err  error
	role bool // there are some, and a role was asked for
	hint string
}

func (n *noCredentials) Error() string { return n.err.Error() }
func (n *noCredentials) Unwrap() error { return n.err }

// RetryableError tells the SDK that whoever was asked for them was asked often enough.
func (n *noCredentials) RetryableError() bool { return false }

// sessionName is what a trail of the account shows beside the role.
const sessionName = "breakwater"

// roleCredentials take a role with the credentials of cfg, and take it again shortly before they end, so that a bake may
// be longer than a session.
func roleCredentials(cfg sdk.Config, role string) sdk.CredentialsProvider {
	take := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), role, func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = sessionName })
	return sdk.NewCredentialsCache(assumed{take, role}, func(o *sdk.CredentialsCacheOptions) { o.ExpiryWindow = patience })
}

// assumed are the credentials of a role.
type assumed struct {
	sdk.CredentialsProvider
	role string
}

// Retrieve implements [sdk.CredentialsProvider].
func (a assumed) Retrieve(ctx context.Context) (sdk.Credentials, error) {
	found, err := a.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return found, &noCredentials{err: Refused("give us the role "+a.role, "sts:AssumeRole on it, and its trust policy must name us", err), role: true}
	}
	return found, nil
}
