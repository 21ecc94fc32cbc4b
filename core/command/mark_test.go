package command

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// wall is a forge whose commits show statuses, once it does.
type wall struct {
	core.Forge
	refuses int // times, at first
	shows   []string
}

func (w *wall) SetStatus(_ context.Context, commit string, s core.Status) error {
	if w.refuses > 0 {
		w.refuses--
		return errors.New("not now")
	}
	w.shows = append(w.shows, commit+" "+s.Description)
	return nil
}

// TestMarker: what a commit shows already is not set again, and what could not be set is tried again.
func TestMarker(t *testing.T) {
	w := &wall{Forge: &local{out: io.Discard}, refuses: 1}
	s := newShip(Env{Stdout: io.Discard, Stderr: io.Discard, Forge: w})
	said := core.Status{Name: "breakwater/shop/prod", State: core.StatusSuccess, Description: "out"}
	m := s.marker(t.Context(), &core.Plan{}, core.Actor{ID: "me"})
	for range 3 {
		m.send(t.Context(), mark{"1a", said})
	}
	m.say("2b", said)
	m.close()
	if want := []string{"1a out", "2b out"}; !slices.Equal(w.shows, want) {
		t.Errorf("set: %q; want %q", w.shows, want)
	}
}
