package check

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

const untilTimeout = 30 * time.Second // longest time for one answer, as for a check

// until counts the traffic that a bake has seen.
type until struct {
	spec   core.Until
	source source
	scope  core.Asked
}

// count adds up the values of the query over the whole bake so far. What is unknown is not enough.
func (u *until) count(ctx context.Context, at time.Time) (enough bool, seen string) {
	window := at.Sub(u.scope.Since)
	if window <= 0 {
		return false, "nothing yet, the bake has just begun"
	}
	_, samples, err := u.source.put(ctx, u.spec.Query, u.scope.Variables(at, window))
	if err != nil {
		return false, err.Error()
	}
	sum, known := 0.0, false
	for _, s := range samples {
		if !math.IsNaN(s.Value) {
			sum += s.Value
			known = true
		}
	}
	switch {
	case !known:
		return false, noData(samples)
	case math.IsInf(sum, 0), math.IsNaN(sum):
		return false, fmt.Sprintf("the values add up to %v, which is no count", sum)
	}
	have, want := numbers(sum, u.spec.AtLeast)
	return sum >= u.spec.AtLeast, have + " of " + want
}
