package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

func noDeployTimeout(s Subject) []fault {
	if s.Places.Given(&s.Plan.Deploy.Timeout) {
		return nil
	}
	return []fault{{what: "The deploy has no timeout of its own.", at: []any{&s.Plan.Deploy}}}
}

// noProof lets drivers pass that do not take a service at its word: they look at what it runs once a deploy is over.
func noProof(s Subject) []fault {
	if s.Plan.Current != nil {
		return nil
	}
	switch s.Plan.Deploy.Options.(type) {
	case *core.CodeDeploy, *core.ECS, *core.Lambda:
		return nil
	}
	return []fault{{what: "There is no current: nothing asks a target which version it runs."}}
}

// moving are names of versions, and tags of images, that somebody points at another build. A branch is one as well.
var moving = []string{
	"canary", "current", "dev", "develop", "development", "edge", "head", "latest", "main", "master", "newest", "next", "nightly",
	"prod", "production", "release", "stable", "staging", "test", "trunk",
}

// branches are how the names of branches begin where teams have agreed on something.
var branches = []string{"bugfix/", "feat/", "feature/", "fix/", "hotfix/", "refs/heads/", "release/", "releases/"}

func findMutableVersion(s Subject) []fault {
	if !moves(s.Version) {
		return nil
	}
	return []fault{{what: fmt.Sprintf("The version %q is a name that moves.", s.Version), about: s.Version, at: []any{&s.Plan.Deploy}}}
}

// moves reports whether a version is the name of a branch or of a tag that moves. A digest fixes whatever stands before
// it.
func moves(version string) bool {
	version = strings.ToLower(version)
	if strings.Contains(version, "@sha256:") {
		return false
	}
	for _, prefix := range branches {
		if strings.HasPrefix(version, prefix) {
			return true
		}
	}
	_, tag, tagged := strings.Cut(version[strings.LastIndexByte(version, '/')+1:], ":")
	return slices.Contains(moving, version) || tagged && slices.Contains(moving, tag)
}
