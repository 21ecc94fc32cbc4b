package engine

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/breakwater-ci/breakwater/core"
)

// settle compares what targets say that they run with what the ledger says. A target of which the ledger knows nothing
// is believed. One that runs something else was changed by other means: the rollout is refused, unless a human accepts
// that with a reason, which started then tells. What goes back on such a target is still what the ledger knows as good.
func (e *Engine) settle(started *core.Event, waves []core.StartWave, previous string, req Request) error {
	var drifted []*core.StartTarget
	for i := range waves {
		for j := range waves[i].Targets {
			t := &waves[i].Targets[j]
			if t.Found == "" {
				continue
			}
			if previous == "" && t.Previous == "" {
				t.Previous = t.Found
			}
			if t.Unknown {
				t.Runs, t.Unknown = t.Found, false
			}
			if t.Expected(previous) != t.Found {
				drifted = append(drifted, t)
			}
		}
	}
	switch {
	case len(drifted) == 0:
		return nil
	case req.AcceptDrift == "":
		return Refused{Reason: drift(drifted, waves, previous)}
	}
	var found []string
	for _, t := range drifted {
		found = append(found, fmt.Sprintf("%s runs %s instead of %s", t.Name, t.Found, t.Expected(previous)))
		t.Previous, t.Runs = cmp.Or(t.Previous, previous), t.Found
	}
	started.Override = e.override(core.OverrideDrift, req.AcceptDrift)
	started.Reason = strings.TrimLeft(started.Reason+" "+e.said("accepted that "+strings.Join(short(found), ", "), req.AcceptDrift), " ")
	return nil
}

// drift is the table of targets that do not run what the ledger says.
func drift(drifted []*core.StartTarget, waves []core.StartWave, previous string) string {
	const most = 20
	all := 0
	for _, w := range waves {
		all += len(w.Targets)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "DRIFT: %d of %d targets do not run what the ledger says. Somebody changed them by other means.\n", len(drifted), all)
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  TARGET\tEXPECTED\tFOUND")
	for _, t := range drifted[:min(most, len(drifted))] {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", t.Name, t.Expected(previous), t.Found)
	}
	table.Flush() // to a builder, which takes everything
	if more := len(drifted) - most; more > 0 {
		fmt.Fprintf(&text, "  and %d more\n", more)
	}
	text.WriteString("Put back what should run there and run this again; or pass --accept-drift --reason TEXT to roll out over it. " +
		"What a rollback then puts back is what the ledger knows as good.")
	return text.String()
}
