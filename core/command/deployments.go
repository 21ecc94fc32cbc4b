package command

import (
	"context"
	"fmt"
	"sync"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/report"
)

// A register enters the waves of a rollout in the forge's register of deployments, beside the rollout.
type register struct {
	*beside[standing]
	ship  *ship
	forge core.Registrar
	url   string
	skip  sync.Once
	warn  sync.Once
}

func (s *ship) register(ctx context.Context, forge core.Registrar, url string) *register {
	g := &register{ship: s, forge: forge, url: url}
	g.beside = writeBeside(ctx, g.write)
	return g
}

// show enters a rollout of a commit: a register knows no other versions.
func (g *register) show(_ string, r *core.Rollout) {
	version := r.Start.Version
	if hash.MatchString(version) {
		g.put(standing{version, r.Clone()})
		return
	}
	g.skip.Do(func() {
		g.ship.tell(core.Annotation{Title: "Deployments", Message: fmt.Sprintf("Version %s is no commit, so it is not entered in the register of deployments.", version)})
	})
}

// write makes the register say how each wave stands. What could not be entered is entered with what comes next.
func (g *register) write(ctx context.Context, at standing) {
	for _, d := range report.Deployments(at.Rollout, g.url) {
		if err := g.enter(ctx, d); err != nil {
			g.warn.Do(func() {
				g.ship.tell(core.Annotation{Title: "Deployments", Message: fmt.Sprintf("The register of deployments does not show wave %s: %s", d.Wave, err)})
			})
			return
		}
	}
}

// enter has the patience of one write for each wave: a rollback may change many at once.
func (g *register) enter(ctx context.Context, d core.Deployment) error {
	ctx, cancel := context.WithTimeout(ctx, besidePatience)
	defer cancel()
	return g.forge.Register(ctx, d)
}

// displays are where else a rollout is shown, as far as the forge has such places.
func (s *ship) displays(ctx context.Context, f showFlags, dir string) []display {
	var all []display
	if forge, ok := s.forge.(core.Reporter); ok && f.CheckRun {
		all = append(all, s.evidence(ctx, forge, dir))
	}
	if forge, ok := s.forge.(core.Registrar); ok && f.Deployments {
		all = append(all, s.register(ctx, forge, string(f.EnvironmentURL)))
	}
	return all
}

// registered asks the register of deployments which version is out, for a line whose ledger knows none. Targets that say
// themselves what they run know better.
func (s *ship) registered(f showFlags, l *loaded, version string, say func(string, ...any)) func(context.Context) string {
	forge, ok := s.forge.(core.Registrar)
	if !ok || !f.Deployments || l.Current != nil {
		return nil
	}
	return func(ctx context.Context) string {
		found, err := forge.Registered(ctx, l.Line())
		switch {
		case err != nil:
			s.tell(core.Annotation{Title: "Deployments", Message: fmt.Sprintf("The register of deployments does not say which version is out: %s", err)})
		case found.Version != "" && found.Version != version:
			say("The ledger knows no version to go back to. %s says that it is %s.", found.Source, found.Version)
			return found.Version
		}
		return ""
	}
}
