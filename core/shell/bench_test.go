package shell_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/shell"
)

var (
	noop     = core.Command{Script: ":"}
	noopVars = shell.ForAct(core.Act{
		Rollout: "1", Wave: "rest", Version: "v2", Previous: "v1", Attempt: 1,
		Target: core.Target{Name: "use1-a", Labels: map[string]string{"region": "us-east-1"}},
	})
)

// BenchmarkRun is one no-op command after the other; BenchmarkExec is the same without this package.
func BenchmarkRun(b *testing.B) {
	r := shell.New(b.TempDir(), os.Environ())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Run(b.Context(), noop, noopVars, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkExec(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := exec.Command("/bin/sh", "-eu", "-c", ":").Run(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParallel runs 1,000 no-op commands, BenchmarkXargs has xargs do the same with the same parallelism.
func BenchmarkParallel(b *testing.B) {
	for _, parallel := range []int{1, 4, 16} {
		b.Run(fmt.Sprint(parallel), func(b *testing.B) {
			r := shell.New(b.TempDir(), os.Environ())
			for b.Loop() {
				var g errgroup.Group
				g.SetLimit(parallel)
				for range 1000 {
					g.Go(func() error {
						_, err := r.Run(b.Context(), noop, noopVars, 0)
						return err
					})
				}
				if err := g.Wait(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkXargs(b *testing.B) {
	for _, parallel := range []int{1, 4, 16} {
		b.Run(fmt.Sprint(parallel), func(b *testing.B) {
			for b.Loop() {
				script := fmt.Sprintf("seq 1000 | xargs -P %d -n 1 sh -eu -c :", parallel)
				if err := exec.Command("/bin/sh", "-c", script).Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
