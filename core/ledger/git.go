package ledger

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// gitSegment is the size in bytes above which a segment in git is sealed: an append rewrites the open one.
const gitSegment = 64 << 10

// A gitLedger keeps each line under a ref of a git remote. A commit is an append; a push that only moves the ref on
// from the commit that was read is the compare-and-swap.
type gitLedger struct {
	lot
	remote *remote
	clock  core.Clock
	turn   turn
	heads  map[core.Line]head // as last seen on the remote
}

// A head is where a line's ref points. The zero value is that of a ref that does not exist.
type head struct {
	commit string
	blobs  []string // object names of the segments
	open   []byte   // text of the newest segment
	end    end
}

// grown is a head with text added to its newest segment, or to a new one where that is full, and the number of the
// segment. Its commit and the name of that segment are still to come.
func (h head) grown(text []byte, at end) (next head, segment int) {
	next = head{blobs: slices.Clone(h.blobs), open: text, end: at}
	segment = len(h.blobs)
	if segment > 0 && len(h.open) <= gitSegment {
		segment--
		next.open = slices.Concat(h.open, text)
		next.blobs = next.blobs[:segment]
	}
	return next, segment
}

func openGit(ctx context.Context, place string, env Env) (store, error) {
	r, err := findRemote(ctx, place, env)
	if err != nil {
		return nil, err
	}
	l := &gitLedger{remote: r, clock: env.Clock, turn: newTurn(), heads: make(map[core.Line]head)}
	l.lot = lot{l}
	return l, nil
}

func refOf(line core.Line) string { return "refs/breakwater/" + line.String() }

// gitName is the path of a segment: the folders keep the trees that an append rewrites small.
func gitName(i int) string { return fmt.Sprintf("%03d/%03d.jsonl", i/1000, i%1000) }

// Close removes the private repository.
func (l *gitLedger) Close() error {
	<-l.turn
	defer l.turn.done()
	clear(l.heads)
	return l.remote.close()
}

// Read implements [core.Ledger].
func (l *gitLedger) Read(ctx context.Context, line core.Line) (events []core.Event, err error) {
	if err := l.turn.begin(ctx, line); err != nil {
		return nil, err
	}
	defer l.turn.done()
	err = l.retry(ctx, "read", refOf(line), func() error {
		h, err := l.look(ctx, line)
		if err != nil {
			return err
		}
		events, err = l.segments(line, h).newest(ctx)
		return err
	})
	return events, err
}

// History implements [core.Historian].
func (l *gitLedger) History(ctx context.Context, line core.Line) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		h, err := l.current(ctx, line)
		if err != nil {
			yield(core.Event{}, err)
			return
		}
		s := l.segments(line, h)
		load := s.load
		s.load = func(ctx context.Context, from, to int) (texts [][]byte, err error) {
			if err := l.turn.begin(ctx, line); err != nil { // between two loads others may have a turn
				return nil, err
			}
			defer l.turn.done()
			err = l.retry(ctx, "read", refOf(line), func() error {
				texts, err = load(ctx, from, to)
				return err
			})
			return texts, err
		}
		s.all(ctx)(yield)
	}
}

func (l *gitLedger) current(ctx context.Context, line core.Line) (h head, err error) {
	if err := l.turn.begin(ctx, line); err != nil {
		return head{}, err
	}
	defer l.turn.done()
	err = l.retry(ctx, "read", refOf(line), func() error {
		h, err = l.look(ctx, line)
		return err
	})
	return h, err
}

// look asks the remote where the line's ref is now. It fetches only what is new, and of that only the newest segment.
func (l *gitLedger) look(ctx context.Context, line core.Line) (head, error) {
	commit, err := l.remote.fetch(ctx, refOf(line))
	if err != nil {
		return head{}, err
	}
	known := l.heads[line]
	if commit == known.commit {
		return known, nil
	}
	delete(l.heads, line)
	if commit == "" {
		return head{}, nil
	}
	h := head{commit: commit}
	if h.blobs, err = l.list(ctx, line, commit); err != nil {
		return head{}, err
	}
	if h.open, h.end, err = l.newest(ctx, line, h); err != nil {
		return head{}, err
	}
	l.heads[line] = h
	return h, nil
}

// list returns the object names of a commit's segments.
func (l *gitLedger) list(ctx context.Context, line core.Line, commit string) ([]string, error) {
	out, err := l.remote.local(ctx, nil, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	var names, blobs []string
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		what, name, _ := strings.Cut(entry, "\t") // "100644 blob 1a2b..."
		names = append(names, name)
		blobs = append(blobs, what[strings.LastIndexByte(what, ' ')+1:])
	}
	return blobs, numbered(names, gitName, func(name string) string { return l.show(line, name) })
}

func (l *gitLedger) newest(ctx context.Context, line core.Line, h head) ([]byte, end, error) {
	last := len(h.blobs) - 1
	texts, err := l.remote.blobs(ctx, h.blobs[last:])
	if err != nil {
		return nil, end{}, err
	}
	events, err := l.segments(line, h).parse(last, texts[0])
	if err != nil {
		return nil, end{}, err
	}
	return texts[0], endOf(events[len(events)-1]), nil
}

func (l *gitLedger) segments(line core.Line, h head) segments {
	return segments{
		line:  line,
		count: len(h.blobs),
		step:  256, // each load is a question to the remote
		name:  func(i int) string { return l.show(line, gitName(i)) },
		load: func(ctx context.Context, from, to int) ([][]byte, error) {
			if from == len(h.blobs)-1 {
				return [][]byte{h.open}, nil
			}
			return l.remote.blobs(ctx, h.blobs[from:to])
		},
	}
}

// show names a segment for people.
func (l *gitLedger) show(line core.Line, name string) string {
	return fmt.Sprintf("%s:%s on %s", refOf(line), name, l.remote.name)
}

// Append implements [core.Ledger].
func (l *gitLedger) Append(ctx context.Context, line core.Line, after int64, events []core.Event) error {
	if err := admit(line, after, events); err != nil {
		return err
	}
	if err := l.turn.begin(ctx, line); err != nil {
		return err
	}
	defer l.turn.done()
	h := l.heads[line]
	if h.end.seq != after || h.commit == "" {
		err := l.retry(ctx, "read", refOf(line), func() (err error) {
			h, err = l.look(ctx, line)
			return err
		})
		if err != nil {
			return err
		}
	}
	if h.end.seq != after {
		return conflict(line, h.end, after)
	}
	text, err := encode(line, h.end, events)
	if err != nil {
		return err
	}
	next, err := l.commit(ctx, line, h, text, events)
	if err != nil {
		return err
	}
	return l.push(ctx, line, h, next, text)
}

// commit makes the commit that adds text to a head, in the private repository only.
func (l *gitLedger) commit(ctx context.Context, line core.Line, h head, text []byte, events []core.Event) (head, error) {
	next, segment := h.grown(text, endOf(events[len(events)-1]))
	var in bytes.Buffer
	fmt.Fprintf(&in, "blob\nmark :1\ndata %d\n%s\n", len(next.open), next.open)
	message := summary(line, events)
	fmt.Fprintf(&in, "commit refs/draft\nmark :2\ncommitter Breakwater <breakwater@localhost> %d +0000\ndata %d\n%s\n",
		max(0, events[len(events)-1].At.Unix()), len(message), message)
	if h.commit != "" {
		fmt.Fprintf(&in, "from %s\n", h.commit)
	}
	fmt.Fprintf(&in, "M 100644 :1 %s\n\nget-mark :1\nget-mark :2\ndone\n", gitName(segment))
	out, err := l.remote.local(ctx, in.Bytes(), "fast-import", "--quiet", "--done", "--force", "--date-format=raw")
	if err != nil {
		return head{}, fmt.Errorf("commit to %s: %w", refOf(line), err)
	}
	marks := strings.Fields(string(out))
	if len(marks) != 2 {
		return head{}, fmt.Errorf("commit to %s: git fast-import answered %q", refOf(line), out)
	}
	next.blobs = append(next.blobs, marks[0])
	next.commit = marks[1]
	return next, nil
}

// push moves the remote's ref from one head to the next. Whatever a failed push says, the remote decides what happened:
// its answer may have been lost after it took the push.
func (l *gitLedger) push(ctx context.Context, line core.Line, from, to head, text []byte) error {
	return l.retry(ctx, "write", refOf(line), func() error {
		pushed := l.remote.push(ctx, refOf(line), from.commit, to.commit)
		if pushed == nil {
			l.heads[line] = to
			return nil
		}
		now, err := l.look(ctx, line)
		switch {
		case err != nil:
			return err // what became of the push is not known: try both again
		case now.commit == from.commit:
			return pushed
		case now.commit == to.commit:
			return nil
		}
		ours, err := l.segments(line, now).holds(ctx, text, from.end.seq)
		switch {
		case err != nil:
			return err
		case ours:
			return nil
		}
		return conflict(line, now.end, from.end.seq)
	})
}
