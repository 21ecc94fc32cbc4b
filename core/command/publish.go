package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/config"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/report"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// publish leaves the outcome behind for later jobs, with outputs that only one command has, and for people. It does so even if the job was cancelled.
func (s *ship) publish(ctx context.Context, r *core.Rollout, next time.Time, more []core.Output) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := s.forge.Publish(ctx, core.Published{
		Outputs: append(outputs(r, next), more...),
		Summary: report.Summary(r, &s.looks, s.Clock.Now()),
		Tests:   report.JUnit(r),
	})
	if err != nil {
		return fmt.Errorf("the rollout is %s, but the job's outputs could not be written: %w", r.State, err)
	}
	return nil
}

// comment shows the report where the change was discussed. That it cannot is no reason to fail: it is in the summary too.
func (s *ship) comment(ctx context.Context, r *core.Rollout, commit string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	forge, ok := s.forge.(core.Commenter)
	if !ok {
		return
	}
	if err := forge.Comment(ctx, commit, r.Line.String(), report.Summary(r, &s.looks, s.Clock.Now())); err != nil {
		s.tell(core.Annotation{Title: "Comment", Message: fmt.Sprintf("The change does not show the report: %s", err)})
	}
}

// publishFailure says why there is no rollout to report on.
func (s *ship) publishFailure(ctx context.Context, why error) error {
	left := core.Published{Outputs: []core.Output{{Name: "reason", Value: inShort(why)}}}
	if blocked, ok := errors.AsType[engine.Blocked](why); ok {
		if !blocked.Until.IsZero() {
			left.Outputs = append(left.Outputs, core.Output{Name: "next-at", Value: blocked.Until.UTC().Format(time.RFC3339)})
		}
		left.Summary = report.Refusal(blocked.Reason, blocked.Until)
	}
	return s.forge.Publish(context.WithoutCancel(ctx), left)
}

// publishWaves leaves the waves behind for later jobs, with the matrix of each.
func (s *ship) publishWaves(ctx context.Context, waves []core.StartWave) error {
	names, matrices := make([]string, len(waves)), make([]map[string][]string, len(waves))
	for i, w := range waves {
		targets := make([]string, len(w.Targets))
		for j, t := range w.Targets {
			targets[j] = t.Name
		}
		names[i], matrices[i] = w.Name, map[string][]string{"target": targets}
	}
	list, err1 := json.Marshal(names)
	matrix, err2 := json.Marshal(matrices)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return s.forge.Publish(ctx, core.Published{Outputs: []core.Output{{Name: "waves", Value: string(list)}, {Name: "matrix", Value: string(matrix)}}})
}

// inShort is an error in one line: of the mistakes in a plan the first.
func inShort(err error) string {
	mistakes, ok := errors.AsType[config.Mistakes](err)
	if !ok || len(mistakes) == 0 {
		return shell.OneLine(err.Error())
	}
	m := mistakes[0]
	text := fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Message)
	if more := len(mistakes) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return shell.OneLine(text)
}

// outputs are the values that later jobs see.
func outputs(r *core.Rollout, next time.Time) []core.Output {
	wave := r.Waves[r.Wave]
	targets := make([]string, len(wave.Targets))
	for i, t := range wave.Targets {
		targets[i] = t.Name
	}
	list, _ := json.Marshal(targets) // strings always do
	at := ""
	if !next.IsZero() {
		at = next.UTC().Format(time.RFC3339)
	}
	return []core.Output{
		{Name: "state", Value: string(r.State)},
		{Name: "rollout", Value: r.ID},
		{Name: "wave", Value: wave.Name},
		{Name: "next-at", Value: at},
		{Name: "reason", Value: report.Reason(r)},
		{Name: "targets", Value: string(list)},
	}
}

// secrets are what must not show in any log.
func (s *ship) secrets() []string { return shell.Secrets(s.Environ) }
