package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/ledger"
)

var (
	seeds = flag.Int("seeds", 2000, "how many random rollouts the invariants are checked on")
	seed  = flag.Uint64("seed", 0, "replay this one random rollout, and tell its story")
)

// TestInvariants runs random rollouts through the real engine. Every call can fail, answer too late, lose its answer, or
// be the last of its process; a second actor can come at any moment. What DESIGN section 3 promises is checked after
// every event and every act.
func TestInvariants(t *testing.T) {
	if *seed != 0 {
		story(t, *seed, make(map[string]int))
		return
	}
	ends, done := make(map[core.State]int), make(map[string]int)
	for s := uint64(1); s <= uint64(*seeds); s++ {
		ends[story(t, s, done)]++
		if t.Failed() {
			t.Fatalf("seed %d broke it; replay with: go test ./core/engine -run TestInvariants -seed %d -v", s, s)
		}
	}
	t.Logf("%d rollouts ended: %v; humans: %v", *seeds, ends, done)
	for _, want := range []core.State{core.StateSucceeded, core.StateRolledBack, core.StateHalted, core.StateRollbackFailed} {
		if ends[want] == 0 {
			t.Errorf("no rollout ended %s: the test does not reach it", want)
		}
	}
	for _, want := range overrides {
		if done[want] == 0 {
			t.Errorf("no human ever did this: %s", want)
		}
	}
}

// A world is everything outside the engine: targets, checks, the ledger and the clock, with faults at every call.
type world struct {
	t      *testing.T
	rnd    *rand.Rand
	seed   uint64
	plan   *core.Plan
	waves  []core.StartWave
	disk   core.Ledger
	clock  *engine.VirtualClock
	faults int // how many are left to happen

	told      *core.Rollout     // what the ledger tells, event by event
	humans    humans            // what humans did, as the events tell
	impatient int               // how many more of them come in the middle of something
	runs      map[string]string // target to version
	holds     bool              // targets wait to be told that their wave has passed
	held      map[string]bool   // those that do
	tells     bool              // every target can say what it runs
	drift     bool              // somebody changed a target by other means, and nobody has accepted that yet
	inside    bool              // a second actor is at work inside a call of the first
	attempts  int
}

// story tells one random rollout to its end and returns that end.
func story(t *testing.T, seed uint64, done map[string]int) core.State {
	w := newWorld(t, seed)
	w.humans.done = done
	for range 60 {
		w.attempts++
		if w.rnd.IntN(5) == 0 {
			w.actor("run-1", w.attempts).override()
		}
		r, err := w.actor("run-1", w.attempts).run()
		var lost engine.Lost
		var blocked engine.Blocked
		switch {
		case err == nil && r.State.Over():
			w.checkEnd(r)
			return r.State
		case err == nil && r.State.Resting() && w.faults == 0 && w.rnd.IntN(4) == 0:
			w.checkEnd(r)
			return r.State
		case errors.As(err, &blocked) && strings.Contains(blocked.Reason, "within a year"):
			w.checkNever(0)
			return "never"
		case err == nil && r.Cause == core.CauseWindow:
			w.checkNever(r.Wave)
			w.checkEnd(r)
			return r.State
		case errors.As(err, &blocked): // by a window, or by a rival that died with the lease: it runs out
			_ = w.clock.Wait(context.Background(), w.clock.Now().Add(5*time.Minute))
			_ = w.clock.Wait(context.Background(), blocked.Until)
			continue
		case errors.As(err, new(engine.Refused)) && strings.Contains(err.Error(), "does not hurry a rollback"):
			continue // the next one does without
		case err == nil, errors.Is(err, errFault), errors.Is(err, errDead), errors.As(err, &lost), errors.Is(err, context.Canceled):
			continue // someone runs it again
		}
		var already engine.Already
		if errors.As(err, &already) {
			return already.Rollout.State
		}
		t.Errorf("attempt %d: %v", w.attempts, err)
		return ""
	}
	r := w.told
	t.Errorf("after %d attempts the rollout is still %s: %s", w.attempts, r.State, r.Reason)
	return r.State
}

func newWorld(t *testing.T, seed uint64) *world {
	rnd := rand.New(rand.NewPCG(seed, 1))
	w := &world{t: t, rnd: rnd, seed: seed, disk: ledger.NewMemory(), clock: new(engine.VirtualClock), runs: make(map[string]string), held: make(map[string]bool), faults: rnd.IntN(7)}
	w.told = &core.Rollout{Line: core.Line{Service: "shop", Environment: "test"}}
	w.plan = &core.Plan{
		Service: "shop", Environment: "test", Precheck: rnd.IntN(2) == 0,
		Deploy:   core.Deploy{Timeout: time.Minute, Parallel: core.Amount{Count: 1, Set: true}, Tolerate: core.Amount{Count: rnd.IntN(2), Set: true}},
		Rollback: core.Rollback{Scope: core.ScopeRollout, Timeout: time.Minute, Parallel: core.Amount{Count: 1, Set: true}},
	}
	if rnd.IntN(4) > 0 {
		w.plan.Rollback.When = []core.Trigger{core.TriggerDeploy, core.TriggerCheck}
	}
	if rnd.IntN(4) == 0 {
		w.plan.Rollback.Scope = core.ScopeWave
	}
	if rnd.IntN(3) == 0 {
		w.plan.Rollback.Verify = 10 * time.Minute
	}
	if rnd.IntN(3) == 0 {
		w.plan.Rollback.Rehearse = core.RehearseFirst
	}
	react := core.Reactions{Fail: core.ReactRollback, Inconclusive: core.ReactHalt, Error: core.ReactHalt}
	w.plan.React = react
	for i := range rnd.IntN(3) {
		w.plan.Checks = append(w.plan.Checks, core.Check{Name: fmt.Sprintf("check-%d", i), React: react})
	}
	for i := range 1 + rnd.IntN(4) {
		name := fmt.Sprintf("wave-%d", i)
		w.plan.Waves = append(w.plan.Waves, core.WaveRule{Name: name, Bake: core.Bake{Min: 10 * time.Minute, Max: 30 * time.Minute, Every: time.Minute}})
		sw := core.StartWave{Name: name, Rule: i}
		for j := range 1 + rnd.IntN(5) {
			target := core.Target{Name: fmt.Sprintf("t%d-%d", i, j)}
			sw.Targets = append(sw.Targets, core.StartTarget{Target: target})
			w.runs[target.Name] = "v1"
		}
		w.waves = append(w.waves, sw)
	}
	w.addOverrides()
	w.holds = rnd.IntN(3) == 0
	w.tells = rnd.IntN(2) == 0
	if w.tells && rnd.IntN(2) == 0 {
		w.drift = true
		w.runs[w.waves[rnd.IntN(len(w.waves))].Targets[0].Name] = "hotfix"
	}
	if rnd.IntN(3) > 0 {
		w.addWindows()
	}
	return w
}

func (w *world) logf(format string, args ...any) {
	if *seed != 0 {
		w.t.Logf(format, args...)
	}
}

// record is the rollout as the ledger has it, read from its start.
func (w *world) record() *core.Rollout {
	events, err := w.disk.Read(context.Background(), w.plan.Line())
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := core.Replay(w.plan.Line(), events)
	if err != nil {
		w.t.Fatalf("the ledger does not replay: %v", err)
	}
	return r
}

// chance draws by what is asked, not by when, so that the answer to a question does not depend on faults.
func (w *world) chance(of float64, about ...any) bool {
	h := fnv.New64a()
	fmt.Fprint(h, w.seed, about)
	return rand.New(rand.NewPCG(h.Sum64(), 2)).Float64() < of
}

var (
	errFault = errors.New("a fault that was injected")
	errDead  = errors.New("this process is dead")
)

// A process is one actor, until it dies.
type process struct {
	*world
	id     core.Actor
	dead   bool
	cancel context.CancelFunc
	ctx    context.Context
}

func (w *world) actor(run string, attempt int) *process {
	p := &process{world: w, id: core.Actor{ID: fmt.Sprintf("%s/%d", run, attempt), Run: run, Attempt: attempt}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

func (p *process) run() (*core.Rollout, error) {
	defer p.cancel()
	emergency := p.emergency()
	accept := ""
	if p.drift {
		accept = "the hotfix is in v2"
	}
	p.logf("-- %s begins at %s %s", p.id.ID, p.clock.Now().Format(time.TimeOnly), emergency)
	r, err := p.engine().Run(p.ctx, engine.Request{Version: "v2", Previous: "v1", Emergency: emergency, AcceptDrift: accept,
		Waves: func(context.Context) ([]core.StartWave, error) {
			waves := slices.Clone(p.waves)
			for i := range waves {
				waves[i].Targets = slices.Clone(waves[i].Targets)
				for j := range waves[i].Targets {
					if !p.tells {
						continue
					}
					// What is not drift must be what the ledger says.
					waves[i].Targets[j].Found = p.runs[waves[i].Targets[j].Name]
				}
			}
			return waves, nil
		}})
	p.logf("-- %s ends: %v", p.id.ID, err)
	if err == nil {
		if disk := p.record(); disk.State != r.State || disk.Seq != r.Seq {
			p.t.Errorf("the engine says %s at event %d, the ledger says %s at event %d", r.State, r.Seq, disk.State, disk.Seq)
		}
	}
	return r, err
}

func (p *process) engine() *engine.Engine {
	return &engine.Engine{
		Line: p.plan.Line(), Ledger: p, Clock: p, Actor: p.id, Observer: p, Lease: 10 * time.Minute, LastWords: time.Second,
		Dead: func(core.Actor) bool { return false },
		Equip: func(string, string) (engine.Gear, error) {
			return engine.Gear{Plan: p.plan, Deploy: p, Rollback: p, Checks: p, Windows: p.windows()}, nil
		},
	}
}

// fault decides whether something goes wrong in this call, and how.
func (p *process) fault() string {
	if p.dead {
		return "dead"
	}
	if p.impatient > 0 && p.rnd.IntN(25) == 0 {
		p.impatient--
		p.second("human")
		return "human"
	}
	if p.faults == 0 || p.rnd.IntN(12) != 0 {
		return ""
	}
	p.faults--
	kind := []string{"error", "lost answer", "delay", "crash", "crash after", "cancel", "rival", "next attempt"}[p.rnd.IntN(8)]
	p.logf("   fault: %s for %s", kind, p.id.ID)
	switch kind {
	case "delay":
		_ = p.clock.Wait(context.Background(), p.clock.Now().Add(time.Duration(p.rnd.IntN(20))*time.Minute))
	case "cancel":
		p.cancel()
	case "rival", "next attempt":
		p.second(kind)
	}
	return kind
}

// second lets another actor do what it can, in the middle of a call of the first.
func (p *process) second(kind string) {
	if p.inside {
		return
	}
	p.inside = true
	defer func() { p.inside = false }()
	if kind == "human" {
		p.override()
		return
	}
	other := p.actor("run-2", 1)
	if kind == "next attempt" {
		p.attempts++
		other = p.actor("run-1", p.attempts)
	}
	_, _ = other.run() // how it ends is told by the ledger
}

func (p *process) Now() time.Time { return p.clock.Now() }

func (p *process) Wait(ctx context.Context, until time.Time) error {
	switch p.fault() {
	case "dead", "crash", "crash after":
		p.dead = true
		return errDead
	}
	return p.clock.Wait(ctx, until)
}

func (p *process) Read(ctx context.Context, line core.Line) ([]core.Event, error) {
	switch p.fault() {
	case "dead", "crash", "crash after":
		p.dead = true
		return nil, errDead
	case "error", "lost answer":
		return nil, errFault
	}
	return p.disk.Read(ctx, line)
}

func (p *process) Append(ctx context.Context, line core.Line, after int64, events []core.Event) error {
	kind := p.fault()
	switch kind {
	case "dead", "crash":
		p.dead = true
		return errDead
	case "error":
		return errFault
	}
	if err := p.disk.Append(ctx, line, after, events); err != nil {
		return err
	}
	for _, e := range events {
		p.logf("%s %3d %s %s %v %s %s", e.At.Format(time.TimeOnly), e.Seq, e.Actor, e.Type, e.Targets, e.State, e.Reason)
	}
	p.checkEvents(events)
	switch kind {
	case "lost answer":
		return errFault
	case "crash after":
		p.dead = true
		return errDead
	}
	return nil
}

// checkEvents checks what the ledger now says against what it may say.
func (p *process) checkEvents(events []core.Event) {
	for _, e := range events {
		before := p.told
		p.checkOverride(before, e)
		wave := slices.IndexFunc(before.Waves, func(w core.Wave) bool { return w.Name == e.Wave })
		switch e.Type {
		case core.EventBlocked:
			if e.Due != nil && !p.mayStart(wave, *e.Due) {
				p.t.Errorf("wave %s is said to open at %s, when it is shut", e.Wave, e.Due)
			}
		case core.EventDeploying:
			if !begun(before.Waves[wave]) && !p.mayStart(wave, e.At) && !before.Emergency {
				p.t.Errorf("wave %s starts at %s while its window is shut", e.Wave, e.At)
			}
			for _, w := range before.Waves[:wave] {
				if w.State != core.WavePassed {
					p.t.Errorf("wave %s starts while %s is %s", e.Wave, w.Name, w.State)
				}
				for _, t := range w.Targets {
					if t.State == core.TargetDeployed && p.held[t.Name] { // where a deploy failed, what is held goes back by itself
						p.t.Errorf("wave %s starts while %s waits to be told that %s has passed", e.Wave, t.Name, w.Name)
					}
				}
			}
		case core.EventBaking:
			out := slices.ContainsFunc(before.Waves[wave].Targets, func(t core.TargetRecord) bool { return t.State == core.TargetDeployed })
			if p.plan.Rollback.Rehearse != "" && wave == 0 && out && before.Rehearsed.IsZero() {
				p.t.Error("the first wave bakes, and nobody rehearsed a rollback")
			}
		case core.EventPassed:
			if served := e.At.Sub(before.Waves[wave].Since); served < p.shortest(wave) {
				p.t.Errorf("wave %s passed after %s", e.Wave, served)
			}
			for _, v := range e.Verdicts {
				if v.Verdict != core.Pass {
					p.t.Errorf("wave %s passed while check %s said %s", e.Wave, v.Check, v.Verdict)
				}
			}
			if len(e.Verdicts) != len(p.plan.Checks) {
				p.t.Errorf("wave %s passed with %d verdicts of %d checks", e.Wave, len(e.Verdicts), len(p.plan.Checks))
			}
		case core.EventClaimed:
			if !before.Lease.YieldsTo(e.Lease.Holder, e.At, func(core.Actor) bool { return false }) {
				p.t.Errorf("%s got in while %s held the line until %s", e.Actor, before.Lease.Holder.ID, before.Lease.Until)
			}
		case core.EventEnded:
			if e.State == core.StateRolledBack && p.plan.Rollback.Verify > 0 && len(p.plan.Checks) > 0 && before.Verified == nil && !before.Restored.IsZero() {
				p.t.Error("rolled back, and nobody asked whether the checks have recovered")
			}
		}
		switch e.Type {
		case core.EventStarted, core.EventClaimed, core.EventPromoted:
		default:
			if before.Lease.Holder.ID != e.Actor && !p.humans.mayEnd(before, events, e) {
				p.t.Errorf("%s wrote %s while %s held the line", e.Actor, e.Type, before.Lease.Holder.ID)
			}
		}
		if e.Type == core.EventStarted && before.State.Over() {
			*before = core.Rollout{Line: before.Line}
		}
		if err := before.Apply(e); err != nil {
			p.t.Errorf("the ledger got what does not fit: %v", err)
		}
	}
}

// Deploy checks that the ledger announced the act and that the actor may do it; then it may fail, or be cut off before,
// or after, the target has changed.
func (p *process) Deploy(ctx context.Context, act core.Act) (string, error) {
	if p.dead {
		return "", errDead
	}
	r := p.told
	t := r.Target(act.Target.Name)
	want := core.TargetDeploying
	if act.Rollback {
		want = core.TargetRollingBack
	}
	if t.State != want {
		p.t.Errorf("%s acts on %s, which the ledger calls %s", p.id.ID, t.Name, t.State)
	}
	if act.Named != (act.Rollback && r.To != "") {
		p.t.Errorf("%+v while somebody has named %q", act, r.To)
	}
	if act.Rollback && act.Version != p.humans.wanted(r) {
		p.t.Errorf("%s gets %s, not %s", t.Name, act.Version, p.humans.wanted(r))
	}
	if r.Lease.Holder.ID != p.id.ID {
		p.t.Errorf("%s acts on %s while %s holds the line", p.id.ID, t.Name, r.Lease.Holder.ID)
	}
	kind := p.fault()
	_ = p.clock.Wait(context.Background(), p.clock.Now().Add(20*time.Second))
	switch kind {
	case "dead", "crash":
		p.dead = true
		return "", errDead
	case "cancel":
		if p.rnd.IntN(2) == 0 {
			return "", ctx.Err()
		}
	case "rival", "next attempt", "human":
		// Whatever the other actor did, this one was cut off; what it had started may still have its effect first.
		if p.told.Lease.Holder.ID != p.id.ID {
			return "", errFault
		}
	}
	if p.chance(0.03, "deploy", act.Target.Name, act.Attempt, act.Rollback, p.attempts*btoi(act.Rollback)) {
		return "it broke", errFault
	}
	p.runs[act.Target.Name], p.held[act.Target.Name] = act.Version, p.holds && !act.Rollback
	p.logf("   %s: %s now runs %s", p.id.ID, act.Target.Name, act.Version)
	if kind == "crash after" {
		p.dead = true
		return "", errDead
	}
	return "", nil
}

func (p *process) Holds() bool { return p.holds }

// Confirm checks that the target waits for this and that the ledger announced it; then it may be cut off like a deploy, or
// find that the target went back by itself.
func (p *process) Confirm(ctx context.Context, act core.Act) (string, error) {
	if p.dead {
		return "", errDead
	}
	t, name := p.told.Target(act.Target.Name), act.Target.Name
	if wave := &p.told.Waves[p.told.Wave]; !t.Held || t.By != p.id.ID || wave.State != core.WavePassed || wave.Name != act.Wave {
		p.t.Errorf("%s tells %s that wave %s has passed, which is %s: held %t, announced by %s", p.id.ID, name, act.Wave, wave.State, t.Held, t.By)
	}
	if act.Version != "v2" || act.Rollback || act.Attempt != t.Attempts {
		p.t.Errorf("%s is told of %+v after %d attempts", name, act, t.Attempts)
	}
	if p.told.Lease.Holder.ID != p.id.ID {
		p.t.Errorf("%s tells %s while %s holds the line", p.id.ID, name, p.told.Lease.Holder.ID)
	}
	if p.held[name] && p.chance(0.03, "goes back", name, act.Attempt) {
		p.runs[name], p.held[name] = "v1", false
	}
	kind := p.fault()
	_ = p.clock.Wait(context.Background(), p.clock.Now().Add(20*time.Second))
	switch kind {
	case "dead", "crash":
		p.dead = true
		return "", errDead
	case "cancel":
		return "", ctx.Err()
	case "rival", "next attempt", "human":
		if p.told.Lease.Holder.ID != p.id.ID {
			return "", errFault
		}
	}
	if p.runs[name] != act.Version {
		return "it went back", errFault
	}
	p.held[name] = false
	p.logf("   %s: %s knows that %s has passed", p.id.ID, name, act.Wave)
	if kind == "crash after" {
		p.dead = true
		return "", errDead
	}
	return "", nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (p *process) Open(_ context.Context, asked core.Asked) (core.Looker, error) {
	return &looker{process: p, asked: asked}, nil
}

// A looker answers at random, mostly well, and always the same about the same instant of the same bake.
type looker struct {
	*process
	asked core.Asked
	last  time.Time
}

func (l *looker) Close() error { return nil }

func (l *looker) Look(_ context.Context, at time.Time) core.Evidence {
	if !l.last.IsZero() && !at.After(l.last) {
		l.t.Errorf("a look at %s came after one at %s", at, l.last)
	}
	if at.After(l.clock.Now()) {
		l.t.Errorf("a look at %s, which is in the future", at)
	}
	l.last = at
	seen := core.Evidence{Enough: true}
	for _, c := range l.plan.Checks {
		v := core.Verdict{Check: c.Name, Verdict: core.Pass, Reason: "so it is", At: at}
		switch {
		case l.chance(0.004, c.Name, l.asked.Wave, at, "fail"):
			v.Verdict = core.Fail
		case l.chance(0.01, c.Name, l.asked.Wave, at, "inconclusive"):
			v.Verdict = core.Inconclusive
		case l.chance(0.003, c.Name, l.asked.Wave, at, "error"):
			v.Verdict = core.Error
		}
		seen.Verdicts = append(seen.Verdicts, v)
	}
	return seen
}

func (*process) Recorded(*core.Rollout, core.Event)                 {}
func (*process) Looked(*core.Rollout, core.Evidence)                {}
func (*process) Acted(act core.Act, result core.Result, out string) {}

// checkEnd compares what the targets really run with what the ledger says.
func (w *world) checkEnd(r *core.Rollout) {
	for _, wave := range r.Waves {
		for _, t := range wave.Targets {
			runs := w.runs[t.Name]
			if t.Version != "" && t.Version != runs {
				w.t.Errorf("%s runs %s, the ledger says %s", t.Name, runs, t.Version)
			}
			switch {
			case r.State == core.StateSucceeded && t.State == core.TargetDeployed && (runs != "v2" || w.held[t.Name]),
				r.State == core.StateRolledBack && (t.InScope || w.humans.to != "") && runs != w.humans.wanted(r):
				w.t.Errorf("the rollout is %s, %s is %s (%d attempts) and runs %s", r.State, t.Name, t.State, t.Attempts, runs)
			}
			if r.State == core.StateRolledBack && w.plan.Rollback.Scope == core.ScopeRollout && t.Attempts > 0 && !t.InScope && t.Version != t.Previous { // a rehearsal may have put it back already
				w.t.Errorf("%s was touched and is not in the scope of the rollback", t.Name)
			}
		}
	}
}
