package ledger

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
	"github.com/breakwater-ci/breakwater/core/ledger/ledgertest"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// TestMarkers reads names, also such that nobody here has written: a marker is never lost, and nothing else is taken for one.
func TestMarkers(t *testing.T) {
	at := func(d time.Duration) string { return fmt.Sprint(noon.Add(d).Unix()) }
	shop, other := core.Line{Service: "shop", Environment: "prod"}, core.Line{Service: "shop", Environment: "prod-2"}
	late, early, odd := "shop/prod/"+at(time.Hour)+"-a", "shop/prod/"+at(0)+"-b", "shop/prod-2/a-later-form"
	got := markers([]string{late, odd, early, "README", "shop/prod", "shop/../" + at(0) + "-a", "a/b/c/" + at(0)})
	want := []core.Marker{
		{Line: shop, Due: noon, Marks: []string{early, late}},
		{Line: other, Due: time.Unix(0, 0).UTC(), Marks: []string{odd}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v; want %+v", got, want)
	}
	if m := markers([]string{newMark(shop, noon.Add(time.Nanosecond))}); len(m) != 1 || !m[0].Due.Equal(noon.Add(time.Second)) {
		t.Errorf("%+v; want it to be due in the second after it", m)
	}
}

// TestGitHubParkThrift counts the requests of markers.
func TestGitHubParkThrift(t *testing.T) {
	t.Parallel()
	forge := githubtest.New(t)
	l := open(t, "github:", onGitHub(forge))
	add(t, l, 0, ledgertest.Rollout("r1", 0, 2)...)
	asks := func(want int, what string, do func() error) {
		t.Helper()
		before := len(forge.Asked())
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if asked := forge.Asked()[before:]; len(asked) != want {
			t.Errorf("%s takes %q; want %d requests", what, asked, want)
		}
	}
	asks(1, "to park what was just written", func() error { return l.Park(t.Context(), core.Marker{Line: line}, noon) })
	var all []core.Marker
	asks(1, "to list", func() (err error) { all, err = l.Parked(t.Context()); return err })
	asks(2, "to move", func() error { return l.Park(t.Context(), all[0], noon.Add(time.Hour)) })
	asks(1+1, "to take away", func() error { return l.Park(t.Context(), ledgertest.Parked(t, l)[0], time.Time{}) })
}

// TestGitHubParkFaults: a marker whose answer was lost is there, and one that was not taken is an error that says why.
func TestGitHubParkFaults(t *testing.T) {
	for name, do := range map[string]func(http.ResponseWriter, *http.Request, http.HandlerFunc){
		"502": says(502), "429": says(429), "connection lost before": drop(false), "connection lost after": drop(true),
	} {
		for _, at := range []fault{{method: "POST", path: "/git/refs"}, {method: "DELETE", path: "/git/refs/"}, {method: "GET", path: "/git/matching-refs/"}} {
			t.Run(name+" at "+at.method, func(t *testing.T) {
				t.Parallel()
				forge := githubtest.New(t)
				l := open(t, "github:", onGitHub(forge))
				add(t, l, 0, ledgertest.Rollout("r1", 0, 2)...)
				if err := l.Park(t.Context(), core.Marker{Line: line}, noon); err != nil {
					t.Fatal(err)
				}
				at.do = do
				meddle(forge, at, 2)
				if err := l.Park(t.Context(), ledgertest.Parked(t, l)[0], noon.Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
				if all := ledgertest.Parked(t, l); len(all) != 1 || len(all[0].Marks) != 1 || !all[0].Due.Equal(noon.Add(time.Hour)) {
					t.Errorf("%+v; want one marker that was moved", all)
				}
			})
		}
	}
	for _, c := range []struct {
		fault fault
		want  []string
		left  int // marks
	}{
		{fault{"POST", "/git/refs", says(403)}, []string{"take refs/breakwater-parked/checkout/production/", "permissions: {contents: write}", "(403)"}, 1},
		{fault{"POST", "/git/refs", says(422)}, []string{"take refs/breakwater-parked/checkout/production/", "as the test wants it (422)"}, 1},
		{fault{"DELETE", "/git/refs/", says(422)}, []string{"remove refs/breakwater-parked/checkout/production/", "(422)"}, 2},
		{fault{"DELETE", "/git/refs/", says(403)}, []string{"remove refs/breakwater-parked/checkout/production/", "permissions: {contents: write}"}, 2},
	} {
		forge := githubtest.New(t)
		l := open(t, "github:", onGitHub(forge))
		add(t, l, 0, ledgertest.Rollout("r1", 0, 2)...)
		if err := l.Park(t.Context(), core.Marker{Line: line}, noon); err != nil {
			t.Fatal(err)
		}
		was := ledgertest.Parked(t, l)[0]
		meddle(forge, c.fault, 1000)
		wantError(t, l.Park(t.Context(), was, noon.Add(time.Hour)), c.want...)
		forge.Meddle(nil)
		if all := ledgertest.Parked(t, l); len(all) != 1 || len(all[0].Marks) != c.left || !all[0].Due.Equal(noon) {
			t.Errorf("%s %s: %+v; want %d marks, due as before", c.fault.method, c.want, all, c.left)
		}
	}
}

// TestGitParkRefused: a remote that lets nobody remove refs says so, and the earlier marker stays in force.
func TestGitParkRefused(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	l := open(t, "git:"+remote, env(t.TempDir()))
	add(t, l, 0, ledgertest.Rollout("r1", 0, 1)...)
	if err := l.Park(t.Context(), core.Marker{Line: line}, noon); err != nil {
		t.Fatal(err)
	}
	hook := "#!/bin/sh\ncase $3 in *[!0]*) exit 0;; esac\nexit 1\n"
	if err := os.WriteFile(filepath.Join(remote, "hooks", "update"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	wantError(t, l.Park(t.Context(), ledgertest.Parked(t, l)[0], noon.Add(time.Hour)), "refs/breakwater-parked/checkout/production", "the remote refused: hook declined")
	if all := ledgertest.Parked(t, l); len(all) != 1 || len(all[0].Marks) != 2 || !all[0].Due.Equal(noon) {
		t.Errorf("%+v; want both marks, due as before", all)
	}
}

// TestFileParkFaults: a marker that may not last is an error.
func TestFileParkFaults(t *testing.T) {
	dir := t.TempDir()
	l := open(t, "file:ledger", env(dir))
	add(t, l, 0, ledgertest.Rollout("r1", 0, 1)...)
	l.store.(*fileLedger).disk.sync = func(*os.File) error { return errors.New("the disk is broken") }
	wantError(t, l.Park(t.Context(), core.Marker{Line: line}, noon), "the marker of checkout/production", "the disk is broken")
	if err := os.RemoveAll(filepath.Join(dir, "ledger", parkedFolder)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ledger", parkedFolder), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	wantError(t, l.Park(t.Context(), core.Marker{Line: line}, noon), "the marker of checkout/production", "not a directory", "name a folder")
	_, err := l.Parked(t.Context())
	wantError(t, err, "the markers of parked lines", "not a directory")
}
