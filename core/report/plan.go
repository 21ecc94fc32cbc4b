package report

import (
	"fmt"
	"io"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Outlook is a plan with its waves, as `plan` prints it, and its JSON. It has types of its own so that this room need
// not know the one that cuts the waves; the command copies them over.
type Outlook struct {
	Line  string        `json:"line"`
	Waves []OutlookWave `json:"waves"`

	Findings []core.Finding `json:"findings"`         // of lint, sorted by place
	Policy   *core.Obeyed   `json:"policy,omitempty"` // nil: none was asked for
}

// OutlookWave is one wave of an [Outlook].
type OutlookWave struct {
	Name           string    `json:"name"`
	Targets        []string  `json:"targets"`
	Share          float64   `json:"share"`                   // of all weight, in this wave; 0 to 1
	AtRisk         float64   `json:"at_risk"`                 // of all weight, on the new version once the wave is deployed; 0 to 1
	BakeMin        Duration  `json:"bake_min"`                // shortest
	BakeMax        Duration  `json:"bake_max"`                // longest
	EarliestStart  time.Time `json:"earliest_start,omitzero"` // none: its window does not open within a year
	EarliestFinish time.Time `json:"earliest_finish,omitzero"`

	Waits string `json:"waits,omitempty"` // why it waits for its window at first
}

// Duration is a duration that is written as in a plan: 1h30m0s.
type Duration time.Duration

// MarshalText writes the duration as in a plan.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// PlanText prints the waves of a plan: what each takes, how much is at risk once it is deployed, and when it could
// start and finish if every deploy took no time and every bake its shortest.
func PlanText(w io.Writer, o Outlook) error {
	p := &page{w: w}
	targets := 0
	var waits []string
	t := &table{
		heads: []string{"WAVE", "TARGETS", "SHARE", "AT RISK", "BAKE", "EARLIEST START", "EARLIEST FINISH"},
		right: []bool{false, true, true, true, true, false, false},
	}
	for _, wave := range o.Waves {
		targets += len(wave.Targets)
		bake := lasting(time.Duration(wave.BakeMin))
		if wave.BakeMax > wave.BakeMin {
			bake += " to " + lasting(time.Duration(wave.BakeMax))
		}
		t.rows = append(t.rows, []cell{{text: line(wave.Name, 32)}, {text: fmt.Sprint(len(wave.Targets))},
			{text: percent(wave.Share)}, {text: percent(wave.AtRisk)}, {text: bake},
			{text: minute(wave.EarliestStart)}, {text: minute(wave.EarliestFinish)}})
		if wave.Waits != "" {
			waits = append(waits, wave.Waits)
		}
	}
	p.print("%s: %s in %s\n\n", line(o.Line, 60), plural(targets, "target"), plural(len(o.Waves), "wave"))
	p.table(t)
	if len(waits) > 0 {
		p.print("\n")
	}
	for _, w := range waits {
		p.paragraph("  ", line(w, 600))
	}
	if n := len(o.Waves); n > 0 && !o.Waves[n-1].EarliestFinish.IsZero() {
		first, last := o.Waves[0], o.Waves[n-1]
		p.print("\n  Earliest finish: %s UTC, %s after the start. Times are UTC; deploys are not counted.\n",
			minute(last.EarliestFinish), lasting(last.EarliestFinish.Sub(first.EarliestStart)))
	}
	if inline, parked := o.runnerMinutes(); inline > 0 {
		p.print("  Runner minutes for the bakes: %d inline, about %d parked with a tick every %s.\n", inline, parked, lasting(usualTick))
	}
	if obeyed := policy(o.Policy, line); obeyed != "" {
		p.paragraph("  ", "The plan keeps to the policy "+obeyed+".")
	}
	return p.err
}

// usualTick is how often a tick looks in the README's workflow.
const usualTick = 15 * time.Minute

// runnerMinutes are what the shortest bakes cost: by jobs that wait, and by those that do not. A job is paid by the minute
// that it has begun; parked, there is one for each tick and one more for each wave.
func (o Outlook) runnerMinutes() (inline, parked int) {
	var bakes time.Duration
	for _, w := range o.Waves {
		bakes += time.Duration(w.BakeMin)
	}
	return int(bakes / time.Minute), len(o.Waves) + int(bakes/usualTick)
}
