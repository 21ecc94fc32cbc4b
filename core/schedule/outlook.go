package schedule

import (
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A Row is what one wave does to the whole.
type Row struct {
	Wave           string
	Targets        int
	Share          float64   // of all weight, in this wave; 0 to 1
	AtRisk         float64   // of all weight, on the new version once this wave is deployed; 0 to 1
	Bake           core.Bake // of the wave's rule
	Waits          string    // why it waits for its window at first; empty: it need not
	EarliestStart  time.Time // zero: its window does not open within a year
	EarliestFinish time.Time
}

// Outlook says when each wave could start and finish at the earliest if the rollout started at start. It counts every
// deploy as instantaneous and every bake at its min, so a real rollout takes longer, never shorter. The waves must be
// those of the plan, and opens says when they may start; nil: at any time. What comes after a wave whose window does not
// open has no times either.
func Outlook(p *core.Plan, waves []core.StartWave, start time.Time, opens core.Timetable) []Row {
	rows := make([]Row, 0, len(waves))
	total := 0.0
	for _, w := range waves {
		total += core.Weight(w.Targets)
	}
	out := 0.0
	for i, w := range waves {
		mine := core.Weight(w.Targets)
		out += mine
		row := Row{
			Wave: w.Name, Targets: len(w.Targets), Share: mine / total, AtRisk: out / total,
			Bake: p.Waves[w.Rule].Bake,
		}
		if opens != nil && !start.IsZero() {
			if o := opens.Opening(i, start); !o.Open {
				start, row.Waits = o.Until, core.Shut(w.Name, o)
			}
		}
		if !start.IsZero() {
			row.EarliestStart = start
			start = start.Add(row.Bake.Min)
			row.EarliestFinish = start
		}
		rows = append(rows, row)
	}
	return rows
}
