package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Backtest is what the checks of a plan say about the past, as `backtest` prints it, and its JSON.
type Backtest struct {
	Line    string        `json:"line"`
	From    time.Time     `json:"from"`
	Until   time.Time     `json:"until"`
	Left    []string      `json:"left_out,omitempty"` // checks that cannot be asked about the past, and why
	Quiet   []Outcome     `json:"quiet"`              // deployments of nothing
	Given   []Outcome     `json:"given,omitempty"`    // the same, at instants that somebody named
	Rise    float64       `json:"rise"`               // the regression that comparisons were shown: 0.5 is half as much again
	Longest time.Duration `json:"longest"`            // how long they could look for it; nanoseconds
	Rises   []Rise        `json:"rises,omitempty"`
	Past    []Hindsight   `json:"past,omitempty"`
}

// An Outcome is how one deployment would have gone.
type Outcome struct {
	At     time.Time     `json:"at"`
	State  core.State    `json:"state"`            // succeeded or halted
	Cause  core.Cause    `json:"cause,omitempty"`  // of the halt
	Check  string        `json:"check,omitempty"`  // the check that stopped it
	Wave   string        `json:"wave,omitempty"`   // in whose bake
	After  time.Duration `json:"after"`            // how long it took, to the end or to the halt; nanoseconds
	Reason string        `json:"reason,omitempty"` // of the halt

	Shadows []string `json:"shadows,omitempty"` // checks that do not act and would have stopped it
}

// A Rise is when a comparison saw a regression of a known size.
type Rise struct {
	Check  string  `json:"check"`
	Sights []Sight `json:"sights"`
}

// A Sight is whether a check saw a regression, and when.
type Sight struct {
	At    time.Time     `json:"at"`
	Seen  bool          `json:"seen"`
	After time.Duration `json:"after"` // from the start of the bake to its verdict, or to the end; nanoseconds
}

// A Hindsight is what the checks say today of a rollout that was.
type Hindsight struct {
	Rollout string     `json:"rollout"`
	Version string     `json:"version"`
	Began   time.Time  `json:"began"`
	State   core.State `json:"state"` // how it ended
	Reason  string     `json:"reason"`

	Stopped bool          `json:"stopped"`           // the checks would have stopped it
	Check   string        `json:"check,omitempty"`   // which
	Wave    string        `json:"wave,omitempty"`    // in whose bake
	After   time.Duration `json:"after"`             // from the start of that bake; nanoseconds
	Why     string        `json:"why,omitempty"`     // what the check says
	Unasked string        `json:"unasked,omitempty"` // why it cannot be told
}

// BacktestText prints what the checks say about the past.
func BacktestText(w io.Writer, b Backtest) error {
	p := &page{w: w}
	p.print("%s: the checks, asked about %s to %s UTC\n", line(b.Line, 60), minute(b.From), minute(b.Until))
	for _, left := range b.Left {
		p.print("  Not asked: %s\n", line(left, 200))
	}
	p.print("\nQuiet hours: would they have stopped a healthy release?\n")
	quietText(p, b.Quiet)
	if len(b.Given) > 0 {
		p.print("\nGiven times\n")
		outcomeText(p, b.Given)
	}
	if len(b.Rises) > 0 {
		p.print("\nHow long must a bake be to see %s more?\n", percent(b.Rise))
		riseText(p, b)
	}
	if len(b.Past) > 0 {
		p.print("\nPast rollouts: would they have stopped them?\n")
		pastText(p, b.Past)
	}
	return p.err
}

// quietText counts who stopped what, and shows each that was stopped.
func quietText(p *page, all []Outcome) {
	if len(all) == 0 {
		p.print("  None: something was always being rolled out.\n")
		return
	}
	stops, silent, errors := 0, 0, 0
	byCheck := make(map[string]int)
	var bad []Outcome
	for _, o := range all {
		for _, shadow := range o.Shadows {
			byCheck[shadow+" (shadow)"]++
		}
		switch {
		case o.State == core.StateSucceeded:
			continue
		case o.Cause == core.CauseCheck || o.Cause == core.CausePrecheck:
			stops++
			byCheck[cmp.Or(o.Check, "precheck")]++
		case o.Cause == core.CauseUnasked:
			errors++
		default:
			silent++
		}
		bad = append(bad, o)
	}
	low, high := wilson(stops, len(all))
	p.print("  %s that changed nothing: %d stopped, which is %s of 100 (%s to %s with 95%% confidence); %d without an answer, %d could not be asked.\n",
		plural(len(all), "deployment"), stops, hundredths(float64(stops)/float64(len(all))), hundredths(low), hundredths(high), silent, errors)
	for _, check := range slices.Sorted(maps.Keys(byCheck)) {
		p.print("  %s would have stopped %d.\n", line(check, 60), byCheck[check])
	}
	if len(bad) > 0 {
		outcomeText(p, bad[:min(len(bad), mostVerdicts)])
	}
}

func outcomeText(p *page, all []Outcome) {
	t := &table{heads: []string{"DEPLOYED AT", "ENDED", "AFTER", "WAVE", "WHY"}, right: []bool{false, false, true, false, false}}
	for _, o := range all {
		paint := red
		if o.State == core.StateSucceeded {
			paint = green
		}
		t.rows = append(t.rows, []cell{{text: minute(o.At)}, {string(o.State), paint}, {text: lasting(o.After)}, {text: line(o.Wave, 24)}, {text: line(o.Reason, 140)}})
	}
	p.table(t)
}

func riseText(p *page, b Backtest) {
	t := &table{heads: []string{"CHECK", "SEEN", "HALF BY", "NINE IN TEN BY"}, right: []bool{false, true, true, true}}
	for _, r := range b.Rises {
		seen := 0
		for _, s := range r.Sights {
			if s.Seen {
				seen++
			}
		}
		t.rows = append(t.rows, []cell{{text: line(r.Check, 40)}, {text: fmt.Sprintf("%d of %d", seen, len(r.Sights))},
			{text: seenBy(r.Sights, 0.5, b.Longest)}, {text: seenBy(r.Sights, 0.9, b.Longest)}})
	}
	p.table(t)
}

// seenBy is after how long a share of regressions was seen.
func seenBy(sights []Sight, share float64, longest time.Duration) string {
	var after []time.Duration
	for _, s := range sights {
		if s.Seen {
			after = append(after, s.After)
		}
	}
	slices.Sort(after)
	n := int(math.Ceil(share * float64(len(sights))))
	if n == 0 || n > len(after) {
		return "not within " + lasting(longest)
	}
	return lasting(after[n-1])
}

func pastText(p *page, all []Hindsight) {
	t := &table{heads: []string{"ROLLOUT", "VERSION", "ENDED", "CHECKS", "AFTER", "WHY"}, right: []bool{false, false, false, false, true, false}}
	for _, h := range all {
		says, after := "pass", "-"
		switch {
		case h.Stopped:
			says, after = "would stop it in "+h.Wave, lasting(h.After)
		case h.Unasked != "":
			says = "cannot tell"
		}
		t.rows = append(t.rows, []cell{{text: line(h.Rollout, 40)}, {text: line(h.Version, 20)}, {text: string(h.State)},
			{text: line(says, 40)}, {text: after}, {text: line(cmp.Or(h.Why, h.Unasked), 120)}})
	}
	p.table(t)
}

// wilson is the interval of a share of n at 95%.
func wilson(k, n int) (low, high float64) {
	const z = 1.96
	share, size := float64(k)/float64(n), float64(n)
	centre := share + z*z/(2*size)
	width := z * math.Sqrt(share*(1-share)/size+z*z/(4*size*size))
	return max(0, (centre-width)/(1+z*z/size)), min(1, (centre+width)/(1+z*z/size))
}

func hundredths(share float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", 100*share), ".0")
}

// A Count shows how many of something are done.
type Count struct {
	out  io.Writer
	live bool
	open bool
}

// NewCount returns a Count. With live, its line is written over; without, only a tenth of the steps shows.
func NewCount(out io.Writer, live bool) *Count { return &Count{out: out, live: live} }

// On returns a function that shows how far one thing has come.
func (c *Count) On(what string) func(done, of int) {
	return func(done, of int) {
		text := fmt.Sprintf("%s: %d of %d", line(what, 60), done, of)
		switch {
		case c.live:
			fmt.Fprintf(c.out, "\r%-78s", text)
			c.open = true
			if done == of {
				c.Close()
			}
		case done == of || done%max(1, of/10) == 0:
			fmt.Fprintln(c.out, text)
		}
	}
}

// Close ends the line that may be written over.
func (c *Count) Close() {
	if c.open {
		fmt.Fprintln(c.out)
		c.open = false
	}
}
