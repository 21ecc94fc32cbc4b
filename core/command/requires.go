package command

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/build"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// askStatuses is how often the forge is asked while a required status is awaited.
const askStatuses = 30 * time.Second

// require lets a rollout begin only if what its plan requires is green on the commit. It waits for what may still come, as
// long as the plan says. say tells people about that.
func (s *ship) require(ctx context.Context, p *core.Plan, say func(string, ...any)) error {
	q := p.Requires
	if q == nil {
		return nil
	}
	ask, err := s.proof(ctx, q)
	if err != nil {
		return err
	}
	commit := s.forge.Job().Commit
	end := s.Clock.Now().Add(q.Timeout)
	for waited := false; ; waited = true {
		have, err := ask(ctx, commit)
		if err != nil {
			return fmt.Errorf("what the plan requires could not be read, and nothing was started: %w", err)
		}
		unmet, hopeless := q.Unmet(have)
		now := s.Clock.Now()
		switch {
		case len(unmet) == 0:
			return nil
		case hopeless || !now.Before(end):
			return engine.Blocked{Reason: notGreen(commit, unmet)}
		case !waited:
			say("Waiting until %s UTC for what the plan requires: %s.", end.UTC().Format("15:04:05"), named(unmet))
		}
		if err := s.Clock.Wait(ctx, earlier(now.Add(askStatuses), end)); err != nil {
			return err
		}
	}
}

// A proof tells what is known of a commit.
type proof = func(ctx context.Context, commit string) ([]core.Status, error)

// proof is where to ask for what a plan requires: the forge for statuses, CodeBuild for builds.
func (s *ship) proof(ctx context.Context, q *core.Requires) (proof, error) {
	var all []proof
	if len(q.Statuses) > 0 {
		reader, err := s.statuses(q)
		if err != nil {
			return nil, err
		}
		all = append(all, reader.Statuses)
	}
	for _, b := range q.Builds {
		project, err := build.Open(ctx, b, s.cloud("Requires"))
		if err != nil {
			return nil, usage{err}
		}
		all = append(all, func(ctx context.Context, commit string) ([]core.Status, error) {
			if commit == "" {
				return nil, fmt.Errorf("nobody says of which commit a build of %s must be: this is no job of a CI system on a commit", b.Project)
			}
			is, err := project.Status(ctx, commit)
			return []core.Status{is}, err
		})
	}
	return func(ctx context.Context, commit string) (have []core.Status, err error) {
		for _, ask := range all {
			some, err := ask(ctx, commit)
			if err != nil {
				return nil, err
			}
			have = append(have, some...)
		}
		return have, nil
	}, nil
}

// statuses is the forge, if it knows the statuses of commits.
func (s *ship) statuses(q *core.Requires) (core.StatusReader, error) {
	reader, ok := s.forge.(core.StatusReader)
	if other, knows := s.forge.(core.Statusless); !ok && knows {
		return nil, engine.Refused{Reason: fmt.Sprintf("The plan requires the statuses %s on the commit. %s", strings.Join(q.Statuses, ", "), other.Instead())}
	}
	if !ok {
		return nil, engine.Refused{Reason: fmt.Sprintf("The plan requires the statuses %s on the commit, and nobody here knows of any: "+
			"this is no job of a CI system whose statuses Breakwater can read. Run it there.", strings.Join(q.Statuses, ", "))}
	}
	return reader, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// named lists statuses in a line.
func named(all []core.Status) string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = fmt.Sprintf("%s (%s)", s.Name, s.State)
	}
	return strings.Join(names, ", ")
}

// notGreen is the table of required statuses that keep a rollout from starting.
func notGreen(commit string, unmet []core.Status) string {
	var text strings.Builder
	fmt.Fprintf(&text, "The plan requires statuses that are not green on commit %s, so nothing was started.\n", cmp.Or(commit, "(unknown)"))
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  STATUS\tSTATE\tWHAT IT SAYS")
	for _, s := range unmet {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", s.Name, s.State, cmp.Or(shell.OneLine(s.Description), "-"))
	}
	table.Flush() // to a builder, which takes everything
	text.WriteString("Run this again once they are. An emergency does not pass them.")
	return text.String()
}
