package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func TestAtGate(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	frozen := &core.Opening{Until: now.Add(time.Hour), Why: "holidays"}
	for name, c := range map[string]struct {
		state   core.State
		ended   time.Time
		rules   core.GateRules
		answers bool
		open    bool
		until   time.Time
		says    string
	}{
		"no rollout yet":             {open: true, says: "may enter"},
		"out well":                   {state: core.StateSucceeded, open: true},
		"under way":                  {state: core.StateBaking, open: true},
		"ended by a human":           {state: core.StateAborted, open: true},
		"halted":                     {state: core.StateHalted, says: "r-1 is halted. Resume, roll back or abort it."},
		"halted, and this mends it":  {state: core.StateHalted, answers: true, open: true, says: "answers it"},
		"rolled back":                {state: core.StateRolledBack, says: "nothing has answered"},
		"rolled back, and answered":  {state: core.StateRolledBack, answers: true, open: true},
		"going back":                 {state: core.StateRollingBack, says: "being rolled back"},
		"not all went back":          {state: core.StateRollbackFailed, says: "not complete"},
		"in a freeze":                {rules: core.GateRules{Freeze: frozen}, until: frozen.Until, says: "frozen: holidays"},
		"no answer ends a freeze":    {state: core.StateHalted, answers: true, rules: core.GateRules{Freeze: frozen}, until: frozen.Until},
		"a freeze that nobody knows": {rules: core.GateRules{Freeze: &core.Opening{Unknown: true, Why: "no answer"}}, says: "Nobody knows"},
		"outside of a freeze":        {rules: core.GateRules{Freeze: &core.Opening{Open: true}}, open: true},
		"too close to the last":      {state: core.StateSucceeded, ended: now.Add(-10 * time.Minute), rules: core.GateRules{Distance: 30 * time.Minute}, until: now.Add(20 * time.Minute), says: "less than 30m ago"},
		"far enough from the last":   {state: core.StateSucceeded, ended: now.Add(-30 * time.Minute), rules: core.GateRules{Distance: 30 * time.Minute}, open: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &core.Rollout{ID: "r-1", Line: core.Line{Service: "shop", Environment: "prod"}, State: c.state, Ended: c.ended}
			got := core.AtGate(r, c.rules, c.answers, now)
			if got.Open != c.open || !got.Until.Equal(c.until) || !strings.Contains(got.Reason, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}
