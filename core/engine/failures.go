package engine

import (
	"fmt"
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/breakwater-ci/breakwater/core"
)

// Failures collects what went wrong on the targets of a rollout, in the order in which they were to be touched; nil if
// nothing did. A rollback goes on past its failures, so this is where all of them are together.
func Failures(r *core.Rollout) error {
	var all *multierror.Error
	for _, w := range r.Waves {
		for _, t := range w.Targets {
			if t.Error != "" {
				all = multierror.Append(all, fmt.Errorf("%s (wave %s) is %s: %s", t.Name, w.Name, t.State, t.Error))
			}
		}
	}
	if all == nil {
		return nil
	}
	all.ErrorFormat = func(errs []error) string {
		lines := make([]string, len(errs))
		for i, err := range errs {
			lines[i] = err.Error()
		}
		return strings.Join(lines, "\n")
	}
	return all
}
