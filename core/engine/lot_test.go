package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/ledger"
	"github.com/breakwater-ci/breakwater/core/ledger/ledgertest"
)

// lotBook is a ledger in memory whose markers can be made to fail, and that notes the order of what is written.
type lotBook struct {
	*ledger.Memory
	park  func(do func() error) error // in the place of Park; nil: it works
	order []string
}

func (b *lotBook) Park(ctx context.Context, was core.Marker, due time.Time) error {
	if b.park != nil {
		return b.park(func() error { return b.Memory.Park(ctx, was, due) })
	}
	b.order = append(b.order, fmt.Sprint("park ", !due.IsZero()))
	return b.Memory.Park(ctx, was, due)
}

func (b *lotBook) Append(ctx context.Context, line core.Line, after int64, events []core.Event) error {
	err := b.Memory.Append(ctx, line, after, events)
	for _, e := range events {
		b.order = append(b.order, string(e.Type))
	}
	return err
}

func newLot() (*parked, *lotBook) {
	p, book := newParked(), &lotBook{Memory: ledger.NewMemory()}
	p.book = book
	return p, book
}

// TestParkMarks: the marker is there before the line is given back, and says when the first look is due.
func TestParkMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, book := newLot()
		r, err := p.run(t.Context(), "v2")
		if err != nil || r.State != core.StateBaking {
			t.Fatalf("%+v, %v", r, err)
		}
		if last := book.order[len(book.order)-2:]; !slices.Equal(last, []string{"park true", string(core.EventReleased)}) {
			t.Errorf("at the end it writes %v", last)
		}
		all := ledgertest.Parked(t, book)
		if want := r.Waves[0].Since.Add(time.Minute); len(all) != 1 || all[0].Line != p.plan.Line() || all[0].Due.Sub(want).Abs() > time.Second {
			t.Errorf("markers: %+v; want one that is due at %s", all, want)
		}
	})
}

// TestParkFails: as long as no marker can be left, the job looks itself, and says so once. Once it can, it ends.
func TestParkFails(t *testing.T) {
	for name, after := range map[string]time.Duration{"for a while": 20 * time.Minute, "for good": 100 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, book := newLot()
				began, broken := time.Now(), errors.New("the disk is full")
				book.park = func(do func() error) error {
					if time.Since(began) < after {
						return broken
					}
					return do()
				}
				e := p.engine()
				var warned []error
				e.Warn = func(err error) { warned = append(warned, err) }
				r, err := e.Run(t.Context(), p.request("v2"))
				if err != nil || len(warned) != 1 || !errors.Is(warned[0], broken) {
					t.Fatalf("%v, warned: %v; want to be warned once", err, warned)
				}
				want := core.StateBaking
				if name == "for good" {
					want = core.StateSucceeded
				}
				if marks := ledgertest.Parked(t, book); r.State != want || (len(marks) == 1) != (want == core.StateBaking) {
					t.Errorf("after %s it is %s with markers %v; want %s", time.Since(began), r.State, marks, want)
				}
			})
		})
	}
}

// TestMarkerMoves: it stays while the next look is near, moves where it is far, and goes with the rollout.
func TestMarkerMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, book := newLot()
		for i := range p.plan.Waves {
			p.plan.Waves[i].Bake.Every = 30 * time.Minute
		}
		if _, err := p.run(t.Context(), "v2"); err != nil {
			t.Fatal(err)
		}
		marker := func() core.Marker {
			t.Helper()
			all := ledgertest.Parked(t, book)
			if len(all) != 1 || len(all[0].Marks) != 1 {
				t.Fatalf("%+v; want one marker", all)
			}
			return all[0]
		}
		first := marker()
		elapse(20 * time.Minute)
		if p.tick(t); marker().Marks[0] != first.Marks[0] {
			t.Error("it moves although the next look is near")
		}
		elapse(11 * time.Minute)
		if p.tick(t); !marker().Due.After(time.Now().Add(25 * time.Minute)) {
			t.Errorf("it is due at %s; want it to move to the next look", marker().Due)
		}
		// A process that died while it moved the marker left an earlier one: the next tick tidies up.
		if err := book.Park(t.Context(), core.Marker{Line: p.plan.Line()}, time.Now()); err != nil {
			t.Fatal(err)
		}
		p.tick(t)
		marker()
		elapse(2 * time.Hour)
		if state := p.tick(t); state != core.StateDeploying {
			t.Fatalf("%s", state)
		}
		before := marker()
		p.tick(t) // the line is kept for the run now
		if marker().Marks[0] != before.Marks[0] {
			t.Error("it moves while somebody has the line")
		}
		p.attempt(t)
		elapse(2 * time.Hour)
		if state := p.tick(t); state != core.StateSucceeded || len(ledgertest.Parked(t, book)) != 0 {
			t.Errorf("%s, markers: %v; want none", state, ledgertest.Parked(t, book))
		}
		p.tick(t) // and nothing more is taken away
		if last := book.order[len(book.order)-1]; last != "park false" {
			t.Errorf("at the end it writes %s", last)
		}
	})
}

// TestOnlyMarkedLinesAreLookedAt takes releases to their end by ticks that look only where a marker is due, while markers
// fail to be written or to be removed at random. No rollout is lost.
func TestOnlyMarkedLinesAreLookedAt(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			p, book := newLot()
			for i := range p.plan.Waves {
				p.plan.Waves[i].Bake.Every = time.Duration(1+random.IntN(40)) * time.Minute
			}
			book.park = func(do func() error) error {
				switch random.IntN(4) {
				case 0:
					return errors.New("nothing was done")
				case 1:
					return errors.Join(do(), errors.New("nobody was told"))
				default:
					return do()
				}
			}
			if _, err := p.run(t.Context(), "v2"); err != nil {
				t.Fatal(err)
			}
			for n := 0; ; n++ {
				found := p.found(t)
				r, err := core.Replay(p.plan.Line(), found.Events)
				switch {
				case err != nil || n == 1000:
					t.Fatalf("seed %d: %v, %+v", seed, err, r)
				case r.State == core.StateSucceeded && len(found.Marker.Marks) == 0:
					return
				case len(found.Marker.Marks) == 0:
					t.Fatalf("seed %d: the rollout is %s and has no marker", seed, r.State)
				}
				elapse(15 * time.Minute)
				if found.Marker.Due.After(time.Now()) {
					continue
				}
				e := p.engine()
				e.Actor = core.Actor{ID: fmt.Sprint("tick-", n)}
				found.Events = p.events(t)
				woken := len(p.woken)
				_, _ = e.Tick(t.Context(), found, p.wake) // what fails is tried again
				if len(p.woken) > woken && r.State != core.StateSucceeded {
					p.actor.Attempt++
					p.actor.ID = fmt.Sprint("run-", p.actor.Attempt)
					if _, err := p.run(t.Context(), "v2"); err != nil && !errors.As(err, new(engine.Already)) {
						t.Fatalf("seed %d: %v", seed, err)
					}
				}
			}
		})
	}
}
