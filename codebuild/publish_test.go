package codebuild

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

// publishing is a build whose files go into a folder.
func publishing(t *testing.T) (f *Forge, dir string) {
	t.Helper()
	dir = t.TempDir()
	f, _, _ = build(t, "BREAKWATER_DOTENV="+filepath.Join(dir, "out.env"))
	return f, dir
}

// sourced has a shell source the outputs, and is what one of them then is to a command.
func sourced(t *testing.T, dir, name string) string {
	t.Helper()
	sh := exec.Command("sh", "-euc", `. ./out.env; printenv "$0"`, name)
	sh.Dir, sh.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "SECRET=hunter2"}
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// TestOutputs: a shell reads back what was published, the newest of each, and runs nothing of it.
func TestOutputs(t *testing.T) {
	f, dir := publishing(t)
	f.Log().Mask("s3cr3t")
	hostile := "it's '; touch hacked; ' $(touch hacked) `touch hacked` ${SECRET} \\ \" !\nexport BREAKWATER_OUT_STATE=succeeded\r\u2028\x00 s3cr3t \xff #{x} \\'"
	for _, p := range [][]core.Output{
		{{Name: "state", Value: "baking"}, {Name: "next-at", Value: "soon"}, {Name: "wave", Value: ""}},
		{{Name: "state", Value: "halted"}, {Name: "reason", Value: hostile}},
		{{Name: "report", Value: strings.Repeat("é", 4000)}, {Name: "targets", Value: `["` + strings.Repeat("a", 4000) + `"]`}},
	} {
		if err := f.Publish(t.Context(), core.Published{Outputs: p}); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"STATE": "halted", "NEXT_AT": "soon", "WAVE": "", "REPORT": strings.Repeat("é", 512) + "...",
		"TARGETS": `["` + strings.Repeat("a", 4000) + `"]`,
		"REASON":  "it's '; touch hacked; ' $(touch hacked) `touch hacked` ${SECRET} \\ \" ! export BREAKWATER_OUT_STATE=succeeded    *** \uFFFD #{x} \\'"} {
		if got := sourced(t, dir, "BREAKWATER_OUT_"+name); got != want {
			t.Errorf("%s is %q; want %q", name, got, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "hacked")); err == nil {
		t.Error("the shell has run a part of a value")
	}
	wantError(t, f.Publish(t.Context(), core.Published{Outputs: []core.Output{{Name: "state", Value: "x"}, {Name: "a=b; c", Value: "x"}}}), "no output is set")
	if got := sourced(t, dir, "BREAKWATER_OUT_STATE"); got != "halted" {
		t.Errorf("a refused output has changed another to %q", got)
	}
}

func TestReport(t *testing.T) {
	f, dir := publishing(t)
	f.Log().Mask("s3cr3t")
	for _, summary := range []string{"# one s3cr3t\n", "", "# two\n", strings.Repeat("x", reportLimit)} {
		if err := f.Publish(t.Context(), core.Published{Summary: summary}); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "breakwater-report.md"))
	if err != nil || string(text) != "# one ***\n\n# two\n" {
		t.Errorf("the report is %q, %v", text, err)
	}
	f, _, _ = build(t, "BREAKWATER_DOTENV=/nowhere/at/all.env")
	wantError(t, f.Publish(t.Context(), core.Published{Outputs: []core.Output{{Name: "state"}}, Summary: "y", Tests: "z"}), "the build's outputs: ", "the report: ", "the test results: ")
}

// TestTests: the newest results are those of the build, and a command without any leaves them alone.
func TestTests(t *testing.T) {
	f, dir := publishing(t)
	f.Log().Mask("s3cr3t")
	for _, tests := range []string{"<one/>", "<two>s3cr3t</two>", ""} {
		if err := f.Publish(t.Context(), core.Published{Tests: tests}); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "breakwater-junit.xml")); err != nil || string(text) != "<two>***</two>" {
		t.Errorf("the test results are %q, %v", text, err)
	}
}
