package ledger

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	gitPatience = 2 * time.Minute // for one git command
	gitGrace    = 2 * time.Second // between asking it to stop and killing it
)

// A gitError is a git command that failed.
type gitError struct {
	did   string // the command
	said  string // what git said, without secrets
	final bool   // trying again cannot help
	err   error  // how the process ended
}

func (e *gitError) Error() string { return fmt.Sprintf("git %s: %s", e.did, e.said) }
func (e *gitError) Unwrap() error { return e.err }

// ask runs a git command that asks the remote.
func (r *remote) ask(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	return r.askWith(ctx, nil, stdin, args...)
}

// askWith does so with more settings.
func (r *remote) askWith(ctx context.Context, more []setting, stdin []byte, args ...string) ([]byte, error) {
	environ, err := r.login.environ(ctx, r.reach)
	if err != nil {
		return nil, err
	}
	return r.run(ctx, configure(environ, more), stdin, args)
}

// local runs a git command on the private repository only.
func (r *remote) local(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	return r.run(ctx, r.stay, stdin, args)
}

func (r *remote) run(ctx context.Context, environ []string, stdin []byte, args []string) ([]byte, error) {
	if err := r.ready(); err != nil {
		return nil, err
	}
	return run(ctx, r.dir, append(slices.Clip(environ), "GIT_DIR="+r.repo), stdin, args...)
}

// run runs git and returns what it printed. When ctx ends, git and whatever it started are asked to stop, so that they
// leave no lock behind on a remote that is a folder, and then killed.
func run(ctx context.Context, dir string, environ []string, stdin []byte, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, gitPatience, fmt.Errorf("no answer within %s", gitPatience))
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env = dir, environ
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = gitGrace
	err := cmd.Run()
	if err == nil {
		return out.Bytes(), nil
	}
	if ctx.Err() != nil {
		if cmd.Process != nil {
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // nobody is left, as a rule
		}
		err = context.Cause(ctx)
	}
	said := essence(errs.String())
	return out.Bytes(), &gitError{
		did:   args[0],
		said:  cmp.Or(said, err.Error()),
		final: slices.ContainsFunc(denials, func(d string) bool { return strings.Contains(said, d) }),
		err:   err,
	}
}

// denials are what git says when the remote answered, and the answer was no.
var denials = []string{
	"Authentication failed", "could not read Username", "could not read Password", "Host key verification failed",
	"Permission denied (publickey", "Permission to ", "returned error: 401", "returned error: 403",
}

// essence returns what git said that matters, as one line.
func essence(stderr string) string {
	var kept []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		noise := slices.ContainsFunc(chatter, func(c string) bool { return strings.HasPrefix(line, c) })
		if line != "" && !noise {
			kept = append(kept, line)
		}
	}
	return hideSecrets(strings.Join(kept[max(0, len(kept)-3):], "; "))
}

var chatter = []string{
	"To ", "hint:", "warning:", "error: failed to push some refs", "Please make sure you have the correct access",
	"and the repository exists.", "fatal: Could not read from remote repository.",
}

var userinfo = regexp.MustCompile(`://[^/@\s]+@`)

// hideSecrets removes user names and passwords from the URLs in a text.
func hideSecrets(text string) string { return userinfo.ReplaceAllString(text, "://***@") }
