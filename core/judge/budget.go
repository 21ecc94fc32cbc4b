package judge

import "github.com/breakwater-ci/breakwater/core"

// Spend is the chance of a false alarm that the bake-th bake of a rollout may spend, counted from 1: a half of all, a
// sixth, a twelfth and so on. However many bakes there are, they never spend more than falseAlarms in all, so nobody
// has to know beforehand how many waves there will be. A bake that is begun afresh after a halt is another bake; one
// that is looked at again is not.
func Spend(falseAlarms float64, bake int) float64 {
	n := float64(max(1, bake))
	return falseAlarms / (n * (n + 1))
}

// Joint judges the tests of one bake together: it returns the index of the verdict to blame if they fail, false if they
// do not. alpha is what the bake may spend. tests is how many share it: at least len(verdicts), those that have said
// nothing yet included. Each test alone must run at alpha/tests.
//
// The bake fails if a test fails by itself, or if the average of all evidence reaches 1/alpha: weak evidence from several
// sides, none of which is enough alone. Only evidence that may be averaged counts, and only where it is earned, so that
// one bad look of one test does not fail a bake in the name of another.
//
// It holds whatever the dependence of the tests. Let k of the n tests have evidence that averages. That of each is
// expected to be at most 1 while the release is healthy, so its sum is at most k, and reaches n/alpha with probability at
// most k*alpha/n, be it through one test alone or through all. The other n-k fail with at most alpha/n each. Together that
// is alpha.
func Joint(alpha float64, verdicts []Verdict, tests int) (index int, ok bool) {
	sum, most := 0.0, -1
	for i, v := range verdicts {
		if v.Verdict == core.Fail {
			return i, true
		}
		if !v.Evidence.Averages || !v.Evidence.Earned {
			continue
		}
		sum += v.Evidence.E
		if most < 0 || v.Evidence.E > verdicts[most].Evidence.E {
			most = i
		}
	}
	return most, most >= 0 && alpha > 0 && sum/float64(max(tests, len(verdicts))) >= 1/alpha
}
