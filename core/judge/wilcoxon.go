package judge

import (
	"cmp"
	"math"
	"slices"
)

// shiftInterval is the interval of the shift of x against y that the Mann-Whitney test does not reject, and its
// estimate. It is what R's wilcox.test gives for samples too large, or with ties, for exact ranks.
func shiftInterval(x, y []float64, confidence float64) (lower, upper, shift float64) {
	least, most := slices.Min(x)-slices.Max(y), slices.Max(x)-slices.Min(y)
	z := quantile(1 - (1-confidence)/2)
	find := func(q float64) float64 {
		f := func(mu float64) float64 { return wilcoxonDiff(x, y, mu, q) }
		switch {
		case f(least) <= 0:
			return least
		case f(most) >= 0:
			return most
		}
		return root(f, least, most, 1e-4)
	}
	return find(z), find(-z), find(0)
}

// wilcoxonDiff is by how many standard deviations, less q, the rank sum of x, shifted down by mu, is above what it would
// be by chance; corrected for continuity and ties.
func wilcoxonDiff(x, y []float64, mu, q float64) float64 {
	sum, ties := rankSum(x, y, mu)
	m, n := float64(len(x)), float64(len(y))
	d := sum - m*(m+1)/2 - m*n/2
	sigma := math.Sqrt(m * n / 12 * ((m + n + 1) - ties/((m+n)*(m+n-1))))
	switch {
	case d > 0:
		d -= 0.5
	case d < 0:
		d += 0.5
	default:
		return -q // also where every value is tied, and sigma is zero
	}
	return d/sigma - q
}

// rankSum is the sum of the ranks of x, shifted down by mu, among x and y, and the sum of t^3-t over tied groups.
func rankSum(x, y []float64, mu float64) (sum, ties float64) {
	type value struct {
		v   float64
		ofX bool
	}
	all := make([]value, 0, len(x)+len(y))
	for _, v := range x {
		all = append(all, value{v - mu, true})
	}
	for _, v := range y {
		all = append(all, value{v, false})
	}
	slices.SortFunc(all, func(a, b value) int { return cmp.Compare(a.v, b.v) })
	for i := 0; i < len(all); {
		j, ofX := i, 0
		for ; j < len(all) && all[j].v == all[i].v; j++ {
			if all[j].ofX {
				ofX++
			}
		}
		t := float64(j - i)
		sum += float64(ofX) * (float64(i+j) + 1) / 2
		ties += t*t*t - t
		i = j
	}
	return sum, ties
}

// root finds where f crosses zero between a and b by Brent's method, to within the tolerance. It takes the same steps as
// R's uniroot, because the last digits of the result depend on them: near a root of ranks, f is a staircase.
func root(f func(float64) float64, a, b, tolerance float64) float64 {
	const epsilon = 0x1p-52
	fa, fb := f(a), f(b)
	c, fc := a, fa
	for range 1000 {
		before := b - a
		if math.Abs(fc) < math.Abs(fb) { // keep the best estimate in b
			a, b, c = b, c, b
			fa, fb, fc = fb, fc, fb
		}
		least := 2*epsilon*math.Abs(b) + tolerance/2
		step := (c - b) / 2
		if math.Abs(step) <= least || fb == 0 {
			return b
		}
		if math.Abs(before) >= least && math.Abs(fa) > math.Abs(fb) {
			if p, q := interpolate(a, b, c, fa, fb, fc); p < 0.75*(c-b)*q-math.Abs(least*q)/2 && p < math.Abs(before*q/2) {
				step = p / q
			}
		}
		if math.Abs(step) < least {
			step = math.Copysign(least, step)
		}
		a, fa = b, fb
		b += step
		fb = f(b)
		if (fb > 0) == (fc > 0) && fb != 0 && fc != 0 {
			c, fc = a, fa
		}
	}
	return b
}

// interpolate gives the step from b towards the root as p/q, p not negative: linear through two points, or inverse
// quadratic through three.
func interpolate(a, b, c, fa, fb, fc float64) (p, q float64) {
	if a == c {
		t := fb / fa
		p, q = (c-b)*t, 1-t
	} else {
		s, t, u := fa/fc, fb/fc, fb/fa
		p = u * ((c-b)*s*(s-t) - (b-a)*(t-1))
		q = (s - 1) * (t - 1) * (u - 1)
	}
	if p > 0 {
		return p, -q
	}
	return -p, q
}
