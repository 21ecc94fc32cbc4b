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
		said += fmt.Sprintf(" %s (%d waves)", e.Start.Version, len(e.Start.Waves))
	case e.State != "":
		said += fmt.Sprintf(" (%s)", e.State)
	case n == 1:
		said += " (1 target)"
	case n > 1:
		said += fmt.Sprintf(" (%d targets)", n)
	}
	return said
}
