package metric

import (
	"fmt"
	"slices"
)

// ways are the ways to make one number of the points that a series has in a window.
var ways = []string{"avg", "last", "max", "min", "sum"}

// checkWay says what is wrong with the option that names a way.
func checkWay(way string) error {
	if way != "" && !slices.Contains(ways, way) {
		return fmt.Errorf("points is %q; the ways are %v", way, ways)
	}
	return nil
}

// roll makes one number of points, at least one, oldest first.
func roll(way string, points []float64) float64 {
	total := 0.0
	for _, p := range points {
		total += p
	}
	switch way {
	case "last":
		return points[len(points)-1]
	case "max":
		return slices.Max(points)
	case "min":
		return slices.Min(points)
	case "sum":
		return total
	default:
		return total / float64(len(points))
	}
}
