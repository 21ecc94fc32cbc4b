package judge

import (
	"math"
	"slices"
)

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

func median(xs []float64) float64 {
	ys := slices.Sorted(slices.Values(xs))
	n := len(ys)
	if n%2 == 1 {
		return ys[n/2]
	}
	return (ys[n/2-1] + ys[n/2]) / 2
}

// spread is the mean distance from the median.
func spread(xs []float64) float64 {
	m, sum := median(xs), 0.0
	for _, x := range xs {
		sum += math.Abs(x - m)
	}
	return sum / float64(len(xs))
}

// scale is a standard deviation that outliers do not move: of logarithms of a gauge, which is never quite still.
func scale(xs []float64) float64 {
	m := median(xs)
	off := make([]float64, len(xs))
	for i, x := range xs {
		off[i] = math.Abs(x - m)
	}
	return max(1.4826*median(off), gaugeScale)
}

// centre is the maximum-likelihood location under noise with heavy tails.
func centre(xs []float64) float64 {
	m, s := median(xs), scale(xs)
	for range 20 {
		sum, weights := 0.0, 0.0
		for _, x := range xs {
			z := (x - m) / s
			w := (shiftTails + 1) / (shiftTails + z*z)
			sum += w * x
			weights += w
		}
		m = sum / weights
	}
	return m
}

// lagOne is the correlation of adjacent looks, with outliers cut to three scales.
func lagOne(xs []float64, gap []int, centre float64) float64 {
	cut := 3 * scale(xs)
	at := func(i int) float64 { return max(-cut, min(cut, xs[i]-centre)) }
	product, square := 0.0, 0.0
	for i := 1; i < len(xs); i++ {
		if gap[i] == 1 {
			product += at(i) * at(i-1)
			square += (at(i)*at(i) + at(i-1)*at(i-1)) / 2
		}
	}
	if square == 0 {
		return 0
	}
	return product / square
}

// owed is how much of a look's distance from the centre is carried to the next: the lag-one correlation without its
// bias in short series, plus one standard error, because too little would take drift for a regression.
func owed(xs []float64, gap []int, centre float64) float64 {
	n := float64(len(xs))
	phi := lagOne(xs, gap, centre)
	phi += (1 + 3*phi) / n
	if phi < correlated {
		return 0
	}
	return min(0.97, phi+math.Sqrt(max(0, 1-phi*phi)/n))
}

// student is the logarithm of Student's density, without what does not depend on x.
func student(x, freedom float64) float64 { return -(freedom + 1) / 2 * math.Log1p(x*x/freedom) }

// studentPeak is the logarithm of Student's density at zero.
func studentPeak(freedom float64) float64 {
	a, _ := math.Lgamma((freedom + 1) / 2)
	b, _ := math.Lgamma(freedom / 2)
	return a - b - math.Log(freedom*math.Pi)/2
}

// studentQuartiles are the third quartiles of Student's distribution by its degrees of freedom.
var studentQuartiles = []struct{ freedom, quartile float64 }{
	{1, 1}, {1.5, 0.8726}, {2, 0.8165}, {3, 0.7649}, {5, 0.7267}, {10, 0.6998},
}

// tails are the degrees of freedom, of those in the table, that make the noise most likely at a robust scale.
func tails(noise []float64, scale float64) float64 {
	best, most := 0.0, math.Inf(-1)
	for _, t := range studentQuartiles {
		unit := scale / 1.4826 / t.quartile
		likelihood := 0.0
		for _, x := range noise {
			likelihood += studentPeak(t.freedom) - math.Log(unit) + student(x/unit, t.freedom)
		}
		if likelihood > most {
			best, most = t.freedom, likelihood
		}
	}
	return best
}
