package codebuild

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/codecommit"
)

const (
	// repositoryVariable is a variable that names the repository, or its URL, where CodeBuild does not: in a build that a
	// pipeline has given an artifact.
	repositoryVariable = "BREAKWATER_CODECOMMIT"
	// roleVariable is the ARN of a role to be in CodeCommit. Its sessions all have one name; those of a build have one each.
	roleVariable = "BREAKWATER_CODECOMMIT_ROLE"
	// branchVariable is the branch that changes are to enter.
	branchVariable = "BREAKWATER_CODECOMMIT_BRANCH"
	// ruleVariable is the approval rule that the gate answers.
	ruleVariable = "BREAKWATER_CODECOMMIT_RULE"
)

// repository is the one in CodeCommit that is built; the zero value if it is elsewhere.
func (e environment) repository() (codecommit.Remote, error) {
	if named := e.Get(repositoryVariable); named != "" {
		if r, ok := codecommit.ParseURL(named); ok {
			return r, nil
		}
		if !codecommit.IsRepository(named) {
			return codecommit.Remote{}, fmt.Errorf("%s is %q: it must be the name of a repository in CodeCommit, or its URL for git over HTTPS", repositoryVariable, named)
		}
		arn, err := e.arn()
		return codecommit.Remote{Region: arn.region, Repository: named}, err
	}
	r, _ := codecommit.ParseURL(e.Get("CODEBUILD_SOURCE_REPO_URL"))
	return r, nil
}

// OnSource is the build with all that its source lets it do: one in CodeCommit takes comments and approvals.
func (f *Forge) OnSource() core.Forge {
	if f.from.Repository == "" {
		return f
	}
	return &source{Forge: f, said: make(map[string]saying), parents: make(map[string]string), pulls: make(map[string]codecommit.Pull)}
}

// A source is a build whose source is in CodeCommit. It is safe for concurrent use.
type source struct {
	*Forge

	mu      sync.Mutex
	client  *codecommit.Client
	said    map[string]saying          // by where, and its first words
	parents map[string]string          // of commits
	pulls   map[string]codecommit.Pull // by the names of changes

	ruled sync.Once // that the approval rule does nothing was said
}

var _ core.Counted = (*source)(nil)

// api is the way to CodeCommit. It asks nobody yet.
func (s *source) api(ctx context.Context) (*codecommit.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		client, err := codecommit.Open(ctx, aws.Options{Region: s.from.Region, Role: s.env.Get(roleVariable)}, aws.Env{Lookup: s.env.Get, Clock: s.clock})
		if err != nil && s.env.Get(roleVariable) != "" {
			err = fmt.Errorf("%w; the role is that of %s", err, roleVariable)
		}
		if err != nil {
			return nil, err
		}
		s.client = client
	}
	return s.client, nil
}

// Requests implements [core.Counted].
func (s *source) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return 0
	}
	return s.client.Requests()
}

// branch is the one that changes are to enter.
func (s *source) branch() (string, error) {
	named := cmp.Or(s.env.Get(branchVariable), s.env.Get("CODEBUILD_SOURCE_VERSION"))
	branch := strings.TrimPrefix(named, "refs/heads/")
	if branch == "" || codecommit.IsCommit(branch) || strings.HasPrefix(branch, "refs/") || strings.HasPrefix(branch, "arn:") {
		return "", fmt.Errorf("CodeBuild says no branch that changes are to enter (CODEBUILD_SOURCE_VERSION is %q): set %s to its name", s.env.Get("CODEBUILD_SOURCE_VERSION"), branchVariable)
	}
	return branch, nil
}

// request tells this build from others: what it says twice CodeCommit takes once.
func (s *source) request() string { return s.job.Actor.Run + "/" + strconv.Itoa(s.job.Actor.Attempt) }
