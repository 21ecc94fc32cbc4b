package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core/command"
)

// BenchmarkRunAgainstXargs rolls a release out to 10,000 targets whose deploy does nothing, 8 at a time, with a ledger on
// disk, and has xargs run the same commands in the same way right after it. It reports the ratio.
//
//	go test -run '^$' -bench RunAgainstXargs -benchtime 3x .
func BenchmarkRunAgainstXargs(b *testing.B) {
	const targets, parallel = 10_000, 8
	var ours, theirs time.Duration
	for b.Loop() {
		dir := b.TempDir()
		writeFleet(b, dir, targets, parallel)
		began := time.Now()
		code := command.Main(b.Context(), []string{"run", "--version", "v2", "--previous", "v1"},
			command.Env{Stdout: io.Discard, Stderr: os.Stderr, Environ: os.Environ(), Dir: dir})
		ours += time.Since(began)
		if code != 0 {
			b.Fatalf("exit code %d", code)
		}
		began = time.Now()
		xargs := exec.Command("xargs", "-P", strconv.Itoa(parallel), "-n", "1", "sh", "-eu", "-c", ":")
		xargs.Stdin = strings.NewReader(strings.Repeat("target\n", targets))
		if err := xargs.Run(); err != nil {
			b.Fatal(err)
		}
		theirs += time.Since(began)
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "run-s")
	b.ReportMetric(theirs.Seconds()/float64(b.N), "xargs-s")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
}

func writeFleet(b *testing.B, dir string, targets, parallel int) {
	b.Helper()
	var list []map[string]string
	for i := range targets {
		list = append(list, map[string]string{"name": fmt.Sprintf("t%05d", i)})
	}
	text, err := json.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	plan := fmt.Sprintf(`version: 1
service: shop
environment: bench
targets: {file: targets.json}
waves: [{name: all, select: all}]
deploy: {run: ":", parallel: %d}
bake: {min: 0s}
`, parallel)
	for name, content := range map[string]string{"targets.json": string(text), "breakwater.yaml": plan} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStart starts the binary for its version, which is all that start-up costs, and reports its size.
func BenchmarkStart(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "breakwater")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := exec.Command(binary, "version").Run(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(info.Size())/1e6, "MB")
}
