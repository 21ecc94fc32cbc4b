package core_test

import (
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func TestSkew(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for off, want := range map[time.Duration]core.Diagnosis{
		0:                        {Health: core.HealthOK, What: "The clock here is within 5s of that of x."},
		-5400 * time.Millisecond: {Health: core.HealthOK, What: "The clock here is within 5s of that of x."},
		6 * time.Second:          {Health: core.HealthWarning, What: "The clock here is 6s ahead of that of x."},
		-time.Minute:             {Health: core.HealthWarning, What: "The clock here is 1m behind that of x."},
		61 * time.Second:         {Health: core.HealthProblem, What: "The clock here is 1m1s ahead of that of x."},
		-3 * time.Hour:           {Health: core.HealthProblem, What: "The clock here is 3h behind that of x."},
	} {
		got := core.Skew("x", now.Add(off), now)
		if got.Health != want.Health || got.What != want.What || got.About != "clock" || (got.Do == "") != (got.Health == core.HealthOK) {
			t.Errorf("%s: %+v", off, got)
		}
	}
}
