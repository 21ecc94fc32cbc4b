package ledger

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/s3test"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
	"github.com/breakwater-ci/breakwater/core/ledger/ledgertest"
)

// A clock waits for real, but never for long. Before each wait it calls during, so that a test can change the world.
type clock struct{ during func() }

func (clock) Now() time.Time { return time.Now() }

func (c clock) Wait(ctx context.Context, until time.Time) error {
	if c.during != nil {
		c.during()
	}
	timer := time.NewTimer(min(time.Until(until), 2*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

var line = ledgertest.Line

func env(dir string) Env { return Env{Dir: dir, Environ: os.Environ(), Clock: clock{}} }

// open opens a ledger that is closed when the test is over.
func open(t testing.TB, url string, env Env) *guard {
	t.Helper()
	l, err := Open(t.Context(), url, env)
	if err != nil {
		t.Fatal(err)
	}
	g := l.(*guard)
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// bare makes a bare repository.
func bare(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "remote.git")
	gitIn(t, ".", "init", "--quiet", "--bare", dir)
	return dir
}

func gitIn(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestConformance(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		ledgertest.Run(t, func(*testing.T) func() core.Ledger {
			m := NewMemory()
			return func() core.Ledger { return m }
		})
	})
	t.Run("file", func(t *testing.T) {
		ledgertest.Run(t, func(t *testing.T) func() core.Ledger {
			env := env(t.TempDir())
			return func() core.Ledger { return open(t, "file:some/folder", env) }
		})
	})
	t.Run("file with small segments", func(t *testing.T) {
		ledgertest.Run(t, func(t *testing.T) func() core.Ledger {
			env := env(t.TempDir())
			return func() core.Ledger {
				g := open(t, "file:ledger", env)
				g.store.(*fileLedger).limit = 1000
				return g
			}
		})
	})
	t.Run("git", func(t *testing.T) {
		ledgertest.Run(t, func(t *testing.T) func() core.Ledger {
			remote := bare(t)
			gitIn(t, remote, "config", "uploadpack.allowFilter", "true") // as forges do; other tests have one that does not
			return func() core.Ledger { return open(t, "git:"+remote, env(t.TempDir())) }
		})
	})
	t.Run("github", func(t *testing.T) {
		ledgertest.Run(t, func(t *testing.T) func() core.Ledger {
			forge := githubtest.New(t)
			return func() core.Ledger { return open(t, "github:", onGitHub(forge)) }
		})
	})
	t.Run("gitlab", func(t *testing.T) {
		ledgertest.Run(t, func(t *testing.T) func() core.Ledger {
			forge := gitlabtest.New(t)
			return func() core.Ledger { return open(t, "gitlab:", onGitLab(forge)) }
		})
	})
	t.Run("s3", func(t *testing.T) {
		ledgertest.Run(t, func(t *testing.T) func() core.Ledger {
			server := s3test.New(t)
			return func() core.Ledger { return open(t, inBucket, onS3(server)) }
		})
	})
}
