package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/breakwater-ci/breakwater/core"
)

// Scratch is the line that the doctor writes to. It stays in the ledger: each proof adds a rollout of two events to it
// that was never more than announced, and no other line is touched.
var Scratch = core.Line{Service: "breakwater-doctor", Environment: "scratch"}

// tries bounds how often a proof begins anew because another doctor was at work at the same time.
const tries = 5

// Ledger proves that a ledger can be read and written, and that of two who write at the same time one is refused. It
// needs the ledger twice, opened anew: what one of them remembers must not do the work of the other.
func Ledger(ctx context.Context, ours, theirs core.Ledger, by core.Actor, clock core.Clock) core.Diagnosis {
	d := core.Diagnosis{About: "ledger", Health: core.HealthProblem}
	for range tries {
		before, err := last(ctx, ours)
		if err == nil {
			_, err = last(ctx, theirs)
		}
		if err != nil {
			d.What = fmt.Sprintf("It cannot be read: %v.", err)
			d.Do = "See that the place is right and that this job may read it."
			return d
		}
		first, second := proof(before, by, clock), proof(before, by, clock)
		err = ours.Append(ctx, Scratch, before, first)
		if errors.Is(err, core.ErrConflict) {
			continue // another doctor
		}
		if err != nil {
			d.What = fmt.Sprintf("It cannot be written: %v.", err)
			d.Do = "Let this job write there; nothing is ever deployed without a record."
			return d
		}
		return raced(ctx, ours, theirs, before, first, second)
	}
	d.What = "Others write to its scratch line all the time."
	d.Do = "Wait until no other doctor is at work, and run it again."
	return d
}

// raced has the second of two writers come too late, and looks at what the ledger has then.
func raced(ctx context.Context, ours, theirs core.Ledger, before int64, first, second []core.Event) core.Diagnosis {
	d := core.Diagnosis{About: "ledger", Health: core.HealthProblem}
	switch err := theirs.Append(ctx, Scratch, before, second); {
	case err == nil:
		d.What = "It took what two wrote at the same time: two jobs could release on one line at once."
		d.Do = "Use another ledger; this one cannot compare and swap."
		return d
	case !errors.Is(err, core.ErrConflict):
		d.What = fmt.Sprintf("Nobody knows what it does when two write at the same time: %v.", err)
		d.Do = "Run the doctor again; if this stays, use another ledger."
		return d
	}
	events, err := ours.Read(ctx, Scratch)
	if err != nil {
		d.What = fmt.Sprintf("What was written cannot be read: %v.", err)
		d.Do = "Run the doctor again; if this stays, use another ledger."
		return d
	}
	for _, e := range events {
		if e.Rollout == second[0].Rollout {
			d.What = "It refused what came too late, and has it all the same."
			d.Do = "Use another ledger; this one cannot compare and swap."
			return d
		}
	}
	if n := len(events); n == 0 || events[n-1].Seq < first[len(first)-1].Seq {
		d.What = "What was written is not in it."
		d.Do = "Use another ledger; this one loses what it took."
		return d
	}
	return core.Well("ledger", "It can be read and written, and refuses the second of two who write at the same time.")
}

// last is the number of the newest event of the scratch line, 0 if there is none.
func last(ctx context.Context, book core.Ledger) (int64, error) {
	events, err := book.Read(ctx, Scratch)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	return events[len(events)-1].Seq, nil
}

// proof is a rollout of nothing that ends as it begins.
func proof(after int64, by core.Actor, clock core.Clock) []core.Event {
	now := clock.Now()
	id := fmt.Sprintf("%s-%s-%s", Scratch.Service, Scratch.Environment, rand.Text())
	const reason = "The doctor proved that this ledger can be written. Nothing was released."
	return []core.Event{
		{Seq: after + 1, At: now, Type: core.EventStarted, Rollout: id, Actor: by.ID, Start: &core.Start{
			Number: int(after/2) + 1, Version: "none", By: by,
			Waves: []core.StartWave{{Name: "none", Targets: []core.StartTarget{{Target: core.Target{Name: "none"}}}}},
		}},
		{Seq: after + 2, At: now, Type: core.EventEnded, Rollout: id, Actor: by.ID, State: core.StateAborted, Reason: reason},
	}
}
