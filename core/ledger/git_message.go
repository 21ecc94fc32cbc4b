package ledger

import (
	"fmt"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// summary says in one line what events tell, for people who read the ref's log.
func summary(line core.Line, events []core.Event) string {
	const most = 4
	var parts []string
	for _, e := range events[:min(most, len(events))] {
		parts = append(parts, tell(e))
	}
	if more := len(events) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("%s: %s", line, strings.Join(parts, ", "))
}

func tell(e core.Event) string {
	said := string(e.Type)
	if e.Wave != "" {
		said += " wave " + e.Wave
	}
	switch n := max(len(e.Targets), len(e.Results)); {
	case e.Start != nil:
		said += fmt.Sprintf(" %s (%s)", e.Start.Version, counted(len(e.Start.Waves), "wave"))
	case e.State != "":
		said += fmt.Sprintf(" (%s)", e.State)
	case n > 0:
		said += fmt.Sprintf(" (%s)", counted(n, "target"))
	}
	return said
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
