package command

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/report"
)

// A round is what one tick has seen of lines.
type round struct {
	book core.Ledger // of all of them
	seen []seen
}

// A seen is what became of the look at one line: its rollout, or why there is none.
type seen struct {
	line core.Line
	r    *core.Rollout
	next time.Time
	err  error

	summary string // Markdown
}

func (t *round) add(r *core.Rollout, next time.Time, summary string) {
	t.seen = append(t.seen, seen{line: r.Line, r: r, next: next, summary: summary})
}

// failed notes why a line could not be looked at. Of one whose rollout was seen, that is noted already.
func (t *round) failed(line core.Line, err error) {
	if last := len(t.seen) - 1; last >= 0 && t.seen[last].line == line {
		return
	}
	t.seen = append(t.seen, seen{line: line, err: err})
}

// publish leaves the outcome behind: the outputs of one rollout if exactly one line was looked at, and a list of all. With
// asJSON it prints the statuses: a list, or that of a tick at one line.
func (t *round) publish(ctx context.Context, s *ship, asJSON, one bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var left core.Published
	statuses := []report.Status{}
	var summaries []string
	for _, each := range t.seen {
		if each.err != nil {
			summaries = append(summaries, report.Unseen(each.line, inShort(each.err)))
			continue
		}
		statuses = append(statuses, report.NewStatus(each.r, each.next))
		summaries = append(summaries, each.summary)
	}
	left.Summary = strings.Join(summaries, "\n")
	if len(t.seen) == 1 {
		left.Outputs = t.seen[0].outputs()
	}
	left.Outputs = append(left.Outputs, core.Output{Name: "lines", Value: t.lines()})
	if err := s.forge.Publish(ctx, left); err != nil {
		return fmt.Errorf("the lines were looked at, but the job's outputs could not be written: %w", err)
	}
	switch {
	case !asJSON, one && len(statuses) == 0:
		return nil
	case one:
		return s.print(statuses[0])
	default:
		return s.print(statuses)
	}
}

func (l seen) outputs() []core.Output {
	if l.err != nil {
		return []core.Output{{Name: "reason", Value: inShort(l.err)}}
	}
	return outputs(l.r, l.next)
}

// lines are the lines that were looked at as one JSON list, short enough for an output however many they are.
func (t *round) lines() string {
	type line struct {
		Line    string     `json:"line"`
		Rollout string     `json:"rollout,omitempty"`
		State   core.State `json:"state,omitempty"`
		Wave    string     `json:"wave,omitempty"`
		NextAt  time.Time  `json:"next_at,omitzero"`
		Reason  string     `json:"reason,omitempty"`
		Error   string     `json:"error,omitempty"`
	}
	all := make([]line, len(t.seen))
	for i, l := range t.seen {
		all[i] = line{Line: l.line.String()}
		if l.err != nil {
			all[i].Error = inShort(l.err)
			continue
		}
		all[i] = line{Line: l.line.String(), Rollout: l.r.ID, State: l.r.State, Wave: l.r.Waves[l.r.Wave].Name,
			NextAt: l.next.UTC(), Reason: report.Reason(l.r)}
	}
	text, _ := json.Marshal(all) // strings and times of this era always do
	return string(text)
}
