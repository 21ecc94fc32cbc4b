package shell

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func TestVars(t *testing.T) {
	target := core.Target{Name: "use1-a", Labels: map[string]string{
		"tier": "onebox", "k8s.io/zone": "a", "k8s_io_zone": "b", "größe": "xl",
	}}
	for name, c := range map[string]struct {
		vars Vars
		want []string
	}{
		"deploy": {ForAct(core.Act{Rollout: "7", Wave: "w", Target: target, Version: "v2", Previous: "v1", Attempt: 3}), []string{
			"ACTION=deploy", "ROLLOUT=7", "WAVE=w", "VERSION=v2", "PREVIOUS=v1", "ATTEMPT=3", "TARGET=use1-a",
			"LABEL_GR__E=xl", "LABEL_K8S_IO_ZONE=a", "LABEL_TIER=onebox",
		}},
		"rollback of a target without labels": {
			ForAct(core.Act{
				Rollout: "7", Wave: "w", Target: core.Target{Name: "a"}, Version: "v1", Previous: "v2", Attempt: 1, Rollback: true,
			}),
			[]string{"ACTION=rollback", "ROLLOUT=7", "WAVE=w", "VERSION=v1", "PREVIOUS=v2", "ATTEMPT=1", "TARGET=a"},
		},
		"precheck of a first release": {Vars{Action: ActionCheck, Version: "v1", Targets: []core.Target{target, {Name: "b"}}}, []string{
			"ACTION=check", "ROLLOUT=", "WAVE=", "VERSION=v1", "PREVIOUS=", "TARGETS=use1-a b",
		}},
		"current": {Vars{Action: ActionCurrent, Version: "v2", Target: core.Target{Name: "a"}}, []string{
			"ACTION=current", "ROLLOUT=", "WAVE=", "VERSION=v2", "PREVIOUS=", "TARGET=a",
		}},
		"query": {Vars{
			Action: ActionQuery, Wave: "w", Version: "v2", Targets: []core.Target{target, {Name: "b"}},
			Query: "errors", At: time.Unix(1e9, 5e8), Window: 89500 * time.Millisecond,
		}, []string{
			"ACTION=query", "WAVE=w", "VERSION=v2", "PREVIOUS=", "TARGETS=use1-a b", "QUERY=errors",
			"AT=2001-09-09T01:46:40Z", "WINDOW_SECONDS=90",
		}},
		"targets": {Vars{Action: ActionTargets}, []string{"ACTION=targets"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.vars.Environ()
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				got[i] = strings.TrimPrefix(got[i], "BREAKWATER_")
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
	target.Labels["tier"] = "a\x00b"
	if _, err := (Vars{Target: target}).Environ(); err == nil || !strings.Contains(err.Error(), "BREAKWATER_LABEL_TIER") {
		t.Errorf("NUL in a label: %v", err)
	}
}
