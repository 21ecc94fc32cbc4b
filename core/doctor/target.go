package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	// mostPlaces is how many places are looked at: each takes some requests, and the first ones tell most.
	mostPlaces = 50
	// forPlace is the longest time for one of them.
	forPlace = time.Minute
)

// Targets has a driver look at what it is to do, once for each place. What it says more than once is said once.
func Targets(ctx context.Context, driver string, e core.Examiner, acts []core.Act) (found []core.Diagnosis) {
	firsts, err := onePerPlace(e, acts)
	if err != nil {
		found = append(found, core.Diagnosis{About: driver, Health: core.HealthProblem, What: fmt.Sprintf("It has targets that it cannot deploy to: %s.", strings.TrimSuffix(err.Error(), ".")),
			Do: "Mend the options of the driver in the plan, or the labels of the targets."})
	}
	if n := len(firsts); n > mostPlaces {
		firsts = firsts[:mostPlaces]
		found = append(found, core.Diagnosis{About: driver, Health: core.HealthUntried, What: fmt.Sprintf("The targets are in %d places; only the first %d of them are looked at.", n, mostPlaces),
			Do: "See that the others are there, and that the same role may deploy to them."})
	}
	each := make([][]core.Diagnosis, len(firsts))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, act := range firsts {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, forPlace)
			defer cancel()
			each[i] = e.Examine(ctx, act)
			return nil
		})
	}
	g.Wait() // the functions return no error
	for _, d := range slices.Concat(each...) {
		if !slices.Contains(found, d) {
			found = append(found, d)
		}
	}
	return found
}

// onePerPlace is the first act of each place. The error is of the first act that has none.
func onePerPlace(e core.Examiner, acts []core.Act) (firsts []core.Act, failed error) {
	places := make(map[string]bool)
	for _, act := range acts {
		switch place, err := e.Place(act); {
		case err != nil && failed == nil:
			failed = err
		case err == nil && !places[place]:
			places[place] = true
			firsts = append(firsts, act)
		}
	}
	return firsts, failed
}
