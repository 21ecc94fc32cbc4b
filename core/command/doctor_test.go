package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// TestDoctorClocks: a server whose clock is wrong is found by the dates of its answers, unless a cache has kept them.
func TestDoctorClocks(t *testing.T) {
	for name, c := range map[string]struct {
		off  time.Duration
		age  string
		want string
	}{
		"right": {0, "", "ok The clock here is within 5s of that of source prom."},
		"fast":  {time.Hour, "", "problem The clock here is 1h behind that of source prom."},
		"kept":  {-time.Hour, "3600", ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(c.off).UTC().Format(http.TimeFormat))
				if c.age != "" {
					w.Header().Set("Age", c.age)
				}
				fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}]}}`)
			}))
			defer server.Close()
			got := ""
			for _, d := range examined(t, "sources: {prom: {type: prometheus, url: "+server.URL+"}}\nchecks: [{name: up, threshold: {source: prom, query: up, min: 1}}]\n", nil) {
				if d.About == "clock" && strings.Contains(d.What, "source") {
					got += string(d.Health) + " " + d.What
				}
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A sick forge says so.
type sick struct{ local }

func (*sick) Examine(_ context.Context, p *core.Plan) []core.Diagnosis {
	about := "no plan"
	if p != nil {
		about = p.Service
	}
	return []core.Diagnosis{{About: "permissions", Health: core.HealthProblem, What: about, Do: "Grant contents: write."}}
}

// TestDoctorForge: a forge that knows how it is says so, whether or not there is a plan.
func TestDoctorForge(t *testing.T) {
	for plan, want := range map[string]string{"": "shop", "nonsense: true\n": "no plan"} {
		found := examined(t, plan, &sick{local{out: new(bytes.Buffer)}})
		said := false
		for _, d := range found {
			said = said || d.About == "permissions" && d.What == want
		}
		if !said {
			t.Errorf("nothing of it: %+v", found)
		}
	}
}

// examined is what the doctor finds of a plan with some more lines.
func examined(t *testing.T, more string, forge core.Forge) (found []core.Diagnosis) {
	t.Helper()
	dir := t.TempDir()
	plan := "version: 1\nservice: shop\nenvironment: test\ntargets: [{name: a}]\nwaves: [{name: all, select: all}]\ndeploy: {run: 'true'}\n" + more
	if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte(plan), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	Main(t.Context(), []string{"doctor", "--json", "--ledger", "file:book"}, Env{Stdout: &out, Stderr: &errs, Environ: os.Environ(), Dir: dir, Forge: forge})
	if err := json.Unmarshal(out.Bytes(), &found); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	return found
}
