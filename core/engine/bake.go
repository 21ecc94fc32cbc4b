package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A lookout is the looks of one bake, or of one verification.
type lookout struct {
	looker core.Looker
	wave   int
	since  time.Time
	back   bool
	seen   core.Evidence
}

func (l *lookout) close() {
	if l.looker != nil {
		l.looker.Close()
	}
	*l = lookout{}
}

// prepare opens the checks of the bake that the rollout is in, and closes those of the one before. Evidence never
// outlives its bake: a fresh bake starts with none.
func (s *session) prepare(ctx context.Context) error {
	wave := &s.r.Waves[s.r.Wave]
	baking := s.r.State == core.StateBaking && wave.State == core.WaveBaking
	verifying := s.r.State == core.StateRollingBack && s.verifies()
	if !baking && !verifying {
		s.bake.close()
		return nil
	}
	since := wave.Since
	if verifying {
		since = s.r.Restored
	}
	if l := &s.bake; l.looker != nil && l.wave == s.r.Wave && l.since.Equal(since) && l.back == verifying {
		return nil
	}
	s.bake.close()
	asked := s.asked(wave.Name, since, s.gear.Plan.Waves[wave.Rule].Bake)
	asked.Began, asked.Nth, asked.Back = wave.Began, s.r.Bakes, verifying
	if baking {
		asked.Known = wave.Verdicts
	}
	for i := range s.r.Waves {
		for _, t := range s.r.Waves[i].Targets {
			switch {
			case baking && i == s.r.Wave && t.State == core.TargetDeployed, verifying && t.InScope:
				asked.Targets = append(asked.Targets, t.Target)
			case t.Attempts == 0:
				asked.Control = append(asked.Control, t.Target)
			}
		}
	}
	if verifying {
		asked.Version, asked.Previous, asked.Began = cmp.Or(s.r.To, asked.Previous), asked.Version, s.r.Waves[0].Began
	}
	looker, err := s.gear.Checks.Open(ctx, asked)
	if err != nil {
		return fmt.Errorf("the checks of wave %s could not be opened: %w", wave.Name, err)
	}
	s.bake = lookout{looker: looker, wave: s.r.Wave, since: since, back: verifying, seen: core.Evidence{First: firstLook(looker)}}
	return nil
}

// verifies reports whether the rollback is done but for asking the checks whether they have recovered.
func (s *session) verifies() bool {
	if s.gear.Plan.Rollback.Verify == 0 || s.r.Verified != nil || s.r.Restored.IsZero() {
		return false
	}
	return !slices.ContainsFunc(s.r.Waves, func(w core.Wave) bool {
		return slices.ContainsFunc(w.Targets, func(t core.TargetRecord) bool { return t.InScope && t.State != core.TargetRolledBack })
	})
}

func (s *session) asked(wave string, since time.Time, bake core.Bake) core.Asked {
	return core.Asked{Rollout: s.r.ID, Wave: wave, Version: s.r.Start.Version, Previous: s.r.Start.Previous, Since: since, Bake: bake}
}

func firstLook(l core.Looker) time.Time {
	if d, ok := l.(core.Delayed); ok {
		return d.FirstLook()
	}
	return time.Time{}
}

// precheck asks every check about every target before anything is touched.
func (s *session) precheck(ctx context.Context) error {
	now := s.Clock.Now()
	asked := s.asked("", now, s.gear.Plan.Waves[0].Bake)
	for _, w := range s.r.Waves {
		for _, t := range w.Targets {
			asked.Targets = append(asked.Targets, t.Target)
		}
	}
	looker, err := s.gear.Checks.Open(ctx, asked)
	if err != nil {
		return fmt.Errorf("the checks could not be opened: %w", err)
	}
	defer looker.Close()
	for first := firstLook(looker); first.After(s.Clock.Now()); {
		if err := s.wait(ctx, first); err != nil {
			return err
		}
	}
	seen := looker.Look(ctx, s.Clock.Now())
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.write(ctx, core.Event{Type: core.EventPrechecked, Verdicts: seen.Verdicts})
}

// look asks every check once. A look is written down when it says something new, or when the lease is due anyway.
func (s *session) look(ctx context.Context, at time.Time) error {
	l := &s.bake
	if l.looker == nil {
		return errors.New("a look without a bake")
	}
	first, asked := l.seen.First, s.Clock.Now()
	seen := l.looker.Look(ctx, at)
	if err := ctx.Err(); err != nil {
		return err
	}
	// Where a check was too late to tell, the look was: an answer that is none because of that must not end a bake.
	seen.First, seen.At, seen.Late, seen.Took = first, at, max(seen.Late, asked.Sub(at)), s.Clock.Now().Sub(asked)
	news := !sameKinds(l.seen.Verdicts, seen.Verdicts)
	var renew []core.Event
	if s.beside {
		news = s.worthSaying(seen)
	} else {
		renew = s.lasts(s.Lease / 2)
	}
	l.seen = seen
	s.Observer.Looked(s.r, seen)
	if !news && renew == nil {
		return nil
	}
	looked := core.Event{Type: core.EventLooked, Wave: s.r.Waves[s.r.Wave].Name, Verdicts: seen.Verdicts, Due: &at}
	return s.write(ctx, append([]core.Event{looked}, renew...)...)
}

func sameKinds(a, b []core.Verdict) bool {
	return slices.EqualFunc(a, b, func(x, y core.Verdict) bool { return x.Check == y.Check && x.Verdict == y.Verdict })
}

// wait lets time pass, and renews the lease on the way. It returns early once somebody wrote something beside this
// process: what to do next may be something else now.
func (s *session) wait(ctx context.Context, until time.Time) error {
	for {
		if renew := s.lasts(s.Lease / 2); renew != nil {
			if err := s.write(ctx, renew...); err != nil {
				return err
			}
		}
		wake := s.r.Lease.Until.Add(-s.Lease / 2)
		if look := s.glanced.Add(s.Glance); s.Glance > 0 && look.Before(wake) {
			wake = look
		}
		if !wake.Before(until) {
			return s.Clock.Wait(ctx, until)
		}
		if err := s.Clock.Wait(ctx, wake); err != nil {
			return err
		}
		if news, err := s.glance(ctx); news || err != nil {
			return err
		}
	}
}

// glance looks, every so often, whether somebody wrote to the ledger. A ledger that cannot be read tells nothing: the next
// write will.
func (s *session) glance(ctx context.Context) (news bool, err error) {
	now := s.Clock.Now()
	if s.Glance == 0 || now.Sub(s.glanced) < s.Glance {
		return false, nil
	}
	s.glanced = now
	events, err := s.Ledger.Read(ctx, s.Line)
	if err != nil || len(events) == 0 || events[len(events)-1].Seq == s.r.Seq {
		return false, nil
	}
	if err := s.catchUp(events); err != nil {
		s.broken = err
		return false, err
	}
	return true, nil
}
