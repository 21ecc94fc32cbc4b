package metric_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/cloudwatchtest"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
)

var alarmKinds = []string{"MetricAlarm", "CompositeAlarm", "LogAlarm"}

// TestCloudWatchAlarms: what is known of an alarm of each type over a stretch that ended some minutes ago.
func TestCloudWatchAlarms(t *testing.T) {
	const reason = "Threshold Crossed: it is ALARM"
	for _, kind := range alarmKinds {
		inCloud(t, metric.CloudwatchOptions{}, func(t *testing.T, w *metrictest.World, server *cloudwatchtest.Server, s core.Source) {
			until := w.Clock.Now().Add(-10 * time.Minute)
			from := until.Add(-time.Hour)
			at := func(minutes int) time.Time { return from.Add(time.Duration(minutes) * time.Minute) }
			old := from.Add(-24 * time.Hour)
			for _, c := range []struct {
				name  string
				alarm *cloudwatchtest.Alarm
				want  []core.Episode
				blind string
			}{
				{"quiet", cloudwatchtest.NewAlarm("x", kind, old), nil, ""},
				{"fired and is quiet again", cloudwatchtest.NewAlarm("x", kind, old).Become("ALARM", at(10)).Become("OK", at(12)),
					[]core.Episode{{From: at(10), Until: at(12), Text: reason}}, ""},
				{"flaps", cloudwatchtest.NewAlarm("x", kind, old).Become("ALARM", at(10)).Become("OK", at(11)).Become("ALARM", at(20)).Become("OK", at(21)),
					[]core.Episode{{From: at(10), Until: at(11), Text: reason}, {From: at(20), Until: at(21), Text: reason}}, ""},
				{"fires", cloudwatchtest.NewAlarm("x", kind, old).Become("ALARM", at(10)), []core.Episode{{From: at(10), Text: reason}}, ""},
				{"was firing before", cloudwatchtest.NewAlarm("x", kind, old).Become("ALARM", at(-10)), []core.Episode{{From: from, Text: reason}}, ""},
				{"was firing and recovered", cloudwatchtest.NewAlarm("x", kind, old).Become("ALARM", at(-10)).Become("OK", at(3)), []core.Episode{{From: from, Until: at(3)}}, ""},
				{"fired before and was quiet again", cloudwatchtest.NewAlarm("x", kind, old).Become("ALARM", at(-10)).Become("OK", at(-5)), nil, ""},
				{"fires only later", cloudwatchtest.NewAlarm("x", kind, old).Become("ALARM", at(65)), nil, ""},
				{"fires until later", cloudwatchtest.NewAlarm("x", kind, old).Become("ALARM", at(55)).Become("OK", at(65)), []core.Episode{{From: at(55), Text: reason}}, ""},
				{"too little data for a while", cloudwatchtest.NewAlarm("x", kind, old).Become("INSUFFICIENT_DATA", at(10)).Become("OK", at(12)), nil, "it had too little data at " + at(10).UTC().Format(time.RFC3339)},
				{"too little data all through", cloudwatchtest.NewAlarm("x", kind, old).Become("INSUFFICIENT_DATA", at(-10)), nil, "too little data"},
				{"too little data, then it fires", cloudwatchtest.NewAlarm("x", kind, old).Become("INSUFFICIENT_DATA", at(10)).Become("ALARM", at(12)), []core.Episode{{From: at(12), Text: reason}}, "too little data"},
				{"edited", cloudwatchtest.NewAlarm("x", kind, old).Edit(at(30)), nil, "somebody made or edited it at " + at(30).UTC().Format(time.RFC3339)},
				{"edited before", cloudwatchtest.NewAlarm("x", kind, old).Edit(at(-30)), nil, ""},
				{"edited later", cloudwatchtest.NewAlarm("x", kind, old).Edit(at(61)), nil, ""},
				{"made in the stretch", cloudwatchtest.NewAlarm("x", kind, at(5)), nil, "somebody made or edited it"},
				{"history lags behind", lagging(cloudwatchtest.NewAlarm("x", kind, old).Become("ALARM", at(10))), []core.Episode{{From: at(10), Text: reason}}, "does not show yet"},
				{"edit not in its history yet", lagging(cloudwatchtest.NewAlarm("x", kind, old).Edit(at(30))), nil, "somebody made or edited it"},
			} {
				server.Alarms(c.alarm, cloudwatchtest.NewAlarm("y", "MetricAlarm", old))
				got, err := s.(core.Alarmist).Alarms(t.Context(), []string{"x", "y"}, from, until)
				if err != nil {
					t.Errorf("%s: %v", c.name, err)
					continue
				}
				if len(got) != 2 || got[1].Name != "y" || !reflect.DeepEqual(utc(got[0].Episodes), utc(c.want)) || (c.blind == "") != (got[0].Blind == "") || !strings.Contains(got[0].Blind, c.blind) {
					t.Errorf("%s %s: %+v\nwant %+v, blind %q", kind, c.name, got, c.want, c.blind)
				}
			}
			trouble := cloudwatchtest.NewAlarm("x", kind, old)
			trouble.Trouble = "EVALUATION_FAILURE"
			if kind != "CompositeAlarm" {
				server.Alarms(trouble)
				if got, err := s.(core.Alarmist).Alarms(t.Context(), []string{"x"}, from, until); err != nil || !strings.Contains(got[0].Blind, "could not evaluate it: EVALUATION_FAILURE") {
					t.Errorf("%+v, %v", got, err)
				}
			}
		})
	}
}

// lagging takes the newest entries of an alarm's history away: CloudWatch shows the alarm before it shows how that came.
func lagging(a *cloudwatchtest.Alarm) *cloudwatchtest.Alarm {
	for last := a.History[len(a.History)-1]; len(a.History) > 0 && a.History[len(a.History)-1].At.Equal(last.At); {
		a.History = a.History[:len(a.History)-1]
	}
	return a
}

func utc(all []core.Episode) []core.Episode {
	var out []core.Episode
	for _, e := range all {
		e.From, e.Until = e.From.UTC(), e.Until.UTC()
		out = append(out, e)
	}
	return out
}

// TestCloudWatchManyAlarms: names in hundreds, answers in pages, and one question for each history.
func TestCloudWatchManyAlarms(t *testing.T) {
	inCloud(t, metric.CloudwatchOptions{}, func(t *testing.T, w *metrictest.World, server *cloudwatchtest.Server, s core.Source) {
		now := w.Clock.Now()
		var names []string
		var all []*cloudwatchtest.Alarm
		for i := range 120 {
			a := cloudwatchtest.NewAlarm(fmt.Sprintf("alarm-%03d", i), alarmKinds[i%3], now.Add(-24*time.Hour))
			names, all = append(names, a.Name), append(all, a)
		}
		for i := range 60 {
			all[119].Become("ALARM", now.Add(-time.Duration(60-i)*time.Minute)).Become("OK", now.Add(-time.Duration(60-i)*time.Minute+time.Second))
		}
		server.Alarms(all...)
		server.Page(50)
		got, err := s.(core.Alarmist).Alarms(t.Context(), names, now.Add(-2*time.Hour), now)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 120 || len(got[119].Episodes) != 60 || got[118].Episodes != nil {
			t.Errorf("%d alarms; the last has %d episodes", len(got), len(got[119].Episodes))
		}
		counts := make(map[string]int)
		for _, asked := range server.Asked() {
			counts[strings.Fields(asked)[0]]++
		}
		// 240 items in pages of 50 are five questions in the place of one.
		if counts["cloudwatch:DescribeAlarms"] != 3 || counts["cloudwatch:DescribeAlarmHistory"] != 124 {
			t.Errorf("it asked %v", counts)
		}
		for _, name := range []string{"alarm-1", "Alarm-001"} {
			_, err = s.(core.Alarmist).Alarms(t.Context(), []string{"alarm-001", name}, now.Add(-time.Hour), now)
			refusedForGood(t, err, fmt.Sprintf("no alarm is named %q", name))
		}
		old, err := s.(core.Alarmist).Alarms(t.Context(), []string{"alarm-001"}, now.Add(-30*24*time.Hour), now)
		if err != nil || !strings.Contains(old[0].Blind, "forgets the history") {
			t.Errorf("%+v, %v", old, err)
		}
	})
}

// TestCloudWatchPolicy asks everything that there is to ask: the policy in docs/sources.md allows that, and nothing else.
func TestCloudWatchPolicy(t *testing.T) {
	text, err := os.ReadFile("../../docs/sources.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```json\n(\\{\n  \"Version\".*?)^```$").FindSubmatch(text)
	var policy struct {
		Statement []struct {
			Resource string
			Action   []string
		}
	}
	if err := json.Unmarshal(block[1], &policy); err != nil || len(policy.Statement) != 1 || policy.Statement[0].Resource != "*" {
		t.Fatalf("%+v, %v", policy, err)
	}
	inCloud(t, metric.CloudwatchOptions{}, func(t *testing.T, w *metrictest.World, server *cloudwatchtest.Server, s core.Source) {
		server.Alarms(cloudwatchtest.NewAlarm("x", "MetricAlarm", w.Clock.Now().Add(-time.Hour)))
		askWindow(t, w, s, cloudHits, 5*time.Minute)
		if _, err := s.(core.Alarmist).Alarms(t.Context(), []string{"x"}, w.Clock.Now().Add(-time.Minute), w.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		used := make(map[string]bool)
		for _, asked := range server.Asked() {
			used[strings.Fields(asked)[0]] = true
		}
		if got, want := policy.Statement[0].Action, slices.Sorted(maps.Keys(used)); !slices.Equal(got, want) {
			t.Errorf("the policy allows %q, the source uses %q", got, want)
		}
	})
}
