package core_test

import (
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 30 * time.Second: "30s", 15 * time.Minute: "15m", 4 * time.Hour: "4h", 10 * time.Hour: "10h",
		90 * time.Minute: "1h30m", time.Hour + time.Second: "1h0m1s", 1500 * time.Millisecond: "1.5s",
	} {
		if got := core.Brief(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
