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
	Environment string `help:"Of a child pipeline of GitLab, the environment that the jobs deploy to. Default: the plan's." placeholder:"NAME"`
	Image       string `help:"Of a child pipeline of GitLab, the image of the jobs. Default: that of their runner." placeholder:"NAME"`
	Include     string `help:"Of a child pipeline of GitLab, a file of the repository that it includes, for what its jobs have in common: default: {tags: ...}; and for the job that deploys, if jobs do." placeholder:"FILE"`
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
	child, err := c.pipeline(s, l)
	if err != nil {
		return err
	}
	child.Waves = waves
	for name, spec := range l.Sources {
		if metric.Kinds[spec.Type].Watches {
			return usage{fmt.Errorf("%s: source %s knows only what it saw itself, and no job looks between those of a child pipeline: "+
				"use another type of source, or one job for the whole rollout", l.file, name)}
		}
	}
	return report.GitLab(w, child)
}

// pipeline is what the child pipelines of a plan have in common, but for the waves.
func (c *childFlags) pipeline(s *ship, l *loaded) (report.Child, error) {
	child := report.Child{Plan: l.Plan, File: l.again, Environment: cmp.Or(c.Environment, l.Plan.Environment),
		Include: c.Include, Image: c.Image, Variables: s.handedDown()}
	switch {
	case strings.Contains(l.again, "://***@"):
		return child, usage{fmt.Errorf("%s: the jobs of a child pipeline would read their plan there too, and cannot be told the login that is in the URL; let git find it", l.file)}
	case !environmentName.MatchString(child.Environment):
		return child, usage{fmt.Errorf("%q is no name of an environment: letters, digits, spaces and -_/.${} may be in it", child.Environment)}
	case c.Include != "" && !includedFile.MatchString(c.Include):
		return child, usage{fmt.Errorf("--include %q is no file of the repository whose name ends in .yml", c.Include)}
	}
	named, ok := l.Deploy.Options.(*core.Jobs)
	if !ok {
		return child, nil
	}
	_, forth := report.BaseOfJobs(named.Deploy)
	_, back := report.BaseOfJobs(named.Rollback)
	if err := cmp.Or(forth, back); err != nil {
		return child, usage{fmt.Errorf("%s: %w", l.file, err)}
	}
	if c.Include == "" {
		return child, usage{fmt.Errorf(`%s leaves the deploys to jobs, and nothing says what those of the child pipeline do. Name a file of the repository with --include in which there is

    %s:
      script:
        - ./deploy.sh # puts $BREAKWATER_VERSION on $BREAKWATER_TARGET, in either direction`, l.file, report.GitLabDeploy)}
	}
	return child, nil
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
