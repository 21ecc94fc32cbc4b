package judge

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// outageAt is what the windows of the workbook see when a service of so many requests a second has failed for a while.
func outageAt(failed time.Duration, perSecond, healthy float64) BurnLook {
	var look BurnLook
	sums := func(window time.Duration) (total, bad float64) {
		down := min(failed, window).Seconds()
		return perSecond * window.Seconds(), perSecond * (down + healthy*(window.Seconds()-down))
	}
	for _, w := range Workbook() {
		var s WindowSums
		s.Long, s.LongBad = sums(w.Long)
		s.Short, s.ShortBad = sums(w.Short)
		look = append(look, s)
	}
	return look
}

// The workbook's detection times for a total outage at an objective of 99.9%: burn * budget * long window, which is
// 14.4 * 0.001 * 60 = 0.86 minutes, 6 * 0.001 * 360 = 2.2 minutes and 1 * 0.001 * 4320 = 4.3 minutes.
func TestWorkbookDetectionTimes(t *testing.T) {
	for i, want := range []float64{0.864, 2.16, 4.32} {
		b := NewBurn(Options{}, 0.999, Workbook()[i:i+1])
		at := time.Duration(0)
		for b.Look(outageAt(at, 10, 0)[i:i+1]).Verdict != core.Fail {
			at += time.Second
		}
		if got := at.Minutes(); got < want-1e-9 || got > want+1.0/60 {
			t.Errorf("window %d finds an outage after %.3f minutes, want %.3f", i, got, want)
		}
	}
}

func TestBurn(t *testing.T) {
	quiet := func(total, bad float64) BurnLook {
		return BurnLook{{total, bad, total / 12, bad}, {6 * total, bad, total / 2, bad}, {72 * total, bad, 6 * total, bad}}
	}
	for _, tt := range []struct {
		name   string
		before BurnLook
		look   BurnLook
		want   core.VerdictKind
		says   string
	}{
		{"healthy", nil, outageAt(0, 10, 0.0002), core.Pass, "burn the error budget of 99.9% 0.2 times"},
		{"an outage", nil, outageAt(2*time.Minute, 10, 0.0002), core.Fail, "over 1h and"},
		{"a slow burn", nil, outageAt(0, 10, 0.0015), core.Fail, "1.5 times as fast as it lasts over 72h"},
		{"burning before", outageAt(time.Minute, 10, 0), outageAt(2*time.Minute, 10, 0), core.Inconclusive, "already so before the deploy"},
		{"slowly burning before, and now fast", outageAt(0, 10, 0.0015), outageAt(2*time.Minute, 10, 0.0015), core.Fail, "over 1h"},
		{"one failed request in a quiet hour", nil, quiet(12, 1), core.Inconclusive, "too few requests to tell"},
		{"a quiet hour", nil, quiet(1, 0), core.Inconclusive, "so few requests"},
		{"nobody", nil, quiet(0, 0), core.Inconclusive, "so few requests"},
		{"another number of windows", nil, quiet(12, 1)[:1], core.Inconclusive, "could not be told"},
		{"missing", nil, quiet(math.NaN(), 0), core.Inconclusive, "could not be told"},
		{"infinite", nil, quiet(math.Inf(1), 0), core.Inconclusive, "could not be told"},
		{"reset", nil, quiet(100, -3), core.Inconclusive, "could not be told"},
	} {
		b := NewBurn(Options{}, 0.999, nil)
		if tt.before != nil {
			b.Before(tt.before)
		}
		v := b.Look(tt.look)
		if v.Verdict != tt.want || !strings.Contains(v.Reason, tt.says) || v.Evidence.Averages {
			t.Errorf("%s: %s, want %s: %s", tt.name, v.Verdict, tt.want, v.Reason)
		}
		if _, err := json.Marshal(v); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if again := b.Look(outageAt(0, 10, 0)); tt.want == core.Fail && again.Verdict != core.Fail {
			t.Errorf("%s: a fail is not final: %s", tt.name, again.Reason)
		}
	}
}

// What burnt before the deploy, and stopped, is the release's doing when it burns again.
func TestBurningAgain(t *testing.T) {
	b := NewBurn(Options{}, 0.999, Workbook()[:1])
	b.Before(outageAt(time.Minute, 10, 0)[:1])
	for _, tt := range []struct {
		failed time.Duration
		want   core.VerdictKind
	}{{time.Minute, core.Inconclusive}, {0, core.Pass}, {time.Minute, core.Fail}} {
		if v := b.Look(outageAt(tt.failed, 10, 0)[:1]); v.Verdict != tt.want {
			t.Errorf("down for %s: %s, want %s: %s", tt.failed, v.Verdict, tt.want, v.Reason)
		}
	}
}

func TestBurnWithoutObjective(t *testing.T) {
	for _, objective := range []float64{0, 1, -1, math.NaN()} {
		if v := NewBurn(Options{}, objective, nil).Look(outageAt(time.Hour, 10, 0)); v.Verdict != core.Inconclusive {
			t.Errorf("objective %v: %s", objective, v.Reason)
		}
	}
}
