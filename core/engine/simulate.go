package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A Simulation runs a plan through the real engine on a virtual clock, with failures that were named.
type Simulation struct {
	Plan   *core.Plan
	Waves  []core.StartWave
	Ledger core.Ledger    // empty, and in memory
	Opens  core.Timetable // when the waves may start; nil: at any time
	Start  time.Time      // what the virtual clock shows at first
	Each   time.Duration  // how long one deploy takes
	Faults []Fault
	KillAt []core.EventType // the process dies right after it wrote the next such event, and a later attempt goes on
	Hurry  string           // why it is an emergency; empty: it is not
	Checks core.Asker       // who answers the checks; nil: they pass, but for those that are told to fail
}

// A Fault is a failure that a simulation is told to have.
type Fault struct {
	Kind string        // wave, target, rollback or check
	Name string        // of the wave (or its number from 1), the target or the check
	At   time.Duration // check: from this time after the start of the rollout, while the new version is out
}

// ParseFault reads wave=2, wave=NAME, target=NAME, rollback=TARGET, check=NAME or check=NAME@12m.
func ParseFault(text string) (Fault, error) {
	kind, name, ok := strings.Cut(text, "=")
	if !ok || name == "" || !slices.Contains([]string{"wave", "target", "rollback", "check"}, kind) {
		return Fault{}, fmt.Errorf("%q is not a failure: use wave=2, target=NAME, rollback=TARGET or check=NAME@12m", text)
	}
	f := Fault{Kind: kind, Name: name}
	if name, at, timed := strings.Cut(name, "@"); timed && kind == "check" {
		d, err := time.ParseDuration(at)
		if err != nil || d < 0 {
			return Fault{}, fmt.Errorf("%q is not a failure: %q is no time such as 12m", text, at)
		}
		f.Name, f.At = name, d
	}
	return f, nil
}

// Run simulates until the rollout rests. It returns the rollout and how many attempts it took.
func (s *Simulation) Run(ctx context.Context) (*core.Rollout, int, error) {
	if err := s.known(); err != nil {
		return nil, 0, err
	}
	clock := &VirtualClock{now: s.Start}
	world := &simulated{Simulation: s, clock: clock, out: make(map[string]bool)}
	kills := slices.Clone(s.KillAt)
	plan := *s.Plan
	plan.Waves = slices.Clone(plan.Waves)
	for i := range plan.Waves {
		plan.Waves[i].Bake.Wait = core.WaitInline // nobody ticks here, and the time is the same
	}
	plan.Deploy.Driver, plan.Rollback.Driver = "", "" // whoever deploys is simulated
	for attempt := 1; ; attempt++ {
		life := &life{ledger: s.Ledger, clock: clock, driver: world, kills: &kills}
		e := &Engine{
			Line: s.Plan.Line(), Ledger: life, Clock: life, Observer: unseen{},
			Actor: core.Actor{ID: fmt.Sprintf("simulated-%d", attempt), Name: "simulation", Run: "simulated", Attempt: attempt},
			Equip: func(string, string) (Gear, error) {
				return Gear{Plan: &plan, Deploy: life, Rollback: life, Checks: s.asker(world), Windows: s.windows()}, nil
			},
			Dead: func(core.Actor) bool { return false }, Lease: time.Hour, LastWords: time.Second,
		}
		r, err := e.Run(ctx, Request{
			Version: "new", Previous: "old", Emergency: s.Hurry,
			Waves: func(context.Context) ([]core.StartWave, error) { return s.Waves, nil },
		})
		if !errors.Is(err, errKilled) {
			return r, attempt, err
		}
	}
}

func (s *Simulation) asker(world core.Asker) core.Asker {
	if s.Checks != nil {
		return s.Checks
	}
	return world
}

func (s *Simulation) windows() func(context.Context, []core.StartWave) (core.Timetable, error) {
	if s.Opens == nil {
		return nil
	}
	return func(context.Context, []core.StartWave) (core.Timetable, error) { return s.Opens, nil }
}

// known refuses failures of things that the plan does not have.
func (s *Simulation) known() error {
	for _, f := range s.Faults {
		var found bool
		switch f.Kind {
		case "check":
			found = s.Plan.Check(f.Name) != nil
		case "wave":
			found = slices.ContainsFunc(s.Waves, func(w core.StartWave) bool { return s.is(f.Name, w.Name) })
		default:
			found = slices.ContainsFunc(s.Waves, func(w core.StartWave) bool {
				return slices.ContainsFunc(w.Targets, func(t core.StartTarget) bool { return t.Name == f.Name })
			})
		}
		if !found {
			return Refused{Reason: fmt.Sprintf("The plan has no %s %q that could fail.", strings.Replace(f.Kind, "rollback", "target", 1), f.Name)}
		}
	}
	return nil
}

// is reports whether a fault's name, or number, means a wave.
func (s *Simulation) is(name, wave string) bool {
	n, err := strconv.Atoi(name)
	return name == wave || err == nil && n >= 1 && n <= len(s.Waves) && s.Waves[n-1].Name == wave
}

// simulated is the world of a simulation: its targets and its checks.
type simulated struct {
	*Simulation
	clock *VirtualClock

	mu  sync.Mutex
	out map[string]bool // targets on the new version
}

// Deploy takes its share of virtual time: as many run side by side as the plan says.
func (s *simulated) Deploy(_ context.Context, act core.Act) (string, error) {
	side := s.Plan.Deploy.Parallel
	if act.Rollback {
		side = s.Plan.Rollback.Parallel
	}
	for _, w := range s.Waves {
		if w.Name == act.Wave {
			s.clock.advance(s.Each / time.Duration(max(1, side.Of(len(w.Targets), 1))))
		}
	}
	for _, f := range s.Faults {
		forwards := f.Kind == "target" && f.Name == act.Target.Name || f.Kind == "wave" && s.is(f.Name, act.Wave)
		back := f.Kind == "rollback" && f.Name == act.Target.Name
		if forwards && !act.Rollback || back && act.Rollback {
			return "", errors.New("failed, as the simulation was told")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if act.Rollback {
		delete(s.out, act.Target.Name)
	} else {
		s.out[act.Target.Name] = true
	}
	return "", nil
}

func (s *simulated) Open(context.Context, core.Asked) (core.Looker, error) { return s, nil }
func (s *simulated) Close() error                                          { return nil }

// Look lets every check pass but those that were told to fail by now, as long as the new version is out anywhere.
func (s *simulated) Look(_ context.Context, at time.Time) core.Evidence {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := core.Evidence{Enough: true, Seen: "as much as needed"}
	for _, c := range s.Plan.Checks {
		v := core.Verdict{Check: c.Name, Verdict: core.Pass, Reason: "simulated", At: at}
		for _, f := range s.Faults {
			if f.Kind == "check" && f.Name == c.Name && at.Sub(s.Start) >= f.At && len(s.out) > 0 {
				v.Verdict, v.Reason = core.Fail, "failed, as the simulation was told"
			}
		}
		seen.Verdicts = append(seen.Verdicts, v)
	}
	return seen
}

// A VirtualClock moves only when somebody waits.
type VirtualClock struct {
	mu  sync.Mutex
	now time.Time
}

// Now tells the virtual time.
func (c *VirtualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Wait moves the clock to until at once.
func (c *VirtualClock) Wait(ctx context.Context, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if until.After(c.now) {
		c.now = until
	}
	return nil
}

func (c *VirtualClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// errKilled is what a simulated process sees of the world after its death: nothing that it does has an effect.
var errKilled = errors.New("the simulated process was killed")

// A life is the world as one simulated process sees it, until it is killed.
type life struct {
	ledger core.Ledger
	clock  core.Clock
	driver core.Driver
	kills  *[]core.EventType
	dead   atomic.Bool
}

func (l *life) Read(ctx context.Context, line core.Line) ([]core.Event, error) {
	if l.dead.Load() {
		return nil, errKilled
	}
	return l.ledger.Read(ctx, line)
}

// Append dies right after the write that it was told to die at, before anybody hears of it.
func (l *life) Append(ctx context.Context, line core.Line, after int64, events []core.Event) error {
	if l.dead.Load() {
		return errKilled
	}
	if err := l.ledger.Append(ctx, line, after, events); err != nil {
		return err
	}
	for _, e := range events {
		if len(*l.kills) > 0 && (*l.kills)[0] == e.Type {
			*l.kills = (*l.kills)[1:]
			l.dead.Store(true)
			return errKilled
		}
	}
	return nil
}

func (l *life) Now() time.Time { return l.clock.Now() }

func (l *life) Wait(ctx context.Context, until time.Time) error {
	if l.dead.Load() {
		return errKilled
	}
	return l.clock.Wait(ctx, until)
}

func (l *life) Deploy(ctx context.Context, act core.Act) (string, error) {
	if l.dead.Load() {
		return "", errKilled
	}
	return l.driver.Deploy(ctx, act)
}

// unseen is the observer of a rollout that nobody watches: its ledger tells all.
type unseen struct{}

func (unseen) Recorded(*core.Rollout, core.Event)  {}
func (unseen) Looked(*core.Rollout, core.Evidence) {}
func (unseen) Acted(core.Act, core.Result, string) {}
