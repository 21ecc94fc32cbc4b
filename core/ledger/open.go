package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Env is what a ledger takes from the process it runs in.
type Env struct {
	Dir     string   // folder that relative paths start from, and whose git repository names the remotes
	Environ []string // environment of the commands that a ledger runs, as os.Environ gives it
	Clock   core.Clock

	// Waits is told that a ledger asked for patience, and until when. It may be nil.
	Waits func(why string, until time.Time)
}

// store is what every kind of ledger can do.
type store interface {
	core.Ledger
	core.Historian
	core.Lot
}

// kinds are the schemes of ledger URLs. What follows the colon is the opener's.
var kinds = []struct {
	scheme string
	alone  bool // the scheme alone says enough
	open   func(ctx context.Context, place string, env Env) (store, error)
}{
	{scheme: "file", open: openFile},
	{scheme: "git", alone: true, open: openGit},
	{scheme: "github", alone: true, open: openGitHub},
	{scheme: "gitlab", alone: true, open: openGitLab},
	{scheme: "s3", open: openS3},
}

// Open returns the ledger at a URL:
//
//	file:DIR    a folder, relative to env.Dir
//	git:REMOTE  the name of a remote of the repository that env.Dir is in, or a URL or path that git understands; in a
//	            GitLab job, git: alone is the job's own repository
//	github:     the job's repository on GitHub, through the API; another one is github:OWNER/NAME
//	gitlab:     the job's project on GitLab, through the API; another one is gitlab:GROUP/NAME
//	s3:         //BUCKET/PREFIX on S3, with options as in a URL: ?region=eu-west-1
//
// The ledger can be used by several goroutines. It also implements [core.Historian], [core.Lot], and [io.Closer]: Close removes
// what it keeps on this machine while it works.
func Open(ctx context.Context, url string, env Env) (core.Ledger, error) {
	if url == "" {
		return nil, errors.New("which ledger? Set --ledger or BREAKWATER_LEDGER, for example to s3://BUCKET/PREFIX; where this job runs there is none of its own")
	}
	scheme, place, _ := strings.Cut(url, ":")
	var known []string
	for _, kind := range kinds {
		if kind.scheme != scheme {
			known = append(known, kind.scheme+":")
			continue
		}
		if place == "" && !kind.alone {
			return nil, fmt.Errorf("ledger %q says no place; write %s:PLACE", url, scheme)
		}
		s, err := kind.open(ctx, place, env)
		if err != nil {
			return nil, fmt.Errorf("ledger %q: %w", hideSecrets(url), err)
		}
		return newGuard(hideSecrets(url), s), nil
	}
	return nil, fmt.Errorf("ledger %q is of no known kind; write one of %s", hideSecrets(url), strings.Join(known, ", "))
}
