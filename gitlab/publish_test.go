package gitlab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// publishing is a job whose files go into a folder.
func publishing(t *testing.T) (f *Forge, read func(name string) string, log fmt.Stringer) {
	t.Helper()
	dir := t.TempDir()
	f, said := job(t, "BREAKWATER_DOTENV="+filepath.Join(dir, "outputs.env"), "CI_PROJECT_DIR="+filepath.Dir(dir))
	return f, func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}, said
}

func outputs(pairs ...string) (all []core.Output) {
	for pair := range slices.Chunk(pairs, 2) {
		all = append(all, core.Output{Name: pair[0], Value: pair[1]})
	}
	return all
}

// dotenv reads a file as GitLab does: NAME=value lines and nothing else.
func dotenv(t *testing.T, text string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if _, twice := all[name]; !ok || twice || name != strings.TrimSpace(name) {
			t.Errorf("GitLab refuses the line %q", line)
		}
		all[name] = strings.TrimSpace(value)
	}
	if len(text) >= dotenvLimit || len(all) > mostOutputs {
		t.Errorf("GitLab refuses %d bytes and %d variables", len(text), len(all))
	}
	return all
}

func TestOutputs(t *testing.T) {
	f, read, _ := publishing(t)
	hostile := "a\nBREAKWATER_STATE=succeeded\r\u2028b\x00 $CI_JOB_TOKEN ${X} \xff"
	for _, p := range [][]core.Output{outputs("state", "baking", "next-at", "soon", "reason", "x"), outputs("state", "halted", "reason", hostile), outputs("wave", "a=b")} {
		if err := f.Publish(t.Context(), core.Published{Outputs: p}); err != nil {
			t.Fatal(err)
		}
	}
	got := dotenv(t, read("outputs.env"))
	for name, want := range map[string]string{"BREAKWATER_STATE": "halted", "BREAKWATER_NEXT_AT": "soon", "BREAKWATER_WAVE": "a=b",
		"BREAKWATER_REASON": "a BREAKWATER_STATE=succeeded  b  $$CI_JOB_TOKEN $${X} \uFFFD"} {
		if got[name] != want {
			t.Errorf("%s is %q; want %q", name, got[name], want)
		}
	}
	wantError(t, f.Publish(t.Context(), core.Published{Outputs: outputs("a\nb", "x")}), "no output is set")
	var many []string
	for i := range 20 {
		many = append(many, fmt.Sprint("n", i), "x")
	}
	wantError(t, f.Publish(t.Context(), core.Published{Outputs: outputs(many...)}), "GitLab takes 20")
	if again := dotenv(t, read("outputs.env")); len(again) != len(got) {
		t.Errorf("a refused output has changed the file: %v", again)
	}
}

// TestTooMuch: one value that is too long goes, is named, and does not stay as it was.
func TestTooMuch(t *testing.T) {
	f, read, log := publishing(t)
	list := `["` + strings.Repeat("target-0001", 500) + `"]`
	for _, targets := range []string{`["a"]`, list} {
		if err := f.Publish(t.Context(), core.Published{Outputs: outputs("state", "baking", "targets", targets, "reason", strings.Repeat("é", 4000))}); err != nil {
			t.Fatal(err)
		}
	}
	got := dotenv(t, read("outputs.env"))
	if _, there := got["BREAKWATER_TARGETS"]; there || got["BREAKWATER_STATE"] != "baking" || len(got["BREAKWATER_REASON"]) > valueLimit+3 {
		t.Errorf("the outputs are %v", got)
	}
	if !strings.Contains(log.String(), "BREAKWATER_TARGETS is left out") {
		t.Errorf("the log says %q", log)
	}
}

// TestInherited: what GitLab makes a variable of in a later job is known again, whatever it does with dollar signs.
func TestInherited(t *testing.T) {
	text, _, err := outputsFile("", outputs("reason", "it costs $5", "state", "halted"))
	if err != nil {
		t.Fatal(err)
	}
	environ := strings.Split(strings.TrimSpace(text), "\n")
	once := strings.Split(strings.ReplaceAll(strings.TrimSpace(text), "$$", "$"), "\n")
	for _, inherited := range [][]string{environ, once} {
		mine := append(slices.Clone(inherited), "PATH=/bin", "BREAKWATER_PLAN=x.yaml")
		if got := Environ(mine); !slices.Equal(got, []string{"PATH=/bin", "BREAKWATER_PLAN=x.yaml"}) {
			t.Errorf("of %q is left %q", mine, got)
		}
		given := append(slices.Clone(inherited[1:]), "BREAKWATER_REASON=because I say so")
		if got := Environ(given); !slices.Equal(got, []string{"BREAKWATER_REASON=because I say so"}) {
			t.Errorf("of %q is left %q", given, got)
		}
	}
}

func TestReport(t *testing.T) {
	f, read, _ := publishing(t)
	for _, summary := range []string{"# one\n", "", "# two\n", strings.Repeat("x", reportLimit)} {
		if err := f.Publish(t.Context(), core.Published{Summary: summary}); err != nil {
			t.Fatal(err)
		}
	}
	if got := read("breakwater-report.md"); got != "# one\n\n# two\n" {
		t.Errorf("the report is %q", got)
	}
	if got := read("breakwater-annotations.json"); !strings.Contains(got, `"url":"https://gitlab.example.com/acme/shop/-/jobs/4001/artifacts/file/`) ||
		!strings.Contains(got, `/breakwater-report.md"`) {
		t.Errorf("the link is %s", got)
	}
	f, _ = job(t, "BREAKWATER_DOTENV=/nowhere/at/all.env")
	wantError(t, f.Publish(t.Context(), core.Published{Outputs: outputs("state", "x"), Summary: "y", Tests: "z"}), "the job's outputs: ", "the report: ", "the test results: ")
}

// TestTests: the newest results are those of the job, and a command without any leaves them alone.
func TestTests(t *testing.T) {
	f, read, _ := publishing(t)
	for _, tests := range []string{"<one/>", "<two/>", ""} {
		if err := f.Publish(t.Context(), core.Published{Tests: tests}); err != nil {
			t.Fatal(err)
		}
	}
	if got := read("breakwater-junit.xml"); got != "<two/>" {
		t.Errorf("the test results are %q", got)
	}
}
