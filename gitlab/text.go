package gitlab

import (
	"bytes"
	"io"
	"sync"
)

// Text returns a writer to a job's log through which no text becomes a marker of a section. GitLab takes
// section_start:TIME:NAME and section_end:TIME:NAME for one, anywhere in a line: both get a space before their first
// colon. All other text passes as it is. It is safe for concurrent use.
func Text(w io.Writer) io.Writer { return &text{w: w} }

type text struct {
	mu   sync.Mutex
	w    io.Writer
	last []byte // the newest bytes, as many as the longest marker has
}

var markers = [][]byte{[]byte("section_start"), []byte("section_end")}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]byte, 0, len(p)+8)
	for _, c := range p {
		if c == ':' && (bytes.HasSuffix(t.last, markers[0]) || bytes.HasSuffix(t.last, markers[1])) {
			out = append(out, ' ')
		}
		out = append(out, c)
		if t.last = append(t.last, c); len(t.last) > len(markers[0]) {
			t.last = t.last[1:]
		}
	}
	if _, err := t.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
