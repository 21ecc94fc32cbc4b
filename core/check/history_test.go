package check

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// TestHistory draws many histories and compares every verdict with what the rule says, in the long way.
func TestHistory(t *testing.T) {
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		n := 1 + rnd.IntN(5)
		m := 1 + rnd.IntN(n)
		h := newHistory(core.Breaches{M: m, N: n}, 0)
		all := make([]finding, n) // looks not yet made are unknown
		passed := false
		for look := range 30 {
			f := []finding{unknown, healthy, breach}[rnd.IntN(3)]
			at := time.Unix(int64(60*look), 0)
			h.add(at, f)
			all = append(all, f)
			if f == unknown {
				continue
			}
			last := all[len(all)-n:]
			breaches, worst := 0, 0 // worst: if all that is unknown were a breach
			for _, f := range last {
				if f == breach {
					breaches++
				}
				if f != healthy {
					worst++
				}
			}
			want := core.Inconclusive
			if breaches >= m {
				want = core.Fail
			} else if worst < m {
				want = core.Pass
			}
			got, why := h.judge(at)
			if got != want {
				t.Fatalf("seed %d, look %d: %d of %d over %v: got %s (%s), want %s", seed, look, m, n, last, got, why, want)
			}
			if passed && f == healthy && all[len(all)-2] != unknown && got == core.Fail {
				t.Fatalf("seed %d, look %d: a healthy look turned pass into fail", seed, look)
			}
			passed = got == core.Pass
		}
	}
}

// TestHold draws histories with a hold: a fail needs looks out of limits for that long, without a gap.
func TestHold(t *testing.T) {
	const every, hold = time.Minute, 3 * time.Minute
	for seed := range uint64(1000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		h := newHistory(core.Breaches{}, hold)
		streak := 0
		for look := range 40 {
			f := []finding{unknown, healthy, breach, breach, breach}[rnd.IntN(5)]
			at := time.Unix(0, 0).Add(time.Duration(look) * every)
			h.add(at, f)
			if f != breach {
				streak = 0
			} else {
				streak++
			}
			if f == unknown {
				continue
			}
			want := core.Pass
			if streak > int(hold/every) {
				want = core.Fail
			} else if streak > 0 {
				want = core.Inconclusive
			}
			if got, why := h.judge(at); got != want {
				t.Fatalf("seed %d, look %d, streak %d: got %s (%s), want %s", seed, look, streak, got, why, want)
			}
		}
	}
}

func TestNumber(t *testing.T) {
	for text, v := range map[string]float64{
		"0": 0, "0.93": 0.93, "-0.5": -0.5, "1": 1, "999": 999, "1,000": 999.99, "12,345": 12345, "-12,345": -12345, "-123": -123,
		"1,234,567.9": 1234567.89, "1.2e-05": 0.000012, "0.001": 0.001, "123.5": 123.456, "1e+15": 1e15, "1.235e+20": 1.23456e20,
		"123,456,789,012": 123456789012,
	} {
		if got := number(v); got != text {
			t.Errorf("number(%v) = %s, want %s", v, got, text)
		}
	}
}
