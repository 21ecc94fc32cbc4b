package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/ledger"
)

// parked is a scene in which bakes are parked, with a CI system that runs a run again when it is asked to.
type parked struct {
	*scene
	woken []string
	mu    sync.Mutex
}

func newParked() *parked {
	p := &parked{scene: newScene()}
	p.actor = core.Actor{ID: "run-1", Run: "7", Attempt: 1}
	for i := range p.plan.Waves {
		p.plan.Waves[i].Bake.Wait = core.WaitPark
	}
	return p
}

// tick is one by an actor of its own.
func (p *parked) tick(t *testing.T) core.State {
	t.Helper()
	e := p.engine()
	e.Actor = core.Actor{ID: fmt.Sprint("tick at ", time.Now()), Run: "99", Attempt: 1}
	r, err := e.Tick(t.Context(), p.found(t), p.wake)
	if err != nil {
		t.Fatal(err)
	}
	return r.State
}

// found is the line as a tick finds it.
func (p *parked) found(t *testing.T) engine.Found {
	t.Helper()
	found := engine.Found{Marker: core.Marker{Line: p.plan.Line()}}
	if lot, ok := p.book.(core.Lot); ok {
		all, err := lot.Parked(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(all) > 0 {
			found.Marker = all[0]
		}
	}
	found.Events = p.events(t)
	return found
}

func (p *parked) wake(_ context.Context, run string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.woken = append(p.woken, run)
	return nil
}

// attempt is the next one of the run.
func (p *parked) attempt(t *testing.T) core.State {
	t.Helper()
	p.actor.Attempt++
	p.actor.ID = fmt.Sprint("run-", p.actor.Attempt)
	r, err := p.run(t.Context(), "v2")
	if err != nil {
		t.Fatal(err)
	}
	return r.State
}

func elapse(d time.Duration) { (realClock{}).Wait(context.Background(), time.Now().Add(d)) }

// TestParkToTheEnd takes a release out in three short jobs: the bakes in between are looked at by ticks, some of which are
// missed, and the run is woken once, for the second wave.
func TestParkToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParked()
		began := time.Now()
		r, err := p.run(t.Context(), "v2")
		if err != nil || r.State != core.StateBaking || r.Lease.Holder.ID != "" || time.Since(began) > 5*time.Minute {
			t.Fatalf("after %s: %+v, %v", time.Since(began), r, err)
		}
		for _, after := range []time.Duration{10 * time.Minute, 10 * time.Minute, 0, 25 * time.Minute} {
			elapse(after)
			if state := p.tick(t); state != core.StateBaking || len(p.woken) > 0 {
				t.Fatalf("after %s: %s, woken: %v", time.Since(began), state, p.woken)
			}
		}
		elapse(3 * time.Hour)
		for range 3 {
			if state := p.tick(t); state != core.StateDeploying || !slices.Equal(p.woken, []string{"7"}) {
				t.Fatalf("after the bake: %s, woken: %v; want once", state, p.woken)
			}
		}
		if state := p.attempt(t); state != core.StateBaking {
			t.Fatalf("attempt 2: %s", state)
		}
		elapse(2 * time.Hour)
		for range 2 { // what comes after the rollout is woken once
			if state := p.tick(t); state != core.StateSucceeded || len(p.woken) != 2 {
				t.Errorf("at the end: %s, woken: %v", state, p.woken)
			}
		}
	})
}

// TestTickWritesSparingly: a look that says nothing new is written down once in half an hour, so that the next tick need
// not ask about all that again, and one that says something new at once.
func TestTickWritesSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParked()
		began := time.Now()
		p.answers.ask = func(_ core.Asked, at time.Time) core.VerdictKind {
			if at.Sub(began) < 12*time.Minute {
				return core.Inconclusive
			}
			return core.Pass
		}
		if _, err := p.run(t.Context(), "v2"); err != nil {
			t.Fatal(err)
		}
		var written []int
		for range 5 {
			elapse(10 * time.Minute)
			before := len(p.events(t))
			p.tick(t)
			written = append(written, len(p.events(t))-before)
		}
		// The first tick writes the first verdicts and that they have changed, the fourth that half an hour has gone by.
		if want := []int{2, 0, 0, 1, 0}; !slices.Equal(written, want) {
			t.Errorf("events written by each tick: %v; want %v", written, want)
		}
	})
}

// TestParkedBakeFails: what went wrong while nobody was there is found by the next tick, also if it has healed since. The
// run is woken to put the previous version back.
func TestParkedBakeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParked()
		began := time.Now()
		p.answers.ask = func(_ core.Asked, at time.Time) core.VerdictKind {
			if d := at.Sub(began); d > 20*time.Minute && d < 30*time.Minute {
				return core.Fail
			}
			return core.Pass
		}
		if _, err := p.run(t.Context(), "v2"); err != nil {
			t.Fatal(err)
		}
		elapse(26 * time.Hour)
		if state := p.tick(t); state != core.StateRollingBack || !slices.Equal(p.woken, []string{"7"}) {
			t.Fatalf("%s, woken: %v", state, p.woken)
		}
		if state := p.attempt(t); state != core.StateRolledBack {
			t.Errorf("attempt 2: %s", state)
		}
	})
}

// TestParkedBakeHalts: a halt needs no run to be woken.
func TestParkedBakeHalts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParked()
		p.answers.ask = func(core.Asked, time.Time) core.VerdictKind { return core.Error }
		p.plan.Checks[0].React.Error = core.ReactHalt
		if _, err := p.run(t.Context(), "v2"); err != nil {
			t.Fatal(err)
		}
		elapse(time.Hour)
		if state := p.tick(t); state != core.StateHalted || len(p.woken) > 0 {
			t.Fatalf("%s, woken: %v", state, p.woken)
		}
	})
}

// TestTicksAtTheSameTime wake a run once; one that could not be woken is tried again.
func TestTicksAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParked()
		if _, err := p.run(t.Context(), "v2"); err != nil {
			t.Fatal(err)
		}
		elapse(2 * time.Hour)
		e := p.engine()
		e.Actor = core.Actor{ID: "unlucky"}
		busy := errors.New("the run is busy")
		if _, err := e.Tick(t.Context(), p.found(t), func(context.Context, string) error { return busy }); !errors.Is(err, busy) {
			t.Fatalf("%v; want why it could not be woken", err)
		}
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				e := p.engine()
				e.Actor = core.Actor{ID: fmt.Sprint("tick-", i)}
				if _, err := e.Tick(t.Context(), p.found(t), p.wake); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(p.woken) != 1 {
			t.Errorf("woken: %v; want once", p.woken)
		}
		// The attempt never came up: later it is woken once more.
		elapse(time.Hour)
		if p.tick(t); len(p.woken) != 2 {
			t.Errorf("woken: %v; want once more", p.woken)
		}
	})
}

// TestTickLeavesOthersAlone: a rollout that somebody works on is not looked at, nor is one that there is not.
func TestTickLeavesOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParked()
		if r, err := p.engine().Tick(t.Context(), p.found(t), p.wake); r != nil || err != nil {
			t.Errorf("before the first rollout: %v, %v", r, err)
		}
		for i := range p.plan.Waves {
			p.plan.Waves[i].Bake.Wait = core.WaitInline
		}
		done := make(chan error)
		go func() {
			_, err := p.run(t.Context(), "v2")
			done <- err
		}()
		for range 12 {
			elapse(10*time.Minute + time.Second)
			p.tick(t)
		}
		if err := <-done; err != nil || len(p.woken) > 0 {
			t.Errorf("%v, woken: %v", err, p.woken)
		}
	})
}

// TestNewerMeetsAParkedBake: a newer version waits behind a rollout that no job works on as behind any other, until ticks
// and attempts have taken it to its end, or to the next border of waves where the plan says so.
func TestNewerMeetsAParkedBake(t *testing.T) {
	for on, want := range map[core.OnNewer]struct {
		ticks int
		old   core.State
	}{core.NewerQueues: {2, core.StateSucceeded}, core.NewerSupersedes: {1, core.StateAborted}} {
		t.Run(string(on), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newParked()
				p.plan.OnNewer = on
				if _, err := p.run(t.Context(), "v2"); err != nil {
					t.Fatal(err)
				}
				newer := p.comes(t.Context(), time.Minute, "v3", "next", nil)
				elapse(2 * time.Hour)
				state := p.tick(t)
				for n := 1; n < want.ticks; n++ {
					p.attempt(t)
					elapse(2 * time.Hour)
					state = p.tick(t)
				}
				if state != want.old {
					t.Errorf("version v2 ends as %s; want %s", state, want.old)
				}
				if got := <-newer; got.err != nil || got.r.Start.Version != "v3" || got.r.State != core.StateBaking {
					t.Errorf("%+v, %v; want v3 to be on its way", got.r, got.err)
				}
			})
		})
	}
}

// metered counts what the uses of a ledger cost on GitHub: a look is one request, an append three, see
// ledger.TestGitHubThrift.
type metered struct {
	core.Ledger
	requests atomic.Int64
}

func (m *metered) Read(ctx context.Context, l core.Line) ([]core.Event, error) {
	m.requests.Add(1)
	return m.Ledger.Read(ctx, l)
}

func (m *metered) Append(ctx context.Context, l core.Line, after int64, events []core.Event) error {
	m.requests.Add(3)
	return m.Ledger.Append(ctx, l, after, events)
}

// marks counts the events after which the commit's status is set, and the check run.
type marks struct {
	silent
	n int
}

func (m *marks) Recorded(_ *core.Rollout, e core.Event) {
	switch e.Type {
	case core.EventRenewed, core.EventLooked, core.EventDeployed, core.EventPassed:
	default:
		m.n++
	}
}

// TestThriftOfALongRollout: five waves that each bake for four hours stay under 300 requests in all, in one job that waits, with
// everything that it can show.
func TestThriftOfALongRollout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		for i := len(s.plan.Waves); i < 5; i++ {
			name := fmt.Sprintf("w%d", i)
			s.plan.Waves = append(s.plan.Waves, core.WaveRule{Name: name})
			wave := core.StartWave{Name: name, Rule: i}
			for j := range 50 {
				wave.Targets = append(wave.Targets, core.StartTarget{Target: core.Target{Name: fmt.Sprintf("%s-%d", name, j)}})
			}
			s.waves = append(s.waves, wave)
		}
		for i := range s.plan.Waves {
			s.plan.Waves[i].Bake = core.Bake{Min: 4 * time.Hour, Max: 8 * time.Hour, Every: time.Minute}
		}
		s.plan.Deploy.Parallel.Count = 50
		s.deploys.fail = func(a core.Act) error { // one ends after the other
			(realClock{}).Wait(t.Context(), time.Now().Add(time.Duration(a.Target.Name[len(a.Target.Name)-1]-'0')*7*time.Second))
			return nil
		}
		book, seen := &metered{Ledger: s.book}, new(marks)
		forge, err := ledger.Open(t.Context(), "github:octo/shop", ledger.Env{Environ: []string{"GITHUB_TOKEN=x"}, Clock: realClock{}})
		if err != nil {
			t.Fatal(err)
		}
		e := s.engine()
		pace := forge.(core.Metered).Pace()
		e.Ledger, e.Observer, e.Lease, e.Glance, e.Watch, e.Gather = book, seen, pace.Lease, pace.Glance, pace.Watch, pace.Gather
		r, err := e.Run(t.Context(), s.request("v2"))
		if err != nil || r.State != core.StateSucceeded {
			t.Fatalf("%+v, %v", r, err)
		}
		checkRun := seen.n + 1                 // which looks once whether there is one
		deployments := 1 + 4*len(s.plan.Waves) // see actions.TestRegisterThrift
		if n := int(book.requests.Load()) + seen.n + checkRun + deployments; n > 300 {
			t.Errorf("%d requests: %d for the ledger, %d for statuses, %d for the check run, %d for deployments; want at most 300 in all", n,
				book.requests.Load(), seen.n, checkRun, deployments)
		} else {
			t.Logf("%d requests: %d for the ledger, %d for statuses, %d for the check run, %d for deployments", n,
				book.requests.Load(), seen.n, checkRun, deployments)
		}
	})
}
