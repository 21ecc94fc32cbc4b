// Package standin is what the small services of tests have in common: each knows what it was asked for, and lets a test answer
// in its place.
package standin

import (
	"net/http"
	"slices"
	"sync"
)

// A Meddler stands before a service. It may answer itself, or call serve, or both.
type Meddler func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc)

// A Front is the side of a service that a test sees. The zero value lets everything through. It is safe for concurrent use.
type Front struct {
	mu     sync.Mutex
	meddle Meddler
	asked  []string
}

// Meddle puts something before the service from now on; nil takes it away.
func (f *Front) Meddle(m Meddler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.meddle = m
}

// Asked is everything that was noted so far, in order.
func (f *Front) Asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// Note adds to what the service was asked for.
func (f *Front) Note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what)
}

// Serve has a request answered, by whoever stands before the service if somebody does.
func (f *Front) Serve(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	f.mu.Lock()
	meddle := f.meddle
	f.mu.Unlock()
	if meddle == nil {
		serve(w, r)
		return
	}
	meddle(w, r, serve)
}
