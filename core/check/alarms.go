package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// alarmsEarlier is how long before the wave alarms are asked about, to tell those that fired already.
const alarmsEarlier = 5 * time.Minute

// An alarms is a check that fails if an alarm fired at any time since the wave began.
type alarms struct {
	names  []string
	source source
	scope  core.Asked
	fired  string // why it failed at an earlier look: not every source remembers what is over
}

func newAlarms(c core.Check, from source, scope core.Asked) *alarms {
	q := &alarms{names: c.Alarms.Names, source: from, scope: scope}
	if _, ok := from.Source.(core.Alarmist); !ok && from.broken == nil {
		q.source.broken = errors.New("it knows no alarms")
	}
	for _, v := range scope.Known {
		if v.Check == c.Name && len(v.Memory) > 0 && json.Unmarshal(v.Memory, &q.fired) != nil {
			q.fired = ""
		}
	}
	return q
}

// answer looks once.
func (a *alarms) answer(ctx context.Context, at time.Time, _ time.Duration) core.Verdict {
	v := core.Verdict{At: at, Query: strings.Join(a.names, ", ")}
	began := a.scope.Began
	if now := a.scope.Wave == "" || a.scope.Back; now {
		began = at
	}
	known, err := patiently(ctx, a.source, func(ctx context.Context) ([]core.Alarm, error) {
		return a.source.Source.(core.Alarmist).Alarms(ctx, a.names, began.Add(-alarmsEarlier), at)
	})
	switch {
	case a.fired != "":
		v.Verdict, v.Reason = core.Fail, a.fired
	case err != nil:
		v.Verdict, v.Reason = core.Error, err.Error()
		return v
	case a.scope.Wave == "" || a.scope.Back:
		v.Verdict, v.Reason = firingNow(known)
	default:
		v.Verdict, v.Reason = firedSince(known, began)
	}
	if v.Verdict == core.Fail && a.scope.Wave != "" && !a.scope.Back {
		a.fired = v.Reason
	}
	v.Memory, _ = json.Marshal(a.fired)
	return v
}

// firedSince judges alarms over a bake: one that began to fire is a fail. One that was firing already says nothing about
// the release, and one of which a part is not known might have fired then.
func firedSince(known []core.Alarm, began time.Time) (core.VerdictKind, string) {
	already, blind := "", ""
	for _, a := range known {
		for _, e := range a.Episodes {
			if e.From.After(began) {
				return core.Fail, fmt.Sprintf("alarm %s fired at %s%s", a.Name, e.From.UTC().Format(time.RFC3339), told(e))
			}
			if e.Until.IsZero() || e.Until.After(began) {
				already = fmt.Sprintf("alarm %s was firing before the wave began: already broken before us%s", a.Name, told(e))
			}
		}
		if a.Blind != "" {
			blind = fmt.Sprintf("alarm %s: %s", a.Name, a.Blind)
		}
	}
	switch {
	case already != "":
		return core.Inconclusive, already
	case blind != "":
		return core.Inconclusive, blind
	default:
		return core.Pass, quiet(known) + " since the wave began"
	}
}

// firingNow judges alarms at one instant.
func firingNow(known []core.Alarm) (core.VerdictKind, string) {
	for _, a := range known {
		for _, e := range a.Episodes {
			if e.Until.IsZero() {
				return core.Fail, fmt.Sprintf("alarm %s is firing since %s%s", a.Name, e.From.UTC().Format(time.RFC3339), told(e))
			}
		}
	}
	for _, a := range known {
		if a.Blind != "" {
			return core.Inconclusive, fmt.Sprintf("alarm %s: %s", a.Name, a.Blind)
		}
	}
	return core.Pass, quiet(known) + " now"
}

func quiet(known []core.Alarm) string {
	if len(known) == 1 {
		return "the alarm did not fire"
	}
	return fmt.Sprintf("none of %d alarms fired", len(known))
}

func told(e core.Episode) string {
	if e.Text == "" {
		return ""
	}
	return ": " + e.Text
}
