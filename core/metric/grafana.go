package metric

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// GrafanaOptions are the options of a source of type grafana.
type GrafanaOptions struct {
	URL core.Secret `json:"url" jsonschema_description:"Address of Grafana, without /api. The bearer token is that of a service account."`
	Reach
}

// A grafana knows the alert rules that Grafana itself evaluates: which there are, what their instances are now, and every
// change of state, which Grafana keeps as annotations. So a rule that fired at any moment is known. A change that Grafana
// does not keep, because its state history is switched off or the account may not see the dashboard of a rule, is not.
type grafana struct {
	mute
	*service
	clock core.Clock
}

func newGrafana(o *GrafanaOptions, env Env) (core.Source, error) {
	s, err := newService(o.URL, o.Reach, "bearer and the permissions of its service account", messageOf, env)
	if err != nil {
		return nil, err
	}
	return &grafana{service: s, clock: env.Clock}, nil
}

// A grafanaRule is an alert rule as it is defined.
type grafanaRule struct {
	ID     int64  `json:"id"`
	UID    string `json:"uid"`
	Title  string `json:"title"`
	Group  string `json:"ruleGroup"`
	Paused bool   `json:"isPaused"`
}

// A grafanaStatus is what a rule found when it was last evaluated.
type grafanaStatus struct {
	UID            string    `json:"uid"` // from Grafana 11 on
	Name           string    `json:"name"`
	Health         string    `json:"health"`
	LastError      string    `json:"lastError"`
	LastEvaluation time.Time `json:"lastEvaluation"`
	Alerts         []struct {
		State       string            `json:"state"`
		ActiveAt    time.Time         `json:"activeAt"`
		Annotations map[string]string `json:"annotations"`
	} `json:"alerts"`
	group string
	every time.Duration
}

// A change is a change of state of one instance of a rule.
type change struct {
	At   int64  `json:"time"` // milliseconds
	From string `json:"prevState"`
	To   string `json:"newState"`
	Text string `json:"text"` // the rule, the labels of the instance and its values
}

// Alarms says when the instances of rules, by title or uid, were alerting. A rule that is paused, that cannot be evaluated
// or that has no data is not known, unless the rule itself says that no data is normal, or alerting.
func (g *grafana) Alarms(ctx context.Context, names []string, from, until time.Time) ([]core.Alarm, error) {
	body, err := g.get(ctx, "/api/v1/provisioning/alert-rules", nil)
	if err != nil {
		return nil, err
	}
	var rules []grafanaRule
	if err := g.read(body, &rules); err != nil {
		return nil, err
	}
	statuses, err := g.statuses(ctx)
	if err != nil {
		return nil, err
	}
	alarms := make([]core.Alarm, len(names))
	for i, name := range names {
		rule, err := g.rule(rules, name)
		if err != nil {
			return nil, err
		}
		changes, err := g.changes(ctx, rule, from)
		if err != nil {
			return nil, err
		}
		alarms[i] = rule.alarm(name, statusesOf(rule, statuses), changes, from, until)
	}
	return alarms, nil
}

// rule finds a rule by its uid, or by its title.
func (g *grafana) rule(rules []grafanaRule, name string) (grafanaRule, error) {
	var found []grafanaRule
	for _, r := range rules {
		if r.UID == name {
			return r, nil
		}
		if r.Title == name {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return grafanaRule{}, g.fail(true, nil, "no alert rule has the title or uid %q", clip(name))
	case 1:
		return found[0], nil
	default:
		return grafanaRule{}, g.fail(true, nil, "%d alert rules have the title %q; give the uid of one", len(found), clip(name))
	}
}

// statuses returns what all rules found when they were last evaluated.
func (g *grafana) statuses(ctx context.Context) ([]grafanaStatus, error) {
	body, err := g.get(ctx, "/api/prometheus/grafana/api/v1/rules", nil)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   struct {
			Groups []struct {
				Name     string          `json:"name"`
				Interval float64         `json:"interval"`
				Rules    []grafanaStatus `json:"rules"`
			} `json:"groups"`
		} `json:"data"`
	}
	if err := g.read(body, &answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, g.fail(false, nil, "it answers with status %q: %s", clip(answer.Status), clip(answer.Error))
	}
	var all []grafanaStatus
	for _, group := range answer.Data.Groups {
		for _, status := range group.Rules {
			status.group, status.every = group.Name, time.Duration(group.Interval*float64(time.Second))
			all = append(all, status)
		}
	}
	return all, nil
}

// statusesOf returns the statuses of a rule: one, or several if only the names of rule and group tell them apart.
func statusesOf(rule grafanaRule, all []grafanaStatus) []grafanaStatus {
	var own []grafanaStatus
	for _, s := range all {
		if s.UID == rule.UID || s.UID == "" && s.Name == rule.Title && s.group == rule.Group {
			own = append(own, s)
		}
	}
	return own
}

const mostChanges = 5000

// changes returns the changes of state of a rule from an instant up to now, oldest first.
func (g *grafana) changes(ctx context.Context, rule grafanaRule, from time.Time) ([]change, error) {
	body, err := g.get(ctx, "/api/annotations", url.Values{
		"type": {"alert"}, "alertId": {strconv.FormatInt(rule.ID, 10)}, "limit": {strconv.Itoa(mostChanges)},
		"from": {strconv.FormatInt(from.UnixMilli(), 10)}, "to": {strconv.FormatInt(g.clock.Now().UnixMilli(), 10)},
	})
	if err != nil {
		return nil, err
	}
	var all []change
	if err := g.read(body, &all); err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b change) int { return cmp.Compare(a.At, b.At) })
	return all, nil
}

// instance is the part of a text that tells the instances of a rule apart: all but the values.
func (c change) instance() string {
	if end := strings.LastIndex(c.Text, "} - "); end >= 0 {
		return c.Text[:end+1]
	}
	return c.Text
}

// alarm puts together what a rule was in a stretch.
func (r grafanaRule) alarm(name string, statuses []grafanaStatus, changes []change, from, until time.Time) core.Alarm {
	alarm := core.Alarm{Name: name, Blind: r.blind(statuses, changes, until)}
	open := make(map[string]int) // the episode of an instance that has not ended
	seen := make(map[string]bool)
	for _, c := range changes {
		at, instance := time.UnixMilli(c.At).UTC(), c.instance()
		_, firing := open[instance]
		if !seen[instance] && alerting(c.From) { // since before the stretch
			open[instance], firing = len(alarm.Episodes), true
			alarm.Episodes = append(alarm.Episodes, core.Episode{From: from, Text: clip(c.Text)})
		}
		seen[instance] = true
		switch {
		case at.After(until):
		case alerting(c.To) && !firing:
			open[instance] = len(alarm.Episodes)
			alarm.Episodes = append(alarm.Episodes, core.Episode{From: at, Text: clip(c.Text)})
		case !alerting(c.To) && firing:
			alarm.Episodes[open[instance]].Until = at
			delete(open, instance)
		}
	}
	for _, status := range statuses {
		for _, a := range status.Alerts {
			if !alerting(a.State) || a.ActiveAt.After(until) {
				continue
			}
			begin := a.ActiveAt
			if begin.Before(from) {
				begin = from
			}
			if !slices.ContainsFunc(alarm.Episodes, func(e core.Episode) bool { return e.Until.IsZero() && !e.From.After(begin.Add(time.Second)) }) {
				alarm.Episodes = append(alarm.Episodes, core.Episode{From: begin, Text: alertText(a.Annotations)})
			}
		}
	}
	slices.SortStableFunc(alarm.Episodes, func(a, b core.Episode) int { return a.From.Compare(b.From) })
	return alarm
}

// alerting reports whether a state, which may come with a reason, is one in which people are told.
func alerting(state string) bool {
	kind, _, _ := strings.Cut(state, " (")
	return kind == "Alerting" || kind == "Recovering"
}

// unknown reports whether a state means that the rule did not find out.
func unknown(state string) bool {
	kind, reason, _ := strings.Cut(state, " (")
	switch kind {
	case "NoData", "Error":
		return true
	case "Normal":
		return strings.Contains(reason, "Error") || strings.Contains(reason, "KeepLast") || strings.Contains(reason, "Paused")
	case "Alerting", "Recovering", "Pending":
		return false
	default:
		return true
	}
}

// blind says why a rule does not tell all of a stretch.
func (r grafanaRule) blind(statuses []grafanaStatus, changes []change, until time.Time) string {
	switch {
	case r.Paused:
		return "the rule is paused"
	case len(statuses) == 0:
		return "the rule has not been evaluated"
	case len(changes) >= mostChanges:
		return fmt.Sprintf("it changed %d times, and more changes are not read", len(changes))
	}
	for _, s := range statuses {
		switch {
		case s.Health == "error":
			return "the rule cannot be evaluated: " + clip(s.LastError)
		case s.Health != "ok" && s.Health != "nodata":
			return fmt.Sprintf("the health of the rule is %q", clip(s.Health))
		case until.Sub(s.LastEvaluation) > 3*max(s.every, time.Minute):
			return "the rule was last evaluated at " + s.LastEvaluation.UTC().Format(time.RFC3339)
		}
		for _, a := range s.Alerts {
			if unknown(a.State) {
				return fmt.Sprintf("an instance is in state %q", clip(a.State))
			}
		}
	}
	for _, c := range changes {
		if at := time.UnixMilli(c.At).UTC(); !at.After(until) && (unknown(c.To) || unknown(c.From)) {
			return fmt.Sprintf("at %s an instance changed from %s to %s", at.Format(time.RFC3339), clip(c.From), clip(c.To))
		}
	}
	return ""
}
