package command

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/report"
)

// childFlags say what a child pipeline is to be like.
type childFlags struct {
	Environment string `help:"With --format gitlab, the environment that the jobs deploy to. Default: the plan's." placeholder:"NAME"`
	Image       string `help:"With --format gitlab, the image of the jobs. Default: that of their runner." placeholder:"NAME"`
	Include     string `help:"With --format gitlab, a file of the repository that the child pipeline includes, for what its jobs have in common: default: {tags: ...}." placeholder:"FILE"`
}

var (
	// environmentName is what GitLab takes for one.
	environmentName = regexp.MustCompile(`^[A-Za-z0-9_${}.-]([A-Za-z0-9 _/${}.-]{0,253}[A-Za-z0-9_${}.-])?$`)
	// includedFile is a path in the repository.
	includedFile = regexp.MustCompile(`^[A-Za-z0-9_./-]+\.ya?ml$`)
	// handedDown is a variable that the jobs of a child pipeline get as BREAKWATER_*. They do not get them from the job that
	// starts it: there they would count as variables that somebody set by hand, which a project may forbid.
	handedDown = regexp.MustCompile(`^BREAKWATER_CHILD_([A-Z0-9_]+)$`)
)

// child writes the child pipeline of a plan, if there can be one.
func (c *planCmd) child(s *ship, w io.Writer, l *loaded, waves []core.StartWave) error {
	environment := cmp.Or(c.Environment, l.Plan.Environment)
	switch {
	case l.DeployedByJobs():
		return usage{fmt.Errorf("%s: a child pipeline deploys a wave in one job of its own, by a driver, and deploy.jobs leaves that to jobs of yours", l.file)}
	case strings.Contains(l.again, "://***@"):
		return usage{fmt.Errorf("%s: the jobs of a child pipeline would read their plan there too, and cannot be told the login that is in the URL; let git find it", l.file)}
	case !environmentName.MatchString(environment):
		return usage{fmt.Errorf("%q is no name of an environment: letters, digits, spaces and -_/.${} may be in it", environment)}
	case c.Include != "" && !includedFile.MatchString(c.Include):
		return usage{fmt.Errorf("--include %q is no file of the repository whose name ends in .yml", c.Include)}
	}
	for name, spec := range l.Sources {
		if metric.Kinds[spec.Type].Watches {
			return usage{fmt.Errorf("%s: source %s knows only what it saw itself, and no job looks between those of a child pipeline: "+
				"use another type of source, or one job for the whole rollout", l.file, name)}
		}
	}
	return report.GitLab(w, report.Child{
		Plan: l.Plan, File: l.again, Waves: waves, Environment: environment, Include: c.Include, Image: c.Image, Variables: s.handedDown(),
	})
}

func (s *ship) handedDown() map[string]string {
	variables := make(map[string]string)
	for name, value := range s.environ {
		if m := handedDown.FindStringSubmatch(name); m != nil && value != "" {
			variables["BREAKWATER_"+m[1]] = value
		}
	}
	return variables
}
