package engine_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
)

// TestPreviousFromElsewhere: somebody else is asked only where neither the request nor the ledger knows a version.
func TestPreviousFromElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scene, *engine.Request)
		asked  bool
		want   string
	}{
		"nobody knows":     {func(_ *scene, req *engine.Request) { req.Previous = "" }, true, "v0"},
		"as asked for":     {func(*scene, *engine.Request) {}, false, "v1"},
		"the first":        {func(_ *scene, req *engine.Request) { req.Previous, req.FirstRelease = "", true }, false, ""},
		"the ledger knows": {func(s *scene, req *engine.Request) { s.run(context.Background(), "v3"); req.Previous = "" }, false, "v3"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, asked := newScene(), false
				req := s.request("v2")
				req.Elsewhere = func(context.Context) string { asked = true; return "v0" }
				c.change(s, &req)
				r, err := s.engine().Run(t.Context(), req)
				if err != nil || r.State != core.StateSucceeded || r.Start.Previous != c.want || asked != c.asked {
					t.Errorf("%s, %v: previous %q, asked %v; want %q, %v", r.State, err, r.Start.Previous, asked, c.want, c.asked)
				}
			})
		})
	}
}
