package ledger

import (
	"context"
	"slices"

	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/codecommit"
)

const (
	// loginUser and loginPassword are variables of a git command that asks CodeCommit, and of nothing else.
	loginUser     = "BREAKWATER_GIT_USER"
	loginPassword = "BREAKWATER_GIT_PASSWORD"

	// helper is a credential helper that answers with them. It is a few words for a shell, so it needs no program of AWS', and
	// no secret is on a command line or in a file.
	helper = `!f() { if [ "$1" = get ]; then printf 'username=%s\npassword=%s\n' "$` + loginUser + `" "$` + loginPassword + `"; fi; }; f`
)

// A login is how a remote in CodeCommit is reached: as whoever asks AWS, by a password of a few minutes.
type login struct {
	*codecommit.Login
	env  Env
	host string
}

// findLogin is the login for a remote; nil where it is not in CodeCommit, or where nobody has credentials of AWS: git may still
// have some of its own.
func findLogin(ctx context.Context, pass []setting, env Env) *login {
	at := slices.IndexFunc(pass, func(s setting) bool { return s.key == "remote."+alias+".url" })
	if at < 0 {
		return nil
	}
	there, ok := codecommit.ParseURL(pass[at].value)
	if !ok {
		return nil
	}
	found, err := there.Login(ctx, aws.Env{Lookup: func(name string) string { return lookup(env.Environ, name) }, Clock: env.Clock, Waits: env.Waits})
	if err != nil {
		return nil
	}
	return &login{found, env, there.URL}
}

// environ adds the login of this instant to an environment. No other helper is asked: it could keep what is good for minutes.
func (l *login) environ(ctx context.Context, environ []string) ([]string, error) {
	if l == nil {
		return environ, nil
	}
	user, password, err := l.At(ctx, l.env.Clock.Now())
	if err != nil {
		return nil, err
	}
	key := "credential." + l.host + ".helper"
	environ = append(slices.Clip(environ), loginUser+"="+user, loginPassword+"="+password)
	return configure(environ, []setting{{key, ""}, {key, helper}}), nil
}

func (l *login) close() error {
	if l == nil {
		return nil
	}
	return l.Close()
}
