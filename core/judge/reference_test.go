package judge

import (
	"math"
	"testing"
)

// near reports whether two numbers agree to a relative millionth.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*math.Abs(b) }

// For a constant split the mixture over all alternatives has a closed form. With a uniform prior on the candidate's share
// theta of the bad events above theta0, X of N bad events give
//
//	E = B(X+1, N-X+1) P(Bin(N+1, theta0) <= X) / ((1-theta0) theta0^X (1-theta0)^(N-X))
//
// whatever their order and the looks they came in. The evidence of looks, averaged over theta, must agree.
func TestClosedFormOfTheBinomialMixture(t *testing.T) {
	for _, tt := range []struct {
		candidate, control float64
		looks              [][2]float64 // bad events: candidate, control
		want               float64
	}{
		{1000, 1000, [][2]float64{{10, 2}, {5, 5}, {0, 0}, {15, 3}}, 63.22792373201662}, // theta0 = 1/2, X = 30, N = 40
		{500, 2000, [][2]float64{{1, 9}, {7, 6}, {7, 10}}, 6.098397100521254},           // theta0 = 1/5, X = 15, N = 40
	} {
		const steps = 20000
		theta0 := tt.candidate / (tt.candidate + tt.control)
		sum := 0.0
		for i := range steps {
			theta := theta0 + (1-theta0)*(float64(i)+0.5)/steps
			times := theta / (1 - theta) * tt.control / tt.candidate
			e := 1.0
			for _, bad := range tt.looks {
				e *= CountLook{tt.control, bad[1], tt.candidate, bad[0]}.ratio(tolerance{ratio: 1}, times, 1)
			}
			sum += e / steps
		}
		if !near(sum, tt.want) {
			t.Errorf("the mixture is %v, its closed form %v", sum, tt.want)
		}
	}
}

// Values of distributions as scipy.stats gives them.
func TestDistributions(t *testing.T) {
	for _, tt := range []struct {
		what      string
		got, want float64
	}{
		{"norm.ppf(0.975)", quantile(0.975), 1.959963984540054},
		{"norm.ppf(0.99)", quantile(0.99), 2.3263478740408408},
		{"t.pdf(0, 4) = 3/8", math.Exp(studentPeak(4)), 0.375},
		{"t.pdf(1, 2) = 3**-1.5", math.Exp(student(1, 2) + studentPeak(2)), 0.19245008972987526},
		{"t.pdf(2, 5)", math.Exp(student(2, 5) + studentPeak(5)), 0.06509031032621646},
		{"percentile([1, 2, 3, 4], 30)", percentile([]float64{4, 1, 3, 2}, 30), 1.9},
	} {
		if !near(tt.got, tt.want) {
			t.Errorf("%s is %v, want %v", tt.what, tt.got, tt.want)
		}
	}
	// The quartiles of Student's distribution: its density integrates to a quarter between zero and each.
	for _, q := range studentQuartiles {
		const steps = 1000
		area := 0.0
		for i := range steps {
			area += math.Exp(student(q.quartile*(float64(i)+0.5)/steps, q.freedom)+studentPeak(q.freedom)) * q.quartile / steps
		}
		if math.Abs(area-0.25) > 2e-5 {
			t.Errorf("a quartile of Student's distribution with %v degrees of freedom leaves %v below", q.freedom, area)
		}
	}
}

// A total outage of one arm of two alike: by Chernoff's bound, 20 of 20 bad events on one arm are at most (1/2)^20.
func TestOutageBound(t *testing.T) {
	s := newSide(Increase)
	for range coldLooks {
		s.before(CountLook{Control: 100, Candidate: 100})
	}
	for bad, want := range map[float64]bool{19: false, 20: true} { // 2^-19 = 1.9e-6, 2^-20 = 0.95e-6
		if got := s.outage(CountLook{Control: 30, Candidate: 30, CandidateBad: bad}); got != want {
			t.Errorf("%v of 30: an outage is %v", bad, got)
		}
	}
}
