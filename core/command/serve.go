package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/breakwater-ci/breakwater/core"
)

// serveCmd is one server of the quickstart's fleet. Without --foreground it starts the server in the background, in a
// session of its own, and returns once that answers.
type serveCmd struct {
	Name       string        `required:"" help:"Name of the server."`
	Port       int           `required:"" help:"Port on 127.0.0.1."`
	Release    string        `help:"Which file under releases tells how it behaves. Default: the release that it ran last."`
	Replace    bool          `help:"Stop the server that runs there."`
	Foreground bool          `help:"Be the server."`
	For        time.Duration `help:"The server stops by itself after this time." default:"10m"`
}

// behaviour is how a release behaves: what stands in its file.
type behaviour struct {
	Errors  float64 `json:"errors"`     // share of requests that fail
	Latency int     `json:"latency_ms"` // typical time of a request, in milliseconds
}

// Run starts or is the server.
func (c *serveCmd) Run(ctx context.Context, s *ship) error {
	dir, err := s.dir()
	if err != nil {
		return err
	}
	f := fleet(dir)
	if c.Foreground {
		return c.serve(ctx, s, f)
	}
	if running := f.pid(c.Name); running != 0 {
		if !c.Replace {
			return nil
		}
		if err := s.stop(ctx, running); err != nil {
			return err
		}
	}
	release := cmp.Or(c.Release, f.release(c.Name))
	if _, err := f.behaviour(release); err != nil {
		return err
	}
	return c.start(ctx, s, f, release)
}

// start starts the server in the background and waits until it answers.
func (c *serveCmd) start(ctx context.Context, s *ship, f fleet, release string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "serve", "--foreground", "--name", c.Name, "--port", strconv.Itoa(c.Port), "--release", release, "--for", c.For.String())
	cmd.Dir, cmd.Env = string(f), s.Environ
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	for range 200 {
		select {
		case err := <-gone:
			return fmt.Errorf("the server %s did not start: %w", c.Name, err)
		default:
		}
		if answers(ctx, c.Port, release) {
			return nil
		}
		if err := s.Clock.Wait(ctx, s.Clock.Now().Add(25*time.Millisecond)); err != nil {
			_ = syscall.Kill(cmd.Process.Pid, syscall.SIGKILL)
			return err
		}
	}
	_ = syscall.Kill(cmd.Process.Pid, syscall.SIGKILL)
	return fmt.Errorf("the server %s does not answer on port %d", c.Name, c.Port)
}

// stop ends a server and waits until it is gone.
func (s *ship) stop(ctx context.Context, pid int) error {
	for try := range 200 {
		signal := syscall.SIGTERM
		if try > 100 {
			signal = syscall.SIGKILL
		}
		if err := syscall.Kill(pid, signal); errors.Is(err, syscall.ESRCH) || birth(pid) == "" {
			return nil
		}
		if err := s.Clock.Wait(ctx, s.Clock.Now().Add(10*time.Millisecond)); err != nil {
			return err
		}
	}
	return fmt.Errorf("the server with PID %d does not stop", pid)
}

func answers(ctx context.Context, port int, release string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/version", port), nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return err == nil && string(body) == release
}

// serve is the server, with steady traffic of its own: real requests over loopback.
func (c *serveCmd) serve(ctx context.Context, s *ship, f fleet) error {
	b, err := f.behaviour(c.Release)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.For)
	defer cancel()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.Port))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: b.handler(c.Release, s.Clock)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer server.Close()
	if err := f.note(c.Name, os.Getpid(), c.Release); err != nil {
		return err
	}
	url := fmt.Sprintf("http://%s/", listener.Addr())
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-served:
			return err
		case <-tick.C:
			if f.pid(c.Name) == 0 {
				return nil // the folder was removed, or another server took its place
			}
			go request(ctx, url)
		}
	}
}

// request is one visitor.
func request(ctx context.Context, url string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// handler answers visitors as the release behaves, and counts what it does.
func (b behaviour) handler(release string, clock core.Clock) http.Handler {
	registry := prometheus.NewRegistry()
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests by code."}, []string{"code"})
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "http_request_seconds", Help: "Time of requests.",
		Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1}})
	registry.MustRegister(total, seconds)
	total.WithLabelValues("200")
	total.WithLabelValues("500") // a code that never came must read as zero, not as no data
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/version", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, release) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		began := clock.Now()
		work := time.NewTimer(time.Duration(float64(b.Latency) * (0.5 + rand.Float64()) * float64(time.Millisecond)))
		defer work.Stop()
		select {
		case <-r.Context().Done():
		case <-work.C:
		}
		code := http.StatusOK
		if rand.Float64() < b.Errors {
			code = http.StatusInternalServerError
		}
		w.WriteHeader(code)
		total.WithLabelValues(strconv.Itoa(code)).Inc()
		seconds.Observe(clock.Now().Sub(began).Seconds())
	})
	return mux
}

// A fleet is the folder in which the quickstart keeps its servers: fleet/NAME.pid and fleet/NAME.release.
type fleet string

func (f fleet) file(name string) string { return filepath.Join(string(f), "fleet", name) }

// note writes down which process is a server, and which release it runs.
func (f fleet) note(name string, pid int, release string) error {
	return errors.Join(
		os.WriteFile(f.file(name+".release"), []byte(release), 0o644),
		os.WriteFile(f.file(name+".pid"), fmt.Appendf(nil, "%d %s", pid, birth(pid)), 0o644))
}

// pid is the process of a server, 0 if it does not run. A PID that was given to another process since does not count.
func (f fleet) pid(name string) int {
	text, err := os.ReadFile(f.file(name + ".pid"))
	if err != nil {
		return 0
	}
	var pid int
	var born string
	if _, err := fmt.Sscan(string(text), &pid, &born); err != nil || birth(pid) != born {
		return 0
	}
	return pid
}

func (f fleet) release(name string) string {
	text, err := os.ReadFile(f.file(name + ".release"))
	if err != nil {
		return ""
	}
	return string(text)
}

// behaviour reads how a release behaves. Its name is a version that anybody may pass, so it stays below releases.
func (f fleet) behaviour(release string) (behaviour, error) {
	var b behaviour
	text, err := readBelow(filepath.Join(string(f), "releases"), release+".json")
	if errors.Is(err, fs.ErrNotExist) {
		return b, fmt.Errorf("there is no release %q: the folder releases has a file for each", release)
	}
	if err != nil {
		return b, err
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return b, fmt.Errorf("releases/%s.json: %w", release, err)
	}
	return b, nil
}

// servers names the servers of the fleet.
func (f fleet) servers() []string {
	files, err := filepath.Glob(f.file("*.pid"))
	if err != nil {
		return nil
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = strings.TrimSuffix(filepath.Base(file), ".pid")
	}
	return names
}
