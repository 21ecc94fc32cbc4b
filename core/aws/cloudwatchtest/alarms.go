package cloudwatchtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

// An Alarm is one of CloudWatch, as it is now, with its history, oldest first.
type Alarm struct {
	Name    string
	Type    string // MetricAlarm, CompositeAlarm or LogAlarm
	State   string
	Since   time.Time // of the state
	Changed time.Time // its configuration
	Trouble string    // EvaluationState; empty: none
	History []Item
}

// An Item is one of an alarm's history.
type Item struct {
	At   time.Time
	Type string
	Data string
}

// NewAlarm returns an alarm that was made and became OK at an instant.
func NewAlarm(name, kind string, at time.Time) *Alarm {
	a := &Alarm{Name: name, Type: kind, State: "INSUFFICIENT_DATA", Since: at, Changed: at}
	a.History = append(a.History, Item{at, "ConfigurationUpdate", `{"version":"1.0","type":"Create"}`})
	return a.Become("OK", at)
}

// Become changes the state of an alarm.
func (a *Alarm) Become(state string, at time.Time) *Alarm {
	part := func(value string) map[string]string {
		return map[string]string{"stateValue": value, "stateReason": fmt.Sprintf("Threshold Crossed: it is %s", value)}
	}
	data, _ := json.Marshal(map[string]any{"version": "1.0", "oldState": part(a.State), "newState": part(state)})
	a.History = append(a.History, Item{at, "StateUpdate", string(data)}, Item{at, "Action", `{"actionState":"Succeeded"}`})
	a.State, a.Since = state, at
	return a
}

// Edit changes the configuration of an alarm.
func (a *Alarm) Edit(at time.Time) *Alarm {
	a.History = append(a.History, Item{at, "ConfigurationUpdate", `{"version":"1.0","type":"Update"}`})
	a.Changed = at
	return a
}

// Alarms puts alarms in the place of those before.
func (s *Server) Alarms(all ...*Alarm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alarms = nil
	for _, a := range all {
		s.alarms = append(s.alarms, *a)
	}
}

// types are the types of alarm that a request is about.
func types(in cbor.Map) []string {
	if in["AlarmTypes"] == nil {
		return []string{"MetricAlarm"}
	}
	return texts(in["AlarmTypes"])
}

func (s *Server) describeAlarms(in cbor.Map) cbor.Map {
	names, kinds := texts(in["AlarmNames"]), types(in)
	var found []Alarm
	for _, a := range s.alarms {
		if slices.Contains(names, a.Name) && slices.Contains(kinds, a.Type) {
			found = append(found, a)
		}
	}
	page, out := cut(found, in, s.page)
	lists := map[string]cbor.List{"MetricAlarm": {}, "CompositeAlarm": {}, "LogAlarm": {}}
	for _, a := range page {
		one := cbor.Map{"AlarmName": cbor.String(a.Name), "StateValue": cbor.String(a.State), "StateReason": cbor.String("Threshold Crossed: it is " + a.State),
			"StateTransitionedTimestamp": stamp(a.Since), "StateUpdatedTimestamp": stamp(a.Since.Add(time.Second)), "AlarmConfigurationUpdatedTimestamp": stamp(a.Changed)}
		if a.Trouble != "" {
			one["EvaluationState"] = cbor.String(a.Trouble)
		}
		lists[a.Type] = append(lists[a.Type], one)
	}
	for kind, list := range lists {
		out[kind+"s"] = list
	}
	return out
}

func (s *Server) describeAlarmHistory(in cbor.Map) cbor.Map {
	start, end := when(in["StartDate"]), when(in["EndDate"])
	var found []cbor.Value
	for _, a := range s.alarms {
		if cbor.String(a.Name) != in["AlarmName"] || !slices.Contains(types(in), a.Type) {
			continue
		}
		for _, item := range a.History {
			if item.At.Before(start) || !end.IsZero() && item.At.After(end) || in["HistoryItemType"] != nil && in["HistoryItemType"] != cbor.String(item.Type) {
				continue
			}
			found = append(found, cbor.Map{"AlarmName": cbor.String(a.Name), "AlarmType": cbor.String(a.Type), "Timestamp": stamp(item.At),
				"HistoryItemType": cbor.String(item.Type), "HistoryData": cbor.String(item.Data), "HistorySummary": cbor.String(item.Type)})
		}
	}
	if in["ScanBy"] != cbor.String("TimestampAscending") {
		slices.Reverse(found)
	}
	page, out := cut(found, in, s.page)
	out["AlarmHistoryItems"] = cbor.List(page)
	return out
}

// when reads a time; zero if there is none.
func when(v cbor.Value) time.Time {
	if v == nil {
		return time.Time{}
	}
	at, _ := cbor.AsTime(v)
	return at
}
