package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v3"
)

// A buildspec is what CodeBuild reads, as far as docs/aws.md has it.
type buildspec struct {
	Version string
	Env     struct {
		Variables map[string]string
		Exported  []string `yaml:"exported-variables"`
	}
	Phases struct {
		Install, Build, PostBuild phase
	}
	Artifacts struct{ Files []string }
}

type phase struct{ Commands []string }

// writeBuild writes what CodeBuild makes of a buildspec in docs/aws.md as a script: buildspec FILE [NAME], which is
// buildspec.yml if none is said. All commands share one shell; a command that fails ends its phase; post_build comes even after
// a build that failed. In the end it prints the exported variables. In the place of the release is the binary of this test.
func writeBuild(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: buildspec FILE [NAME]")
	}
	name := append(args, "buildspec.yml")[1]
	text, err := os.ReadFile("docs/aws.md")
	ts.Check(err)
	var spec buildspec
	found := 0
	for _, b := range block.FindAllStringSubmatch(string(text), -1) {
		if b[1] == "yaml" && strings.HasPrefix(b[2], "# "+name+"\n") {
			found++
			decoder := yaml.NewDecoder(strings.NewReader(strings.Replace(b[2], "post_build:", "postbuild:", 1)))
			decoder.KnownFields(true)
			ts.Check(decoder.Decode(&spec))
		}
	}
	if found != 1 || spec.Version != "0.2" || len(spec.Env.Exported) == 0 && name == "buildspec.yml" {
		ts.Fatalf("docs/aws.md has %d files %s: %+v", found, name, spec)
	}
	release := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if at := filepath.Join(dir, "breakwater"); release == "" && exists(at) {
			release = at
		}
	}
	binary, err := os.ReadFile(release)
	ts.Check(err)
	spec.Env.Variables["RELEASE"] = release
	spec.Env.Variables["SHA256"] = fmt.Sprintf("%x", sha256.Sum256(binary))

	var b strings.Builder
	b.WriteString("curl() { cp \"$4\" \"$3\"; }\n") // curl -fsSL -o FILE URL
	for name, value := range spec.Env.Variables {
		fmt.Fprintf(&b, "export %s=\"${%[1]s:-\"%s\"}\"\n", name, value)
	}
	b.WriteString("phase() { for c; do eval \"$c\" || { code=$?; return; }; done; }\ncode=0\n")
	b.WriteString("phase" + words(spec.Phases.Install.Commands) + "\n")
	b.WriteString("[ $code = 0 ] || exit 99\nphase" + words(spec.Phases.Build.Commands) + "\n")
	b.WriteString("built=$code code=0\nphase" + words(spec.Phases.PostBuild.Commands) + "\n[ $code = 0 ] || exit 98\n")
	for _, name := range spec.Env.Exported {
		fmt.Fprintf(&b, "echo \"%s=$(printenv %[1]s)\"\n", name)
	}
	for _, name := range spec.Artifacts.Files {
		fmt.Fprintf(&b, "[ -e %s ] || exit 97\n", name)
	}
	b.WriteString("exit $built\n")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o644))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// words are texts as words of a shell.
func words(all []string) string {
	var b strings.Builder
	for _, text := range all {
		b.WriteString(" '" + strings.ReplaceAll(text, "'", `'\''`) + "'")
	}
	return b.String()
}
