package command

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

//go:embed quickstart
var quickstartFiles embed.FS

// quickstartReleases are the releases of the quickstart's service.
var quickstartReleases = map[string]behaviour{
	"v1": {Errors: 0.002, Latency: 5},
	"v2": {Errors: 0.002, Latency: 4},
	"v3": {Errors: 0.25, Latency: 5},
}

type quickstartCmd struct{}

// Run writes a plan and a small fleet into a temporary folder and rolls two releases out, through the very code of the
// run command. The folder stays; no process does, however this ends.
func (c *quickstartCmd) Run(ctx context.Context, s *ship) (err error) {
	dir, err := os.MkdirTemp("", "breakwater-quickstart-")
	if err != nil {
		return err
	}
	f := fleet(dir)
	if err := f.prepare(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.sink(ctx, f)) }()

	fmt.Fprintf(s.Stdout, "Quickstart in %s: six servers on this machine, version v1.\n", dir)
	s.chapter("Version v2 is a good release. It goes out in three waves and bakes after each.")
	code := s.inside(ctx, dir, "run", "--version", "v2", "--previous", "v1")
	if err := s.came(ctx, dir, "good", code, core.ExitDone); err != nil {
		return err
	}
	s.chapter("Version v3 is a bad one: a quarter of its requests fail. Watch the first wave.")
	code = s.inside(ctx, dir, "run", "--version", "v3")
	if err := s.came(ctx, dir, "bad", code, core.ExitRolledBack); err != nil {
		return err
	}
	s.chapter("Done: the good release is out, the bad one was caught by its metrics and rolled back by itself.")
	fmt.Fprintf(s.Stdout, "To look at it:  cd %s && ./breakwater status\nTo repeat it:   cd %s && ./breakwater run --version v3\n", dir, dir)
	return nil
}

// came says what is wrong when a release did not come to the end that it should.
func (s *ship) came(ctx context.Context, dir, release string, code, want int) error {
	switch {
	case code == want:
		return nil
	case ctx.Err() != nil:
		fmt.Fprintf(s.Stdout, "\nStopped. No server is left; the folder is %s.\n", dir)
		return ended{core.StateHalted}
	default:
		return fmt.Errorf("the %s release ended with exit code %d, not %d; look into %s", release, code, want, dir)
	}
}

func (s *ship) chapter(text string) { fmt.Fprintf(s.Stdout, "\n=== %s\n\n", text) }

// inside runs another command in the folder of the quickstart, as somebody would at a prompt there.
func (s *ship) inside(ctx context.Context, dir string, args ...string) int {
	env := s.Env
	env.Dir, env.Forge = dir, nil
	env.Environ = nil
	for _, v := range s.Environ {
		if !strings.HasPrefix(v, "BREAKWATER_") { // flags of this command are none of that one's
			env.Environ = append(env.Environ, v)
		}
	}
	return Main(ctx, args, env)
}

// prepare fills the folder: the plan and its scripts, the releases, the ports, and this very binary.
func (f fleet) prepare() error {
	for _, sub := range []string{"fleet", "releases"} {
		if err := os.Mkdir(filepath.Join(string(f), sub), 0o755); err != nil {
			return err
		}
	}
	files, err := quickstartFiles.ReadDir("quickstart")
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := quickstartFiles.ReadFile("quickstart/" + file.Name())
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if strings.HasSuffix(file.Name(), ".sh") {
			mode = 0o755
		}
		if err := os.WriteFile(filepath.Join(string(f), file.Name()), text, mode); err != nil {
			return err
		}
	}
	for name, b := range quickstartReleases {
		text, err := json.Marshal(b)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(string(f), "releases", name+".json"), append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if err := f.copySelf(); err != nil {
		return err
	}
	return f.settle()
}

// copySelf puts this binary into the folder: under go run it would be gone by the time that somebody looks.
func (f fleet) copySelf() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	from, err := os.Open(self)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(string(f), "breakwater"), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// settle finds a free port for each server and writes the list of targets.
func (f fleet) settle() error {
	servers := []struct{ name, tier string }{
		{"one-box", "onebox"}, {"canary-1", "canary"}, {"canary-2", "canary"}, {"main-1", "main"}, {"main-2", "main"}, {"main-3", "main"},
	}
	var targets []core.Target
	var ports strings.Builder
	for _, server := range servers {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close() // only at the end, so that no two get the same
		port := l.Addr().(*net.TCPAddr).Port
		targets = append(targets, core.Target{Name: server.name, Labels: map[string]string{"tier": server.tier, "port": fmt.Sprint(port)}})
		fmt.Fprintln(&ports, server.name, port)
		if err := os.WriteFile(f.file(server.name+".release"), []byte("v1"), 0o644); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(targets, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(f.file("targets.json"), append(text, '\n'), 0o644),
		os.WriteFile(f.file("ports"), []byte(ports.String()), 0o644))
}

// sink stops every server.
func (s *ship) sink(ctx context.Context, f fleet) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var errs []error
	for _, name := range f.servers() {
		if pid := f.pid(name); pid != 0 {
			errs = append(errs, s.stop(ctx, pid))
		}
	}
	return errors.Join(errs...)
}
