// Package metrictest is the conformance suite for metric sources, and the small world in which it runs: targets that
// show metrics, a network between them and the source, and, in a testing/synctest bubble, a time of its own.
package metrictest

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A World holds targets that show metrics at http://NAME:80/metrics. It is safe for concurrent use.
type World struct {
	Clock   core.Clock
	Targets []core.Target

	mu     sync.Mutex
	hosts  map[string]*host // by address, name:port
	shown  map[string]string
	broken bool
}

// A host is a listener within the world.
type host struct {
	arrived chan net.Conn
	closed  chan struct{}
	close   func()
}

// NewWorld returns a world with the named targets. They show nothing yet. It ends with the test.
func NewWorld(t *testing.T, targets ...string) *World {
	w := &World{Clock: Clock{}, hosts: map[string]*host{}, shown: map[string]string{}}
	for _, name := range targets {
		w.Targets = append(w.Targets, core.Target{Name: name})
		w.Serve(t, name+":80", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_, _ = io.WriteString(rw, w.text(name))
		}))
	}
	return w
}

// Show sets what a target shows, in the text format, from its next scrape on.
func (w *World) Show(target, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown[target] = text
}

func (w *World) text(target string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shown[target]
}

// Break makes the network refuse every connection from now on, and ends those that are open.
func (w *World) Break() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = true
	for _, h := range w.hosts {
		h.close()
	}
}

// Wait lets time pass.
func (w *World) Wait(t *testing.T, d time.Duration) {
	t.Helper()
	if err := w.Clock.Wait(t.Context(), w.Clock.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}

// Serve runs a server at an address, name:port, until the test ends.
func (w *World) Serve(t *testing.T, address string, handler http.Handler) {
	server := &http.Server{Handler: handler}
	h := &host{arrived: make(chan net.Conn), closed: make(chan struct{}), close: func() { _ = server.Close() }}
	w.mu.Lock()
	w.hosts[address] = h
	w.mu.Unlock()
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(&listener{host: h}) })
	t.Cleanup(func() {
		h.close()
		serving.Wait()
	})
}

// Dial connects to a server of this world.
func (w *World) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	h, broken := w.hosts[address], w.broken
	w.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "world", Err: syscall.ECONNREFUSED}
	if h == nil || broken {
		return nil, refused
	}
	near, far := net.Pipe()
	select {
	case h.arrived <- far:
		return near, nil
	case <-h.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A listener hands the connections of a host to its server.
type listener struct {
	host *host
	once sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.host.arrived:
		return conn, nil
	case <-l.host.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.host.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "world", Net: "world"} }

// Clock is the clock of the process, which is the bubble's own inside of one.
type Clock struct{}

// Now implements [core.Clock].
func (Clock) Now() time.Time { return time.Now() }

// Wait implements [core.Clock].
func (Clock) Wait(ctx context.Context, until time.Time) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
