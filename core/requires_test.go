package core_test

import (
	"slices"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

func TestUnmet(t *testing.T) {
	required := &core.Requires{Statuses: []string{"build", "integration"}}
	have := func(build, integration core.StatusState) []core.Status {
		all := []core.Status{{Name: "other", State: core.StatusFailure}}
		for name, state := range map[string]core.StatusState{"build": build, "integration": integration} {
			if state != "" {
				all = append(all, core.Status{Name: name, State: state})
			}
		}
		return all
	}
	for _, c := range []struct {
		name               string
		build, integration core.StatusState
		unmet              []string
		hopeless           bool
	}{
		{"green", core.StatusSuccess, core.StatusSuccess, nil, false},
		{"none of them there", "", "", []string{"build missing", "integration missing"}, false},
		{"one is missing", core.StatusSuccess, "", []string{"integration missing"}, false},
		{"one is pending", core.StatusPending, core.StatusSuccess, []string{"build pending"}, false},
		{"one is red", core.StatusPending, core.StatusFailure, []string{"build pending", "integration failure"}, true},
		{"a state that nobody knows is not green", "odd", core.StatusSuccess, []string{"build odd"}, true},
	} {
		unmet, hopeless := required.Unmet(have(c.build, c.integration))
		var got []string
		for _, s := range unmet {
			got = append(got, s.Name+" "+string(s.State))
		}
		if !slices.Equal(got, c.unmet) || hopeless != c.hopeless {
			t.Errorf("%s: %v, %t", c.name, got, hopeless)
		}
	}
}
