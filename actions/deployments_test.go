package actions

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
)

// waveIs is what is entered of one of two waves.
func waveIs(at string, number int, state core.DeploymentState, said string) core.Deployment {
	return core.Deployment{Line: shopProd, Rollout: "shop-prod-1", Commit: at, Wave: fmt.Sprint("w", number), Number: number, Of: 2, State: state,
		Description: said, URL: "https://shop.example.com"}
}

// deploymentsOf says of each deployment its task and its statuses.
func deploymentsOf(forge *githubtest.Server) (all []string) {
	forge.Look(func(s *githubtest.State) {
		for _, d := range s.Deployments {
			var states []string
			for _, st := range d.Statuses {
				states = append(states, st.State)
			}
			all = append(all, d.Environment+" "+d.Task+": "+strings.Join(states, " "))
		}
	})
	return all
}

// TestRegister: a deployment for each wave; what it says already is not said again, also by another process; in the end
// the last wave's is active and no other.
func TestRegister(t *testing.T) {
	forge := githubtest.New(t)
	at, before := commit(forge, "two"), commit(forge, "one")
	forge.Look(func(s *githubtest.State) {
		s.Deployments = []githubtest.Deployment{
			{ID: 1, SHA: before, Environment: "shop/prod", Task: "deploy", Payload: "", Statuses: []githubtest.DeploymentStatus{{State: "success"}}},
			{ID: 2, SHA: before, Environment: "shop/test", Task: "deploy", Payload: "", Statuses: []githubtest.DeploymentStatus{{State: "success"}}},
		}
	})
	first, second := onGitHub(t, forge), onGitHub(t, forge)
	for _, step := range []struct {
		by *Forge
		d  core.Deployment
	}{
		{first, waveIs(at, 1, core.DeploymentRunning, "is deployed")},
		{first, waveIs(at, 1, core.DeploymentRunning, "is out and bakes")},
		{second, waveIs(at, 1, core.DeploymentRunning, "is out and bakes")},
		{second, waveIs(at, 1, core.DeploymentDone, "has passed")},
		{second, waveIs(at, 1, core.DeploymentDone, "has passed")},
		{second, waveIs(at, 2, core.DeploymentRunning, "is deployed")},
		{second, waveIs(at, 2, core.DeploymentDone, "has passed")},
	} {
		if err := step.by.Register(t.Context(), step.d); err != nil {
			t.Fatal(err)
		}
	}
	third := onGitHub(t, forge) // a process that comes later changes nothing
	for _, d := range []core.Deployment{waveIs(at, 1, core.DeploymentDone, "has passed"), waveIs(at, 2, core.DeploymentDone, "has passed")} {
		if err := third.Register(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"shop/prod deploy: success inactive", "shop/test deploy: success",
		"shop/prod deploy:w1: in_progress in_progress success inactive", "shop/prod deploy:w2: in_progress success"}
	if got := deploymentsOf(forge); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	forge.Look(func(s *githubtest.State) {
		st := s.Deployments[3].Statuses[1]
		if st.URL != "https://shop.example.com" || st.Log != "https://ghe.example/octo/shop/actions/runs/77/attempts/2" || st.Description != "has passed" {
			t.Errorf("%+v", st)
		}
	})
	if e, err := third.Registered(t.Context(), shopProd); err != nil || e.Version != at {
		t.Errorf("%+v, %v; want %s", e, err, at)
	}
}

// TestRegisterThrift: three requests and one more for each wave, beside one list.
func TestRegisterThrift(t *testing.T) {
	forge := githubtest.New(t)
	at := commit(forge, "two")
	f := onGitHub(t, forge)
	for i := range 2 {
		for _, d := range []core.Deployment{waveIs(at, i+1, core.DeploymentRunning, "is deployed"), waveIs(at, i+1, core.DeploymentRunning, "bakes"),
			waveIs(at, i+1, core.DeploymentDone, "has passed")} {
			for range 3 {
				if err := f.Register(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if n := len(forge.Asked()); n != 1+2*4 {
		t.Errorf("%d requests: %q", n, forge.Asked())
	}
}

// TestRegisterRollback: what failed has failed, what was good is inactive, and what was never entered is not made for that.
func TestRegisterRollback(t *testing.T) {
	forge := githubtest.New(t)
	at := commit(forge, "two")
	f := onGitHub(t, forge)
	for _, d := range []core.Deployment{
		waveIs(at, 1, core.DeploymentDone, "has passed"), waveIs(at, 2, core.DeploymentRunning, "is out"), waveIs(at, 2, core.DeploymentFailed, "check"),
		waveIs(at, 1, core.DeploymentGone, "back"), waveIs(at, 1, core.DeploymentDone, "has passed"),
		{Line: shopProd, Rollout: "shop-prod-0", Commit: at, Wave: "w1", Number: 1, Of: 1, State: core.DeploymentGone},
	} {
		if err := f.Register(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"shop/prod deploy:w1: success inactive", "shop/prod deploy:w2: in_progress failure"}
	if got := deploymentsOf(forge); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// TestRegistered: the newest active deployment of the environment, whoever made it; of ours only that of the last wave.
func TestRegistered(t *testing.T) {
	of := func(id int64, sha string, payload any, states ...string) githubtest.Deployment {
		d := githubtest.Deployment{ID: id, SHA: sha, Environment: "shop/prod", Payload: payload}
		for _, s := range states {
			d.Statuses = append(d.Statuses, githubtest.DeploymentStatus{State: s})
		}
		return d
	}
	ours := func(number int) any {
		return map[string]any{"line": "shop/prod", "rollout": "shop-prod-4", "wave": "w", "number": number, "of": 2}
	}
	for _, c := range []struct {
		name string
		all  []githubtest.Deployment
		want string
	}{
		{"none", nil, ""},
		{"none that is active", []githubtest.Deployment{of(1, "1a", "", "success", "inactive"), of(2, "2b", "", "in_progress"), of(3, "3c", "")}, ""},
		{"of others", []githubtest.Deployment{of(1, "1a", "", "success"), of(2, "2b", map[string]any{"wave": 3}, "success"), of(3, "3c", "", "failure")}, "2b"},
		{"ours, half-way", []githubtest.Deployment{of(1, "1a", ours(2), "success"), of(2, "2b", ours(1), "success")}, "1a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			forge := githubtest.New(t)
			forge.Look(func(s *githubtest.State) { s.Deployments = c.all })
			if got, err := onGitHub(t, forge).Registered(t.Context(), shopProd); err != nil || got.Version != c.want {
				t.Errorf("%+v, %v; want %q", got, err, c.want)
			}
		})
	}
}

// TestRegisterWithoutPermission: the error says what permits it. One whose answer was lost is found again.
func TestRegisterWithoutPermission(t *testing.T) {
	forge := githubtest.New(t)
	at := commit(forge, "two")
	refuse := true
	forge.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		switch {
		case r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/deployments"):
			serve(w, r)
		case refuse:
			w.WriteHeader(http.StatusForbidden)
			w.Write([]byte(`{"message":"Resource not accessible by integration"}`))
		default:
			serve(discard{make(http.Header)}, r)
			panic(http.ErrAbortHandler)
		}
	})
	f := onGitHub(t, forge)
	err := f.Register(t.Context(), waveIs(at, 1, core.DeploymentRunning, "is deployed"))
	want := "GitHub does not make a deployment of commit " + at + ": Resource not accessible by integration (403); the job needs permissions: {deployments: write}"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	refuse = false
	if err := f.Register(t.Context(), waveIs(at, 1, core.DeploymentRunning, "is deployed")); err == nil {
		t.Error("nobody knows what became of it, and no error says so")
	}
	if err := f.Register(t.Context(), waveIs(at, 1, core.DeploymentDone, "has passed")); err != nil {
		t.Fatal(err)
	}
	if got := deploymentsOf(forge); !slices.Equal(got, []string{"shop/prod deploy:w1: success"}) {
		t.Errorf("%q", got)
	}
}
