// Package deploy is the table of drivers: the ways to put a version on a target.
//
// A driver is one file and one line in [Drivers]. It passes the suite in package deploytest.
package deploy

import (
	"fmt"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// A Kind is one way to put a version on a target.
type Kind struct {
	Name    string // the key in the plan under which the options stand
	Options any    // a pointer to zero options: the type that the key is decoded into
	Open    func(options any, env Env) (core.Driver, error)
}

// Drivers holds every kind of driver, sorted by name.
var Drivers = []Kind{
	{Name: "aws-codebuild", Options: new(core.CodeBuild), Open: openCodeBuild},
	{Name: "aws-codedeploy", Options: new(core.CodeDeploy), Open: openCodeDeploy},
	{Name: "aws-codepipeline", Options: new(core.CodePipeline), Open: openCodePipeline},
	{Name: "aws-ecs", Options: new(core.ECS), Open: openECS},
	{Name: "aws-lambda", Options: new(core.Lambda), Open: openLambda},
	{Name: "github-workflow", Options: new(core.Workflow), Open: openWorkflow},
	{Name: "gitlab-job", Options: new(core.ManualJob), Open: openManual},
	{Name: "gitlab-pipeline", Options: new(core.Pipeline), Open: openPipeline},
	{Name: core.DriverJobs, Options: new(core.Jobs), Open: openLeft},
	{Name: "run", Options: new(core.Command), Open: openRun},
}

// Env is what drivers work with.
type Env struct {
	Shell   *shell.Runner
	Timeout time.Duration // longest time for one target; 0: none
	Clock   core.Clock
	Lookup  func(name string) string // of the environment

	// Waits is told that a driver's API asked for patience, and until when. It may be nil.
	Waits func(why string, until time.Time)
}

// Open returns the driver of that name. The options have the type that [Drivers] gives for it.
func Open(name string, options any, env Env) (core.Driver, error) {
	names := make([]string, len(Drivers))
	for i, kind := range Drivers {
		if kind.Name == name {
			return kind.Open(options, env)
		}
		names[i] = kind.Name
	}
	return nil, fmt.Errorf("the driver %q is unknown; known: %s", name, strings.Join(names, ", "))
}
