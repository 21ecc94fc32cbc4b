package deploy

import (
	"context"
	"errors"

	"github.com/breakwater-ci/breakwater/core"
)

// left is the driver of a plan that leaves the acts to jobs of the CI run. The engine hands them over and never calls it.
type left struct{}

func openLeft(any, Env) (core.Driver, error) { return left{}, nil }

// Deploy refuses: nobody here knows how to deploy.
func (left) Deploy(context.Context, core.Act) (string, error) {
	return "", errors.New("the plan leaves this to jobs of the CI run")
}
