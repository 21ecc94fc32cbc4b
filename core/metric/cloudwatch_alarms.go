package metric

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	mostNames   = 100                 // of alarms in one question
	mostHistory = 100                 // items in one answer
	historyKept = 14 * 24 * time.Hour // at least; it has been longer since
)

// alarmTypes are asked for by name: without them CloudWatch tells of metric alarms only.
var alarmTypes = []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm, types.AlarmTypeLogAlarm}

// A cloudAlarm is what alarms of every type have.
type cloudAlarm struct {
	state   types.StateValue
	since   time.Time // of that state
	why     string
	changed time.Time // its configuration
	trouble types.EvaluationState
}

// Alarms says when alarms were in state ALARM, by the history of their states: one that fired and is quiet again is known.
// Not known, and so blind: what was edited or made in the stretch, because it may have been another alarm before; what had
// too little data at any time of it, or could not be evaluated; and what is older than the history. An alarm whose actions
// are off or suppressed is judged like any other: that says who is told, not that all is well.
func (c *cloudWatch) Alarms(ctx context.Context, names []string, from, until time.Time) ([]core.Alarm, error) {
	if err := c.session.Verify(ctx); err != nil {
		return nil, c.refused(ctx, "say where we are", "sts:GetCallerIdentity", err)
	}
	now, err := c.alarmsNow(ctx, names)
	if err != nil {
		return nil, err
	}
	alarms := make([]core.Alarm, len(names))
	for i, name := range names {
		one, ok := now[name]
		if !ok {
			return nil, c.fail(true, "no alarm is named %q there", clip(name))
		}
		changes, err := c.history(ctx, name, from)
		if err != nil {
			return nil, err
		}
		alarms[i] = one.over(name, changes, from, until)
		if c.clock.Now().Sub(from) > historyKept {
			alarms[i].Blind = "CloudWatch forgets the history of alarms, and " + from.UTC().Format(time.RFC3339) + " is long ago"
		}
	}
	return alarms, nil
}

// alarmsNow returns alarms of all types by name.
func (c *cloudWatch) alarmsNow(ctx context.Context, names []string) (map[string]cloudAlarm, error) {
	found := make(map[string]cloudAlarm)
	keep := func(name *string, a cloudAlarm, since, updated, changed *time.Time, why *string) {
		a.since, a.changed, a.why = sdk.ToTime(since), sdk.ToTime(changed), sdk.ToString(why)
		if a.since.IsZero() {
			a.since = sdk.ToTime(updated)
		}
		found[sdk.ToString(name)] = a
	}
	for part := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(names))), mostNames) {
		in := &cloudwatch.DescribeAlarmsInput{AlarmNames: part, AlarmTypes: alarmTypes, MaxRecords: sdk.Int32(mostNames)}
		for {
			out, err := c.calls.alarms(ctx, in)
			if err != nil {
				return nil, c.refused(ctx, "show alarms", "cloudwatch:DescribeAlarms", err)
			}
			for _, a := range out.MetricAlarms {
				keep(a.AlarmName, cloudAlarm{state: a.StateValue, trouble: a.EvaluationState}, a.StateTransitionedTimestamp, a.StateUpdatedTimestamp, a.AlarmConfigurationUpdatedTimestamp, a.StateReason)
			}
			for _, a := range out.CompositeAlarms {
				keep(a.AlarmName, cloudAlarm{state: a.StateValue}, a.StateTransitionedTimestamp, a.StateUpdatedTimestamp, a.AlarmConfigurationUpdatedTimestamp, a.StateReason)
			}
			for _, a := range out.LogAlarms {
				keep(a.AlarmName, cloudAlarm{state: a.StateValue, trouble: a.EvaluationState}, a.StateTransitionedTimestamp, a.StateUpdatedTimestamp, a.AlarmConfigurationUpdatedTimestamp, a.StateReason)
			}
			if in.NextToken = out.NextToken; sdk.ToString(in.NextToken) == "" {
				break
			}
		}
	}
	return found, nil
}

// An alarmChange is one item of an alarm's history that matters here.
type alarmChange struct {
	at       time.Time
	edited   bool
	from, to types.StateValue
	why      string
}

// history returns the changes of an alarm since an instant, oldest first. It goes on past the end of the stretch that is
// asked about: the next change also tells the state before it.
func (c *cloudWatch) history(ctx context.Context, name string, from time.Time) ([]alarmChange, error) {
	var changes []alarmChange
	in := &cloudwatch.DescribeAlarmHistoryInput{AlarmName: &name, AlarmTypes: alarmTypes, StartDate: &from,
		ScanBy: types.ScanByTimestampAscending, MaxRecords: sdk.Int32(mostHistory)}
	for {
		out, err := c.calls.history(ctx, in)
		if err != nil {
			return nil, c.refused(ctx, "show the history of alarms", "cloudwatch:DescribeAlarmHistory", err)
		}
		for _, item := range out.AlarmHistoryItems {
			change := alarmChange{at: sdk.ToTime(item.Timestamp)}
			switch item.HistoryItemType {
			case types.HistoryItemTypeConfigurationUpdate:
				change.edited = true
			case types.HistoryItemTypeStateUpdate:
				if err := change.read(sdk.ToString(item.HistoryData)); err != nil {
					return nil, c.fail(false, "the history of alarm %s cannot be read: %s", clip(name), err)
				}
			default:
				continue // what an alarm did, and states of its parts
			}
			changes = append(changes, change)
		}
		if in.NextToken = out.NextToken; sdk.ToString(in.NextToken) == "" {
			break
		}
	}
	slices.SortStableFunc(changes, func(a, b alarmChange) int { return a.at.Compare(b.at) })
	return changes, nil
}

// read reads the data of a change of state.
func (a *alarmChange) read(data string) error {
	type state struct {
		Value  types.StateValue `json:"stateValue"`
		Reason string           `json:"stateReason"`
	}
	var said struct {
		Old state `json:"oldState"`
		New state `json:"newState"`
	}
	if err := json.Unmarshal([]byte(data), &said); err != nil {
		return err
	}
	a.from, a.to, a.why = said.Old.Value, said.New.Value, clip(said.New.Reason)
	for _, v := range []types.StateValue{a.from, a.to} {
		if !slices.Contains(v.Values(), v) {
			return fmt.Errorf("it has the state %q", v)
		}
	}
	return nil
}

// over says what is known of an alarm over a stretch.
func (a cloudAlarm) over(name string, changes []alarmChange, from, until time.Time) core.Alarm {
	alarm := core.Alarm{Name: name}
	blind := func(format string, args ...any) {
		if alarm.Blind == "" {
			alarm.Blind = fmt.Sprintf(format, args...)
		}
	}
	for _, c := range slices.Concat(changes, []alarmChange{{at: a.changed, edited: true}}) {
		if c.edited && !c.at.Before(from) && !c.at.After(until) {
			blind("somebody made or edited it at %s", c.at.UTC().Format(time.RFC3339))
		}
	}
	states := slices.DeleteFunc(slices.Clone(changes), func(c alarmChange) bool { return c.edited })
	if n := len(states); a.since.After(from) && (n == 0 || states[n-1].to != a.state && a.since.After(states[n-1].at)) {
		// The alarm is ahead of its history, which does not say yet what was before.
		before := types.StateValueInsufficientData
		if n > 0 {
			before = states[n-1].to
		}
		states = append(states, alarmChange{at: a.since, from: before, to: a.state, why: clip(a.why)})
		blind("its history does not show yet how it became %s at %s", a.state, a.since.UTC().Format(time.RFC3339))
	}
	state, since, why := a.state, from, clip(a.why)
	if len(states) > 0 {
		state, why = states[0].from, ""
	}
	note := func(until time.Time) {
		switch state {
		case types.StateValueAlarm:
			alarm.Episodes = append(alarm.Episodes, core.Episode{From: since, Until: until, Text: why})
		case types.StateValueInsufficientData:
			blind("it had too little data at %s", since.UTC().Format(time.RFC3339))
		}
	}
	for _, c := range states {
		if c.at.After(until) {
			break
		}
		if c.to != state {
			note(c.at)
			since = c.at
		}
		state, why = c.to, c.why
	}
	note(time.Time{})
	if a.trouble != "" {
		blind("CloudWatch could not evaluate it: %s", a.trouble)
	}
	return alarm
}
