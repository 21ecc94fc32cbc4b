package actions

import (
	"io"
	"sync"
)

// Text returns a writer to a job's log through which no text becomes a workflow command. The runner knows two forms:
// ::name::value at the start of a line, and ##[name]value anywhere in it. Both get a space that breaks them; all other
// text passes as it is. It is safe for concurrent use.
func Text(w io.Writer) io.Writer { return &text{w: w, blank: true} }

type text struct {
	mu     sync.Mutex
	w      io.Writer
	blank  bool // nothing but white space on this line so far
	colon  bool // then one colon
	hashes int  // how many # came right before
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]byte, 0, len(p)+8)
	for _, c := range p {
		if c == '[' && t.hashes >= 2 || c == ':' && t.colon {
			out = append(out, ' ')
		}
		out = append(out, c)
		t.pass(c)
	}
	if _, err := t.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// pass moves on by one byte. The runner ends lines at either of \n and \r, and skips white space of any script at
// their start: bytes above ASCII are all taken for that.
func (t *text) pass(c byte) {
	t.colon = t.blank && c == ':'
	switch {
	case c == '\n' || c == '\r':
		t.blank = true
	case c != ' ' && c != '\t' && c != '\v' && c != '\f' && c < 0x80:
		t.blank = false
	}
	if c == '#' {
		t.hashes++
	} else {
		t.hashes = 0
	}
}
