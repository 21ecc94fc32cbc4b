package command

import (
	"errors"
	"net/url"

	"github.com/breakwater-ci/breakwater/core"
)

// showFlags say where a rollout is shown beside the status of its commit, in CI systems that have such places.
type showFlags struct {
	CheckRun       bool   `help:"Also show the report as a check run on the commit, with notes on the plan."`
	Deployments    bool   `help:"Also enter each wave in the CI system's register of deployments; where the ledger knows no previous version, take it from there."`
	EnvironmentURL webURL `name:"environment-url" help:"Where people find what was deployed, for the register of deployments." placeholder:"URL"`
}

// A webURL is a URL that people can open. It may be shown anywhere, so it carries no password.
type webURL string

// Validate is called by the parser.
func (u webURL) Validate() error {
	if u == "" {
		return nil
	}
	if at, err := url.Parse(string(u)); err != nil || at.Scheme != "https" || at.Host == "" || at.User != nil {
		return errors.New("it must be an https URL without a name and a password")
	}
	return nil
}

// A standing is where a rollout stands at one moment.
type standing struct {
	commit string
	*core.Rollout
}

// is reports whether two standings are of the same moment.
func (s standing) is(other standing) bool {
	return s.Rollout != nil && other.Rollout != nil && s.commit == other.commit && s.ID == other.ID && s.Seq == other.Seq
}
