package ledgertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func parkedLines(t *testing.T, open func() core.Ledger) {
	l := open()
	lines := []core.Line{{Service: "a", Environment: "x-y_z.1"}, Line, {Service: "checkout", Environment: "production-2"}}
	if got := Parked(t, l); len(got) != 0 {
		t.Fatalf("an empty ledger has markers: %v", got)
	}
	for i, line := range lines {
		add(t, l, line, 0, Rollout("r1", 0, 2)...)
		park(t, l, core.Marker{Line: line}, epoch.Add(time.Duration(i)*time.Hour))
	}
	for _, l := range []core.Ledger{l, open()} {
		all := Parked(t, l)
		if len(all) != len(lines) {
			t.Fatalf("%v; want a marker on each of %v", all, lines)
		}
		for i, m := range all {
			due := epoch.Add(time.Duration(i) * time.Hour)
			if early := due.Sub(m.Due); m.Line != lines[i] || early > 0 || early <= -time.Second || len(m.Marks) != 1 {
				t.Errorf("marker %d is %+v; want %s at %s, to the second and not before it", i, m, lines[i], due)
			}
		}
	}
	m := Parked(t, l)[1]
	park(t, open(), m, epoch.Add(90*time.Minute))
	if moved := Parked(t, l)[1]; moved.Due.Before(epoch.Add(90*time.Minute)) || len(moved.Marks) != 1 || moved.Marks[0] == m.Marks[0] {
		t.Errorf("after it was moved it is %+v", moved)
	}
	park(t, l, Parked(t, l)[1], time.Time{})
	park(t, open(), m, time.Time{}) // it is gone already
	if left := Parked(t, open()); len(left) != 2 || left[0].Line != lines[0] || left[1].Line != lines[2] {
		t.Errorf("left are %+v", left)
	}
	expect(t, open(), Line, Rollout("r1", 0, 2))
	add(t, l, Line, 2, renewed(Rollout("r1", 0, 2), 1)...) // a marker is not in the way of what is written
}

// parkedTwice: two markers of a line are one, due at the earlier instant, and a process that has seen only one of them
// leaves the other where it is.
func parkedTwice(t *testing.T, open func() core.Ledger) {
	l, other := open(), open()
	add(t, l, Line, 0, Rollout("r1", 0, 1)...)
	park(t, l, core.Marker{Line: Line}, epoch)
	seen := Parked(t, other)[0]
	park(t, l, core.Marker{Line: Line}, epoch) // the same instant: it is another marker all the same
	park(t, l, core.Marker{Line: Line}, epoch.Add(-time.Hour))
	both := Parked(t, l)
	if len(both) != 1 || len(both[0].Marks) != 3 || both[0].Due.After(epoch.Add(-time.Hour+time.Second)) {
		t.Fatalf("%+v; want one marker with three marks, due at the earliest", both)
	}
	park(t, other, seen, time.Time{})
	left := Parked(t, other)
	if len(left) != 1 || len(left[0].Marks) != 2 || slices.Contains(left[0].Marks, seen.Marks[0]) {
		t.Errorf("left are %+v; want what was not seen", left)
	}
	park(t, other, left[0], epoch.Add(time.Hour))
	if got := Parked(t, l); len(got) != 1 || len(got[0].Marks) != 1 || got[0].Due.Before(epoch.Add(time.Hour)) {
		t.Errorf("after all were moved: %+v", got)
	}
}

func parkedNothing(t *testing.T, open func() core.Ledger) {
	l := open()
	lot := l.(core.Lot)
	if err := lot.Park(t.Context(), core.Marker{Line: Line}, epoch); err == nil {
		t.Error("a line without events is parked")
	}
	add(t, l, Line, 0, Rollout("r1", 0, 1)...)
	if err := lot.Park(t.Context(), core.Marker{Line: core.Line{Service: "..", Environment: "x"}}, epoch); err == nil {
		t.Error("a line whose name is no path is parked")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := lot.Park(ctx, core.Marker{Line: Line}, epoch); !errors.Is(err, context.Canceled) {
		t.Errorf("Park: %v, want context.Canceled", err)
	}
	if _, err := lot.Parked(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Parked: %v, want context.Canceled", err)
	}
	if got := Parked(t, open()); len(got) != 0 {
		t.Errorf("the ledger has markers: %v", got)
	}
}

// Parked lists a ledger's markers.
func Parked(t testing.TB, l core.Ledger) []core.Marker {
	t.Helper()
	lot, ok := l.(core.Lot)
	if !ok {
		t.Fatalf("%T is no core.Lot", l)
	}
	all, err := lot.Parked(t.Context())
	if err != nil {
		t.Fatalf("Parked: %v", err)
	}
	return all
}

func park(t *testing.T, l core.Ledger, was core.Marker, due time.Time) {
	t.Helper()
	if err := l.(core.Lot).Park(t.Context(), was, due); err != nil {
		t.Fatalf("Park: %v", err)
	}
}
