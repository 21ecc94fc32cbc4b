// Package door shuts and opens places of other systems by which changes enter a line, as the line's gate says: one file per
// system, and one table.
package door

import (
	"context"
	"fmt"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
)

// kinds are the schemes of the URLs of doors. What follows the colon is the opener's.
var kinds = []struct {
	scheme string
	open   func(ctx context.Context, place string, line core.Line, env aws.Env) (core.Door, error)
}{
	{"codepipeline", openStage},
}

// Open returns the door of a line at a URL:
//
//	codepipeline://PIPELINE/STAGE  the way into a stage of a pipeline of CodePipeline, with options as in a URL: ?region=eu-west-1
//
// It asks nobody yet.
func Open(ctx context.Context, url string, line core.Line, env aws.Env) (core.Door, error) {
	scheme, place, _ := strings.Cut(url, ":")
	var known []string
	for _, kind := range kinds {
		if kind.scheme == scheme {
			d, err := kind.open(ctx, place, line, env)
			if err != nil {
				return nil, fmt.Errorf("door %q: %w", url, err)
			}
			return d, nil
		}
		known = append(known, kind.scheme+":")
	}
	return nil, fmt.Errorf("door %q is of no known kind; write one of %s", url, strings.Join(known, ", "))
}
