package shell

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

const prefix = "BREAKWATER_"

// Action is what a command is run for; it sees its own as BREAKWATER_ACTION.
type Action string

// The actions.
const (
	ActionDeploy   Action = "deploy"
	ActionRollback Action = "rollback"
	ActionCheck    Action = "check"
	ActionQuery    Action = "query"
	ActionCurrent  Action = "current"
	ActionTargets  Action = "targets"
)

// Vars is what a command is told. Each field becomes a variable of its environment; one that says nothing about the
// action is not set, so that under -u a script which needs it stops.
type Vars struct {
	Action   Action        // BREAKWATER_ACTION
	Rollout  string        // BREAKWATER_ROLLOUT, not for targets and query
	Wave     string        // BREAKWATER_WAVE, not for targets; empty for a precheck
	Version  string        // BREAKWATER_VERSION, not for targets
	Previous string        // BREAKWATER_PREVIOUS, not for targets; empty on a first release
	Attempt  int           // BREAKWATER_ATTEMPT, unless 0
	Target   core.Target   // BREAKWATER_TARGET and BREAKWATER_LABEL_<NAME>, unless it has no name
	Targets  []core.Target // BREAKWATER_TARGETS: their names with spaces between; for check and query only
	Query    string        // BREAKWATER_QUERY, for query only
	At       time.Time     // BREAKWATER_AT: the instant that is asked about, RFC 3339 in UTC; for query only
	Window   time.Duration // BREAKWATER_WINDOW_SECONDS: the stretch before it, rounded up; for query only
}

// ForAct returns what a command is told that deploys or rolls back.
func ForAct(act core.Act) Vars {
	v := Vars{
		Action: ActionDeploy, Rollout: act.Rollout, Wave: act.Wave, Version: act.Version, Previous: act.Previous,
		Attempt: act.Attempt, Target: act.Target,
	}
	if act.Rollback {
		v.Action = ActionRollback
	}
	return v
}

// LabelVar returns the variable that a label reaches commands as: BREAKWATER_LABEL_ and the label in upper case, with
// an underscore for every character outside of A-Z, 0-9 and _. Of two labels that become the same variable, the one
// that sorts first is passed on.
func LabelVar(label string) string {
	return prefix + "LABEL_" + strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z':
			return c - 'a' + 'A'
		case 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
			return c
		default:
			return '_'
		}
	}, label)
}

// Environ returns the variables as NAME=value, each name once.
func (v Vars) Environ() ([]string, error) {
	all := make([]string, 0, 8+len(v.Target.Labels))
	set := func(name, value string) { all = append(all, name+"="+value) }
	set(prefix+"ACTION", string(v.Action))
	if v.Action != ActionTargets && v.Action != ActionQuery {
		set(prefix+"ROLLOUT", v.Rollout)
	}
	if v.Action != ActionTargets {
		set(prefix+"WAVE", v.Wave)
		set(prefix+"VERSION", v.Version)
		set(prefix+"PREVIOUS", v.Previous)
	}
	if v.Attempt != 0 {
		set(prefix+"ATTEMPT", strconv.Itoa(v.Attempt))
	}
	if v.Target.Name != "" {
		set(prefix+"TARGET", v.Target.Name)
		all = append(all, labels(v.Target.Labels)...)
	}
	if v.Action == ActionCheck || v.Action == ActionQuery {
		names := make([]string, len(v.Targets))
		for i, t := range v.Targets {
			names[i] = t.Name
		}
		set(prefix+"TARGETS", strings.Join(names, " "))
	}
	if v.Action == ActionQuery {
		set(prefix+"QUERY", v.Query)
		set(prefix+"AT", v.At.UTC().Format(time.RFC3339))
		set(prefix+"WINDOW_SECONDS", strconv.FormatInt(int64((v.Window+time.Second-1)/time.Second), 10))
	}
	for _, nameValue := range all {
		if strings.ContainsRune(nameValue, 0) {
			name, _, _ := strings.Cut(nameValue, "=")
			return nil, fmt.Errorf("the value of %s contains a NUL byte; no environment can hold one", name)
		}
	}
	return all, nil
}

func labels(of map[string]string) []string {
	if len(of) == 0 {
		return nil
	}
	taken := make(map[string]bool, len(of))
	all := make([]string, 0, len(of))
	for _, label := range slices.SortedFunc(maps.Keys(of), cmp.Compare) {
		if name := LabelVar(label); !taken[name] {
			taken[name] = true
			all = append(all, name+"="+of[label])
		}
	}
	return all
}
