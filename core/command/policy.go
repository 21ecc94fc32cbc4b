package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/config"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/ledger"
	"github.com/breakwater-ci/breakwater/core/policy"
)

// policyFlag is the flag of every command that acts on a plan, or says what would come of it.
type policyFlag struct {
	Policy string `help:"Floors that the plan must keep to: a file, git:REF:FILE of this repository, REPOSITORY@REF:FILE of another, or codecommit:REPOSITORY@REF:FILE." placeholder:"PLACE"`
}

// A lawbook is a policy with where it was read.
type lawbook struct {
	*core.Policy
	places config.Places
	obeyed core.Obeyed
}

// policy reads a policy, once; nil if none is asked for.
func (s *ship) policy(ctx context.Context, f policyFlag, dir string) (*lawbook, error) {
	if f.Policy == "" || s.law != nil {
		return s.law, nil
	}
	file, err := s.policyFile(ctx, f.Policy, dir)
	if err != nil {
		return nil, usage{fmt.Errorf("the policy cannot be read, and nothing is done without it: %w", err)}
	}
	p, places, err := config.LoadPolicy(file.Name, file.Text, catalog())
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(file.Text)
	s.law = &lawbook{Policy: p, places: places,
		obeyed: core.Obeyed{Name: file.Name, Commit: file.Commit, Digest: "sha256:" + hex.EncodeToString(digest[:])}}
	return s.law, nil
}

// policyFile reads the text of a policy from where the flag says.
func (s *ship) policyFile(ctx context.Context, place, dir string) (ledger.File, error) {
	if f, ok, err := s.fetch(ctx, place, dir); ok {
		return f, err
	}
	path := place
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	text, err := os.ReadFile(path)
	return ledger.File{Name: place, Text: text}, err
}

// keeps refuses a plan that is below a floor of the policy, with every such place as a mistake in the plan.
func (l *lawbook) keeps(p *core.Plan, places config.Places, waves []core.StartWave) error {
	var below config.Mistakes
	for _, b := range policy.Breaches(policy.Subject{
		Plan: p, Places: places, Waves: waves, Policy: l.Policy, Set: l.places, Name: l.obeyed.Name,
	}) {
		below = append(below, places.Mistake(b.Line, b.Column, b.What, b.Want))
	}
	if len(below) == 0 {
		return nil
	}
	return below
}

// obeys refuses a plan that is below a floor of the policy that was asked for, for commands that touch nothing.
func (s *ship) obeys(ctx context.Context, f policyFlag, l *loaded, waves []core.StartWave) (*core.Obeyed, error) {
	law, err := s.policy(ctx, f, l.dir)
	if err != nil || law == nil {
		return nil, err
	}
	return &law.obeyed, law.keeps(l.Plan, l.places, waves)
}

// admit is how an engine learns whether a plan keeps to the policy that was asked for; nil if none was.
func (s *ship) admit(ctx context.Context, f policyFlag, dir string) (func(string, string, []core.StartWave) (*core.Obeyed, error), error) {
	law, err := s.policy(ctx, f, dir)
	if err != nil || law == nil {
		return nil, err
	}
	return func(file, text string, waves []core.StartWave) (*core.Obeyed, error) {
		p, places, err := config.LoadPlaces(file, []byte(text), nil, catalog())
		if err != nil {
			return nil, err
		}
		return &law.obeyed, law.keeps(p, places, waves)
	}, nil
}

// mayOverride refuses an override of a kind, as [core.Override] has them, if the policy lets only others do it.
func (s *ship) mayOverride(ctx context.Context, f policyFlag, l *loaded, kind core.OverrideKind) error {
	law, err := s.policy(ctx, f, l.dir)
	if err != nil || law == nil {
		return err
	}
	actor := s.forge.Job().Actor.Name
	denial, denied := policy.Denies(law.Policy, law.places, law.obeyed.Name, l.Line(), kind, actor)
	if !denied {
		return nil
	}
	name := actor
	if name == "" {
		name = "someone without a name"
	}
	who, do := "nobody", "Change the policy first."
	if len(denial.Who) > 0 {
		who, do = "only "+strings.Join(denial.Who, ", "), "Ask one of them."
	}
	return engine.Refused{Reason: fmt.Sprintf("%s may not do this on %s: %s lets %s override by %s. %s", name, l.Line(), denial.Place, who, kind, do)}
}
