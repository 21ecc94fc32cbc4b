// Package ledgertest is the one suite that every kind of ledger passes.
package ledgertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Line is the line that the suite's examples are about.
var Line = core.Line{Service: "checkout", Environment: "production"}

var epoch = time.Date(2026, 11, 23, 9, 0, 0, 123456789, time.UTC)

// Run checks a kind of ledger. fresh makes an empty place and returns a function that opens it; each call of open acts
// as another process would.
func Run(t *testing.T, fresh func(t *testing.T) (open func() core.Ledger)) {
	for name, check := range map[string]func(*testing.T, func() core.Ledger){
		"an empty line has no events":                    emptyLine,
		"every event comes back with all its fields":     roundTrip,
		"an append after another event is a conflict":    conflict,
		"two lines do not know of each other":            twoLines,
		"Read gives the newest rollout, History all":     newestRollout,
		"an append of several events is all or nothing":  batches,
		"writers at the same time lose nothing":          concurrentWriters,
		"two writers of a first event: one wins":         firstEvent,
		"what goes in and what comes out is not shared":  notShared,
		"a context that has ended is an error":           cancelled,
		"large events":                                   largeEvents,
		"many events":                                    manyEvents,
		"events that do not follow are refused":          refused,
		"names that are no path are refused":             badNames,
		"a marker is found until it is taken away":       parkedLines,
		"who moves a marker takes only what it has seen": parkedTwice,
		"a line without events is not parked":            parkedNothing,
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			check(t, fresh(t))
		})
	}
}

// Rollout returns n events of a rollout, numbered after after: it starts, and then its lease is renewed.
func Rollout(id string, after int64, n int) []core.Event {
	events := make([]core.Event, n)
	for i := range events {
		seq := after + 1 + int64(i)
		at := epoch.Add(time.Duration(seq) * time.Minute)
		lease := &core.Lease{Holder: core.Actor{ID: "actor-1"}, Until: at.Add(time.Hour)}
		events[i] = core.Event{Seq: seq, At: at, Type: core.EventRenewed, Rollout: id, Actor: "actor-1", Lease: lease}
	}
	if n > 0 {
		events[0].Type = core.EventStarted
		events[0].Start = &core.Start{Number: 1, Version: "v2", Previous: "v1", Plan: "version: 1\n", PlanFile: "breakwater.yaml",
			Waves: []core.StartWave{{Name: "one-box", Targets: []core.StartTarget{{Target: core.Target{Name: "a"}}}}}}
	}
	return events
}

func emptyLine(t *testing.T, open func() core.Ledger) {
	l := open()
	expect(t, l, Line, nil)
	if got := history(t, l, Line); len(got) != 0 {
		t.Errorf("History of an empty line gives %d events", len(got))
	}
}

func roundTrip(t *testing.T, open func() core.Ledger) {
	l := open()
	events := everything()
	for _, e := range events {
		add(t, l, Line, e.Seq-1, e)
	}
	expect(t, l, Line, events)
	expect(t, open(), Line, events)
}

// everything returns one event of each type, with every field set that an event can have.
func everything() []core.Event {
	by := core.Actor{ID: "actor-1", Name: "ada", Run: "77", Attempt: 2, URL: "https://ci.example/77?a=1&b=<2>", Host: "h",
		PID: 4711, Birth: "boot 12345"}
	value, due := 0.125, epoch.Add(time.Second)
	zone := time.FixedZone("", 2*60*60)
	var events []core.Event
	for i, kind := range core.EventTypes {
		events = append(events, core.Event{
			Seq: int64(i + 1), At: epoch.Add(time.Duration(i) * time.Minute).In(zone), Type: kind, Rollout: "r1", Actor: by.ID,
			Start: &core.Start{Number: 3, Version: "v2", Previous: "v1", PlanFile: "deploy/breakwater.yaml", By: by,
				Plan: "# what's \"quoted\"\nversion: 1\n\tserver: ${A} <&> \u2028 \U0001F30A\n",
				Waves: []core.StartWave{{Name: "one-box", Rule: 1, Targets: []core.StartTarget{{
					Target:   core.Target{Name: "a", Labels: map[string]string{"region": "eu west", "": "x"}, Weight: 1.5},
					Previous: "v0",
				}}}}},
			Lease:   &core.Lease{Holder: by, Until: due},
			Wave:    "one-box",
			Targets: []string{"a", "b"},
			Results: []core.Result{{Target: "a", Outcome: core.OutcomeFailed, Error: "exit 1", Tail: "a\nb\x00\x1b[0m\r\n", Took: 1}},
			Verdicts: []core.Verdict{{Check: "p99", Verdict: core.Inconclusive, Reason: "no data", Shadow: true, At: due,
				Query: `sum(x{y=~"a|b"})`, Window: "5m", Value: &value}},
			State: core.StateSucceeded, Cause: core.CauseCheck, Reason: "because",
			Override: &core.Override{Kind: "abort", Reason: "by hand", By: by}, Due: &due,
		})
	}
	return events
}

func conflict(t *testing.T, open func() core.Ledger) {
	l, other := open(), open()
	first := Rollout("r1", 0, 3)
	add(t, l, Line, 0, first...)
	if _, err := other.Read(t.Context(), Line); err != nil {
		t.Fatal(err)
	}
	add(t, l, Line, 3, renewed(first, 1)...)
	for _, after := range []int64{0, 1, 3, 5, 100} {
		err := other.Append(t.Context(), Line, after, renumbered(first, after))
		if !errors.Is(err, core.ErrConflict) {
			t.Errorf("Append after %d to a line that ends at 4: %v, want ErrConflict", after, err)
		}
	}
	expect(t, other, Line, slices.Concat(first, renewed(first, 1)))
	add(t, other, Line, 4, renewed(first, 2)[1:]...)
}

func twoLines(t *testing.T, open func() core.Ledger) {
	l := open()
	lines := []core.Line{Line, {Service: "checkout", Environment: "staging"}, {Service: "checkout2", Environment: "production"},
		{Service: "production", Environment: "checkout"}, {Service: "Checkout-1_x.y", Environment: "0"}}
	for i, line := range lines {
		add(t, l, line, 0, Rollout(fmt.Sprint("r", i), 0, i+1)...)
	}
	for i, line := range lines {
		expect(t, l, line, Rollout(fmt.Sprint("r", i), 0, i+1))
		expect(t, open(), line, Rollout(fmt.Sprint("r", i), 0, i+1))
	}
}

func newestRollout(t *testing.T, open func() core.Ledger) {
	l := open()
	one, two, three := Rollout("r1", 0, 4), Rollout("r2", 4, 2), Rollout("r3", 6, 5)
	add(t, l, Line, 0, one...)
	expect(t, l, Line, one)
	add(t, l, Line, 4, two...)
	expect(t, l, Line, two)
	add(t, l, Line, 6, three[0])
	expect(t, l, Line, three[:1])
	add(t, l, Line, 7, three[1:]...)
	expect(t, open(), Line, three)
	same(t, "History", history(t, open(), Line), slices.Concat(one, two, three))

	// An append may end one rollout and start the next.
	both := slices.Concat(renumberedAs("r3", renewed(three, 1), 11), Rollout("r4", 12, 2))
	add(t, l, Line, 11, both...)
	expect(t, l, Line, both[1:])
	expect(t, open(), Line, both[1:])
}

func batches(t *testing.T, open func() core.Ledger) {
	l := open()
	events := Rollout("r1", 0, 50)
	add(t, l, Line, 0, events[:1]...)
	bad := slices.Clone(events[1:])
	noJSON := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	bad[len(bad)-1].Verdicts = []core.Verdict{{Check: "x", At: noJSON}}
	if err := l.Append(t.Context(), Line, 1, bad); err == nil {
		t.Error("Append of an event that cannot be written works")
	}
	expect(t, open(), Line, events[:1])
	add(t, l, Line, 1, events[1:]...)
	expect(t, open(), Line, events)
}

func concurrentWriters(t *testing.T, open func() core.Ledger) {
	const writers, each = 4, 4
	add(t, open(), Line, 0, Rollout("r1", 0, 1)...)
	shared := open()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			l := shared
			if w%2 == 0 {
				l = open()
			}
			for i := range each {
				if err := insist(t.Context(), l, fmt.Sprintf("writer-%d-%d", w, i)); err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
			}
		})
	}
	all.Wait()
	got := history(t, open(), Line)
	seen := make(map[string]int)
	for i, e := range got {
		if e.Seq != int64(i+1) {
			t.Fatalf("event %d of the line is numbered %d", i+1, e.Seq)
		}
		seen[e.Actor]++
	}
	for w := range writers {
		for i := range each {
			if name := fmt.Sprintf("writer-%d-%d", w, i); seen[name] != 1 {
				t.Errorf("event of %s is there %d times", name, seen[name])
			}
		}
	}
	if want := 1 + writers*each; len(got) != want {
		t.Errorf("the line has %d events, want %d", len(got), want)
	}
}

// insist appends one event, however often others come first.
func insist(ctx context.Context, l core.Ledger, actor string) error {
	for {
		events, err := l.Read(ctx, Line)
		if err != nil {
			return err
		}
		last := events[len(events)-1].Seq
		e := core.Event{Seq: last + 1, At: epoch, Type: core.EventReleased, Rollout: "r1", Actor: actor}
		if err := l.Append(ctx, Line, last, []core.Event{e}); !errors.Is(err, core.ErrConflict) {
			return err
		}
	}
}

func firstEvent(t *testing.T, open func() core.Ledger) {
	const writers = 4
	results := make([]error, writers)
	var all sync.WaitGroup
	for w := range writers {
		l := open()
		all.Go(func() { results[w] = l.Append(t.Context(), Line, 0, Rollout(fmt.Sprint("r", w), 0, 2)) })
	}
	all.Wait()
	var won []int
	for w, err := range results {
		switch {
		case err == nil:
			won = append(won, w)
		case !errors.Is(err, core.ErrConflict):
			t.Errorf("writer %d: %v", w, err)
		}
	}
	if len(won) != 1 {
		t.Fatalf("writers %v won, want exactly one", won)
	}
	expect(t, open(), Line, Rollout(fmt.Sprint("r", won[0]), 0, 2))
}

func notShared(t *testing.T, open func() core.Ledger) {
	l := open()
	spoil := func(events []core.Event) {
		for i := range events {
			events[i].Targets[0], events[i].Start.Waves[0].Name, events[i].Lease.Holder.ID = "spoilt", "spoilt", "spoilt"
			*events[i].Verdicts[0].Value = 99
			events[i].Start.Waves[0].Targets[0].Labels["region"] = "spoilt"
		}
	}
	given := everything()
	add(t, l, Line, 0, given...)
	spoil(given)
	got, err := l.Read(t.Context(), Line)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "Read", got, everything())
	spoil(got)
	expect(t, l, Line, everything())
}

func cancelled(t *testing.T, open func() core.Ledger) {
	l := open()
	add(t, l, Line, 0, Rollout("r1", 0, 1)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Read(ctx, Line); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %v, want context.Canceled", err)
	}
	if err := l.Append(ctx, Line, 1, renewed(Rollout("r1", 0, 1), 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Append: %v, want context.Canceled", err)
	}
	expect(t, l, Line, Rollout("r1", 0, 1))
}

func largeEvents(t *testing.T, open func() core.Ledger) {
	l := open()
	events := Rollout("r1", 0, 2)
	for i := range 2000 {
		target := core.StartTarget{Target: core.Target{Name: fmt.Sprintf("target-%04d", i), Labels: map[string]string{
			"region": "eu-west-1", "zone": fmt.Sprint("zone-", i), "text": strings.Repeat("x", 100)}}}
		events[0].Start.Waves[0].Targets = append(events[0].Start.Waves[0].Targets, target)
	}
	events[1].Reason = strings.Repeat("a long story\n", 100_000)
	add(t, l, Line, 0, events...)
	add(t, l, Line, 2, renewed(events, 1)...)
	expect(t, open(), Line, append(events, renewed(events, 1)...))
}

func manyEvents(t *testing.T, open func() core.Ledger) {
	l := open()
	var all []core.Event
	for r := range 4 {
		rollout := Rollout(fmt.Sprint("r", r), int64(len(all)), 600)
		for part := range slices.Chunk(rollout, 200) {
			add(t, l, Line, part[0].Seq-1, part...)
		}
		all = append(all, rollout...)
	}
	expect(t, l, Line, all[len(all)-600:])
	expect(t, open(), Line, all[len(all)-600:])
	same(t, "History", history(t, open(), Line), all)
}

func refused(t *testing.T, open func() core.Ledger) {
	l := open()
	first := Rollout("r1", 0, 2)
	refuse := func(what string, after int64, events []core.Event) {
		t.Helper()
		if err := l.Append(t.Context(), Line, after, events); err == nil || errors.Is(err, core.ErrConflict) {
			t.Errorf("Append of %s: %v, want an error that is no conflict", what, err)
		}
	}
	refuse("nothing", 0, nil)
	refuse("a number that is too high", 0, renumbered(first, 1))
	refuse("a number that is too low", 0, renumbered(first, -1))
	refuse("a gap", 0, []core.Event{first[0], renumbered(first[1:], 2)[0]})
	refuse("a line that does not start", 0, renumbered(first[1:], 0))
	expect(t, open(), Line, nil)
	add(t, l, Line, 0, first...)
	refuse("nothing", 2, nil)
	refuse("the same rollout again", 2, renumbered(first, 2))
	refuse("another rollout that has not started", 2, renumberedAs("r2", first[1:], 2))
	expect(t, open(), Line, first)
}

func badNames(t *testing.T, open func() core.Ledger) {
	l := open()
	for _, name := range []string{"", ".", "..", "a/b", "../a", ".a", "a.", "a..b", "a.lock", "a b", "a\x00", "é"} {
		for _, line := range []core.Line{{Service: name, Environment: "e"}, {Service: "s", Environment: name}} {
			if err := l.Append(t.Context(), line, 0, Rollout("r1", 0, 1)); err == nil {
				t.Errorf("Append to line %q works", line)
			}
			if _, err := l.Read(t.Context(), line); err == nil {
				t.Errorf("Read of line %q works", line)
			}
		}
	}
}

// renewed returns n more events after those given.
func renewed(events []core.Event, n int) []core.Event {
	last := events[len(events)-1]
	more := make([]core.Event, n)
	for i := range more {
		more[i] = core.Event{Seq: last.Seq + int64(i) + 1, At: epoch, Type: core.EventReleased, Rollout: last.Rollout, Actor: "x"}
	}
	return more
}

func renumbered(events []core.Event, after int64) []core.Event {
	out := slices.Clone(events)
	for i := range out {
		out[i].Seq = after + 1 + int64(i)
	}
	return out
}

func renumberedAs(rollout string, events []core.Event, after int64) []core.Event {
	out := renumbered(events, after)
	for i := range out {
		out[i].Rollout = rollout
	}
	return out
}

func add(t *testing.T, l core.Ledger, line core.Line, after int64, events ...core.Event) {
	t.Helper()
	if err := l.Append(t.Context(), line, after, events); err != nil {
		t.Fatalf("Append after %d: %v", after, err)
	}
}

func expect(t *testing.T, l core.Ledger, line core.Line, want []core.Event) {
	t.Helper()
	got, err := l.Read(t.Context(), line)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	same(t, "Read", got, want)
}

func history(t *testing.T, l core.Ledger, line core.Line) []core.Event {
	t.Helper()
	h, ok := l.(core.Historian)
	if !ok {
		t.Fatalf("%T is no core.Historian", l)
	}
	var all []core.Event
	for e, err := range h.History(t.Context(), line) {
		if err != nil {
			t.Fatalf("History: %v", err)
		}
		all = append(all, e)
	}
	return all
}

// same compares events by what they mean: two times are equal when they are the same instant in the same zone.
func same(t *testing.T, what string, got, want []core.Event) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s gives %d events, want %d", what, len(got), len(want))
	}
	for i := range got {
		g, gerr := json.Marshal(got[i])
		w, werr := json.Marshal(want[i])
		if err := errors.Join(gerr, werr); err != nil {
			t.Fatal(err)
		}
		if string(g) != string(w) {
			t.Fatalf("%s gives as event %d\n%.2000s\nwant\n%.2000s", what, i+1, g, w)
		}
	}
}
