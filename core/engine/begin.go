package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Blocked says that the line cannot be worked on now.
type Blocked struct {
	Reason string
	Until  time.Time // when it can; zero: that is not known
}

func (b Blocked) Error() string { return b.Reason }

// Refused says that the request is wrong, whatever the state of the line.
type Refused struct{ Reason string }

func (r Refused) Error() string { return r.Reason }

// Already says that there is nothing to do.
type Already struct {
	Rollout *core.Rollout
}

func (a Already) Error() string {
	return fmt.Sprintf("Version %s is already out on %s (rollout %s). Nothing to do.", a.Rollout.Start.Version, a.Rollout.Line, a.Rollout.ID)
}

// begin starts a rollout or takes over the unfinished one. When two processes begin at once, one of them sees the
// conflict and looks again.
func (e *Engine) begin(ctx context.Context, req Request) (*session, error) {
	for queued := ""; ; {
		r, err := e.load(ctx)
		if err != nil {
			return nil, err
		}
		if err := req.goesOn(r); err != nil {
			return nil, err
		}
		st, err := req.part(r)
		if err != nil {
			return nil, err
		}
		if r.State != "" && r.Start.Version == req.Version && !r.State.Over() {
			if err := reaches(r, req.Through); err != nil {
				return nil, err
			}
		}
		if !r.State.Over() && r.State != "" && r.Start.Version != req.Version {
			if err := e.meet(ctx, r, req, &queued); err != nil {
				return nil, err
			}
			continue
		}
		var s *session
		if r.State == "" || r.State.Over() {
			s, err = e.start(ctx, r, req)
		} else {
			s, err = e.join(ctx, r, req)
		}
		if errors.Is(err, core.ErrConflict) {
			continue
		}
		if err == nil {
			s.stint, s.through = st, req.Through
		}
		return s, err
	}
}

// equip builds what the plan of a request needs, if that may begin.
func (e *Engine) equip(ctx context.Context, req Request) (Gear, error) {
	gear, err := e.Equip(req.PlanFile, req.PlanText)
	if err == nil {
		err = req.fits(gear.Plan)
	}
	if err == nil {
		err = e.require(ctx, gear.Plan)
	}
	return gear, err
}

// goesOn refuses to begin a rollout where one is only to be gone on with. One that has succeeded has nothing left to do.
func (req Request) goesOn(r *core.Rollout) error {
	if !req.Resume || r.Start.Version == req.Version && (!r.State.Over() || r.State == core.StateSucceeded) {
		return nil
	}
	was := "there is no rollout yet"
	if r.State != "" {
		was = fmt.Sprintf("rollout %s of version %s is %s", r.ID, r.Start.Version, r.State)
	}
	return Blocked{Reason: fmt.Sprintf("No rollout of version %s is under way on %s: %s. This job only goes on with one; the first job of the rollout begins it.",
		req.Version, r.Line, was)}
}

// part is the part of a rollout that is asked for; nil is all of it.
func (req Request) part(r *core.Rollout) (*stint, error) {
	if req.stint == nil {
		return nil, nil
	}
	return req.stint(r)
}

// fits refuses a plan that deploys in another way than the one that is asked for.
func (req Request) fits(p *core.Plan) error {
	switch asked := req.stint != nil; {
	case asked && !p.DeployedByJobs():
		return Refused{Reason: fmt.Sprintf("The plan deploys by %s, so there is nothing to be left to jobs. Use breakwater run, or say deploy: {jobs: {}} in the plan.", p.Deploy.Driver)}
	case !asked && p.DeployedByJobs():
		return Refused{Reason: "The plan leaves the deploys to jobs (deploy.jobs): use breakwater start before those jobs, and breakwater bake after them."}
	default:
		return nil
	}
}

// load reads the newest rollout of the line.
func (e *Engine) load(ctx context.Context) (*core.Rollout, error) {
	events, err := e.Ledger.Read(ctx, e.Line)
	if err != nil {
		return nil, err
	}
	return core.Replay(e.Line, events)
}

// start writes a new rollout down. Nothing has been touched yet.
func (e *Engine) start(ctx context.Context, last *core.Rollout, req Request) (*session, error) {
	if last.State == core.StateSucceeded && last.Start.Version == req.Version {
		return nil, Already{Rollout: last}
	}
	gear, err := e.equip(ctx, req)
	if err != nil {
		return nil, err
	}
	previous := req.previous(ctx, last)
	if req.FirstRelease {
		if previous != "" {
			return nil, Refused{Reason: fmt.Sprintf("This is not the first release on %s: version %s is known. Leave --first-release out.", e.Line, previous)}
		}
	}
	waves, err := req.Waves(ctx)
	if err != nil {
		return nil, err
	}
	if req.Through != "" && core.FindWave(waves, req.Through) < 0 {
		return nil, Refused{Reason: fmt.Sprintf("The plan has no wave %s. Its waves are %s.", req.Through, strings.Join(names(waves), ", "))}
	}
	waves = own(waves)
	obeyed, err := e.admit(req.PlanFile, req.PlanText, waves)
	if err != nil {
		return nil, err
	}
	remember(waves, last, previous)
	started := core.Event{Type: core.EventStarted, Reason: e.revives(last, req.Version)}
	if err := e.settle(&started, waves, previous, req); err != nil {
		return nil, err
	}
	if err := mayRollBack(gear.Plan, waves, previous, req.FirstRelease); err != nil {
		return nil, err
	}
	number := last.Start.Number + 1
	id := fmt.Sprintf("%s-%s-%d", e.Line.Service, e.Line.Environment, number)
	s := e.session(&core.Rollout{ID: id, Line: e.Line, Seq: last.Seq}, gear)
	var hurry []core.Event
	if req.Emergency != "" {
		hurry, err = e.expedite(gear.Plan, req)
	} else {
		err = s.admit(ctx, waves)
	}
	if err != nil {
		return nil, err
	}
	started.Start = &core.Start{Number: number, Version: req.Version, Previous: previous, Plan: req.PlanText, PlanFile: req.PlanFile,
		Waves: waves, By: e.Actor, OnNewer: gear.Plan.OnNewer, Activated: last.Activates(previous), Policy: obeyed}
	if gear.Plan.Activate {
		started.Start.Activated = req.Version
	}
	started.Lease = &core.Lease{Holder: e.Actor, Until: e.Clock.Now().Add(e.Lease)}
	if err := s.commit(ctx, s.stamped(append([]core.Event{started}, hurry...))); err != nil {
		return nil, err
	}
	s.hurry()
	return s, nil
}

// revives says that the CI run is older than the one that released the newest version: somebody ran it again. Empty: it is not.
func (e *Engine) revives(last *core.Rollout, version string) string {
	if !before(e.Actor.Run, last.Start.By.Run) {
		return ""
	}
	return fmt.Sprintf("The CI run is older than the one that released version %s (rollout %s), so this is a new rollout of an older version: %s.",
		last.Start.Version, last.ID, version)
}

// before reports whether a CI run was made before another, as far as their names tell: those differ in one number, which
// grows.
func before(run, other string) bool {
	ours, theirs := strings.Split(run, "/"), strings.Split(other, "/")
	if len(ours) != len(theirs) {
		return false
	}
	older := false
	for i := range ours {
		if ours[i] == theirs[i] {
			continue
		}
		a, err1 := strconv.Atoi(ours[i])
		b, err2 := strconv.Atoi(theirs[i])
		if err1 != nil || err2 != nil || a > b || older {
			return false
		}
		older = true
	}
	return older
}

// own copies waves, so that what is noted on them stays with one rollout.
func own(waves []core.StartWave) []core.StartWave {
	waves = slices.Clone(waves)
	for i := range waves {
		waves[i].Targets = slices.Clone(waves[i].Targets)
	}
	return waves
}

// remember notes what targets run where the rollout before left something else on them than what was good.
func remember(waves []core.StartWave, last *core.Rollout, previous string) {
	for i := range waves {
		for j := range waves[i].Targets {
			t := &waves[i].Targets[j]
			was := last.Target(t.Name)
			t.Left = was != nil && last.GaveWay() && (was.Attempts > 0 || was.Left)
			if was == nil || was.Version == cmp.Or(t.Previous, previous) {
				continue
			} else if was.Version == "" {
				t.Unknown = true
			} else {
				t.Runs = was.Version
			}
		}
	}
}

// mayRollBack refuses a plan that would roll back where nobody knows to what.
func mayRollBack(p *core.Plan, waves []core.StartWave, previous string, first bool) error {
	if first || previous != "" || len(p.Rollback.When) == 0 {
		return nil
	}
	var unknown []string
	for _, w := range waves {
		for _, t := range w.Targets {
			if t.Previous == "" {
				unknown = append(unknown, t.Name)
			}
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return Refused{Reason: fmt.Sprintf("Nobody knows which version runs on %s, so there is nothing to roll back to. "+
		"Pass --previous VERSION, add current: {run: ...} to the plan, or pass --first-release if there is none.", strings.Join(short(unknown), ", "))}
}

// short names a few and counts the rest.
func short(names []string) []string {
	const most = 3
	if len(names) <= most {
		return names
	}
	return append(names[:most:most], fmt.Sprintf("%d more", len(names)-most))
}

// join goes on with an unfinished rollout of the same version.
func (e *Engine) join(ctx context.Context, r *core.Rollout, req Request) (*session, error) {
	if err := e.admitAgain(r); err != nil {
		return nil, err
	}
	return e.claim(ctx, r, req)
}

// claim takes the lease, and wakes a rollout that rests.
func (e *Engine) claim(ctx context.Context, r *core.Rollout, req Request) (*session, error) {
	var wake []core.Event
	if r.State.Resting() {
		wake = e.resumes(r)
	}
	return e.claimOnly(ctx, r, func(p *core.Plan) ([]core.Event, error) {
		if err := req.fits(p); err != nil {
			return nil, err
		}
		if !r.Touched() && !goesBack(r) {
			if err := e.require(ctx, p); err != nil {
				return nil, err
			}
		}
		switch {
		case req.Emergency == "" || r.Emergency:
			return wake, nil
		case goesBack(r):
			return nil, Refused{Reason: fmt.Sprintf("Rollout %s is %s, and an emergency does not hurry a rollback: it bakes nothing. "+
				"Run it without --emergency to finish it, then run the version that mends it.", r.ID, r.State)}
		}
		hurry, err := e.expedite(p, req)
		return append(wake, hurry...), err
	})
}

// resumes is the event that wakes a rollout which rests.
func (e *Engine) resumes(r *core.Rollout) []core.Event {
	return []core.Event{{Type: core.EventResumed, Reason: fmt.Sprintf("%s resumed it; it was %s. %s", who(e.Actor), r.State, r.Reason)}}
}

// claimOnly takes the lease, and writes in the same batch what decide wants, so that nobody comes in between. What
// decide is given is the plan that the rollout goes by.
func (e *Engine) claimOnly(ctx context.Context, r *core.Rollout, decide func(*core.Plan) ([]core.Event, error)) (*session, error) {
	now := e.Clock.Now()
	if !r.Lease.YieldsTo(e.Actor, now, e.Dead) {
		return nil, Blocked{Reason: fmt.Sprintf("%s is held by %s until %s (rollout %s, %s). Wait for it, or cancel that job; "+
			"a later attempt of the same CI run takes over at once.", e.Line, who(r.Lease.Holder), r.Lease.Until.UTC().Format(time.RFC3339), r.ID, r.State)}
	}
	if err := e.governed(r); err != nil {
		return nil, err
	}
	gear, err := e.Equip(r.Start.PlanFile, r.Start.Plan)
	if err != nil {
		return nil, fmt.Errorf("rollout %s goes on with the plan that it started with, which does not load: %w", r.ID, err)
	}
	more, err := decide(gear.Plan)
	if err != nil {
		return nil, err
	}
	s := e.session(r, gear)
	if holds := r.Lease.Holder.ID == e.Actor.ID && now.Before(r.Lease.Until); !holds {
		more = append([]core.Event{{Type: core.EventClaimed, Lease: &core.Lease{Holder: e.Actor, Until: now.Add(e.Lease)}}}, more...)
	}
	if len(more) > 0 {
		if err := s.commit(ctx, s.stamped(more)); err != nil {
			return nil, err
		}
	}
	s.hurry()
	return s, nil
}

func (e *Engine) session(r *core.Rollout, gear Gear) *session {
	return &session{Engine: e, gear: gear, journal: e.journal(r)}
}

func (e *Engine) journal(r *core.Rollout) *journal {
	return &journal{r: r, ledger: e.Ledger, clock: e.Clock, actor: e.Actor, observer: e.Observer, lastWords: e.LastWords}
}

// who names an actor for people.
func who(a core.Actor) string {
	name := cmp.Or(a.Name, "someone")
	switch {
	case a.URL != "":
		return fmt.Sprintf("%s (%s)", name, a.URL)
	case a.Host != "":
		return fmt.Sprintf("%s (process %d on %s)", name, a.PID, a.Host)
	default:
		return name
	}
}
