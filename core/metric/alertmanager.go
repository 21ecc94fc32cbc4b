package metric

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// AlertmanagerOptions are the options of a source of type alertmanager.
type AlertmanagerOptions struct {
	URL core.Secret `json:"url" jsonschema_description:"Address of the Alertmanager, without /api/v2."`
	Reach
}

// An alertmanager is asked which alerts fire now. It keeps no history: an alert that fired and resolved between two looks
// is not seen, and a misspelt name looks like a quiet alert. A prometheus knows both. An alert that is silenced or
// inhibited fires like any other: a silence says who is told, not that all is well.
type alertmanager struct {
	mute
	*service
	clock core.Clock
}

// lateLook is how long after an instant it is too late to ask what fires at that instant.
const lateLook = 2 * time.Minute

func newAlertmanager(o *AlertmanagerOptions, env Env) (core.Source, error) {
	s, err := newService(o.URL, o.Reach, "basic, bearer or headers", messageOf, env)
	if err != nil {
		return nil, err
	}
	return &alertmanager{service: s, clock: env.Clock}, nil
}

// messageOf is what the API answers to a bad request: a text as JSON, or an object with a message.
func messageOf(body []byte) string {
	var text string
	if json.Unmarshal(body, &text) == nil {
		return text
	}
	var said struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	_ = json.Unmarshal(body, &said)
	return cmp.Or(said.Message, said.Error)
}

// matcherQuotes are the only escapes that every version of the API takes between double quotes.
var matcherQuotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// Alarms returns the alerts that fire now and had begun by the end of the stretch, each as an episode without an end. Of
// a stretch that ended long ago it does not know which alerts have resolved since.
func (a *alertmanager) Alarms(ctx context.Context, names []string, from, until time.Time) ([]core.Alarm, error) {
	yes := []string{"true"}
	body, err := a.get(ctx, "/api/v2/alerts", url.Values{
		"filter": {`alertname=~"` + matcherQuotes.Replace(alternation(names)) + `"`}, "active": yes, "silenced": yes, "inhibited": yes, "unprocessed": yes,
	})
	if err != nil {
		return nil, err
	}
	var firing []struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		StartsAt    time.Time         `json:"startsAt"`
	}
	if err := a.read(body, &firing); err != nil {
		return nil, err
	}
	blind := ""
	if a.clock.Now().Sub(until) > lateLook {
		blind = "an Alertmanager knows only what fires now, not what fired at " + until.UTC().Format(time.RFC3339)
	}
	alarms := make([]core.Alarm, len(names))
	for i, name := range names {
		alarms[i] = core.Alarm{Name: name, Blind: blind}
		for _, alert := range firing {
			if alert.Labels["alertname"] != name || alert.StartsAt.After(until) {
				continue
			}
			begin := alert.StartsAt
			if begin.Before(from) {
				begin = from
			}
			alarms[i].Episodes = append(alarms[i].Episodes, core.Episode{From: begin, Text: alertText(alert.Annotations)})
		}
		slices.SortStableFunc(alarms[i].Episodes, func(x, y core.Episode) int { return x.From.Compare(y.From) })
	}
	return alarms, nil
}

// alertText is what an alert says for people, by the names that are usual.
func alertText(annotations map[string]string) string {
	return clip(cmp.Or(annotations["summary"], annotations["description"], annotations["message"]))
}
